"""What disposed folders still hold in the workspace: files that something live has too, so that no sweep deletes them.

    remove(found, items, survey.spared)

Such a file stays wherever the live artifact has it; in the folder of what was disposed of it has no business, and an
audit would find that folder changed. A folder is left alone if it belongs to something live, or holds any other file.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from synthtrail.custody import digest
from synthtrail.custody.record import Item
from synthtrail.handover import descent
from synthtrail.storage.custodian import Custodian


def remove(found: Custodian, items: Sequence[Item], spared: Collection[str]) -> int:
    """Remove the leftovers of the artifacts `items`; return how many files there were."""
    every, gone = descent.makings(found.ledger.log), {item.digest: item for item in items}
    live = {making.artifact for making in every if found.ledger.state.status(making.artifact) != "disposed"}
    taken = _paths(every, live - gone.keys())
    count = 0
    for path in sorted(_paths(every, gone) - taken):
        count += _emptied(found.root / path, spared)
    return count


def _paths(every: list[descent.Making], artifacts: Collection[bytes]) -> set[str]:
    chosen = descent.of_artifacts(every, artifacts)
    return {item.path for making in chosen for item in (making.record.subject, *making.record.views)}


def _emptied(folder: Path, spared: Collection[str]) -> int:
    if folder.is_symlink() or not folder.is_dir():
        return 0
    files = sorted(folder.iterdir())
    if any(file.is_symlink() or not file.is_file() or digest.file(file).sha256 not in spared for file in files):
        return 0
    for file in files:
        file.unlink()
    folder.rmdir()
    return len(files)
