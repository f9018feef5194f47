"""Faults at the system calls of an append: killed, disk full, device errors. Nothing acknowledged is ever lost.

A sample in the suite; with `SYNTHTRAIL_SOAK=1` every call of every kind, and faults during the recovery from a fault.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.aftermath import assert_survived, stored_checkpoints
from tests.faults.conftest import SIZE, copy_of
from tests.faults.faulty import Fault, Outcome, need_strace, run_traced
from tests.soak import SOAK
from tests.unit.custody.ledger_factory import World

COUNT = 4  # entries 254 to 257: the last of a bundle, the first of the next, and their neighbours
KILL, FULL, BROKEN = "signal=SIGKILL", "error=ENOSPC", "error=EIO"
SAMPLED = 2


@pytest.fixture(scope="module")
def undisturbed(nearly_full: World, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The same appends without a fault, for the number of their system calls."""
    need_strace()
    world = copy_of(nearly_full, tmp_path_factory.mktemp("undisturbed") / "world")
    outcome = run_traced(world.folder, "new", COUNT)
    assert (len(outcome.stored), outcome.failed, outcome.status) == (COUNT, (), 0)
    assert_survived(world, [outcome], SIZE, COUNT)
    return outcome


def numbers(total: int, phase: int = 0) -> Iterator[int]:
    """All calls under soak, else a few spread over them; another `phase` takes others."""
    step = 1 if SOAK else max(1, total // SAMPLED)
    yield from range(1 + phase % step, total + 1, step)


@pytest.mark.parametrize("syscall", ["write", "fsync", "rename", "mkdir", "unlink", "openat"])
def test_killed_before_a_system_call(nearly_full: World, undisturbed: Outcome, tmp_path: Path, syscall: str) -> None:
    """At whatever call the process dies: what it acknowledged is there, what it did not is whole or not there."""
    for number in numbers(undisturbed.counts[syscall]):
        world = copy_of(nearly_full, tmp_path / str(number))
        outcome = run_traced(world.folder, "new", COUNT, fault=Fault(syscall, number, KILL))
        assert outcome.status == -9, f"{syscall} {number} was not reached"
        assert_survived(world, [outcome], SIZE, COUNT)


@pytest.mark.parametrize("what", [FULL, BROKEN])
@pytest.mark.parametrize("syscall", ["write", "fsync", "rename", "mkdir", "openat"])
def test_a_call_that_fails_once(
    nearly_full: World, undisturbed: Outcome, tmp_path: Path, syscall: str, what: str
) -> None:
    """The append is refused or stands; the same process tries again, and then all are acknowledged."""
    for number in numbers(undisturbed.counts[syscall], phase=2 if what == FULL else 1):
        world = copy_of(nearly_full, tmp_path / str(number))
        outcome = run_traced(world.folder, "new", COUNT, "--retry", fault=Fault(syscall, number, what))
        assert outcome.status == 0
        if len(outcome.stored) < COUNT:
            assert outcome.failed[0][0] == "OSError", "only opening the ledger is not tried again"
            assert outcome.stored == ()
        assert_survived(world, [outcome], SIZE, COUNT)


@pytest.mark.parametrize(("syscall", "what"), [("write", FULL), ("fsync", BROKEN), ("rename", BROKEN)])
def test_a_device_that_stays_broken(
    nearly_full: World, undisturbed: Outcome, tmp_path: Path, syscall: str, what: str
) -> None:
    """Every later append fails too, none is acknowledged, and with a working disk the ledger goes on."""
    for number in numbers(undisturbed.counts[syscall], phase=3):
        world = copy_of(nearly_full, tmp_path / str(number))
        outcome = run_traced(world.folder, "new", COUNT, "--retry", fault=Fault(syscall, number, what, lasting=True))
        assert outcome.failed
        assert_survived(world, [outcome], SIZE, COUNT)


def test_killed_again_while_recovering(nearly_full: World, undisturbed: Outcome, tmp_path: Path) -> None:
    """Killed between guard and publication, and again at each call of the recovery that publishes."""
    guarded = _first(undisturbed, "rename", "/guard/")
    left = copy_of(nearly_full, tmp_path / "left")
    first = run_traced(left.folder, "new", COUNT, fault=Fault("rename", guarded + 1, KILL))
    assert len(set(stored_checkpoints(left))) == 2, "the guard should be ahead"
    for call in ("write", "fsync", "rename") if SOAK else ("fsync", "rename"):
        for number in range(1, 4):
            world = World(tmp_path / f"{call}-{number}", policy=left.policy, now=left.now)
            world.folder.mkdir()
            _copy_raw(left, world)
            second = run_traced(world.folder, "second", 1, fault=Fault(call, number, KILL))
            assert_survived(world, [first], SIZE, COUNT + len(second.stored) + 1)


def test_nothing_is_acknowledged_before_it_is_flushed(undisturbed: Outcome) -> None:
    """A kill cannot show what a power cut would forget; the order of calls can.

    Every file is flushed before it gets its name, and before an acknowledgement (`writev`) every folder that got a
    new name is flushed; the derived lines and removals are the only exceptions.
    """
    dirty: set[str] = set()
    names: set[str] = set()
    for line in undisturbed.trace:
        call = line.split(maxsplit=1)[1]
        paths = re.findall(r'<(/[^>]*)>|"(/[^"]*)"', call)
        path = next((one or other for one, other in paths), "")
        if call.startswith("write(") and not path.endswith("entries.jsonl"):
            dirty.add(path)
        elif call.startswith("fsync("):
            dirty.discard(path)
            names.discard(path)
        elif call.startswith("rename("):
            assert path not in dirty, call
            names.add(str(Path(path).parent))
        elif call.startswith("mkdir("):
            names.add(str(Path(path).parent))
        elif call.startswith("writev("):
            assert (dirty, names) == (set(), set()), call


def _first(outcome: Outcome, syscall: str, part: str) -> int:
    """The number, from 1, of the first such call that mentions `part`."""
    calls = [line for line in outcome.trace if line.split(maxsplit=1)[1].startswith(f"{syscall}(")]
    return next(number for number, line in enumerate(calls, start=1) if part in line)


def _copy_raw(source: World, target: World) -> None:
    """Copy without opening, which would repair."""
    shutil.copytree(source.folder, target.folder, dirs_exist_ok=True)
