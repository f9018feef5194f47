"""Merkle trees over a growing list: RFC 6962 section 2.1, RFC 9162 section 2.1.

A leaf hash is SHA-256(0x00 ‖ entry), an inner node SHA-256(0x01 ‖ left ‖ right), the root of no entries SHA-256 of
nothing. The *node* (level, index) is the root of the perfect subtree over the leaves index·2^level …
(index+1)·2^level − 1. Whoever stores nodes gives them through a function ``node(level, index) -> 32 bytes``; proofs
are made from it and checked without it:

    prove_inclusion    ↔ check_inclusion      this entry is number `index` in the tree of `size`
    prove_consistency  ↔ check_consistency    the tree of `new` begins with all of the tree of `old`

A *prove* raises `UsageError` when asked the impossible; a *check* raises `ProofError` and returns nothing.

    >>> tree = Tree([leaf_hash(bytes([n])) for n in range(5)])
    >>> proof = prove_inclusion(tree.node, 4, 5)
    >>> len(proof)
    1
    >>> check_inclusion(leaf_hash(b"\\x04"), 4, 5, proof, tree.root())
    >>> check_consistency(3, 5, tree.root(3), tree.root(), prove_consistency(tree.node, 3, 5))
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias

from synthtrail.custody.errors import ProofError, UsageError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
EMPTY_ROOT = sha256(b"").digest()

NodeReader: TypeAlias = Callable[[int, int], bytes]
"""``(level, index)`` to the hash of that perfect subtree."""


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree: enough to append and to name the root, in O(log n) memory.

    `hashes` are the roots of the perfect subtrees that `size` decomposes into, largest first (one per 1 bit).
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self._hashes = list(hashes)
        self.size = size
        if size < 0 or len(self._hashes) != size.bit_count() or not _are_hashes(self._hashes):
            raise UsageError(f"a frontier of size {size} needs one hash for each of its 1 bits")

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, largest first."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        if len(leaf) != HASH_BYTES:
            raise UsageError(f"a leaf hash has {HASH_BYTES} bytes")
        hashes, size = self._hashes, self.size
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes, in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        return _fold(self._hashes)

    def copy(self) -> "Frontier":
        """Return an independent frontier at the same place."""
        return Frontier(self.size, self._hashes)


class Tree:
    """All nodes of a tree in memory (64 bytes per leaf), as a `NodeReader` that can grow."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash and the inner nodes that it completes."""
        levels, level = self._levels, 0
        levels[0].append(leaf)
        while len(levels[level]) % 2 == 0:
            left, right = levels[level][-2:]
            level += 1
            if level == len(levels):
                levels.append([])
            levels[level].append(node_hash(left, right))

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree; raise `UsageError` if there is none."""
        if not (0 <= level < len(self._levels) and 0 <= index < len(self._levels[level])):
            raise UsageError(f"no node {index} at level {level} in a tree of {self.size}")
        return self._levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` leaves (all by default)."""
        return root_from(self.node, self.size if size is None else size)


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, in one pass and O(log n) memory."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def root_from(node: NodeReader, size: int) -> bytes:
    """Return the root over the first `size` leaves, from stored nodes."""
    _check_size(size)
    return _range_root(node, 0, size)


def frontier_from(node: NodeReader, size: int) -> Frontier:
    """Return the right edge of the tree of `size`, from stored nodes."""
    _check_size(size)
    return Frontier(size, _perfect_nodes(node, 0, size))


def prove_inclusion(node: NodeReader, index: int, size: int) -> tuple[bytes, ...]:
    """Return the audit path of leaf `index` in the tree of `size`, leaf's sibling first (RFC 6962, 2.1.1)."""
    _check_size(size)
    if not 0 <= index < size:
        raise UsageError(f"no leaf {index} in a tree of {size}")
    start, end = 0, size
    path = []
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(_range_root(node, split, end))
            end = split
        else:
            path.append(_range_root(node, start, split))
            start = split
    return tuple(reversed(path))


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise `ProofError` unless `proof` shows that leaf hash `leaf` is number `index` under `root`.

    The steps are those of RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"no leaf {index} in a tree of {size}")
    _check_hashes([leaf, root, *proof])
    position, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            shift = _trailing_zeros(position)
            position, last = position >> shift, last >> shift
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofError("the proof is too short")
    if found != root:
        raise ProofError("the proof does not lead to the root")


def prove_consistency(node: NodeReader, old: int, new: int) -> tuple[bytes, ...]:
    """Return the proof that the tree of `old` is a prefix of the tree of `new` (RFC 6962, 2.1.2).

    Empty for old = 0 and for old = new.
    """
    _check_size(new)
    if not 0 <= old <= new:
        raise UsageError(f"no consistency from {old} to {new}")
    if old in {0, new}:
        return ()
    start, end, proof = 0, new, []
    while end != old:
        split = start + _split(end - start)
        if old <= split:
            proof.append(_range_root(node, split, end))
            end = split
        else:
            proof.append(_range_root(node, start, split))
            start = split
    if start > 0:  # otherwise the reader holds this subtree's root: it is the old root
        proof.append(_range_root(node, start, end))
    return tuple(reversed(proof))


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise `ProofError` unless `proof` shows that the tree of `new` begins with the tree of `old`.

    1. Sizes and hash lengths must be possible.
    2. The empty tree is a prefix of all, and each tree of itself: then the roots tell, and the proof is empty.
    3. Otherwise climb from the last node of the old tree (RFC 9162 section 2.1.4.2), making both roots at once.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise ProofError(f"no consistency from {old} to {new}")
    _check_hashes([old_root, new_root, *proof])
    if old in {0, new}:
        _check_trivial(old, new, old_root, new_root, proof)
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    found_old, found_new = _climb(old - 1, new - 1, path)
    if found_old != old_root or found_new != new_root:
        raise ProofError("the proof does not lead to both roots")


def _check_trivial(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise ProofError("the proof is too long")
    if old == new and old_root != new_root:
        raise ProofError("one size, two roots")
    if old == 0 and old_root != EMPTY_ROOT:
        raise ProofError("not the root of the empty tree")


def _climb(position: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots that `path` gives for the old and the new tree, from their last leaves."""
    if not path:
        raise ProofError("the proof is too short")
    shift = _trailing_zeros(~position)
    position, last = position >> shift, last >> shift
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the proof is too long")
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            shift = _trailing_zeros(position)
            position, last = position >> shift, last >> shift
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofError("the proof is too short")
    return old, new


def _range_root(node: NodeReader, start: int, end: int) -> bytes:
    """Return the root over leaves start … end−1, where `start` is a multiple of a power of two ≥ end − start."""
    return _fold(_perfect_nodes(node, start, end))


def _perfect_nodes(node: NodeReader, start: int, end: int) -> list[bytes]:
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(node(level, start >> level))
        start += 1 << level
    return nodes


def _fold(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size` (size > 1)."""
    return int(1 << ((size - 1).bit_length() - 1))


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1 if number else 0


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise UsageError(f"{size} is not a size of a tree")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if not _are_hashes(hashes):
        raise ProofError(f"a hash that is not {HASH_BYTES} bytes")


def _are_hashes(hashes: Sequence[bytes]) -> bool:
    return all(len(item) == HASH_BYTES for item in hashes)
