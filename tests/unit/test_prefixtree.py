"""The prefix tree: one root for one set, proofs that hold and that break when anything in them is changed."""

import random
from hashlib import sha256

import pytest

from synthtrail.custody import prefixtree
from synthtrail.custody.errors import ProofError
from synthtrail.custody.prefixtree import EMPTY, Leaf, Proof, check, leaf_hash, node_hash, prove, root
from synthtrail.custody.statustree import StatusTree


def key(number: int) -> bytes:
    return sha256(b"key %d" % number).digest()


def value(number: int) -> bytes:
    return b"value %d" % number


def leaves_of(count: int) -> list[Leaf]:
    return sorted((key(number), sha256(value(number)).digest()) for number in range(count))


def test_roots_by_hand() -> None:
    """Nothing, one leaf, two leaves that part at the first bit, two that share it."""
    low, other, high = ((bytes([first]) + bytes(31), bytes([first]) * 32) for first in (0, 0x40, 0x80))
    assert root([]) == EMPTY
    assert root([low]) == leaf_hash(low) == sha256(b"\x02" + low[0] + low[1]).digest()
    assert root([low, high]) == node_hash(leaf_hash(low), leaf_hash(high))
    assert root([low, other]) == node_hash(node_hash(leaf_hash(low), leaf_hash(other)), EMPTY)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 20, 300])
def test_every_key_can_be_proved_present_or_absent(count: int) -> None:
    leaves = leaves_of(count)
    for number in range(count):
        check(root(leaves), key(number), value(number), prove(leaves, key(number)))
    for number in range(count, count + 50):
        check(root(leaves), key(number), None, prove(leaves, key(number)))


@pytest.mark.parametrize("count", [1, 2, 20])
def test_no_proof_shows_anything_else(count: int) -> None:
    """Not with a hash changed, dropped or added, another value or key, present for absent or absent for present."""
    leaves, flipped = leaves_of(count), bytes([1]) + bytes(31)
    for number in range(count + 20):
        proof = prove(leaves, key(number))
        said = value(number) if number < count else None
        spoiled = [proof._replace(siblings=(*proof.siblings, EMPTY)), proof._replace(siblings=(*proof.siblings, b""))]
        for place, item in enumerate(proof.siblings):
            changed = bytes(a ^ b for a, b in zip(item, flipped, strict=True))
            spoiled.append(proof._replace(siblings=(*proof.siblings[:place], changed, *proof.siblings[place + 1 :])))
            spoiled.append(proof._replace(siblings=proof.siblings[:place] + proof.siblings[place + 1 :]))
        spoiled.append(proof._replace(other=(key(number), sha256(value(number)).digest())))
        spoiled.append(proof._replace(other=(key(999), bytes(32))))
        for wrong in spoiled:
            with pytest.raises(ProofError):
                check(root(leaves), key(number), said, wrong)
        for claim in (value(number + 1), None if said else value(number)):
            with pytest.raises(ProofError):
                check(root(leaves), key(number), claim, proof)
        if said:
            with pytest.raises(ProofError):
                check(root(leaves), key(number + 1), said, proof)


def test_a_path_longer_than_a_key_is_refused() -> None:
    with pytest.raises(ProofError, match="form"):
        check(EMPTY, key(0), None, Proof((key(1),) * 257))


def test_the_updated_tree_is_the_tree() -> None:
    """However rows come and change, through growth and reloading, root and proofs are those of the plain definition."""
    chance = random.Random(7)  # noqa: S311
    values: list[bytes] = []

    def leaf(row: int) -> Leaf:
        return key(row), sha256(values[row]).digest()

    tree = StatusTree()
    assert tree.root() == EMPTY
    assert tree.prove(key(0), leaf) == Proof(())
    for step in range(60):
        fresh = chance.choice([0, 1, 2, 5, 40])
        changed = chance.sample(range(len(values)), min(len(values), chance.randint(0, 4)))
        for row in changed:
            values[row] = chance.randbytes(4)
        rows = [*changed, *range(len(values), len(values) + fresh)]
        values += [chance.randbytes(4) for _ in range(fresh)]
        tree.update(rows, leaf)
        leaves = sorted(map(leaf, range(len(values))))
        assert tree.root() == root(leaves)
        for number in (0, len(values) // 2, len(values), len(values) + 1):
            assert tree.prove(key(number), leaf) == prove(leaves, key(number))
        if step % 10 == 0:
            tree = StatusTree.load(bytearray(column) for column in tree.dump())
    assert len(values) > 300


def test_keys_that_share_many_bits() -> None:
    """Depth costs empty siblings, never a wrong answer."""
    near = sorted([(bytes(31) + bytes([last]), bytes([last]) * 32) for last in (0, 1, 255)])
    for found in near:
        proof = prove(near, found[0])
        assert len(proof.siblings) in {249, 256}
    assert prefixtree.root(near) != root(near[:2])
