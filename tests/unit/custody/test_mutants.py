"""Mutants of a good ledger, in memory: each is refused or says exactly the same, and none raises anything.

Three attackers, each with what the one before had:

1. the files: bytes and entries are flipped, dropped, doubled, swapped, cut, or exchanged between files;
2. and patience: the tree is computed anew so that it fits the spoiled entries;
3. and the sequencer's key: the checkpoint is signed anew. The verifier brings an earlier checkpoint then (level B),
   because entries dropped from the end leave a ledger that was good once.

A sample in the suite, twenty thousand and more with `SYNTHTRAIL_SOAK=1`.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pytest
from tests.soak import SOAK
from tests.unit.custody.forgery import entries_of
from tests.unit.custody.ledger_factory import ORIGIN, SEQUENCER, WITNESSES, World, item, make_policy

from synthtrail.custody import merkle, note, tiles
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.report import Report
from synthtrail.custody.verify import verify

Files = dict[str, bytes]
SHARDS = 44 if SOAK else 4
MUTANTS = 500  # in each shard
COMMON = {
    "chain-broken",
    "entries-missing",
    "entries-reordered",
    "entry-edited",
    "entry-inserted",
    "event-replayed",
    "ledger-damaged",
    "log-forked",
    "root-mismatch",
    "signature-invalid",
}


@dataclass(frozen=True)
class Memory:
    """A ledger that is nowhere but here."""

    files: Files

    def read(self, path: str) -> bytes:
        """The bytes at a path."""
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(path) from None


@dataclass(frozen=True)
class Good:
    """The ledger that is spoiled, and what is known of it."""

    files: Files
    entries: tuple[bytes, ...]
    world: World
    kept: bytes  # a checkpoint of all entries
    content: bytes  # what was verified, as a snapshot

    def verify(self, files: Files, since: bytes | None) -> Report:
        """Verify `files` in place of the good ones."""
        return verify(Memory(files), self.world.policy, now=self.world.now, since=since)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    """A small one: keys, one experiment, two acts of persons, one cosignature that the policy does not ask for."""
    world = World(tmp_path_factory.mktemp("mutants"), policy=make_policy(quorum=0))
    world.create()
    world.run("iris")
    world.approve(item("iris", "generate"))
    world.cosign(WITNESSES[0])
    entries = tuple(entries_of(world))
    size = len(entries)
    paths = ("checkpoint", tiles.Tile(tiles.ENTRIES, 0, size).path, tiles.Tile(0, 0, size).path)
    files = {path: (world.path / path).read_bytes() for path in paths}
    report = verify(Memory(files), world.policy, now=world.now)
    content = report.snapshot()
    assert report.level == "A"
    assert content is not None
    return Good(files, entries, world, world.ledger.checkpoint, content)


def flip(data: bytes, chance: random.Random) -> bytes:
    """One bit, or a few bytes."""
    at = chance.randrange(len(data))
    new = bytes([data[at] ^ 1 << chance.randrange(8)]) if chance.random() < 0.5 else chance.randbytes(3)
    return data[:at] + new + data[at + len(new) :]


def drop(data: bytes, chance: random.Random) -> bytes:
    """A stretch, mostly short."""
    at, count = _stretch(data, chance)
    return data[:at] + data[at + count :]


def duplicate(data: bytes, chance: random.Random) -> bytes:
    """A stretch twice, in place or somewhere else."""
    at, count = _stretch(data, chance)
    to = chance.choice([at, chance.randrange(len(data) + 1)])
    return data[:to] + data[at : at + count] + data[to:]


def swap(data: bytes, chance: random.Random) -> bytes:
    """Two stretches of equal length."""
    count = chance.choice([1, 2, 32, 64])
    one, two = sorted(chance.randrange(max(1, len(data) - count)) for _ in range(2))
    first, second = data[one : one + count], data[two : two + count]
    if one + count > two:
        return data
    return data[:one] + second + data[one + count : two] + first + data[two + count :]


def cut(data: bytes, chance: random.Random) -> bytes:
    """The end is gone, or noise."""
    return data[: chance.randrange(len(data))] + chance.randbytes(chance.choice([0, 0, 7]))


def retype(data: bytes, chance: random.Random) -> bytes:
    """A value that looks alike: a digit, a letter's case, a space, an escape."""
    at = chance.randrange(len(data))
    letter = data[at : at + 1]
    new = chance.choice(
        [letter.swapcase(), b" " + letter, letter + b"\\u0061", b"%d" % chance.randrange(10), b'"', b"{"]
    )
    return data[:at] + new + data[at + 1 :]


ON_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, drop, duplicate, swap, cut, retype)


def spoil_entries(entries: Sequence[bytes], chance: random.Random) -> list[bytes]:
    """Flip, drop, duplicate, swap, exchange or cut entries; the list is never the same object."""
    spoiled = list(entries)
    one, two = chance.randrange(len(entries)), chance.randrange(len(entries))
    match chance.choice(["bytes", "bytes", "drop", "duplicate", "swap", "replace", "tail"]):
        case "bytes":
            spoiled[one] = chance.choice(ON_BYTES)(spoiled[one], chance)[: tiles.MAX_ENTRY]
        case "drop":
            del spoiled[one]
        case "duplicate":
            spoiled.insert(two, spoiled[one])
        case "swap":
            spoiled[one], spoiled[two] = spoiled[two], spoiled[one]
        case "replace":
            spoiled[one] = spoiled[two]
        case "tail":
            del spoiled[one:]
    return spoiled


def with_files_only(good: Good, chance: random.Random) -> Files:
    """The first attacker."""
    path = chance.choice(list(good.files))
    if "entries" in path and chance.random() < 0.5:
        return good.files | {path: tiles.encode_bundle(spoil_entries(good.entries, chance))}
    files = good.files | {path: chance.choice(ON_BYTES)(good.files[path], chance)}
    if chance.random() < 0.05:
        del files[chance.choice(list(files))]
    if chance.random() < 0.05:
        files |= {path: good.files[chance.choice(list(good.files))]}
    return files


def with_a_fitting_tree(good: Good, chance: random.Random, *, resign: bool = False) -> Files:
    """The second attacker, and the third."""
    entries = spoil_entries(good.entries, chance)
    leaves = [merkle.leaf_hash(data) for data in entries]
    files = {**dict(tiles.grow_bundles(0, entries, _none)), **dict(tiles.grow(0, leaves, _none))}
    checkpoint = good.files["checkpoint"]
    if resign:
        checkpoint = note.sign(Checkpoint(ORIGIN, len(entries), merkle.root(leaves)).text(), [SEQUENCER])
    return files | {"checkpoint": checkpoint}


def _none(path: str) -> bytes:
    raise FileNotFoundError(path)


def _stretch(data: bytes, chance: random.Random) -> tuple[int, int]:
    return chance.randrange(len(data)), chance.choice([1, 1, 2, 32, 33, chance.randrange(1, len(data))])


ATTACKERS: tuple[tuple[Callable[[Good, random.Random], Files], bool], ...] = (
    (with_files_only, False),
    (with_files_only, True),
    (with_a_fitting_tree, False),
    (partial(with_a_fitting_tree, resign=True), True),
)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_mutant_is_refused_or_says_the_same(good: Good, shard: int) -> None:
    """A level is reached only with the very same root, entries and state."""
    chance = random.Random(shard)  # noqa: S311
    codes: set[str] = set()
    for number in range(MUTANTS):
        attack, brings_since = ATTACKERS[number % len(ATTACKERS)]
        report = good.verify(attack(good, chance), good.kept if brings_since else None)
        assert report.findings or report.snapshot() == good.content, number
        assert (report.level is None) == any(item.severity == "error" for item in report.findings), number
        assert report.text()
        codes |= report.codes
    assert codes >= COMMON, "the mutants should not all be refused for one reason"


def test_a_mutated_checkpoint_as_evidence(good: Good) -> None:
    """Whatever is brought as an earlier checkpoint confirms the true head or is a finding."""
    chance = random.Random(0)  # noqa: S311
    for number in range(MUTANTS if SOAK else 50):
        report = good.verify(good.files, chance.choice(ON_BYTES)(good.kept, chance))
        assert (report.level == "B" and report.snapshot() == good.content) or report.findings, number


def test_a_ledger_is_read_from_memory_as_from_its_folder(good: Good) -> None:
    """The reader used here is a fair one."""
    assert set(good.files) == {path for path in good.files if (good.world.path / path).is_file()}
    assert good.verify(good.files, good.kept).level == "B"
