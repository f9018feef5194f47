"""Reading a log's entries for an audit: whatever is there, with a note of what is not.

An audit must go on where an ordinary reader would stop, so a torn bundle yields the entries before the tear, and a
missing one its places. Nothing read here is believed; `read` stands for any source of bytes (a folder, an archive, a
server), and anything it raises counts as missing bytes.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from synthtrail.custody import tiles
from synthtrail.custody.errors import UsageError
from synthtrail.custody.findings import Finding
from synthtrail.custody.merkle import HASH_BYTES
from synthtrail.custody.tiles import ENTRIES, WIDTH, Tile

_MOST_TILE = WIDTH * (2 + tiles.MAX_ENTRY)
_MOST = 1 << 30

MANIFESTS = "manifests"
"""The folder of the manifests of folder artifacts, each named by its own SHA-256."""


class Reader(Protocol):
    """Where the bytes of a ledger come from."""

    def read(self, path: str) -> bytes:
        """The bytes at a path relative to the log; raises `FileNotFoundError` if there are none."""


@dataclass(frozen=True)
class FolderReader:
    """A ledger in a folder."""

    folder: Path

    def read(self, path: str) -> bytes:
        """The bytes of a regular file of no more than it can need; links are not followed out of the ledger."""
        target = self.folder / path
        if not target.resolve().is_relative_to(self.folder.resolve()):
            raise FileNotFoundError(path)
        # Opening a pipe would wait for somebody to write into it.
        with open(target, "rb", opener=_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _most(path):
                raise FileNotFoundError(f"{target}: no file, or larger than any of a ledger")
            return file.read()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _most(path: str) -> int:
    return _MOST_TILE if path.startswith("tile/") else _MOST


@dataclass(frozen=True)
class Bundle:
    """The entries found for places `first` to `first + width − 1`, and what the tree's lowest tile says about them.

    `absent`: nothing of it is there, neither entries nor tile.
    """

    first: int
    width: int
    entries: tuple[bytes, ...]
    hashes: tuple[bytes, ...] | None
    findings: tuple[Finding, ...]
    absent: bool = False


def read_or_none(reader: Reader, path: str) -> bytes | None:
    """The bytes at `path`, or None if they cannot be had."""
    try:
        return reader.read(path)
    except (OSError, KeyError):
        return None


def read_tile(reader: Reader, tile: Tile) -> tuple[bytes | None, bool]:
    """The bytes of a tile, or of the full tile in place of a partial one; and whether it was the full one's."""
    data = read_or_none(reader, tile.path)
    if data is not None or tile.width == WIDTH:
        return data, tile.width == WIDTH
    return read_or_none(reader, Tile(tile.level, tile.index).path), True


def read_bundles(reader: Reader, size: int, start: int = 0) -> Iterator[Bundle]:
    """Yield the bundles that hold entries from `start` to `size`, in order.

    The first bundle of which nothing at all is there is the last one looked for: `size` may be a lie of any length.
    """
    for index in numbers(size, start):
        bundle = read_bundle(reader, index, size)
        yield bundle
        if bundle.absent:
            return


def numbers(size: int, start: int = 0) -> range:
    """The bundles that hold entries from `start` to `size`."""
    return range(start // WIDTH, -(-size // WIDTH))


def read_bundle(reader: Reader, index: int, size: int) -> Bundle:
    """Bundle number `index` of a log of `size` entries."""
    width = min(WIDTH, size - index * WIDTH)
    entries, findings = _entries(reader, index, width)
    hashes, more = _hashes(reader, index, width)
    absent = not entries and hashes is None
    if absent:
        text = f"entries {index * WIDTH} to {size - 1} are missing: not even a tile is there"
        findings = [Finding("entries-missing", text, entry=index * WIDTH)]
    return Bundle(index * WIDTH, width, entries, hashes, (*findings, *more), absent)


def _entries(reader: Reader, index: int, width: int) -> tuple[tuple[bytes, ...], list[Finding]]:
    data, is_full = read_tile(reader, Tile(ENTRIES, index, width))
    first = index * WIDTH
    if data is None:
        text = f"entries {first} to {first + width - 1} are missing"
        return (), [Finding("entries-missing", text, entry=first)]
    entries, torn = _split(data)
    findings = []
    if torn:
        text = f"the bundle is torn after {len(entries)} entries"
        findings.append(Finding("ledger-damaged", text, entry=first + len(entries)))
    if is_full and width < WIDTH:
        entries = entries[:width]  # a full bundle serves whoever holds an older checkpoint
    if len(entries) > width:
        text = f"the bundle holds {len(entries) - width} more than the checkpoint covers"
        findings.append(Finding("entry-inserted", text, entry=first))
    if len(entries) < width:
        text = f"{width - len(entries)} entries from here on are missing"
        findings.append(Finding("entries-missing", text, entry=first + len(entries)))
    return tuple(entries), findings


def _split(data: bytes) -> tuple[list[bytes], bool]:
    """The whole entries at the beginning of a bundle, and whether anything else follows them."""
    entries: list[bytes] = []
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            return entries, True
        entries.append(data[at + 2 : end])
        at = end
    return entries, at != len(data)


def _hashes(reader: Reader, index: int, width: int) -> tuple[tuple[bytes, ...] | None, list[Finding]]:
    path = Tile(0, index, width).path
    data, is_full = read_tile(reader, Tile(0, index, width))
    wanted = width * HASH_BYTES
    if data is None or len(data) < wanted or (len(data) > wanted and not is_full):
        why = "missing" if data is None else f"{len(data)} bytes long, not {wanted}"
        return None, [Finding("ledger-damaged", f"the tile is {why}", path=path)]
    return tuple(data[at : at + HASH_BYTES] for at in range(0, wanted, HASH_BYTES)), []


def check_upper_tiles(reader: Reader, roots: list[bytes]) -> list[Finding]:
    """Compare the stored tiles above level 0 with those that the bundles' roots give."""
    findings = []
    for path, data in tiles.grow(0, roots, _nothing):
        tile = tiles.parse_path(path)
        upper = Tile(tile.level + 1, tile.index, tile.width)
        found, _ = read_tile(reader, upper)
        if found is None or found[: len(data)] != data:
            what = "is missing" if found is None else "holds other hashes than the entries give"
            findings.append(Finding("ledger-damaged", f"the tile {what}", path=upper.path))
    return findings


def _nothing(path: str) -> bytes:
    raise UsageError(f"{path} is not needed to begin a tree")
