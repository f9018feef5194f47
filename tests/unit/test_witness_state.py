"""A witness's files: persisted before it answers, one history whoever asks at once, and no start anew after a loss."""

import os
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from synthtrail.custody import canonical, note, witness
from synthtrail.custody.errors import FormatError, StorageError, UsageError
from synthtrail.handover.witness_state import WitnessState, create, load
from synthtrail.storage import files
from tests.unit.witness_logs import LOG, ORIGIN, STRANGER, WITNESS, History, folders, state_in

GOOD, FORK = History(), History("'")
SIDES = 8


@pytest.fixture
def state(tmp_path: Path) -> WitnessState:
    found = state_in(tmp_path)
    found.trust(ORIGIN, LOG.verifier)
    return found


def state_file(root: Path) -> Path:
    return next(path for path in (root / "state").rglob("*") if len(path.name) == 64)


def test_it_answers_as_the_specification_says(state: WitnessState) -> None:
    """From nothing to 8 and on; a request twice; a fork; an unknown log."""
    assert state.answer(GOOD.body(0, 8)).status == 200
    again = state.answer(GOOD.body(0, 8))
    assert (again.status, again.body) == (409, b"8\n")
    assert state.answer(GOOD.body(8, 8)).status == 200
    assert state.answer(FORK.body(8, 9)).status == 422
    assert state.answer(FORK.body(8, 8)).status == 409
    assert state.answer(GOOD.body(8, 300)).status == 200
    assert state.answer(History(origin="example.com/log/2").body(0, 8)).status == 404
    assert state.answer(b"hello").status == 400


def test_a_new_key_is_private_and_its_public_half_is_a_witness_key(tmp_path: Path) -> None:
    """Mode 0600 in a folder 0700, outside the checkout; made once."""
    made = create(folders(tmp_path), "w.example/one")
    (key,) = (tmp_path / "data").rglob("*.pem")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert canonical.b64decode(made.vkey.split("+", 2)[2])[0] == 4
    assert load(folders(tmp_path)).vkey == load(folders(tmp_path), "w.example/one").vkey == made.vkey
    with pytest.raises(UsageError, match="exists already"):
        create(folders(tmp_path), "w.example/one")


def test_it_must_be_clear_which_witness_is_meant(tmp_path: Path) -> None:
    """None, several, or one whose folder's name only looks the same."""
    with pytest.raises(UsageError, match="no witness here"):
        load(folders(tmp_path))
    create(folders(tmp_path), "w.example/one")
    with pytest.raises(UsageError, match="holds the key of"):
        load(folders(tmp_path), "w.example_one")
    create(folders(tmp_path), "w.example/two")
    with pytest.raises(UsageError, match="several"):
        load(folders(tmp_path))
    with pytest.raises(FormatError):
        load(folders(tmp_path), "one two")


def test_a_second_key_of_a_log_is_trusted_beside_the_first(state: WitnessState) -> None:
    """As when a sequencer's key is rotated; what was signed stays."""
    assert state.answer(GOOD.body(0, 8)).status == 200
    state.trust(ORIGIN, STRANGER.verifier)
    assert state.answer(History(signer=STRANGER).body(8, 9)).status == 200
    assert state.answer(GOOD.body(9, 10)).status == 200
    ((log, seen),) = state.logs()
    assert (log.keys, seen.checkpoint.size) == ((LOG.verifier, STRANGER.verifier), 10)


def test_a_log_is_not_its_own_witness(state: WitnessState) -> None:
    with pytest.raises(UsageError, match="its own witness"):
        state.trust("example.com/mine", WITNESS.verifier)


def test_a_witness_that_lost_its_state_signs_nothing_more(state: WitnessState, tmp_path: Path) -> None:
    """Not even after trusting the log anew: it no longer knows which history it vouched for."""
    assert state.answer(GOOD.body(0, 8)).status == 200
    state_file(tmp_path).unlink()
    for body in (GOOD.body(0, 8), FORK.body(0, 8), GOOD.body(8, 8)):
        with pytest.raises(StorageError, match="is missing"):
            state.answer(body)
    with pytest.raises(StorageError, match="is missing"):
        state.trust(ORIGIN, LOG.verifier)


def test_a_lost_list_of_logs_does_not_make_it_forget_what_it_signed(state: WitnessState, tmp_path: Path) -> None:
    assert state.answer(GOOD.body(0, 8)).status == 200
    next((tmp_path / "config").rglob("*.json")).unlink()
    assert state.answer(GOOD.body(8, 9)).status == 404
    state.trust(ORIGIN, LOG.verifier)
    assert state.answer(FORK.body(0, 9)).body == b"8\n"


def test_a_tampered_list_of_logs_is_refused(state: WitnessState, tmp_path: Path) -> None:
    """Another version, a member too many."""
    path = next((tmp_path / "config").rglob("*.json"))
    good = path.read_bytes()
    for bad in (good.replace(b'"v":1', b'"v":2'), good.replace(b'"v":1', b'"v":1,"w":1'), b"{}"):
        path.write_bytes(bad)
        with pytest.raises(FormatError):
            state.answer(GOOD.body(0, 8))


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
def test_nothing_leaves_that_was_not_persisted(
    state: WitnessState, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """If the disk fails before the state is in place, there is no cosignature, and the fork may still be signed."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(broken, fail)
        with pytest.raises(OSError, match="No space"):
            state.answer(GOOD.body(0, 8))
    assert state.answer(FORK.body(0, 8)).status == 200


def test_file_and_folder_are_flushed_before_the_answer_leaves(
    state: WitnessState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file before it is renamed, the folder after; the answer after both."""
    steps: list[str] = []
    fsync, replace, answer = os.fsync, Path.replace, witness.answer

    def note_fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    def note_answer(outcome: witness.Cosigned | witness.RefusedError) -> witness.Response:
        steps.append("answer")
        return answer(outcome)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    monkeypatch.setattr(witness, "answer", note_answer)
    assert state.answer(GOOD.body(0, 8)).status == 200
    assert steps == ["file", "rename", "folder", "answer"]
    assert witness.read_state(state_file(tmp_path).read_bytes(), ORIGIN, WITNESS.verifier).checkpoint.size == 8


def test_a_crash_between_persisting_and_answering_costs_one_request(
    state: WitnessState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The asker never saw the cosignature; it gets the same checkpoint signed again, and no other."""

    class Killed(BaseException):
        pass

    write = files.write_bytes

    def write_and_die(path: Path, data: bytes, **mode: int) -> None:
        write(path, data, **mode)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes", write_and_die)
        with pytest.raises(Killed):
            state.answer(GOOD.body(0, 8))
    risen = state_in(tmp_path)
    assert risen.answer(FORK.body(0, 8)).body == b"8\n"
    assert risen.answer(FORK.body(8, 8)).status == 409
    assert risen.answer(GOOD.body(0, 8)).body == b"8\n"
    response = risen.answer(GOOD.body(8, 8))
    assert witness.read_lines(response.body, GOOD.signed(8), [WITNESS.verifier])


def histories_signed(sizes: list[int], outcomes: list[tuple[str, int, bytes]]) -> list[set[str]]:
    """Return for each size which histories got a genuine cosignature, out of (history, size, answer's body)."""
    known = {"good": GOOD, "fork": FORK}
    signed: list[set[str]] = [set() for _ in sizes]
    for name, size, body in outcomes:
        assert witness.read_lines(body, known[name].signed(size), [WITNESS.verifier])
        signed[sizes.index(size)].add(name)
    return signed


def test_eight_threads_never_get_two_histories_signed(tmp_path: Path) -> None:
    """At each size four threads offer one history and four another; all that is ever signed is one history.

    Half of the threads have a `WitnessState` of their own, as separate programs would.
    """
    shared = state_in(tmp_path)
    shared.trust(ORIGIN, LOG.verifier)
    assert shared.answer(GOOD.body(0, 5)).status == 200
    sizes = list(range(6, 26))
    barrier = threading.Barrier(SIDES)

    def side(number: int) -> list[tuple[str, int, bytes]]:
        name, history = ("good", GOOD) if number % 2 else ("fork", FORK)
        own = shared if number < SIDES // 2 else state_in(tmp_path)
        won = []
        for size in sizes:
            body = history.body(size - 1, size)
            barrier.wait()
            response = own.answer(body)
            if response.status == 200:
                won.append((name, size, response.body))
        return won

    with ThreadPoolExecutor(SIDES) as pool:
        outcomes = [item for won in pool.map(side, range(SIDES)) for item in won]
    signed = histories_signed(sizes, outcomes)
    assert all(len(names) == 1 for names in signed), signed
    assert len(set().union(*signed)) == 1
    assert len(outcomes) == len(sizes)  # one of four wins each round; to the others it is a conflict


PROCESS = """
import sys, time
from pathlib import Path
from tests.unit.witness_logs import History, state_in

root, number = Path(sys.argv[1]), int(sys.argv[2])
history = History("" if number % 2 else "'")
bodies = {size: history.body(size - 1, size) for size in range(6, 26)}
state = state_in(root)
(root / f"ready-{number}").touch()
while not (root / "go").exists():
    time.sleep(0.002)
for size, body in bodies.items():
    response = state.answer(body)
    if response.status == 200:
        (root / f"won-{number}-{size}").write_bytes(response.body)
"""


def wait_for(condition: Callable[[], bool]) -> None:
    waker = threading.Event()
    for _ in range(2000):
        if condition():
            return
        waker.wait(0.01)
    raise AssertionError("the processes did not start")


def test_eight_processes_never_get_two_histories_signed(tmp_path: Path) -> None:
    """The same between processes, which share nothing but the files."""
    state = state_in(tmp_path)
    state.trust(ORIGIN, LOG.verifier)
    assert state.answer(GOOD.body(0, 5)).status == 200
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), str(tmp_path)]
    root = Path(__file__).parents[2]
    running = [subprocess.Popen([*command, str(number)], cwd=root) for number in range(SIDES)]
    try:
        wait_for(lambda: len(list(tmp_path.glob("ready-*"))) == SIDES)
        (tmp_path / "go").touch()
        assert [process.wait(timeout=20) for process in running] == [0] * SIDES
    finally:
        for process in running:
            process.kill()
            process.wait()
    outcomes = []
    for path in tmp_path.glob("won-*"):
        _, number, size = path.name.split("-")
        outcomes.append(("good" if int(number) % 2 else "fork", int(size), path.read_bytes()))
    assert outcomes
    signed = histories_signed(list(range(6, 26)), outcomes)
    assert all(len(names) <= 1 for names in signed), signed
    assert len(set().union(*signed)) == 1
    last = max(size for _, size, _ in outcomes)
    ((_, seen),) = state.logs()
    assert seen.checkpoint.size == last


def test_without_the_lock_two_histories_would_be_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race is real: two sides that both read before either writes both get a signature."""
    state = state_in(tmp_path)
    state.trust(ORIGIN, LOG.verifier)
    both_have_read = threading.Barrier(2)
    read = WitnessState._read

    def read_together(self: WitnessState, origin: str) -> witness.Seen:
        seen = read(self, origin)
        both_have_read.wait(timeout=0.5)
        return seen

    monkeypatch.setattr(WitnessState, "_read", read_together)
    with ThreadPoolExecutor(2) as pool:
        sides = [pool.submit(state.answer, history.body(0, 8)) for history in (GOOD, FORK)]
        # Under the lock they cannot meet, and the wait ends in an error on both sides.
        assert all(isinstance(side.exception(), threading.BrokenBarrierError) for side in sides)
    both_have_read.reset()
    monkeypatch.setattr(WitnessState, "_lock", lambda _self, _origin: nullcontext())
    with ThreadPoolExecutor(2) as pool:
        unlocked = list(pool.map(lambda history: state.answer(history.body(0, 8)).status, (GOOD, FORK)))
    assert unlocked == [200, 200]


def test_the_state_is_a_note_that_others_can_read(state: WitnessState, tmp_path: Path) -> None:
    """The last checkpoint with the log's signature and the witness's own."""
    state.answer(GOOD.body(0, 8))
    opened = note.open_checkpoint(state_file(tmp_path).read_bytes(), ORIGIN, [LOG.verifier])
    assert opened.checkpoint.size == 8
    assert len(opened.note.unverified) == 1
