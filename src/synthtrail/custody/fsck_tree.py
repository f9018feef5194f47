"""Which of the stored entries and hashes are the good ones: those that give the signed root.

A ledger stores its leaves twice, as entries in bundles and as hashes in the lowest tiles. `survey` reads both once and
compares what each gives with the signed root. `Base` then answers from the side that is good: what must every tile be?
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from synthtrail.custody import tiles
from synthtrail.custody.edge import Edge
from synthtrail.custody.errors import DataError
from synthtrail.custody.merkle import HASH_BYTES, leaf_hash
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.tiles import ENTRIES, WIDTH, Tile

Side = Literal["entries", "hashes"]


@dataclass(frozen=True)
class Base:
    """The good `source` of leaf hashes (None: neither side gives the root), and the bundles that are not good."""

    read: tiles.Reader
    size: int
    source: Side | None
    faults: dict[int, str]
    upper: dict[tuple[int, int], bytes]  # tiles above the lowest level

    @property
    def entries_are_good(self) -> bool:
        """Whether the bundles give the signed root."""
        return self.source == "entries"

    def good_bundle(self, index: int) -> bool:
        """Whether nothing speaks against a bundle of entries."""
        return index not in self.faults

    def fault(self, index: int) -> str:
        """What speaks against a bundle; empty if nothing does."""
        return self.faults.get(index, "")

    def good(self, path: str) -> bytes:
        """What the tile or bundle at `path` must hold, whatever it does: a `tiles.Reader`."""
        found = self.content(tiles.parse_path(path))
        if found is None:
            raise FileNotFoundError(path)
        return found

    def content(self, tile: Tile) -> bytes | None:
        """The bytes that a tile or bundle must have; None if what is there does not tell."""
        if self.source is None or (tile.level == ENTRIES and not self.good_bundle(tile.index)):
            return None
        if tile.level > 0:
            whole = self.upper.get((tile.level, tile.index), b"")[: tile.width * HASH_BYTES]
            return whole if len(whole) == tile.width * HASH_BYTES else None
        width = min(WIDTH, self.size - tile.index * WIDTH)
        if tile.level == ENTRIES:
            return tiles.encode_bundle(bundle(self.read, tile.index, width)[: tile.width])
        leaves = LEAVES[self.source](self.read, tile.index, width)
        return b"".join(leaves[: tile.width])


def survey(read: tiles.Reader, head: Checkpoint) -> Base:
    """Read all bundles and lowest tiles that `head` covers, and find which give its root."""
    edges: dict[Side, Edge | None] = {"entries": Edge(), "hashes": Edge()}
    faults: dict[int, str] = {}
    for index in range(-(-head.size // WIDTH)):
        width = min(WIDTH, head.size - index * WIDTH)
        found = {side: _leaves(side, read, index, width) for side in LEAVES}
        for side, leaves in found.items():
            edge = edges[side]
            if isinstance(leaves, str):
                edges[side] = None
            elif edge is not None:
                edge.add(leaves)
        if isinstance(found["entries"], str):
            faults[index] = found["entries"]
        elif found["entries"] != found["hashes"]:
            faults[index] = "its entries are not those that the lowest tile holds"
    for side, edge in edges.items():
        if edge is not None and edge.root() == head.root:
            upper = _upper(edge.bundle_roots)
            return Base(read, head.size, side, {} if side == "entries" else faults, upper)
    return Base(read, head.size, None, faults, {})


def bundle(read: tiles.Reader, index: int, width: int) -> list[bytes]:
    """The first `width` entries of a bundle; raises `DataError` or `OSError` if it is damaged."""
    first = index * WIDTH
    return list(tiles.read_entries(read, first, first + width, first + width))


def _bundle_hashes(read: tiles.Reader, index: int, width: int) -> list[bytes]:
    return [leaf_hash(entry) for entry in bundle(read, index, width)]


def _tile_hashes(read: tiles.Reader, index: int, width: int) -> list[bytes]:
    node = tiles.TileReader(read, index * WIDTH + width).node
    return [node(0, index * WIDTH + at) for at in range(width)]


LEAVES: dict[Side, Callable[[tiles.Reader, int, int], Sequence[bytes]]] = {
    "entries": _bundle_hashes,
    "hashes": _tile_hashes,
}
"""The leaf hashes of one bundle, from either side."""


def _leaves(side: Side, read: tiles.Reader, index: int, width: int) -> Sequence[bytes] | str:
    try:
        return LEAVES[side](read, index, width)
    except FileNotFoundError:
        return "is missing"
    except (DataError, OSError) as error:
        return f"cannot be read: {error}"


def _nothing(path: str) -> bytes:
    raise FileNotFoundError(path)


def _upper(roots: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """The tiles above the lowest level, given the roots of full bundles."""
    grown = [(tiles.parse_path(path), data) for path, data in tiles.grow(0, roots, _nothing)]
    return {(tile.level + 1, tile.index): data for tile, data in grown}
