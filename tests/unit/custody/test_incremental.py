"""Verifying only what is new, and by several processes, finds what a full verification finds."""

import random

import pytest
from tests.unit.custody.forgery import audit, bundle_path, entries_of, write_bundle
from tests.unit.custody.ledger_factory import World, item, make_policy

from synthtrail.custody import merkle, snapshot, workers
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.compact import DigestTable
from synthtrail.custody.edge import Edge
from synthtrail.custody.report import Report
from synthtrail.custody.verify import verify


class Counting:
    """Remembers which files were read."""

    def __init__(self, world: World) -> None:
        self.seen: set[str] = set()
        self._reader = FolderReader(world.path)

    def read(self, path: str) -> bytes:
        self.seen.add(path)
        return self._reader.read(path)


def continued(world: World, since: bytes, known: bytes | None, processes: int = 1) -> Report:
    return verify(FolderReader(world.path), world.policy, now=world.now, since=since, known=known, processes=processes)


def test_incremental_equals_full(world: World) -> None:
    """From every earlier head on, the state reached is the same, and the report says what was not read."""
    marks = []
    for version in range(2, 62):
        if version % 8 == 2:
            marks.append((world.ledger.checkpoint, audit(world).snapshot()))
        world.run("iris", version)
    whole = audit(world)
    assert whole.state is not None
    for since, known in marks:
        report = continued(world, since, known)
        assert (report.level, report.root) == ("B", whole.root)
        assert any("taken from the snapshot" in line for line in report.not_checked)
        assert report.snapshot() == whole.snapshot()


def test_incremental_reads_only_what_is_new(world: World) -> None:
    for version in range(2, 62):
        world.run("iris", version)
    report = audit(world)
    since = world.ledger.checkpoint
    world.run("wine", 2)
    reader = Counting(world)
    found = verify(reader, world.policy, now=world.now, since=since, known=report.snapshot())
    assert found.level == "B"
    assert not any(path.startswith("tile/entries/000") for path in reader.seen)


def test_incremental_finds_new_faults_and_does_not_claim_old_ones(world: World) -> None:
    report = audit(world)
    since = world.ledger.checkpoint
    size = world.ledger.head.size
    world.run("iris", 2)
    entries = entries_of(world)
    old, new = list(entries), list(entries)
    old[5] = old[5].replace(b'"v":1}', b'"v":2}')
    new[size + 1] = new[size + 1].replace(b'"v":1}', b'"v":2}')
    write_bundle(world, old)
    assert continued(world, since, report.snapshot()).level == "B"
    assert continued(world, since, None).level is None
    write_bundle(world, new)
    assert continued(world, since, report.snapshot()).level is None


def test_a_snapshot_of_something_else_is_not_used(world: World) -> None:
    """Damaged, of another policy, or of another head: everything is read instead."""
    known = audit(world).snapshot()
    assert known is not None
    since = world.ledger.checkpoint
    world.run("iris", 2)
    bundle_path(world).unlink()
    for unusable in (known[:-1], known[:40] + b"x" + known[41:], b"", b"x" * 100):
        assert continued(world, since, unusable).level is None
    assert snapshot.load(known, world.policy) is not None
    assert snapshot.load(known, make_policy(quorum=1)) is None
    assert continued(world, world.ledger.checkpoint, known).level is None


def test_a_failed_verification_gives_no_snapshot(world: World) -> None:
    bundle_path(world).unlink()
    assert audit(world).snapshot() is None


def test_several_processes_find_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a key is listed in the middle, and when entries are damaged; only one bundle is handed out ahead."""
    monkeypatch.setattr(workers, "_AHEAD", 0)
    for version in range(2, 62):
        world.run("iris", version)
    one, two = continued(world, world.ledger.checkpoint, None), continued(world, world.ledger.checkpoint, None, 2)
    assert (one.level, one.findings, one.snapshot()) == (two.level, two.findings, two.snapshot())
    path = world.path / "tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b'"v":1}', b'"v":2}', 3))
    one, two = continued(world, world.ledger.checkpoint, None), continued(world, world.ledger.checkpoint, None, 2)
    assert one.findings == two.findings
    assert one.findings
    path.unlink()
    (world.path / "tile/0/000").unlink()
    one, two = continued(world, world.ledger.checkpoint, None), continued(world, world.ledger.checkpoint, None, 2)
    assert one.findings == two.findings
    assert "entries-missing" in {finding.code for finding in one.findings}


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 1000])
def test_edge_is_the_tree(size: int) -> None:
    """Fed in any steps, started at any size, it gives the root of RFC 6962."""
    leaves = [merkle.leaf_hash(bytes([n % 251, n // 251])) for n in range(size)]
    chance = random.Random(size)  # noqa: S311
    start = chance.randint(0, size)
    frontier = merkle.Frontier()
    frontier.extend(leaves[:start])
    edge = Edge(frontier)
    at = start
    while at < size:
        step = min(size, (at // 256 + 1) * 256) - at
        step = chance.randint(1, step)
        assert edge.root_before(leaves[at:], step) == merkle.root(leaves[: at + step])
        edge.add(leaves[at : at + step])
        at += step
    assert edge.root() == merkle.root(leaves)
    assert edge.size == size


def test_digest_table_is_a_table() -> None:
    """It finds the first row of each digest, through growth and reloading, as a dictionary would."""
    chance = random.Random(0)  # noqa: S311
    table = DigestTable()
    first: dict[bytes, int] = {}
    for row in range(5000):
        key = chance.randbytes(32) if row % 3 else item("x", "train", row % 50).digest
        assert table.find(key) == first.get(key, -1)
        assert table.add(key) == row
        first.setdefault(key, row)
    again = DigestTable(table.dump())
    assert len(again) == 5000
    assert all(again.find(key) == row == table.find(key) for key, row in first.items())
    with pytest.raises(ValueError, match="32"):
        table.add(b"short")
    with pytest.raises(IndexError):
        table[5000]
