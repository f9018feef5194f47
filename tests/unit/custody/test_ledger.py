"""Appending: durable when acknowledged, linear among processes, whole after a crash at any step."""

import multiprocessing
import shutil
import subprocess
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.custody.forgery import audit, checkpoint_path, entries_of
from tests.unit.custody.ledger_factory import (
    OPERATOR,
    ORIGIN,
    ROOTS,
    SEQUENCER,
    STAGES,
    START,
    STRANGER,
    World,
    item,
    make_policy,
    make_record,
)

from synthtrail.custody import acts, canonical, note, tlogproof
from synthtrail.custody.errors import ProofError, StorageError, TransitionError, UsageError
from synthtrail.custody.guard import Guard
from synthtrail.custody.ledger import Ledger
from synthtrail.custody.note import Checkpoint


class PowerCutError(BaseException):
    """Nothing catches this: the process is gone."""


class CutAt:
    """Counts steps, and cuts the power before one of them."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps: list[str] = []

    def __call__(self, step: str) -> None:
        if len(self.steps) == self.number:
            raise PowerCutError(step)
        self.steps.append(step)


def count_steps(world: World, version: int) -> list[str]:
    """The names of all steps of one append."""
    hook = CutAt(-1)
    world.reopen(hook)
    hook.steps.clear()
    world.run("iris", version)
    return hook.steps


def test_the_chain_can_be_followed_in_a_shell(world: World) -> None:
    """As the ledger's specification says: NUL and the line, hashed, is the next entry's `prev`."""
    script = "(printf '\\0'; printf %s \"$(sed -n 4p entries.jsonl)\") | sha256sum | cut -c-64"
    done = subprocess.run(["bash", "-c", script], cwd=world.path, capture_output=True, text=True, check=True)
    assert canonical.decode_object(entries_of(world)[4])["prev"] == done.stdout.strip()


def test_lines_are_the_entries(world: World) -> None:
    assert (world.path / "entries.jsonl").read_bytes().splitlines() == entries_of(world)


def test_every_entry_can_be_proved(world: World) -> None:
    """A tlog-proof of each entry checks against the pinned key, and not for its neighbour."""
    for index, data in enumerate(entries_of(world)):
        proof = tlogproof.parse(world.ledger.proof(index))
        tlogproof.check(proof, data, ORIGIN, [SEQUENCER.verifier])
        other = entries_of(world)[index - 1]
        with pytest.raises(ProofError):
            tlogproof.check(proof, other, ORIGIN, [SEQUENCER.verifier])


def test_reused_and_latest(world: World) -> None:
    """A record that comes back re-points its slot; the one that is there already needs no event."""
    first, second = make_record("iris", "ingest", 1), make_record("iris", "ingest", 2)
    assert acts.is_latest(world.ledger.state, first)
    world.run("iris", 2)
    assert not acts.is_latest(world.ledger.state, first)
    assert acts.is_latest(world.ledger.state, second)
    world.run("iris", 1)
    slot = world.ledger.state.slots["iris/ingest"]
    assert slot.first < slot.entry
    assert world.ledger.log.statement(slot.entry).act.event == "reused"
    assert audit(world).level == "A"


def test_uncommitted_events_are_dropped(world: World) -> None:
    before = world.ledger.checkpoint
    with world.ledger.transaction(world.now) as tx:
        tx.add(acts.made(tx.state, make_record("new", "ingest"), OPERATOR, at=world.now))
        assert "new/ingest" in tx.state.slots
    assert world.ledger.checkpoint == before
    assert "new/ingest" not in world.ledger.state.slots


def _fail_inside_a_transaction(world: World) -> None:
    with world.ledger.transaction(world.now) as tx:
        tx.add(acts.made(tx.state, make_record("new", "ingest"), OPERATOR, at=world.now))
        raise RuntimeError


def test_an_error_inside_a_transaction_drops_it(world: World) -> None:
    with pytest.raises(RuntimeError):
        _fail_inside_a_transaction(world)
    assert "new/ingest" not in world.ledger.state.slots
    world.run("new")
    assert audit(world).level == "A"


def test_a_ledger_is_created_once(world: World) -> None:
    opening = acts.opening(world.policy, *ROOTS, at=world.now)
    for folder in (world.path, world.folder / "elsewhere"):  # elsewhere, the guard knows better
        with pytest.raises(UsageError, match="exists already"):
            Ledger.create(folder, world.guard, world.policy, SEQUENCER, opening, now=world.now)


def test_only_the_pinned_sequencer_may_open(world: World) -> None:
    with pytest.raises(UsageError, match="not the sequencer"):
        Ledger.open(world.path, world.guard, world.policy, STRANGER)


def test_there_must_be_a_ledger_to_open(tmp_path: Path, world: World) -> None:
    with pytest.raises(StorageError, match="no ledger"):
        Ledger.open(tmp_path / "nothing", tmp_path / "guard", world.policy, SEQUENCER)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(StorageError, match="no ledger"):
        Ledger.open(tmp_path / "nothing", tmp_path / "guard", world.policy, SEQUENCER)


def test_power_cut_before_every_step_loses_nothing_acknowledged(world: World) -> None:
    """Whatever the step: the ledger opens, holds all that was acknowledged, and is either before or after the group.

    From the guard's rename on the checkpoint is out of hand and the append must be finished; before, undone.
    """
    acknowledged = entries_of(world)
    steps = count_steps(_copy(world, "dry"), 2)
    guarded = next(at for at, step in enumerate(steps) if step == "publish")
    assert {"bundles", "tiles", "reread", "sign", "guard", "publish", "derived"} <= set(steps)
    for number in range(len(steps)):
        copy = _copy(world, str(number))
        _run_until_power_cut(copy, number)
        copy.reopen()
        entries = entries_of(copy)
        assert entries[: len(acknowledged)] == acknowledged, steps[number]
        assert len(entries) - len(acknowledged) == (len(STAGES) if number >= guarded else 0), steps[number]
        copy.run("iris", 3)
        assert audit(copy, since=world.ledger.checkpoint).level == "B", steps[number]
        assert (copy.path / "entries.jsonl").read_bytes().splitlines() == entries_of(copy), steps[number]


def _run_until_power_cut(world: World, number: int) -> None:
    world.reopen(CutAt(number))  # opening writes nothing
    with pytest.raises(PowerCutError):
        world.run("iris", 2)


def _copy(world: World, name: str) -> World:
    folder = world.folder.parent / f"copy-{name}"
    shutil.copytree(world.folder, folder)
    copy = World(folder, policy=world.policy, now=world.now)
    copy.reopen()
    return copy


def test_power_cut_while_creating(tmp_path: Path) -> None:
    """A creation that was cut can be repeated, or is found finished."""
    hook = CutAt(-1)
    World(tmp_path / "dry").create(hook)
    first = hook.steps.index("derived")
    for number in range(first + 1):
        world = World(tmp_path / str(number))
        with pytest.raises(PowerCutError):
            world.create(CutAt(number))
        try:
            world.reopen()
        except StorageError:
            world = World(tmp_path / str(number))
            world.create()
        assert world.ledger.head.size >= 1


def test_every_signed_checkpoint_is_consistent_with_the_next(world: World) -> None:
    """Whatever the sequencer signed up to a power cut is a prefix of what the ledger becomes."""
    steps = count_steps(_copy(world, "dry"), 2)
    for number in range(len(steps)):
        copy = _copy(world, str(number))
        _run_until_power_cut(copy, number)
        signed = [data for data in (Guard(copy.guard, ORIGIN).checkpoint(), checkpoint_path(copy).read_bytes()) if data]
        copy.reopen()
        copy.run("wine", 7)
        for data in signed:
            assert audit(copy, since=data).level == "B", steps[number]


def test_leftovers_beyond_the_head_are_removed(world: World) -> None:
    """A longer append that was cut must not shine through later."""
    steps = count_steps(_copy(world, "dry"), 2)
    copy = _copy(world, "cut")
    _run_until_power_cut(copy, steps.index("sign"))
    size = world.ledger.head.size
    assert list(copy.path.rglob(str(size + len(STAGES))))
    copy.reopen()
    assert not list(copy.path.rglob(str(size + len(STAGES))))


def test_a_lost_guard_is_made_anew(world: World) -> None:
    shutil.rmtree(world.guard)
    world.reopen()
    assert Guard(world.guard, ORIGIN).checkpoint() is not None


def test_a_lost_checkpoint_is_taken_from_the_guard(world: World) -> None:
    checkpoint_path(world).unlink()
    world.reopen()
    assert audit(world).level == "A"


def test_cosignatures_survive_reopening(world: World) -> None:
    """The guard's copy has fewer signatures than the published one; it does not replace it."""
    published = world.ledger.checkpoint
    world.reopen()
    assert world.ledger.checkpoint == published
    assert published.count(b"\n\xe2\x80\x94") > 2


@pytest.mark.parametrize("size", [5, 19, 40])
def test_a_fork_between_guard_and_ledger_is_an_incident(world: World, size: int) -> None:
    """A head that the sequencer signed over other entries: nothing may go on from either."""
    world.reopen()
    other = note.sign(Checkpoint(ORIGIN, size, bytes(32)).text(), [SEQUENCER])
    Guard(world.guard, ORIGIN).store(other)
    with pytest.raises(StorageError, match="incident"):
        world.reopen()
    with pytest.raises(StorageError, match="incident"):
        world.run("new")


def test_damaged_entries_are_an_incident(world: World) -> None:
    """Nothing is appended to a ledger whose stored entries are not those that were signed."""
    bundle = next((world.path / "tile/entries").rglob(str(world.ledger.head.size)))
    data = bundle.read_bytes()
    bundle.write_bytes(data[:900] + bytes([data[900] ^ 1]) + data[901:])
    with pytest.raises(StorageError, match="incident"):
        world.reopen()


def test_a_disk_that_lies_is_caught_before_signing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read back is what gets signed."""
    before = world.ledger.checkpoint
    disk = world.ledger._disk
    write = disk.write

    def corrupting(files: list[tuple[str, bytes]], *, mode: int = 0o644) -> None:
        write([(path, data[:-1] + bytes([data[-1] ^ 1]) if "entries" in path else data) for path, data in files])

    monkeypatch.setattr(disk, "write", corrupting)
    with pytest.raises(StorageError, match="nothing was signed"):
        world.run("new")
    monkeypatch.undo()
    assert world.ledger.checkpoint == before


def test_a_clock_that_was_set_back_is_refused(world: World) -> None:
    """Seconds are lost to waiting for the lock and do not matter; more than the policy's skew does."""
    envelope = acts.made(world.ledger.state, make_record("new", "ingest"), OPERATOR, at=world.now)
    with world.ledger.transaction(world.now - timedelta(seconds=301)) as tx, pytest.raises(TransitionError) as caught:
        tx.append([envelope])
    assert caught.value.code == "entry-back-dated"
    with world.ledger.transaction(world.now - timedelta(seconds=299)) as tx:
        tx.append([envelope])
    assert audit(world).level == "A"


def test_manifests_prove_themselves(world: World) -> None:
    manifest = ("0" * 64 + "  a.txt\n").encode()
    world.ledger.keep_manifest(manifest)
    world.ledger.keep_manifest(manifest)
    assert world.ledger.manifest(sha256(manifest).digest()) == manifest
    assert world.ledger.manifest(bytes(32)) is None


def _writer(folder: Path, name: str, times: int) -> None:
    world = World(folder, policy=make_policy(quorum=0), now=START + timedelta(hours=1))
    world.reopen()
    for version in range(times):
        with world.ledger.transaction(world.now) as tx:
            tx.append([acts.made(tx.state, make_record(name, "ingest", version), OPERATOR, at=world.now)])


def test_concurrent_writers_stay_linear(world: World) -> None:
    """Two processes, twelve appends each, one history: nothing lost, nothing twice."""
    size = world.ledger.head.size
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_writer, args=(world.folder, name, 12)) for name in ("left", "right")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert world.ledger.head.size == size + 24
    world.now = START + timedelta(hours=1)
    assert audit(world).level == "A"
    assert {"left/ingest", "right/ingest"} <= set(world.ledger.state.slots)


def test_group_of_many(world: World) -> None:
    """One group over a bundle border: one checkpoint, whole tiles, useless partial tiles removed."""
    at = world.tick()
    with world.ledger.transaction(at) as tx:
        for version in range(600):
            tx.add(acts.made(tx.state, make_record("many", "ingest", version), OPERATOR, at=at))
        head = tx.commit()
    assert head.size == world.ledger.head.size
    assert (world.path / "tile/0/000").stat().st_size == 256 * 32
    assert not (world.path / "tile/0/000.p").exists()
    assert audit(world).level == "A"
    assert world.ledger.state.status(item("many", "ingest", 599).digest) == "made"


def test_the_state_can_be_read_inside_a_transaction(world: World) -> None:
    """It is the transaction's own; another transaction would wait for this one for ever, and is refused."""
    with world.ledger.transaction(world.now) as tx:
        assert world.ledger.state is tx.state
        with pytest.raises(UsageError, match="inside a transaction"), world.ledger.transaction(world.now):
            pass


def test_a_ledger_is_opened_by_its_own_policy(tmp_path: Path) -> None:
    """Nothing is written for an opening event of another policy."""
    other = World(tmp_path, policy=make_policy(quorum=1))
    opening = acts.opening(make_policy(quorum=0), *ROOTS, at=START)
    with pytest.raises(UsageError, match="another policy"):
        Ledger.create(other.path, other.guard, other.policy, SEQUENCER, opening, now=START)
    other.create()


def test_a_snapshot_spares_the_replay_and_changes_nothing(world: World) -> None:
    """Kept in the guard after enough entries; removing it gives the same state from all entries."""
    at = world.tick()
    with world.ledger.transaction(at) as tx:
        for version in range(1100):
            tx.add(acts.made(tx.state, make_record("many", "ingest", version), OPERATOR, at=at))
        tx.commit()
    guard = Guard(world.guard, ORIGIN)
    assert guard.snapshot() is not None
    world.run("many", 2000)
    fast = world.reopen().state
    (guard.path / "snapshot").unlink()
    slow = world.reopen().state
    assert fast.slots == slow.slots
    assert fast.times == slow.times
    assert fast.lives.dump() == slow.lives.dump()
    assert {key.name: key for key in fast.keys} == {key.name: key for key in slow.keys}
