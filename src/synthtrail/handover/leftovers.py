"""What was disposed of and still lies in the workspace: no sweep deletes a file that something live has too.

    remove(found, items, survey.spared)

Such a file stays wherever the live artifact has it; at the place of what was disposed of it has no business, and an
audit would find a folder changed. A place is left alone if it is that of something live, or holds any other file.
"""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from synthtrail.custody import digest
from synthtrail.custody.record import Item
from synthtrail.handover import descent, survey
from synthtrail.storage.custodian import Custodian


def remove(found: Custodian, items: Sequence[Item], spared: Collection[str]) -> None:
    """Remove what is left of the artifacts `items`; `spared` are the digests of the files that something live has."""
    every, gone = descent.makings(found.ledger.log), {item.digest: item for item in items}
    taken = _paths(every, survey.living(found, every, gone))
    for path in sorted(_paths(every, gone) - taken):
        clear(found.root / path, spared)


def clear(place: Path, spared: Collection[str]) -> None:
    """Remove a file or folder all of whose files are among `spared`; leave it alone if one is not."""
    files = [place] if place.is_file() else [file for file in place.rglob("*") if not file.is_dir()]
    if place.is_symlink() or any(file.is_symlink() or digest.file(file).sha256 not in spared for file in files):
        return
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _paths(every: list[descent.Making], artifacts: Collection[bytes]) -> set[str]:
    chosen = descent.of_artifacts(every, artifacts)
    return {item.path for making in chosen for item in (making.record.subject, *making.record.views)}
