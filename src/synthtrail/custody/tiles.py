"""A tree and its entries as files: https://c2sp.org/tlog-tiles.

A *tile* holds up to 256 hashes of one eighth level: tile (L, N) has the nodes (8·L, 256·N) … (8·L, 256·N + 255) of
the tree. Only the last tile of a level may be partial. Level 0 has the leaf hashes. A *bundle* holds the entries
behind one tile of level 0, each after its length in two bytes (big-endian).

    tile/0/x001/x234/067         tile 1234067 of level 0, full
    tile/1/000.p/17              the first tile of level 1, 17 hashes so far
    tile/entries/000.p/112       the first 112 entries

Files come through ``read(path) -> bytes``, which raises `FileNotFoundError` or `KeyError` for what is not there. Full
tiles never change; a reader that misses a partial tile takes the beginning of the full one.

    >>> files = dict(grow(0, [bytes(32)] * 300, {}.__getitem__))
    >>> sorted(files)
    ['tile/0/000', 'tile/0/001.p/44', 'tile/1/000.p/1']
    >>> from synthtrail.custody import merkle
    >>> merkle.root_from(TileReader(files.__getitem__, 300).node, 300) == merkle.root([bytes(32)] * 300)
    True
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from synthtrail.custody.errors import FormatError, UsageError
from synthtrail.custody.merkle import HASH_BYTES, node_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_ENTRY = 65_535
ENTRIES = -1
"""The level of entry bundles, which are not part of the tree."""

_MAX_LEVEL = 63
_MAX_CACHED = 64
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")

Reader: TypeAlias = Callable[[str], bytes]


@dataclass(frozen=True, order=True)
class Tile:
    """One file: `level` (or `ENTRIES`), `index` within the level, `width` in hashes or entries (1 to 256)."""

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not (ENTRIES <= self.level <= _MAX_LEVEL and self.index >= 0 and 0 < self.width <= WIDTH):
            raise UsageError(f"no tile {self.index} of width {self.width} at level {self.level}")

    @property
    def path(self) -> str:
        """The path of the file, relative to the log."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        suffix = "" if self.width == WIDTH else f".p/{self.width}"
        return "/".join(["tile", level, *(f"x{group}" for group in groups[:-1]), groups[-1]]) + suffix


def parse_path(path: str) -> Tile:
    """Return the tile that `path` names; raise `FormatError` (code path) for any other spelling."""
    found = _PATH.fullmatch(path)
    if not found:
        raise FormatError(f"not a path of a tile: {path[:80]!a}", code="path")
    level, number, width = found.groups()
    try:
        tile = Tile(
            ENTRIES if level == "entries" else int(level),
            int(number.replace("x", "").replace("/", "")),
            int(width) if width else WIDTH,
        )
    except UsageError as error:
        raise FormatError(str(error), code="path") from None
    if tile.path != path:
        raise FormatError(f"not a path of a tile: {path[:80]!a}", code="path")
    return tile


def growth(old: int, new: int) -> tuple[Tile, ...]:
    """Return the tree tiles that a log writes as it grows from `old` to `new` entries, lowest level first."""
    if not 0 <= old <= new:
        raise UsageError(f"a log does not grow from {old} to {new}")
    written = []
    level = 0
    while new:
        written += _changed(level, old, new)
        level, old, new = level + 1, old // WIDTH, new // WIDTH
    return tuple(written)


def bundle_growth(old: int, new: int) -> tuple[Tile, ...]:
    """Return the entry bundles that a log writes as it grows from `old` to `new` entries."""
    if not 0 <= old <= new:
        raise UsageError(f"a log does not grow from {old} to {new}")
    return tuple(_changed(ENTRIES, old, new))


def grow(size: int, leaves: Sequence[bytes], read: Reader) -> list[tuple[str, bytes]]:
    """Return path and content of each tree tile to write when leaf hashes join a log of `size` entries.

    Needs only the last tile of each level. Write them in this order, and the checkpoint after all of them.
    """
    if size < 0 or any(len(leaf) != HASH_BYTES for leaf in leaves):
        raise UsageError(f"a leaf hash has {HASH_BYTES} bytes")
    files: list[tuple[str, bytes]] = []
    level, old, added = 0, size, list(leaves)
    while added:
        edge = _read_hashes(read, level, old // WIDTH, old % WIDTH)
        content = b"".join([*edge, *added])
        above = []
        for tile in _changed(level, old, old + len(added)):
            at = (tile.index - old // WIDTH) * WIDTH * HASH_BYTES
            data = content[at : at + tile.width * HASH_BYTES]
            files.append((tile.path, data))
            if tile.width == WIDTH:
                above.append(node_hash(*_pyramid(_hashes(data, WIDTH))[-1]))
        level, old, added = level + 1, old // WIDTH, above
    return files


def grow_bundles(size: int, entries: Sequence[bytes], read: Reader) -> list[tuple[str, bytes]]:
    """Return path and content of each entry bundle to write when `entries` join a log of `size` entries."""
    content = [*_read_bundle(read, size // WIDTH, size % WIDTH), *entries]
    start = size - size % WIDTH
    files = []
    for tile in bundle_growth(size, size + len(entries)):
        at = tile.index * WIDTH - start
        files.append((tile.path, encode_bundle(content[at : at + tile.width])))
    return files


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Return entries, each after its length as two bytes; raise `UsageError` for one of more than 65,535 bytes."""
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise UsageError(f"an entry of {len(entry)} bytes, more than {MAX_ENTRY}")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the entries of a bundle; raise `FormatError` (code bundle) if it is torn or does not hold `width`."""
    entries = []
    at = 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at != len(data):
        raise FormatError("a torn entry bundle", code="bundle")
    if len(entries) != width:
        raise FormatError(f"a bundle of {len(entries)} entries, not {width}", code="bundle")
    return entries


def read_entries(read: Reader, start: int, end: int, size: int) -> Iterator[bytes]:
    """Yield entries start … end−1 of a log of `size` entries, one bundle in memory at a time."""
    if not 0 <= start <= end <= size:
        raise UsageError(f"no entries {start} to {end} in a log of {size}")
    for index in range(start // WIDTH, -(-end // WIDTH)):
        first = index * WIDTH
        width = min(WIDTH, size - first)
        entries = _read_bundle(read, index, width)
        yield from entries[max(start - first, 0) : end - first]


class TileReader:
    """The nodes of a tree of `size` leaves, out of its tiles: a `merkle.NodeReader`.

    The tiles are not trusted: a proof made of them must be checked against a signed root like any other.
    """

    def __init__(self, read: Reader, size: int) -> None:
        self._read = read
        self.size = size
        self._cache: dict[tuple[int, int], list[list[bytes]]] = {}

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of the perfect subtree (level, index).

        Raises `UsageError` if the tree has none, `FormatError` for a tile of the wrong length.
        """
        if not (level >= 0 and index >= 0 and (index + 1) << level <= self.size):
            raise UsageError(f"no node {index} at level {level} in a tree of {self.size}")
        tile_level, inner = divmod(level, HEIGHT)
        tile_index, position = divmod(index, WIDTH >> inner)
        return self._levels(tile_level, tile_index)[inner][position]

    def _levels(self, level: int, index: int) -> list[list[bytes]]:
        found = self._cache.get((level, index))
        if found is None:
            width = min(WIDTH, (self.size >> (HEIGHT * level)) - index * WIDTH)
            found = _pyramid(_read_hashes(self._read, level, index, width))
            if len(self._cache) >= _MAX_CACHED:
                self._cache.pop(next(iter(self._cache)))
            self._cache[level, index] = found
        return found


def _changed(level: int, old: int, new: int) -> list[Tile]:
    """Return the tiles of one level that hold any of its hashes old … new−1."""
    if old == new:
        return []
    return [Tile(level, index, min(WIDTH, new - index * WIDTH)) for index in range(old // WIDTH, -(-new // WIDTH))]


def _read_hashes(read: Reader, level: int, index: int, width: int) -> list[bytes]:
    """Return the first `width` hashes of a tile."""
    if not width:
        return []
    data, found = _read_tile(read, Tile(level, index, width))
    return _hashes(data, found)[:width]


def _read_bundle(read: Reader, index: int, width: int) -> list[bytes]:
    """Return the first `width` entries of a bundle."""
    if not width:
        return []
    data, found = _read_tile(read, Tile(ENTRIES, index, width))
    return decode_bundle(data, found)[:width]


def _read_tile(read: Reader, tile: Tile) -> tuple[bytes, int]:
    """Return the bytes of `tile` or else of the full tile in its place, and how wide they must be."""
    try:
        return read(tile.path), tile.width
    except (FileNotFoundError, KeyError):
        if tile.width == WIDTH:
            raise
    return read(Tile(tile.level, tile.index).path), WIDTH


def _hashes(data: bytes, width: int) -> list[bytes]:
    if len(data) != width * HASH_BYTES:
        raise FormatError(f"a tile of {len(data)} bytes, not of {width} hashes", code="tile")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def _pyramid(hashes: list[bytes]) -> list[list[bytes]]:
    """Return a tile's hashes and, above them, the complete nodes of the seven levels that it implies."""
    levels = [hashes]
    for _ in range(HEIGHT - 1):
        below = levels[-1]
        levels.append([node_hash(*pair) for pair in zip(below[::2], below[1::2], strict=False)])
    return levels
