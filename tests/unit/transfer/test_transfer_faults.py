"""Killed or out of disk at any step of a transfer: running the same command again completes it, once."""

import contextlib
import io
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from synthtrail.cli.main import main
from tests.unit.transfer.hospitals import Hospital, Pair, acquaint, copied, found, offer

KILLED = 9
SOAK = bool(os.environ.get("SYNTHTRAIL_SOAK"))  # then at every step, and before every file is opened, too
CHANGING = ("os.rename", "os.remove", *(("os.mkdir", "os.rmdir") if SOAK else ()))
Words = Callable[[Path], tuple[str, ...]]

OFFER = ("--to", "Hospital B", "--purpose", "p", "--terms", "t", "--expires", "P30D", "--yes")
STEPS: dict[str, tuple[str, Words]] = {
    "offer": ("a", lambda folder: ("offer", "data/ward/synthetic", *OFFER, "-o", str(folder))),
    "accept": ("b", lambda folder: ("accept", str(folder), "--yes")),
    "receive": ("a", lambda folder: ("receive", str(folder))),
}


def killed_at(hospital: Hospital, step: int, *words: str) -> int:
    """Run a command in a process that dies, with no time to clean up, when it is about to change the disk again."""
    hospital.enter()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        flags = arguments[2] if SOAK and event == "open" and len(arguments) > 2 else 0
        if event in CHANGING or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
            count += 1
            if count == step:
                os._exit(KILLED)

    try:
        sys.addaudithook(hook)
        with contextlib.redirect_stdout(io.StringIO()):
            os._exit(main(list(words)))
    except BaseException:
        traceback.print_exc()
        os._exit(77)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("victim", sorted(STEPS))
def test_killed_at_any_step_a_second_run_completes_the_transfer(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """Kill the command before each change of the disk in turn; run it and the rest again: one offer, one acceptance."""
    for name, (side, words) in STEPS.items():
        if name == victim:
            break
        getattr(pair, side).run(*words(pair.folder))
    side, words = STEPS[victim]
    for step in range(1, 200):
        world = tmp_path.parent / f"{tmp_path.name}-{step}"
        again = copied(tmp_path, world, monkeypatch)
        code = killed_at(getattr(again, side), step, *words(again.folder))
        assert code in (0, KILLED)
        for left in list(STEPS)[list(STEPS).index(victim) :]:
            hospital, ask = STEPS[left]
            getattr(again, hospital).run(*ask(again.folder))
        assert [again.a.events().count(f"transfer-{event}") for event in ("offered", "accepted")] == [1, 1]
        assert again.b.events().count("acquired") == 1
        shutil.rmtree(world)
        if code == 0:
            break
    assert step > 3
    assert code == 0


@pytest.mark.parametrize("victim", sorted(STEPS))
def test_a_full_disk_is_one_line_and_loses_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch, victim: str) -> None:
    """The command says that there is no space; with space again, the same command succeeds."""
    for name, (side, words) in STEPS.items():
        hospital: Hospital = getattr(pair, side)
        if name == victim:
            with monkeypatch.context() as patch:
                starve(patch, hospital)
                assert "No space left on device" in hospital.refused(*words(pair.folder))
        hospital.run(*words(pair.folder))
    assert [pair.a.events().count(f"transfer-{event}") for event in ("offered", "accepted")] == [1, 1]


def starve(patch: pytest.MonkeyPatch, hospital: Hospital) -> None:
    """Let every flush to disk of this hospital's commands fail."""

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    hospital.enter()
    enter = hospital.enter

    def entered() -> None:
        enter()
        patch.setattr(os, "fsync", no_space)

    patch.setattr(hospital, "enter", entered)


def test_an_expired_key_signs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names the key and the way out; after rotation the successor signs."""
    a = found(tmp_path, "Hospital A", monkeypatch)
    a.make()
    a.run("key", "rotate", "ada", "--yes", "--expires", "P1D")
    path = next(a.base.rglob("ada-2.pem"))
    text = path.read_text(encoding="utf-8")
    path.write_text("Expires: 2026-01-01T00:00:00Z\n" + text.split("\n", 1)[1], encoding="utf-8")
    approve = ("approve", "data/ward/synthetic", "--reason", "fit", "--yes")
    assert "this key expired on 2026-01-01; `synthtrail key rotate ada-2`" in a.refused(*approve)
    a.run("key", "rotate", "ada-2", "--yes")
    a.run(*approve)
    b = found(tmp_path, "Hospital B", monkeypatch)
    acquaint(a, b, tmp_path)
    offer(a, tmp_path / "between")
