"""Several writers, killed writers, clocks that go backwards, and backups that come back."""

import os
import shutil
import signal
import time
from errno import ENOSPC
from pathlib import Path

import pytest

from synthtrail.custody import acts
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.errors import StorageError
from synthtrail.custody.guard import Guard
from synthtrail.custody.verify import verify
from tests.faults.aftermath import assert_survived, assert_whole, size_of, stored_checkpoints
from tests.faults.appender import NOW
from tests.faults.conftest import SIZE, copy_of
from tests.faults.faulty import end, go, run, start
from tests.soak import SOAK
from tests.unit.custody.ledger_factory import OPERATOR, ORIGIN, World, make_record

DAY = 86_400


def published(world: World, seconds: float) -> set[bytes]:
    """Every checkpoint that a reader without the lock sees in a while."""
    seen = set()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen.add((world.path / "checkpoint").read_bytes())
        time.sleep(0.005)
    return seen


@pytest.mark.parametrize(("writers", "count"), [(2, 200 if SOAK else 12), (8, 50 if SOAK else 4)])
def test_writers_at_once(world: World, writers: int, count: int) -> None:
    """All started together: every event is stored once, and all heads that anyone saw are of one history."""
    waiting = [start(world.folder, f"writer{number}", count) for number in range(writers)]
    for process in waiting:
        go(process)
    seen = published(world, 1)
    outcomes = [end(process) for process in waiting]
    assert [(len(outcome.stored), outcome.failed, outcome.status) for outcome in outcomes] == [(count, (), 0)] * writers
    assert_survived(world, outcomes, SIZE, writers * count)
    for data in sorted(seen, key=size_of)[:: 1 if SOAK else max(1, len(seen) // 3)]:
        assert_whole(world, since=data)


@pytest.mark.parametrize("round_", range(20 if SOAK else 2))
def test_writers_that_are_killed_among_others(world: World, round_: int) -> None:
    """Four of eight die in the middle, wherever that is; the others go on, and nobody's acknowledged entry is lost."""
    waiting = [start(world.folder, f"writer{number}", 4) for number in range(8)]
    for process in waiting:
        go(process)
    time.sleep(0.05 + 0.04 * round_)
    for process in waiting[::2]:
        os.kill(process.pid, signal.SIGKILL)
    outcomes = [end(process) for process in waiting]
    assert all(len(outcome.stored) == 4 for outcome in outcomes[1::2])
    stored = sum(len(outcome.stored) for outcome in outcomes)
    ledger = world.reopen()
    in_flight = ledger.head.size - SIZE - stored
    assert 0 <= in_flight <= 4
    numbers = sorted(item.number for outcome in outcomes for item in outcome.stored)
    assert len(set(numbers)) == len(numbers)
    assert_whole(world)


@pytest.mark.parametrize("back", [-1, -200, -301, -DAY])
def test_a_clock_that_goes_backwards(world: World, back: int) -> None:
    """A little is a clock being set right; more than the policy's skew is refused, and later appends go on."""
    first = run(world.folder, "first", 1)
    second = run(world.folder, "second", 1, "--skew", str(back))
    third = run(world.folder, "third", 1, "--skew", "1")
    allowed = back > -world.policy.skew
    assert second.failed == (() if allowed else (("TransitionError", "entry-back-dated"),))
    assert_survived(world, [first, second, third], SIZE, 3)
    assert world.reopen().head.size >= SIZE + 2 + allowed


def test_a_clock_that_was_ahead_and_was_set_right(world: World) -> None:
    """An entry from the future is not undone; until the clock catches up, appending is refused and says why."""
    ahead = run(world.folder, "ahead", 1, "--skew", str(DAY))
    right = run(world.folder, "right", 1)
    assert len(ahead.stored) == 1
    assert right.failed == (("TransitionError", "entry-back-dated"),)
    later = run(world.folder, "later", 1, "--skew", str(DAY + 1))
    assert later.stored[0].number == ahead.stored[0].number + 1


@pytest.mark.parametrize("missed", [1, 4])
def test_a_restored_backup_of_the_ledger_is_refused(world: World, tmp_path: Path, missed: int) -> None:
    """The guard knows better: nothing is signed on top of the older copy, and the true one goes on where it was."""
    backup = tmp_path / "backup"
    shutil.copytree(world.path, backup)
    outcome = run(world.folder, "new", missed)
    shutil.move(world.path, tmp_path / "true")
    shutil.move(backup, world.path)
    checkpoints = stored_checkpoints(world)
    refused = run(world.folder, "late", 1)
    assert (refused.stored, refused.failed[0][0]) == ((), "StorageError")
    with pytest.raises(StorageError, match="incident"):
        world.reopen()
    assert stored_checkpoints(world) == checkpoints
    shutil.rmtree(world.path)
    shutil.move(tmp_path / "true", world.path)
    assert_survived(world, [outcome], SIZE, missed)


def test_a_restored_backup_of_the_guard_is_caught_up(world: World) -> None:
    """An older guard holds a prefix: the published checkpoint is the end, and the guard follows it."""
    guard = Guard(world.guard, ORIGIN)
    old = guard.checkpoint()
    assert old is not None
    outcome = run(world.folder, "new", 4)
    guard.store(old)
    world.reopen()
    assert guard.checkpoint() == world.ledger.checkpoint
    assert_survived(world, [outcome], SIZE, 4)


def test_a_backup_of_both_is_told_by_whoever_kept_a_checkpoint(world: World, tmp_path: Path) -> None:
    """What no machine can know by itself: the sequencer signs a second history. Level A passes, level B does not."""
    backup = tmp_path / "backup"
    shutil.copytree(world.folder, backup)
    run(world.folder, "lost", 3)
    kept = (world.path / "checkpoint").read_bytes()
    shutil.rmtree(world.folder)
    shutil.move(backup, world.folder)
    rolled_back = verify(FolderReader(world.path), world.policy, now=NOW, since=kept)
    assert (rolled_back.level, set(rolled_back.codes)) == (None, {"log-rolled-back"})
    run(world.folder, "other", 4)
    assert_whole(world)
    forked = verify(FolderReader(world.path), world.policy, now=NOW, since=kept)
    assert (forked.level, set(forked.codes)) == (None, {"log-forked"})


def test_a_ledger_restored_from_a_copy_of_a_reader(world: World, tmp_path: Path) -> None:
    """A copy without guard, as after the loss of a machine: its checkpoint is the end, and the guard's new content."""
    copy = copy_of(world, tmp_path / "elsewhere")
    shutil.rmtree(copy.guard)
    outcome = run(copy.folder, "new", 2)
    assert len(outcome.stored) == 2
    assert Guard(copy.guard, ORIGIN).checkpoint() == (copy.path / "checkpoint").read_bytes()


def test_a_guard_of_another_history_stops_everything(world: World, tmp_path: Path) -> None:
    """Two machines went on from one copy: where their folders meet, neither is followed."""
    other = copy_of(world, tmp_path / "other")
    run(world.folder, "here", 2)
    run(other.folder, "there", 3)
    shutil.rmtree(other.path)
    shutil.copytree(world.path, other.path)
    before = stored_checkpoints(other)
    refused = run(other.folder, "late", 1)
    assert (refused.stored, refused.failed[0][0]) == ((), "StorageError")
    assert stored_checkpoints(other) == before


def test_appends_that_failed_leave_nothing_that_costs_entries(world: World) -> None:
    """A program that stays alive while the disk is full, with a spool that grows, and then appends one event."""
    full = False

    def on_step(step: str) -> None:
        if full and step == "guard":
            raise OSError(ENOSPC, "no space left on device")

    def append(count: int) -> None:
        at = world.tick()
        with world.ledger.transaction(at) as tx:
            for _ in range(count):
                made = make_record("growing", "ingest", tx.state.size)
                tx.add(acts.made(tx.state, made, OPERATOR, at=at))
            tx.commit()

    append(3)  # into the second bundle
    world.reopen(on_step)
    full = True
    for count in range(3, 13):
        with pytest.raises(OSError, match="no space"):
            append(count)
    full = False
    append(1)
    assert_whole(world)
