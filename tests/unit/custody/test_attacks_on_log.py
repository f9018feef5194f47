"""Attacks on the log itself, numbered as in the specification: each is named by its code, at the level stated.

Without a key the attacker only has the files, and level A suffices. Whoever owns the sequencer's key can sign another
tree: then the chain, the signatures of others and the rules are left, and for a consistent rewriting only level B.
"""

import shutil
from datetime import timedelta

import pytest
from tests.unit.custody.forgery import (
    audit,
    bundle_path,
    chain,
    checkpoint_path,
    entries_of,
    force,
    found_at,
    tile_path,
    write_bundle,
    write_log,
)
from tests.unit.custody.ledger_factory import OPERATOR, ORIGIN, SEQUENCER, STRANGER, World, item, make_policy

from synthtrail.custody import acts, canonical, dsse, entry, merkle, note, tiles
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.errors import StorageError
from synthtrail.custody.findings import CODES
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.verify import verify

VICTIM = 9  # an entry of a stage event


def with_other_byte(data: bytes) -> bytes:
    """The entry with one letter of its base64 payload exchanged."""
    at = data.index(b'"payload":"') + 200
    return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]


def test_a_good_ledger_has_no_findings(world: World) -> None:
    """Level A without further evidence, B with an earlier checkpoint; what is missing is said."""
    report = audit(world)
    assert (report.level, report.findings) == ("A", ())
    assert any("no earlier checkpoint" in line for line in report.not_checked)
    assert audit(world, since=world.ledger.checkpoint).level == "B"


def test_1_edited_entry(world: World) -> None:
    """Without keys: found at A, at its place, by tree, chain and signature."""
    entries = entries_of(world)
    entries[VICTIM] = with_other_byte(entries[VICTIM])
    write_bundle(world, entries)
    report = audit(world)
    assert report.level is None
    assert found_at(report, "entry-edited") == [VICTIM]
    assert found_at(report, "chain-broken") == [VICTIM + 1]


def test_1_edited_entry_with_tiles_made_to_fit(world: World) -> None:
    """The signed root then disagrees with both."""
    entries = entries_of(world)
    entries[VICTIM] = with_other_byte(entries[VICTIM])
    write_log(world, entries)
    report = audit(world)
    assert {"root-mismatch", "chain-broken"} <= report.codes


def test_1_edited_entry_by_the_owner_of_the_sequencer_key(world: World) -> None:
    """A tree signed anew hides nothing: the actor's own signature is left."""
    entries = entries_of(world)
    data = entries[VICTIM].replace(b'"sig":"', b'"sig":"A', 1)
    entries[VICTIM] = data.replace(b'=="}', b'="}', 1)
    write_log(world, entries, signer=SEQUENCER)
    report = audit(world)
    assert VICTIM in found_at(report, "signature-malleable") + found_at(report, "signature-invalid")
    assert found_at(report, "chain-broken") == [VICTIM + 1]


def test_1_history_rewritten_with_all_keys_needs_level_b(world: World) -> None:
    """Who owns every key can write another history: not found at A, found with an earlier checkpoint."""
    earlier = world.ledger.checkpoint
    entries = entries_of(world)
    moved = world.now + timedelta(seconds=5)
    envelopes = world.envelopes[:-1]
    received = [canonical.parse_time(_received(data)) for data in entries[:-1]]
    write_log(world, chain(envelopes, [*received[:-1], moved]), signer=SEQUENCER)
    world.now = moved
    force(world, world.envelopes[-1], moved)
    assert audit(world).level == "A"
    report = audit(world, since=earlier)
    assert (report.level, set(report.codes)) == (None, {"log-forked"})


def _received(data: bytes) -> str:
    found = canonical.decode_object(data)["received"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("kept", [0, 1, 18])
def test_2_tail_deleted(world: World, kept: int) -> None:
    """A bundle that ends early is found at A, and says from which entry on."""
    write_bundle(world, entries_of(world)[:kept])
    report = audit(world)
    assert report.level is None
    assert found_at(report, "entries-missing") == [kept]


def test_2_bundle_deleted(world: World) -> None:
    bundle_path(world).unlink()
    assert found_at(audit(world), "entries-missing") == [0]


def test_3_rolled_back_log_needs_level_b(world: World) -> None:
    """A complete older copy is a good ledger for who never saw the newer one, and a finding for who did."""
    shutil.copytree(world.path, world.folder / "copy")
    world.run("titanic")
    newest = world.ledger.checkpoint
    shutil.rmtree(world.path)
    (world.folder / "copy").rename(world.path)
    assert audit(world).level == "A"
    assert audit(world, since=newest).codes == {"log-rolled-back"}


def test_3_rolled_back_log_is_refused_by_the_guard(world: World) -> None:
    """Whoever appends notices by itself: the guard lies outside the folder."""
    shutil.copytree(world.path, world.folder / "copy")
    world.run("titanic")
    shutil.rmtree(world.path)
    (world.folder / "copy").rename(world.path)
    with pytest.raises(StorageError, match="incident"):
        world.reopen()


def test_4_entries_reordered(world: World) -> None:
    entries = entries_of(world)
    entries[VICTIM], entries[VICTIM + 2] = entries[VICTIM + 2], entries[VICTIM]
    write_bundle(world, entries)
    report = audit(world)
    assert report.level is None
    assert set(found_at(report, "entries-reordered")) == {VICTIM, VICTIM + 2}
    assert "entry-edited" not in report.codes


def test_4_entries_reordered_and_signed_anew(world: World) -> None:
    """The entries' own numbers and links give it away."""
    entries = entries_of(world)
    entries[VICTIM], entries[VICTIM + 2] = entries[VICTIM + 2], entries[VICTIM]
    write_log(world, entries, signer=SEQUENCER)
    report = audit(world)
    assert set(found_at(report, "entries-reordered")) == {VICTIM, VICTIM + 2}
    assert "chain-broken" in report.codes


def _stray(world: World, seq: int) -> bytes:
    envelope = acts.event(world.ledger.state, "stored", OPERATOR, at=world.now, subjects=[item("iris", "train")],
                          fields={"place": "s3", "method": "age", "details": []})  # fmt: skip
    return entry.encode(envelope, prev=bytes(32), received=canonical.format_time(world.now), seq=seq)


def test_5_entry_inserted(world: World) -> None:
    entries = entries_of(world)
    write_bundle(world, [*entries[:VICTIM], _stray(world, VICTIM), *entries[VICTIM:]])
    report = audit(world)
    assert report.level is None
    assert "entry-inserted" in report.codes


def test_5_entry_inserted_and_signed_anew(world: World) -> None:
    entries = entries_of(world)
    write_log(world, [*entries[:VICTIM], _stray(world, VICTIM), *entries[VICTIM:]], signer=SEQUENCER)
    report = audit(world)
    assert "entry-inserted" in report.codes
    assert VICTIM in found_at(report, "chain-broken")


def test_entry_removed_and_signed_anew(world: World) -> None:
    """Cutting an entry out of the middle leaves numbers that jump."""
    entries = entries_of(world)
    write_log(world, [*entries[:VICTIM], *entries[VICTIM + 1 :]], signer=SEQUENCER)
    report = audit(world)
    assert found_at(report, "entries-missing") == [VICTIM]
    assert VICTIM in found_at(report, "chain-broken")


def test_10_checkpoint_by_another_key(world: World) -> None:
    """A head signed by a stranger under the sequencer's name is named, and the entries are checked all the same."""
    text, _ = note.parse(world.ledger.checkpoint)
    impostor = type(STRANGER)(SEQUENCER.name, STRANGER.seed)
    checkpoint_path(world).write_bytes(note.sign(text, [impostor]))
    report = audit(world)
    assert (report.level, set(report.codes)) == (None, {"key-substituted"})


def test_checkpoint_of_another_origin(world: World) -> None:
    head = world.ledger.head
    data = note.sign(Checkpoint("example.com/other", head.size, head.root).text(), [SEQUENCER])
    checkpoint_path(world).write_bytes(data)
    assert "event-of-another-ledger" in audit(world).codes


def test_30_evidence_that_proves_nothing(world: World) -> None:
    """An earlier checkpoint of size 0, of another key, or with a damaged root is a finding, never a pass."""
    empty = note.sign(Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT).text(), [SEQUENCER])
    strange = note.sign(world.ledger.head.text(), [STRANGER])
    for since in (empty, strange, b"", b"garbage\n", world.ledger.checkpoint[:-10]):
        report = audit(world, since=since)
        assert (report.level, set(report.codes)) == (None, {"proof-malformed"}), since


def test_30_same_size_another_root(world: World) -> None:
    other = note.sign(Checkpoint(ORIGIN, world.ledger.head.size, bytes(32)).text(), [SEQUENCER])
    assert audit(world, since=other).codes == {"log-forked"}


@pytest.mark.parametrize("lost", [1, 31, 700])
def test_34_torn_bundle(world: World, lost: int) -> None:
    """A bundle that a crash cut short names the entry from which on nothing can be read."""
    data = bundle_path(world).read_bytes()
    bundle_path(world).write_bytes(data[:-lost])
    report = audit(world)
    assert report.level is None
    assert found_at(report, "ledger-damaged") == [world.ledger.head.size - 1]


@pytest.mark.parametrize("place", [0, 3, 18])
def test_34_rotten_tile(world: World, place: int) -> None:
    """Entries that give the signed root are right, so the tile is wrong."""
    data = bytearray(tile_path(world).read_bytes())
    data[place * 32 + 5] ^= 1
    tile_path(world).write_bytes(data)
    report = audit(world)
    assert (report.level, set(report.codes)) == (None, {"ledger-damaged"})
    assert found_at(report, "ledger-damaged") == [place]


def test_34_tile_missing_or_short(world: World) -> None:
    data = tile_path(world).read_bytes()
    tile_path(world).write_bytes(data[:-1])
    assert audit(world).codes == {"ledger-damaged"}
    tile_path(world).unlink()
    assert audit(world).codes == {"ledger-damaged"}


def test_34_damaged_checkpoint(world: World) -> None:
    """Every single byte of the checkpoint counts."""
    good = checkpoint_path(world).read_bytes()
    signed = note.sign(note.parse(good)[0], [SEQUENCER])
    for at in range(0, len(signed), 7):
        checkpoint_path(world).write_bytes(signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :])
        assert audit(world).level is None, at


def test_nothing_to_check_is_a_failure(world: World) -> None:
    """An empty folder, an empty ledger and a missing checkpoint pass nothing."""
    checkpoint_path(world).write_bytes(note.sign(Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT).text(), [SEQUENCER]))
    assert audit(world).codes == {"nothing-to-check"}
    checkpoint_path(world).unlink()
    report = verify(FolderReader(world.path), world.policy, now=world.now)
    assert (report.level, set(report.codes)) == (None, {"nothing-to-check"})


def test_another_policy_than_the_ledgers(world: World) -> None:
    """A verifier whose policy differs in anything that the ledger was opened with is told so."""
    world.policy = make_policy(quorum=1)
    assert audit(world).codes == {"policy-mismatch"}


def test_a_reader_that_fails_is_a_finding(world: World) -> None:
    """Whatever a reader raises about a path counts as missing bytes."""

    class Broken:
        def read(self, path: str) -> bytes:
            if "entries" in path:
                raise PermissionError(path)
            return (world.path / path).read_bytes()

    assert "entries-missing" in verify(Broken(), world.policy, now=world.now).codes


def test_a_ledger_of_several_bundles(world: World) -> None:
    """Edits, moves and damage are found across bundle borders, upper tiles included."""
    for version in range(2, 60):
        world.run("wine", version)
    assert audit(world).level == "A"
    assert world.ledger.head.size > 256
    upper = world.path / tiles.Tile(1, 0, 1).path
    upper.write_bytes(bytes(32))
    assert audit(world).codes == {"ledger-damaged"}
    upper.unlink()
    assert audit(world).codes == {"ledger-damaged"}


def test_swap_across_bundles(world: World) -> None:
    for version in range(2, 60):
        world.run("wine", version)
    entries = entries_of(world)
    entries[100], entries[270] = entries[270], entries[100]
    for index, width in ((0, 256), (1, len(entries) - 256)):
        path = world.path / tiles.Tile(tiles.ENTRIES, index, width).path
        path.write_bytes(tiles.encode_bundle(entries[index * 256 : index * 256 + width]))
    report = audit(world)
    assert set(found_at(report, "entries-reordered")) == {100, 270}
    assert "entry-edited" not in report.codes


def test_every_numbered_attack_has_a_code() -> None:
    """7 is 6 seen from another side; 32 is a property of the interface, not a finding."""
    numbers = {code.attack for code in CODES.values()}
    assert numbers == set(range(37)) - {7, 32}


def test_envelopes_reach_the_log_unchanged(world: World) -> None:
    """What was handed in is what is stored, byte for byte in its canonical form."""
    stored = [canonical.decode_object(data)["envelope"] for data in entries_of(world)]
    assert stored == world.envelopes
    assert dsse.verify(stored[VICTIM], [OPERATOR.verifier]).signers == (OPERATOR.verifier,)


@pytest.mark.parametrize("signed", [False, True])
def test_a_checkpoint_of_any_size_keeps_no_verifier_busy(world: World, *, signed: bool) -> None:
    """A size of 9·10^15, signed or not, is refused at once: nobody looks for bundles that cannot be there."""
    head = Checkpoint(ORIGIN, 9 * 10**15, world.ledger.head.root)
    good = checkpoint_path(world).read_bytes()
    lines = good.split(b"\n")
    lines[1] = b"9000000000000000"
    checkpoint_path(world).write_bytes(note.sign(head.text(), [SEQUENCER]) if signed else b"\n".join(lines))
    report = audit(world)
    assert report.level is None
    assert "entries-missing" in report.codes
