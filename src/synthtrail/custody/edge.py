"""The right edge of a growing tree, fed a bundle at a time: the root, and the roots of full bundles.

>>> from synthtrail.custody import merkle
>>> leaves = [merkle.leaf_hash(bytes([n % 7])) for n in range(600)]
>>> edge = Edge()
>>> for start in range(0, 600, 256):
...     edge.add(leaves[start : start + 256])
>>> edge.root() == merkle.root(leaves), len(edge.bundle_roots), edge.root_before([], 0) == edge.root()
(True, 2, True)
"""

from collections.abc import Sequence
from hashlib import sha256

from synthtrail.custody.merkle import Frontier
from synthtrail.custody.tiles import HEIGHT, WIDTH


class Edge:
    """A frontier in two parts: over full bundles, and within the last one."""

    def __init__(self, frontier: Frontier | None = None) -> None:
        start = frontier or Frontier()
        bundles, rest = divmod(start.size, WIDTH)
        upper = bundles.bit_count()
        self._upper = Frontier(bundles, start.hashes[:upper])
        self._lower = Frontier(rest, start.hashes[upper:])
        self.bundle_roots: list[bytes] = []

    @property
    def size(self) -> int:
        """The number of leaves."""
        return (self._upper.size << HEIGHT) + self._lower.size

    def add(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes, at most as many as complete the last bundle."""
        if len(leaves) == WIDTH and not self._lower.size:
            self._finish(_perfect_root(leaves))
            return
        self._lower.extend(leaves)
        if self._lower.size == WIDTH:
            self._finish(self._lower.root())
            self._lower = Frontier()

    def frontier(self) -> Frontier:
        """The edge as one frontier."""
        return Frontier(self.size, (*self._upper.hashes, *self._lower.hashes))

    def root(self) -> bytes:
        """The root of the tree so far."""
        return self.frontier().root()

    def root_before(self, leaves: Sequence[bytes], count: int) -> bytes:
        """The root that the tree will have after the first `count` of `leaves`, which have not been added yet."""
        ahead = self.frontier()
        ahead.extend(leaves[:count])
        return ahead.root()

    def copy(self) -> "Edge":
        """An independent edge at the same place."""
        twin = Edge(self.frontier())
        twin.bundle_roots = list(self.bundle_roots)
        return twin

    def _finish(self, root: bytes) -> None:
        self.bundle_roots.append(root)
        self._upper.append(root)


def _perfect_root(leaves: Sequence[bytes]) -> bytes:
    row = leaves
    while len(row) > 1:
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]
