"""Proofs for every tree up to 80 leaves, and for larger ones at random; each hash of each proof matters."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthtrail.custody import tiles
from synthtrail.custody.errors import ProofError
from synthtrail.custody.merkle import (
    EMPTY_ROOT,
    Tree,
    check_consistency,
    check_inclusion,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root,
    root_from,
)

EXHAUSTIVE = 80
LARGE = 70_000
NO_FILES: dict[str, bytes] = {}
LEAVES = [leaf_hash(n.to_bytes(4, "big")) for n in range(LARGE)]
TREE = Tree(LEAVES)
FILES = dict(tiles.grow(0, LEAVES, NO_FILES.__getitem__))
sizes = st.integers(1, LARGE)


def by_definition(leaves: Sequence[bytes]) -> bytes:
    """Return MTH as RFC 6962 section 2.1 words it."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


def corrupted(proof: Sequence[bytes]) -> list[list[bytes]]:
    """Return the proof with each hash changed, dropped or doubled, and with one more at the end."""
    variants = [[*proof, bytes(32)]]
    for at, item in enumerate(proof):
        flipped = bytes([item[0] ^ 1]) + item[1:]
        variants += [
            [*proof[:at], flipped, *proof[at + 1 :]],
            [*proof[:at], *proof[at + 1 :]],
            [*proof[:at], item, *proof[at:]],
        ]
    return variants


def test_roots_are_those_of_the_definition() -> None:
    for size in range(EXHAUSTIVE + 1):
        expected = by_definition(LEAVES[:size])
        assert root(LEAVES[:size]) == TREE.root(size) == expected


@pytest.mark.parametrize("size", range(1, EXHAUSTIVE + 1))
def test_every_inclusion_proof_holds_and_every_corruption_fails(size: int) -> None:
    head = TREE.root(size)
    for index in range(size):
        leaf, proof = LEAVES[index], prove_inclusion(TREE.node, index, size)
        check_inclusion(leaf, index, size, proof, head)
        for broken in corrupted(proof):
            with pytest.raises(ProofError):
                check_inclusion(leaf, index, size, broken, head)
        for wrong in ((LEAVES[-1], index, size, head), (leaf, index, size, LEAVES[-1])):
            with pytest.raises(ProofError):
                check_inclusion(wrong[0], wrong[1], wrong[2], proof, wrong[3])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 33, 64])
def test_a_proof_shows_one_index_only(size: int) -> None:
    head = TREE.root(size)
    for index in range(size):
        proof = prove_inclusion(TREE.node, index, size)
        for other in set(range(size)) - {index}:
            with pytest.raises(ProofError):
                check_inclusion(LEAVES[index], other, size, proof, head)


@pytest.mark.parametrize("new", range(1, EXHAUSTIVE + 1))
def test_every_consistency_proof_holds_and_every_corruption_fails(new: int) -> None:
    head = TREE.root(new)
    for old in range(1, new):
        before, proof = TREE.root(old), prove_consistency(TREE.node, old, new)
        check_consistency(old, new, before, head, proof)
        for broken in corrupted(proof):
            with pytest.raises(ProofError):
                check_consistency(old, new, before, head, broken)
        for wrong in ((LEAVES[-1], head), (before, LEAVES[-1]), (head, before)):
            with pytest.raises(ProofError):
                check_consistency(old, new, *wrong, proof)


@given(sizes.flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_inclusion_in_large_trees(case: tuple[int, int]) -> None:
    index, size = case
    proof = prove_inclusion(TREE.node, index, size)
    check_inclusion(LEAVES[index], index, size, proof, TREE.root(size))
    for broken in corrupted(proof):
        with pytest.raises(ProofError):
            check_inclusion(LEAVES[index], index, size, broken, TREE.root(size))


@given(sizes.flatmap(lambda new: st.tuples(st.integers(0, new), st.just(new))))
def test_consistency_in_large_trees(case: tuple[int, int]) -> None:
    old, new = case
    proof = prove_consistency(TREE.node, old, new)
    check_consistency(old, new, TREE.root(old), TREE.root(new), proof)
    for broken in corrupted(proof):
        with pytest.raises(ProofError):
            check_consistency(old, new, TREE.root(old), TREE.root(new), broken)


@given(sizes, st.data())
@settings(max_examples=40)
def test_a_changed_leaf_changes_every_larger_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = prove_inclusion(TREE.node, index, size)
    with pytest.raises(ProofError):
        check_inclusion(bytes(32), index, size, path, TREE.root(size))


@given(sizes, st.data())
def test_tiles_give_the_proofs_of_the_tree(size: int, data: st.DataObject) -> None:
    """Files alone, full tiles standing in for partial ones, give the same hashes as all leaves in memory."""
    reader = tiles.TileReader(FullTiles(size).__getitem__, size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    assert root_from(reader.node, size) == TREE.root(size)
    assert prove_inclusion(reader.node, index, size) == prove_inclusion(TREE.node, index, size)
    assert prove_consistency(reader.node, old, size) == prove_consistency(TREE.node, old, size)


class FullTiles(dict[str, bytes]):
    """The files of the largest log, and the partial tiles that one of `size` needs where no full one exists."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(FILES)

    def __missing__(self, path: str) -> bytes:
        tile = tiles.parse_path(path)
        larger = min(tiles.WIDTH, LARGE // tiles.WIDTH**tile.level - tile.index * tiles.WIDTH)
        if tiles.WIDTH in {tile.width, larger}:
            raise FileNotFoundError(path)
        return FILES[tiles.Tile(tile.level, tile.index, larger).path][: 32 * tile.width]


@given(st.lists(st.integers(0, 700), max_size=8))
@settings(max_examples=40)
def test_growing_in_steps_leaves_the_files_of_growing_at_once(steps: list[int]) -> None:
    files: dict[str, bytes] = {}
    size = 0
    for step in steps:
        written = tiles.grow(size, LEAVES[size : size + step], files.__getitem__)
        assert [path for path, _ in written] == [tile.path for tile in tiles.growth(size, size + step)]
        files.update(written)
        size += step
    at_once = dict(tiles.grow(0, LEAVES[:size], NO_FILES.__getitem__))
    assert {path: files[path] for path in at_once} == at_once
