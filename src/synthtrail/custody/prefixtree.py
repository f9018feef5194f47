"""A Merkle prefix tree: one root over a set of keys with values, and short proofs that a key is there or is not.

Keys have 32 bytes and are spread evenly (they are digests). A set of leaves that share their first `depth` bits has

    no leaf         32 zero bytes
    one leaf        SHA-256(02 ‖ key ‖ SHA-256(value)), however deep it could still go
    more            SHA-256(03 ‖ root of those whose next bit is 0 ‖ root of those whose next bit is 1)

so that a set has one root, whatever the order in which it was made. 02 and 03 keep its hashes apart from those of the
log (00 and 01, RFC 6962). This is the map of CONIKS (Melara et al., USENIX Security 2015) without its private index.

A proof follows the bits of the key downwards: the sibling at each step, and the leaf of another key if that stands
where this one would. What it does not show, no proof can: that whoever computed the root kept to the rules. Whoever
has all leaves recomputes it.

    >>> from hashlib import sha256
    >>> keys = [sha256(bytes([number])).digest() for number in range(5)]
    >>> leaves = sorted((key, sha256(b"value").digest()) for key in keys[:4])
    >>> proof = prove(leaves, keys[0])
    >>> check(root(leaves), keys[0], b"value", proof)
    >>> check(root(leaves), keys[4], None, prove(leaves, keys[4]))
    >>> check(root(leaves), keys[0], None, proof)
    Traceback (most recent call last):
    synthtrail.custody.errors.ProofError: the path does not lead to the root
"""

from bisect import bisect_left
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from synthtrail.custody.errors import ProofError

EMPTY = bytes(32)
MAX_DEPTH = 256

Leaf = tuple[bytes, bytes]
"""A key and the SHA-256 of its value, 32 bytes each."""


class Proof(NamedTuple):
    """The siblings on the way from the root down, and the leaf of another key that stands there, if one does."""

    siblings: tuple[bytes, ...]
    other: Leaf | None = None


def leaf_hash(leaf: Leaf) -> bytes:
    """The hash of one leaf."""
    return sha256(b"\x02" + leaf[0] + leaf[1]).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees with more than one leaf between them."""
    return sha256(b"\x03" + left + right).digest()


def root(leaves: Sequence[Leaf], depth: int = 0) -> bytes:
    """The root of `leaves`, which ascend by distinct keys with the first `depth` bits in common."""
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else EMPTY
    left, right = split(leaves, depth)
    return node_hash(root(left, depth + 1), root(right, depth + 1))


def prove(leaves: Sequence[Leaf], key: bytes, depth: int = 0) -> Proof:
    """The proof that `key` is, or is not, one of the keys of `leaves` (as in `root`)."""
    siblings = []
    while len(leaves) > 1:
        halves = split(leaves, depth)
        turn = bit(key, depth)
        depth += 1
        siblings.append(root(halves[1 - turn], depth))
        leaves = halves[turn]
    other = next((leaf for leaf in leaves if leaf[0] != key), None)
    return Proof(tuple(siblings), other)


def check(expected: bytes, key: bytes, value: bytes | None, proof: Proof) -> None:
    """Raise `ProofError` unless `proof` shows that the tree with root `expected` has `value` at `key` (None: nothing).

    1. The proof has its form: hashes of 32 bytes, no deeper than a key is long, and no step that the tree omits.
    2. Where `key` is absent, what stands there is nothing or the leaf of another key with the same first bits.
    3. The hashes lead to `expected`.
    """
    siblings, other = proof
    depth = len(siblings)
    sizes = {len(item) for item in (*siblings, *(other or ()))}
    if depth > MAX_DEPTH or sizes - {32} or (siblings and siblings[-1] == EMPTY):
        raise ProofError("a path of another form")
    if other is not None and (value is not None or other[0] == key or _prefix(other[0], depth) != _prefix(key, depth)):
        raise ProofError("the leaf at the end does not stand where the key would")
    found = leaf_hash((key, sha256(value).digest())) if value is not None else leaf_hash(other) if other else EMPTY
    for level in reversed(range(depth)):
        pair = (siblings[level], found) if bit(key, level) else (found, siblings[level])
        found = node_hash(*pair)
    if found != expected:
        raise ProofError("the path does not lead to the root")


def split(leaves: Sequence[Leaf], depth: int) -> tuple[Sequence[Leaf], Sequence[Leaf]]:
    """Those whose bit `depth` is 0, and the others."""
    middle = bisect_left(leaves, 1, key=lambda leaf: bit(leaf[0], depth))
    return leaves[:middle], leaves[middle:]


def bit(key: bytes, depth: int) -> int:
    """Bit number `depth` of `key`, the most significant one first."""
    return key[depth >> 3] >> (7 - (depth & 7)) & 1


def _prefix(key: bytes, depth: int) -> int:
    return int.from_bytes(key, "big") >> (MAX_DEPTH - depth)
