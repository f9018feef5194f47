"""What must hold of a ledger after a fault, whatever the fault was.

1. Guard and published checkpoint are the sequencer's, whole; the published one is not ahead of the guard.
2. Who verifies the folder as the fault left it, before any repair, reaches level A.
3. The ledger can be opened, and then has every acknowledged entry at its number, under the head that was stated.
4. Nothing is there that was not attempted: only the event in flight may or may not be.
5. Every checkpoint that was signed and stored is a prefix of what the ledger becomes: level B with each of them.
6. Appending goes on, and the lines for people follow.
"""

from collections.abc import Sequence
from datetime import timedelta

from synthtrail.custody import merkle, note
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.guard import Guard
from synthtrail.custody.verify import verify
from tests.faults.appender import NOW
from tests.faults.faulty import Outcome
from tests.unit.custody.ledger_factory import ORIGIN, SEQUENCER, World


def stored_checkpoints(world: World) -> list[bytes]:
    """What guard and ledger folder hold; the guard's first."""
    guarded = Guard(world.guard, ORIGIN).checkpoint()
    published = world.path / "checkpoint"
    return [data for data in (guarded, published.read_bytes() if published.exists() else None) if data is not None]


def size_of(checkpoint: bytes) -> int:
    """The size that a checkpoint by the sequencer states; raises `DataError` for anything else."""
    return note.open_checkpoint(checkpoint, ORIGIN, [SEQUENCER.verifier]).checkpoint.size


def assert_whole(world: World, *, since: bytes | None = None) -> None:
    """Whoever verifies the folder finds nothing."""
    report = verify(FolderReader(world.path), world.policy, now=NOW + timedelta(hours=1), since=since)
    assert (report.level, report.findings) == ("A" if since is None else "B", ())


def assert_survived(world: World, outcomes: Sequence[Outcome], before: int, attempted: int) -> None:
    """All six; `before` entries were there, and at most `attempted` events may have followed."""
    checkpoints = stored_checkpoints(world)
    sizes = [size_of(data) for data in checkpoints]
    assert sizes == sorted(sizes, reverse=True)
    assert_whole(world)
    ledger = world.reopen()
    leaves = [merkle.leaf_hash(data) for data in ledger.entries()]
    for outcome in outcomes:
        for item in outcome.stored:
            assert leaves[item.number] == item.leaf
            assert merkle.root(leaves[: item.size]) == item.root
    acknowledged = {item.number for outcome in outcomes for item in outcome.stored}
    assert acknowledged == set(range(before, before + len(acknowledged)))
    assert before + len(acknowledged) <= len(leaves) <= before + attempted
    world.now = NOW
    world.run("after")
    for data in set(checkpoints):
        assert_whole(world, since=data)
    assert (world.path / "entries.jsonl").read_bytes().splitlines() == list(ledger.entries())
