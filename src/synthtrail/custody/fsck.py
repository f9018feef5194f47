"""Checking a ledger's folder as storage, byte by byte, and rebuilding what can be derived.

`verify` says what a ledger is worth to somebody who does not trust its owner; the checks here say to the owner which
files are damaged, missing or left over, and what is to be done about each:

=========  ========================================================================================
rebuild    it follows from what is there and gives the signed root: tiles from entry bundles (upper
           ones from the lowest), `entries.jsonl`, proofs
remove     left over from a write that was interrupted, and covered by no signed checkpoint
restore    it is the signed truth itself, or kept from elsewhere: bring it back from a backup
look       not the ledger's, or a contradiction that a person must judge
=========  ========================================================================================

The signed root decides which of two files that disagree is the good one. Where neither gives it, nothing is derived
from either. `repair` carries out the first two and nothing else: checkpoint, bundles, cosigned checkpoints, time
stamps, manifests and runs are never written.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from synthtrail.custody import tiles
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.durable import flush_folder, make_folder
from synthtrail.custody.errors import DataError
from synthtrail.custody.fsck_tree import Base
from synthtrail.custody.guard import CHECKPOINT
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.writer import LINES

Remedy = Literal["rebuild", "remove", "restore", "look"]
Parts = Callable[[], Iterable[bytes]]
YOUNG = 60.0  # seconds; a temporary file that is younger may be somebody's at work
_PARTIAL = ".p"


@dataclass(frozen=True)
class Problem:
    """What is wrong with the file at `path` (relative to the ledger), and what can be done; `parts` rebuild it."""

    path: str
    text: str
    remedy: Remedy
    parts: Parts | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.path}: {self.text} [{self.remedy}]"


def check_tiles(folder: Path, base: Base, head: Checkpoint) -> Iterator[Problem]:
    """Compare every tile and bundle that the signed `head` needs with what gives its root."""
    if base.source is None:
        yield Problem(CHECKPOINT, "neither the entries nor the lowest tiles give the root that it states", "restore")
    for tile in tiles.bundle_growth(0, head.size):
        if not base.good_bundle(tile.index):
            known = "" if base.source is None else "; the lowest tiles tell what it must hash to"
            yield Problem(tile.path, f"{base.fault(tile.index)}{known}", "restore")
    for tile in tiles.growth(0, head.size):
        data = read(folder, tile.path)
        full = read(folder, tiles.Tile(tile.level, tile.index).path) if data is None else None
        wanted = base.content(tile)
        if wanted is None:
            if tile.level or base.fault(tile.index):
                yield Problem(tile.path, "cannot be told good from bad: nothing here gives the signed root", "restore")
        elif (data if full is None else full[: len(wanted)]) != wanted:
            text = "is missing" if data is None and full is None else "holds other hashes than the signed tree"
            yield Problem(tile.path, text, "rebuild", _once(wanted))


def check_others(folder: Path, base: Base, head: Checkpoint, *, guarded: bool) -> Iterator[Problem]:
    """Look at every file that the head does not need: older partial tiles, leftovers, strangers."""
    needed = {tile.path for tile in (*tiles.bundle_growth(0, head.size), *tiles.growth(0, head.size))}
    for path in files_of(folder):
        if path in needed or path in (CHECKPOINT, LINES, *NOT_JUDGED):
            continue
        if is_temporary(path):
            yield from _temporary(folder, path)
        elif path.startswith("tile/"):
            yield from _old_tile(folder, path, base, head, guarded=guarded)
        elif path.split("/")[0] not in KEPT or path.count("/") != 1:
            yield Problem(path, "is no file of a ledger", "look")


NOT_JUDGED = ("lock", "disposed.txt")
"""Empty, and a list that `synthtrail dispose` rewrites and nobody relies on."""

KEPT = ("manifests", "runs", "certificates", "proofs", "cosigned", "anchors")
"""The folders beside the tiles; `synthtrail.custody.fsck_kept` judges what lies in them."""


def check_lines(folder: Path, base: Base, head: Checkpoint) -> Iterator[Problem]:
    """Compare the derived lines with the entries."""
    if not base.entries_are_good:
        return

    def lines() -> Iterator[bytes]:
        return (entry + b"\n" for entry in tiles.read_entries(FolderReader(folder).read, 0, head.size, head.size))

    if not (folder / LINES).is_file():
        yield Problem(LINES, "is missing", "rebuild", lines)
        return
    with (folder / LINES).open("rb") as file:
        if not all(file.readline(len(line) + 1) == line for line in lines()) or file.read(1):
            yield Problem(LINES, "holds other lines than the entries", "rebuild", lines)


def repair(folder: Path, problems: Iterable[Problem]) -> list[Problem]:
    """Rebuild and remove what the problems say can be, and return those."""
    done = []
    for problem in problems:
        if problem.remedy == "rebuild" and problem.parts is not None:
            write(folder / problem.path, problem.parts())
        elif problem.remedy == "remove":
            (folder / problem.path).unlink(missing_ok=True)
            flush_folder((folder / problem.path).parent)
        else:
            continue
        done.append(problem)
    return done


def read(folder: Path, path: str) -> bytes | None:
    """The bytes of a plain file, or None."""
    try:
        return FolderReader(folder).read(path) if not (folder / path).is_symlink() else None
    except OSError:
        return None


def write(path: Path, parts: Iterable[bytes]) -> None:
    """Put a file at `path` durably, whole or not at all."""
    make_folder(path.parent)
    unfinished = path.with_name(f"{path.name}.tmp")
    with unfinished.open("wb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    flush_folder(path.parent)


def files_of(folder: Path) -> Iterator[str]:
    """The paths of all files below the folder, links and devices too, sorted within each folder."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted([*names, *links]):
            yield Path(place, name).relative_to(folder).as_posix()


def is_temporary(path: str) -> bool:
    """Whether a file has a name that only unfinished writes have."""
    name = path.rpartition("/")[2]
    return name.endswith(".tmp") or (name.startswith(".") and name != ".lock")


def _temporary(folder: Path, path: str) -> Iterator[Problem]:
    age = time.time() - (folder / path).lstat().st_mtime
    if age > YOUNG:
        yield Problem(path, "an unfinished write left it", "remove")
    else:
        yield Problem(path, f"an unfinished write left it {age:.0f} s ago, or goes on just now", "look")


def _old_tile(folder: Path, path: str, base: Base, head: Checkpoint, *, guarded: bool) -> Iterator[Problem]:
    """An older partial tile must begin as the present one does; what lies beyond the head nobody signed."""
    try:
        tile = tiles.parse_path(path)
    except DataError:
        yield Problem(path, "is no file of a ledger", "look")
        return
    end = (tile.index * tiles.WIDTH + tile.width) << tiles.HEIGHT * max(tile.level, 0)
    if end > head.size:
        text = f"lies beyond the {head.size} entries that are signed"
        yield Problem(path, text, "remove") if guarded else Problem(path, f"{text}, as far as is known here", "look")
        return
    wanted = base.content(tile)
    if wanted is not None and read(folder, path) != wanted:
        yield Problem(path, "an older partial tile that is no beginning of the present one", "rebuild", _once(wanted))


def _once(data: bytes) -> Parts:
    return lambda: (data,)
