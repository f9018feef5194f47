"""The prefix tree over all artifacts of a ledger, kept up to date at the cost of what changed.

`synthtrail.custody.prefixtree` says what the root is. Here the top of the tree, `depth` levels, is stored as an array
of hashes, and below each of its 2^depth lowest nodes hangs a *bucket*: the rows of one to four artifacts. Their leaves
are not stored: whoever asks brings a function that tells the leaf of a row. After a change, only the buckets of the
rows that changed are hashed again, and the nodes above them: some thirty hashes an artifact, and 22 bytes of memory.

    >>> from hashlib import sha256
    >>> from synthtrail.custody import prefixtree
    >>> values = [bytes([row]) for row in range(40)]
    >>> def leaf(row):
    ...     return sha256(bytes([row])).digest(), sha256(values[row]).digest()
    >>> tree = StatusTree()
    >>> tree.update(range(40), leaf)
    >>> values[7] = b'another'
    >>> tree.update([7], leaf)
    >>> tree.root() == prefixtree.root(sorted(map(leaf, range(40))))
    True
"""

from array import array
from collections.abc import Callable, Iterable, Iterator

from synthtrail.custody import prefixtree
from synthtrail.custody.prefixtree import EMPTY, Leaf, Proof, bit, node_hash

LeafOf = Callable[[int], Leaf]
"""The leaf of an artifact, by its row."""

_CROWD = 4  # the mean size of a bucket at which the top grows by two levels
_HASH = 32


class StatusTree:
    """See the module docstring. Rows are numbered from 0 without gaps; a row keeps its key for ever."""

    def __init__(self) -> None:
        self._grow(0)
        self._next = array("I")  # per row: the next row of its bucket plus one, 0 at the end

    def root(self) -> bytes:
        """The root as of the last update."""
        return self._hash(1)

    def update(self, rows: Iterable[int], leaf: LeafOf) -> None:
        """Take it that the leaves of `rows` are new or changed; new rows come in ascending order."""
        changed = set()
        for row in rows:
            bucket = self._bucket(leaf(row)[0])
            if row == len(self._next):
                self._link(row, bucket)
            changed.add(bucket)
        if len(self._next) > _CROWD << self._depth:
            changed = self._crowded(leaf)
        for bucket in changed:
            self._place(bucket, leaf)
        self._climb({bucket + (1 << self._depth) for bucket in changed})

    def prove(self, key: bytes, leaf: LeafOf) -> Proof:
        """The proof that `key` is or is not in the tree, as of the last update."""
        top, place = [], 1
        for depth in range(self._depth):
            if self._counts[place] < 2:
                break
            turn = bit(key, depth)
            top.append(self._hash(2 * place + 1 - turn))
            place = 2 * place + turn
        leaves = self._leaves_below(place, leaf)
        below = prefixtree.prove(leaves, key, len(top))
        return Proof((*top, *below.siblings), below.other)

    def dump(self) -> list[memoryview]:
        """Views of the columns: what `load` takes. Nothing can change while they are held."""
        return [memoryview(column).cast("B") for column in (self._heads, self._next, self._counts, self._nodes)]

    @classmethod
    def load(cls, columns: Iterator[bytearray]) -> "StatusTree":
        """The tree that was dumped."""
        tree = cls()
        tree._heads, tree._next = (array("I", bytes(next(columns))) for _ in range(2))
        tree._counts, tree._nodes = next(columns), next(columns)
        tree._depth = len(tree._heads).bit_length() - 1
        return tree

    def _grow(self, depth: int) -> None:
        self._depth = depth
        self._heads = array("I", bytes(4 << depth))  # per bucket: its newest row plus one
        self._counts = bytearray(2 << depth)  # per node: how many leaves, 2 for more
        self._nodes = bytearray(2 * _HASH << depth)  # per node, the children of n at 2n and 2n + 1: its hash

    def _bucket(self, key: bytes) -> int:
        return int.from_bytes(key[:4], "big") >> (32 - self._depth)

    def _link(self, row: int, bucket: int) -> None:
        self._next.append(self._heads[bucket])
        self._heads[bucket] = row + 1

    def _crowded(self, leaf: LeafOf) -> set[int]:
        """Spread all rows over four times as many buckets, and more if need be; all of these are to be hashed."""
        rows = len(self._next)
        depth = self._depth
        while rows > _CROWD << depth:
            depth += 2
        self._grow(depth)
        self._next = array("I")
        for row in range(rows):
            self._link(row, self._bucket(leaf(row)[0]))
        return set(range(1 << depth))

    def _rows(self, bucket: int) -> Iterable[int]:
        row = self._heads[bucket]
        while row:
            yield row - 1
            row = self._next[row - 1]

    def _leaves_below(self, place: int, leaf: LeafOf) -> list[Leaf]:
        """All leaves below a node; few, since it is a bucket or has fewer than two."""
        span = 1 << (self._depth + 1 - place.bit_length())
        first = place * span - (1 << self._depth)
        return sorted(leaf(row) for bucket in range(first, first + span) for row in self._rows(bucket))

    def _place(self, bucket: int, leaf: LeafOf) -> None:
        leaves = sorted(map(leaf, self._rows(bucket)))
        self._set(bucket + (1 << self._depth), prefixtree.root(leaves, self._depth), len(leaves))

    def _climb(self, places: set[int]) -> None:
        """Hash the nodes above `places` anew, level by level."""
        for _ in range(self._depth):
            places = {place >> 1 for place in places}
            for place in places:
                self._join(place)

    def _join(self, place: int) -> None:
        left, right = 2 * place, 2 * place + 1
        count = self._counts[left] + self._counts[right]
        if count > 1:
            self._set(place, node_hash(self._hash(left), self._hash(right)), count)
        else:
            self._set(place, self._hash(left if self._counts[left] else right) if count else EMPTY, count)

    def _hash(self, place: int) -> bytes:
        return bytes(self._nodes[place * _HASH : place * _HASH + _HASH])

    def _set(self, place: int, found: bytes, count: int) -> None:
        self._nodes[place * _HASH : place * _HASH + _HASH] = found
        self._counts[place] = min(count, 2)
