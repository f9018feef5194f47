"""The receipt of an artifact in the receiver's own ledger: `acquired`, with where it came from.

The received artifact becomes the subject of a slot `<name>/ingest`, as if it had been read from a source; its record
says from which ledger, by which offer and entry, under which terms, and which digest was computed here. The record
file lies where those of the pipeline lie, so that `synthtrail verify` watches over the artifact from then on.
"""

import hashlib
import re
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from synthtrail.custody import acts, canonical, digest
from synthtrail.custody.canonical import Value
from synthtrail.custody.digest import Digest
from synthtrail.custody.errors import UsageError
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.files import write_bytes

if TYPE_CHECKING:
    from synthtrail.handover.accepting import Offered

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,59}")


def place(root: Path, name: str) -> Path:
    """Return where the artifact received as `name` lies; raise `UsageError` for a name that is no experiment's."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!a}: a name has small letters, digits and underscores")
    return root / "data" / name / "raw"


def default_name(offered: "Offered") -> str:
    """Return a name that tells the artifact apart: that of its experiment, and eight digits of its digest."""
    parts = [part for part in offered.item.path.split("/") if part != "data"]
    stem = re.sub(r"[^a-z0-9]+", "_", parts[0].lower()).strip("_") or "artifact"
    return f"{stem}_{offered.item.digest.hex()[:8]}"


def enter(found: Custodian, offered: "Offered", name: str, computed: Digest) -> int | None:
    """Enter the receipt and write its record file; return the entry, None if it was there already."""
    data = canonical.encode(record(found.root, offered, name, computed))
    path = found.root / "data" / "records" / name / "ingest.json"
    if not path.is_file() or path.read_bytes() != data:
        write_bytes(path, data)
    value = canonical.decode(data)
    with found.ledger.transaction(datetime.now(UTC)) as tx:
        if acts.is_latest(tx.state, value):
            return None
        (entry,) = tx.append([acts.made(tx.state, value, found.operator, at=datetime.now(UTC))])
    if computed.files is not None:
        found.ledger.keep_manifest(digest.manifest(place(found.root, name)))
    return entry


def record(root: Path, offered: "Offered", name: str, computed: Digest) -> dict[str, Value]:
    """Return the record of the receipt; the same offer gives the same bytes."""
    subject: dict[str, Value] = {
        "kind": computed.kind,
        "path": place(Path(), name).as_posix(),
        "sha256": computed.sha256,
        "size": computed.size,
    }
    if computed.files is not None:
        subject["files"] = computed.files
    maker = offered.log.statement(offered.state.lives.maker(offered.state.lives.find(offered.item.digest))).record
    return {
        "v": 1,
        "experiment": name,
        "stage": "ingest",
        "event": "acquired",
        "subjects": [subject],
        "views": [],
        "inputs": [],
        "params": [],
        "seed": 0,
        "code": _code(),
        "tools": [{"name": "synthtrail", "version": metadata.version("synthtrail")}],
        "class": maker.value["class"] if maker else "confidential",
        "privacy": maker.value["privacy"] if maker else [],
        "facts": [],
        "source": _source(offered),
    }


def _source(offered: "Offered") -> list[Value]:
    act = offered.offer.act
    told = {
        "from.ledger": offered.policy.origin,
        "from.organisation": offered.policy.organisation,
        "from.offer": offered.pointer.offer,
        "from.entry": str(offered.entry),
        "from.path": offered.item.path,
        "from.sha256": offered.item.digest.hex(),
        "licence": act.text("terms"),
        "legal_basis": act.text("purpose"),
        "offered.by": act.actor,
    }
    return [{"name": name, "value": value} for name, value in sorted(told.items())]


def _code() -> dict[str, Value]:
    """Digest and number of the modules that took the artifact in: `sha256sum FILES | sha256sum`."""
    folder = Path(__file__).parent
    names = ("accepting.py", "parcel.py", "receipt.py", "sealing.py")
    lines = "".join(f"{digest.file(folder / name).sha256}  synthtrail/handover/{name}\n" for name in names)
    return {"sha256": hashlib.sha256(lines.encode()).hexdigest(), "files": len(names)}
