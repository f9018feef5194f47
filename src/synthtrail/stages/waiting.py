"""Which records wait for their run in MLflow: marks that outlive a killed `sign` and a server that is down.

A record is marked before its run is written, and unmarked when the run carries its ledger entry. So whatever comes in
between, the next `sign` writes what is missing: `mlruns/waiting/<SHA-256 of the record>`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from synthtrail.stages.found import Found
from synthtrail.storage.files import write_text


def place(root: Path, item: Found) -> Path:
    """Return the mark of a record."""
    return root / "mlruns" / "waiting" / item.record.digest.hex()


def mark(root: Path, items: Iterable[Found]) -> None:
    """Note that the runs of these records are to be written."""
    for item in items:
        path = place(root, item)
        if not path.exists():
            write_text(path, f"{item.record.slot}\n")


def marked(root: Path, items: Sequence[Found]) -> list[Found]:
    """Return those of the records whose runs are still to be written."""
    return [item for item in items if place(root, item).exists()]


def unmark(root: Path, items: Iterable[Found]) -> None:
    """Note that the runs of these records are written, with what leads to their entries."""
    for item in items:
        place(root, item).unlink(missing_ok=True)
