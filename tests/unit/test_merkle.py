"""Trees at their edges; the laws for all sizes are in tests/property."""

from hashlib import sha256

import pytest

from synthtrail.custody.errors import ProofError, UsageError
from synthtrail.custody.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Frontier,
    Tree,
    check_consistency,
    check_inclusion,
    frontier_from,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root,
    root_from,
)

LEAVES = [leaf_hash(bytes([n])) for n in range(12)]
TREE = Tree(LEAVES)
ZERO = bytes(32)


def test_leaves_and_nodes_are_told_apart() -> None:
    """An inner node never equals the leaf over the same 64 bytes."""
    assert leaf_hash(b"x") == sha256(b"\x00x").digest()
    assert node_hash(ZERO, ZERO) == sha256(b"\x01" + bytes(64)).digest()
    assert node_hash(ZERO, ZERO) != leaf_hash(bytes(64))


def test_the_smallest_trees() -> None:
    assert root([]) == EMPTY_ROOT == sha256().digest()
    assert root(LEAVES[:1]) == LEAVES[0]
    assert root(LEAVES[:3]) == node_hash(node_hash(LEAVES[0], LEAVES[1]), LEAVES[2])
    assert Tree().root() == EMPTY_ROOT


def test_a_frontier_continues_where_it_was_taken() -> None:
    for size in range(len(LEAVES) + 1):
        frontier = frontier_from(TREE.node, size)
        copied = frontier.copy()
        copied.extend(LEAVES[size:])
        assert copied.root() == TREE.root()
        assert frontier.root() == TREE.root(size)
        assert Frontier(size, frontier.hashes).root() == TREE.root(size)


@pytest.mark.parametrize(("size", "hashes"), [(0, [ZERO]), (1, []), (3, [ZERO]), (2, [ZERO, ZERO]), (1, [b"short"])])
def test_a_frontier_of_the_wrong_shape_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(UsageError):
        Frontier(size, hashes)
    with pytest.raises(UsageError):
        Frontier(-1)


def test_a_leaf_is_a_hash() -> None:
    with pytest.raises(UsageError):
        Frontier().append(b"entry")


@pytest.mark.parametrize(("level", "index"), [(-1, 0), (0, -1), (0, 12), (2, 3), (3, 1), (4, 0)])
def test_only_complete_nodes_exist(level: int, index: int) -> None:
    with pytest.raises(UsageError):
        TREE.node(level, index)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3), (0, -1), (0, MAX_SIZE + 1)])
def test_no_inclusion_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(UsageError):
        prove_inclusion(TREE.node, index, size)
    with pytest.raises(ProofError):
        check_inclusion(LEAVES[0], index, size, (), LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3), (0, -1), (0, MAX_SIZE + 1)])
def test_no_consistency_backwards(old: int, new: int) -> None:
    with pytest.raises(UsageError):
        prove_consistency(TREE.node, old, new)
    with pytest.raises(ProofError):
        check_consistency(old, new, EMPTY_ROOT, EMPTY_ROOT, ())


def test_a_tree_of_one_needs_no_path() -> None:
    check_inclusion(LEAVES[0], 0, 1, (), LEAVES[0])
    with pytest.raises(ProofError):
        check_inclusion(LEAVES[0], 0, 1, (ZERO,), LEAVES[0])
    with pytest.raises(ProofError):
        check_inclusion(LEAVES[0], 0, 1, (), LEAVES[1])


def test_a_proof_from_a_larger_or_smaller_tree_is_refused() -> None:
    """The path and the root are real, the stated size is not: too long or too short is a fault by itself."""
    path = prove_inclusion(TREE.node, 1, 2)
    check_inclusion(LEAVES[1], 1, 2, path, TREE.root(2))
    for index, size in [(0, 1), (3, 4)]:
        with pytest.raises(ProofError):
            check_inclusion(LEAVES[1], index, size, path, TREE.root(2))
    for old, new, claimed in [(7, 8, (3, 4)), (3, 4, (7, 8))]:
        proof = prove_consistency(TREE.node, old, new)
        check_consistency(old, new, TREE.root(old), TREE.root(new), proof)
        with pytest.raises(ProofError):
            check_consistency(*claimed, TREE.root(old), TREE.root(new), proof)


def test_hashes_have_32_bytes_in_every_place() -> None:
    proof = prove_inclusion(TREE.node, 1, 2)
    for leaf, path, head in [(b"", proof, TREE.root(2)), (LEAVES[1], [b"x"], TREE.root(2)), (LEAVES[1], proof, b"")]:
        with pytest.raises(ProofError, match="32 bytes"):
            check_inclusion(leaf, 1, 2, path, head)
    for old_root, new_root, path in [(b"", ZERO, [ZERO]), (ZERO, bytes(33), [ZERO]), (ZERO, ZERO, [b"x"])]:
        with pytest.raises(ProofError, match="32 bytes"):
            check_consistency(1, 2, old_root, new_root, path)


def test_the_empty_tree_is_a_prefix_of_all() -> None:
    check_consistency(0, 5, EMPTY_ROOT, TREE.root(5), ())
    check_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, ())
    assert prove_consistency(TREE.node, 0, 5) == ()
    for old_root, proof in [(ZERO, ()), (EMPTY_ROOT, (ZERO,))]:
        with pytest.raises(ProofError):
            check_consistency(0, 5, old_root, TREE.root(5), proof)
    with pytest.raises(ProofError):
        check_consistency(0, 0, ZERO, ZERO, ())


def test_one_size_has_one_root() -> None:
    check_consistency(5, 5, TREE.root(5), TREE.root(5), ())
    assert prove_consistency(TREE.node, 5, 5) == ()
    with pytest.raises(ProofError):
        check_consistency(5, 5, TREE.root(5), TREE.root(4), ())
    with pytest.raises(ProofError):
        check_consistency(5, 5, TREE.root(5), TREE.root(5), (ZERO,))


def test_no_proof_between_different_sizes_is_no_proof() -> None:
    for old in range(1, 8):
        with pytest.raises(ProofError):
            check_consistency(old, 8, TREE.root(old), TREE.root(8), ())


def test_impossible_sizes_for_a_root() -> None:
    for size in (-1, MAX_SIZE + 1):
        with pytest.raises(UsageError):
            root_from(TREE.node, size)
    with pytest.raises(UsageError):
        TREE.root(13)


def test_a_proof_for_a_huge_tree_is_checked_in_no_time() -> None:
    """Sizes up to 2^63 − 1 cost 63 steps; a wrong path is refused rather than looped over."""
    for index in (0, 1, MAX_SIZE - 1):
        with pytest.raises(ProofError):
            check_inclusion(ZERO, index, MAX_SIZE, [ZERO] * 63, ZERO)
    with pytest.raises(ProofError):
        check_consistency(MAX_SIZE - 1, MAX_SIZE, ZERO, ZERO, [ZERO] * 64)


def test_the_known_roots_of_eight_small_entries() -> None:
    """The tree that Certificate Transparency implementations have shared as a test since RFC 6962."""
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in entries]
    assert root(leaves[:7]).hex() == "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"
    assert root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
