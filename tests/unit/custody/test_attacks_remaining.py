"""The attacks that need more than one ledger, all keys, or evidence from outside; and the account of all 36.

`LEVELS` says for each attack at which level verify finds it: of somebody who can write to the files and owns no more
than the keys that the attack itself needs, and of the owner of *every* key, who can sign a consistent other history.
A test belongs to the attacks whose numbers begin its name.
"""

import ast
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.custody.forgery import audit, checkpoint_path, entries_of, force, found_at, write_log
from tests.unit.custody.ledger_factory import (
    OPERATOR,
    ORIGIN,
    SEQUENCER,
    WITNESSES,
    World,
    good_world,
    item,
    key,
    make_policy,
    make_record,
)

from synthtrail.custody import (
    acts,
    anchor,
    canonical,
    cosignature,
    dsse,
    merkle,
    note,
    tiles,
    tlogproof,
    witness,
)
from synthtrail.custody.anchor import Limits, Stamp
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import DataError, ProofError, SignatureError, UsageError
from synthtrail.custody.findings import CODES, Finding
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.policy import Policy, Witness
from synthtrail.custody.report import Report
from synthtrail.custody.verify import verify

TESTS = Path(__file__).parent

ATTACKS: dict[int, tuple[str, str, str]] = {
    1: ("entry-edited", "A", "A"),
    2: ("entries-missing", "A", "B"),
    3: ("log-rolled-back", "B", "B"),
    4: ("entries-reordered", "A", "A"),
    5: ("entry-inserted", "A", "A"),
    6: ("log-forked", "B", "B"),  # C, for whoever kept no checkpoint
    7: ("log-forked", "B", "B"),
    8: ("event-replayed", "A", "A"),
    9: ("event-of-another-ledger", "A", "A"),
    10: ("key-substituted", "A", "A"),
    11: ("signer-revoked", "A", "A"),
    12: ("entry-back-dated", "A", "B"),
    13: ("timestamp-bad", "D", "D"),
    14: ("key-weak", "A", "A"),
    15: ("signature-malleable", "A", "A"),
    16: ("type-confused", "A", "A"),
    17: ("json-duplicate-key", "A", "A"),
    18: ("json-number", "A", "A"),
    19: ("json-unicode", "A", "A"),
    20: ("artifact-changed", "A", "A"),
    21: ("folder-changed", "A", "A"),
    22: ("path-unsafe", "A", "A"),
    23: ("file-not-plain", "A", "A"),
    24: ("file-changing", "-", "-"),  # found while hashing, before anything is signed or compared
    25: ("retention-overrun", "A", "A"),
    26: ("disposed-reappears", "A", "A"),
    27: ("erasure-fake", "A", "A"),
    28: ("self-approval", "A", "A"),
    29: ("acceptance-forged", "A", "A"),
    30: ("proof-malformed", "A", "A"),
    31: ("entry-oversized", "A", "A"),
    32: ("", "-", "-"),  # a property of the interface: there is nothing to find
    33: ("artifact-never-logged", "A", "A"),
    34: ("ledger-damaged", "A", "A"),
    35: ("witness-not-independent", "C", "C"),
    36: ("status-wrong", "A", "A"),
}
"""Attack → its code, the least level at which it is found without all keys, and against the owner of every key."""


def at_level(world: World, policy: Policy, **arguments: object) -> Report:
    """Verify as somebody with another policy or more evidence."""
    return verify(FolderReader(world.path), policy, now=world.now, **arguments)  # type: ignore[arg-type]


def second_history(world: World, folder: Path) -> World:
    """The same ledger, continued elsewhere by the same keys."""
    shutil.copytree(world.folder, folder)
    other = World(folder, policy=world.policy, now=world.now, envelopes=list(world.envelopes))
    other.reopen()
    return other


@pytest.mark.parametrize("lost", [1, 5])
def test_2_tail_deleted_and_signed_anew_needs_level_b(world: World, lost: int) -> None:
    """By the owner of the sequencer's key: a good ledger at A, log-rolled-back at B."""
    earlier = world.ledger.checkpoint
    write_log(world, entries_of(world)[:-lost], signer=SEQUENCER)
    assert audit(world).level == "A"
    report = audit(world, since=earlier)
    assert (report.level, set(report.codes)) == (None, {"log-rolled-back"})


def test_6_split_view_needs_level_b(world: World, tmp_path: Path) -> None:
    """Two auditors are shown two histories: each passes at A, and either one's checkpoint convicts the other (B)."""
    other = second_history(world, tmp_path / "other")
    world.run("titanic")
    other.run("heart")
    for one, two in ((world, other), (other, world)):
        assert audit(one).level == "A"
        report = audit(one, since=two.ledger.checkpoint)
        assert (report.level, set(report.codes)) == (None, {"log-forked"})


def test_6_split_view_at_level_c(tmp_path: Path) -> None:
    """Without any earlier checkpoint: witnesses signed one of the two histories and cannot be got to sign the other."""
    world = good_world(tmp_path / "world")
    other = second_history(world, tmp_path / "other")
    before = world.ledger.checkpoint
    world.run("titanic")
    other.run("heart")
    world.cosign(*WITNESSES[:2])
    assert audit(world).level == "C"
    assert (audit(other).level, set(audit(other).codes)) == (None, {"quorum-missing"})
    clock, keys, pinned = int(world.now.timestamp()), [SEQUENCER.verifier], WITNESSES[0].verifier
    seen = witness.Seen(note.parse_checkpoint(note.parse(before)[0]), clock)
    old = seen.checkpoint.size
    taken = witness.cosign(_request(world, old), keys, seen, WITNESSES[0], at=clock)
    seen = witness.read_state(taken.state, ORIGIN, pinned)
    with pytest.raises(witness.RefusedError) as caught:
        witness.cosign(_request(other, old), keys, seen, WITNESSES[0], at=clock)
    assert caught.value.status in {409, 422}


def _request(world: World, old: int) -> witness.Request:
    """The request to cosign the head, after a tree of `old` entries."""
    node = tiles.TileReader(FolderReader(world.path).read, world.ledger.head.size).node
    return witness.make_request(world.ledger.checkpoint, old, node)


def test_7_fork_by_restored_backup_needs_level_b(world: World, tmp_path: Path) -> None:
    """Ledger and guard come back from a backup and go on: log-forked for whoever kept a checkpoint of the lost part."""
    backup = tmp_path / "backup"
    shutil.copytree(world.folder, backup)
    world.run("titanic")
    kept = world.ledger.checkpoint
    shutil.rmtree(world.folder)
    shutil.move(backup, world.folder)
    world.reopen()
    assert audit(world, since=kept).codes == {"log-rolled-back"}
    world.run("heart")
    world.run("wine", 2)
    assert audit(world).level == "A"
    report = audit(world, since=kept)
    assert (report.level, set(report.codes)) == (None, {"log-forked"})


def test_12_back_dated_history_by_the_owner_of_every_key_needs_level_b(world: World, tmp_path: Path) -> None:
    """A month earlier throughout, every act signed anew: nothing contradicts at A, an earlier checkpoint does at B."""
    earlier = world.ledger.checkpoint
    other = World(tmp_path / "other", policy=world.policy, now=world.now - timedelta(days=30))
    other.create()
    other.run("iris")
    other.run("wine")
    other.approve(item("iris", "generate"))
    other.now = world.now
    assert audit(other).level == "A"
    report = audit(other, since=earlier)
    assert (report.level, set(report.codes)) == (None, {"log-forked"})


class Authority:
    """A time-stamping authority with an Ed25519 key in place of X.509: what a token binds is the same."""

    def __init__(self, name: str = "tsa") -> None:
        self.signer = key(name)

    def stamp(self, data: bytes, at: datetime) -> bytes:
        """A token about `data`."""
        said = canonical.encode({"at": canonical.format_time(at), "digest": sha256(data).hexdigest()})
        return self.signer.sign(said) + said

    def read(self, token: bytes, _roots: bytes) -> Stamp:
        """The pinned checker."""
        key("tsa").verifier.verify(token[64:], token[:64])
        said = canonical.decode_object(token[64:])
        digest = bytes.fromhex(str(said["digest"]))
        return Stamp(canonical.parse_time(str(said["at"])), "2.16.840.1.101.3.4.2.1", digest, None)


def stamped(world: World, token: bytes) -> Report:
    """Verify with cosignatures (level C) and a token that the verifier holds to a day."""

    def check(signed: bytes, now: datetime) -> tuple[Finding, ...]:
        limits = Limits(now, max_age=timedelta(days=1), not_before=world.now)
        outcome = anchor.check(signed, token, b"", Authority().read, limits)
        return (outcome,) if isinstance(outcome, Finding) else ()

    return at_level(world, world.policy, token=check)


def test_13_forged_or_stale_token_is_found_at_level_d(tmp_path: Path) -> None:
    """A good token lifts C to D; one by another key, about another head, or of another time is timestamp-bad."""
    world = good_world(tmp_path / "world")
    world.cosign(*WITNESSES)
    head, now = world.ledger.checkpoint, world.now
    assert stamped(world, Authority().stamp(head, now)).level == "D"
    older = note.sign(Checkpoint(ORIGIN, 3, bytes(32)).text(), [SEQUENCER])
    wrong = {
        "forged": Authority("another").stamp(head, now),
        "about another head": Authority().stamp(older, now),
        "stale": Authority().stamp(head, now - timedelta(days=2)),
        "from the future": Authority().stamp(head, now + timedelta(days=2)),
        "of an entry to come": Authority().stamp(head, now - timedelta(hours=1)),
    }
    for what, token in wrong.items():
        report = stamped(world, token)
        assert (report.level, set(report.codes)) == (None, {"timestamp-bad"}), what


def test_13_token_that_the_policy_asks_for_and_nobody_checked(tmp_path: Path) -> None:
    """Not checked is not passed."""
    world = good_world(tmp_path / "world", timestamp=True)
    assert (audit(world).level, set(audit(world).codes)) == (None, {"check-unavailable"})


def test_30_proof_of_size_zero_and_of_wrong_lengths(world: World) -> None:
    """One entry's proof: a tree of no entries, an index beyond it, a hash too few or too many prove nothing."""
    entries = entries_of(world)
    good = tlogproof.parse(world.ledger.proof(7))
    tlogproof.check(good, entries[7], ORIGIN, [SEQUENCER.verifier])
    empty = note.sign(Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT).text(), [SEQUENCER])
    spoiled = [
        replace(good, checkpoint=empty),
        replace(good, checkpoint=empty, hashes=()),
        replace(good, index=len(entries)),
        replace(good, index=8),
        replace(good, hashes=good.hashes[:-1]),
        replace(good, hashes=(*good.hashes, good.hashes[-1])),
        replace(good, hashes=()),
    ]
    for proof in spoiled:
        with pytest.raises(ProofError):
            tlogproof.check(proof, entries[7], ORIGIN, [SEQUENCER.verifier])
    for lengths in ([b"x" * 31], [b"x" * 33], [b""]):
        with pytest.raises(DataError):
            merkle.check_inclusion(bytes(32), 0, 2, lengths, bytes(32))


def test_31_oversized_entry_is_neither_taken_nor_accepted(world: World) -> None:
    """64 KiB is the limit of an entry; in a bundle longer ones cannot even be written."""
    details: list[Value] = [{"name": f"n{number}", "value": "x" * 1000} for number in range(70)]
    fields: dict[str, Value] = {"place": "s3", "method": "age", "details": details}
    with pytest.raises(UsageError, match="65536"):
        acts.event(
            world.ledger.state, "stored", OPERATOR, at=world.now, subjects=[item("iris", "train")], fields=fields
        )
    with pytest.raises(UsageError, match="65535"):
        tiles.encode_bundle([b"x" * 65_536])


@pytest.mark.parametrize(
    "bomb",
    [
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 33 + b"]" * 33,
    ],
    ids=["deep lists", "deep objects", "one level too deep"],
)
def test_31_json_bomb_in_an_entry(world: World, bomb: bytes) -> None:
    """Deep nesting is named and costs no stack; the entries around it are still judged. Level A."""
    entries = entries_of(world)
    write_log(world, [*entries, bomb], signer=SEQUENCER)
    report = audit(world)
    assert report.level is None
    assert found_at(report, "entry-oversized") == [len(entries)]


def test_31_json_bomb_of_digits(world: World) -> None:
    """A number of sixty thousand digits is refused before it is computed."""
    entries = entries_of(world)
    write_log(world, [*entries, b"9" * 60_000], signer=SEQUENCER)
    assert found_at(audit(world), "json-number") == [len(entries)]


def test_31_oversized_note(world: World) -> None:
    """A checkpoint that is followed by a flood of signature lines is not read to its end."""
    good = checkpoint_path(world).read_bytes()
    line = good.splitlines(keepends=True)[-1]
    checkpoint_path(world).write_bytes(good + line * 20_000)
    report = audit(world)
    assert report.level is None
    assert report.codes <= {"ledger-damaged", "entry-oversized", "nothing-to-check"}


class Fickle:
    """Serves every file once as it is; whoever reads it again gets something else."""

    def __init__(self, world: World, spoilt: bytes) -> None:
        self._reader = FolderReader(world.path)
        self._spoilt = spoilt
        self.seen: set[str] = set()

    def read(self, path: str) -> bytes:
        """The bytes at a path, the first time."""
        data = self._reader.read(path)
        if path in self.seen:
            return self._spoilt
        self.seen.add(path)
        return data


def test_32_what_is_used_is_what_was_verified(world: World) -> None:
    """Every file is read once, so that no other bytes can take the place of the verified ones."""
    report = verify(Fickle(world, b"something else"), world.policy, now=world.now)
    assert (report.level, report.root) == ("A", audit(world).root)
    assert report.snapshot() == audit(world).snapshot()


def test_32_the_payload_comes_from_the_signature_check(world: World) -> None:
    """An envelope that changes after its verification changes nothing, and its key id earns no trust."""
    envelope = acts.made(world.ledger.state, make_record("new", "ingest"), OPERATOR, at=world.now)
    verified = dsse.verify(envelope, [OPERATOR.verifier])
    payload = verified.payload
    envelope["payload"] = canonical.b64encode(payload.replace(b'"seed":0', b'"seed":9'))
    assert verified.payload == payload
    with pytest.raises(SignatureError):
        dsse.verify(envelope, [OPERATOR.verifier])
    place = force(world, envelope)
    report = audit(world)
    assert found_at(report, "signature-invalid") == [place]
    assert report.state is not None
    assert "new/ingest" not in report.state.slots, "nothing of an unverified payload may take effect"


@pytest.mark.parametrize("own", ["organisation", "sequencer", "operator"])
def test_35_witness_is_the_operator_is_found_at_level_c(tmp_path: Path, own: str) -> None:
    """By its organisation, by a key that the policy pins, or by a key that signs entries: it counts for nothing."""
    signer = {"organisation": WITNESSES[0], "sequencer": SEQUENCER, "operator": OPERATOR}[own]
    organisation = "EXAMPLE.com " if own == "organisation" else "organisation-0"
    pinned = (Witness(organisation, cosignature.Cosigner(signer.verifier).vkey()), *make_policy().witnesses[1:2])
    world = World(tmp_path, policy=replace(make_policy(), witnesses=pinned, quorum=2))
    world.create()
    world.cosign(WITNESSES[1])
    data = note.attach(
        world.ledger.checkpoint,
        [cosignature.sign(note.parse(world.ledger.checkpoint)[0], signer, at=int(world.now.timestamp()))],
    )
    world.ledger.publish_cosigned(data)
    report = audit(world)
    assert report.level is None
    assert "witness-not-independent" in report.codes


def test_36_status_root_that_the_log_does_not_give(world: World) -> None:
    """Found at level A by whoever has the log; witnesses and signatures say nothing against it."""
    fields: dict[str, Value] = {"size": world.ledger.head.size, "root": "0" * 64}
    place = force(world, acts.event(world.ledger.state, "status", OPERATOR, at=world.now, fields=fields))
    report = audit(world)
    assert (report.level, found_at(report, "status-wrong")) == (None, [place])


def numbered_tests() -> Iterator[tuple[int, str]]:
    """Every test of an attack, its source with the attack's number: `test_17_18_…` belongs to both."""
    for path in sorted(TESTS.glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and (found := re.match(r"test((?:_\d{1,2})+)_", node.name)):
                first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
                source = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
                yield from ((int(number), source) for number in found[1][1:].split("_"))


@pytest.mark.parametrize("number", sorted(ATTACKS))
def test_every_attack_has_a_test_that_asserts_its_code(number: int) -> None:
    """Each of the 36 has tests under its number; one of them at least names the code that the table names."""
    code, _, _ = ATTACKS[number]
    sources = [source for found, source in numbered_tests() if found == number]
    assert sources
    assert not code or any(code in source for source in sources)


def test_the_table_is_that_of_the_specification() -> None:
    """All 36, each with a code of its own number, but 7, which is a fork as 6 is."""
    assert set(ATTACKS) == set(range(1, 37))
    assert all(CODES[code].attack == number for number, (code, _, _) in ATTACKS.items() if code and number != 7)


def test_the_attacks_that_need_more_than_level_a_are_those_of_the_specification() -> None:
    """2, 3, 6, 7 and 12 when the attacker owns the keys; tokens and witnesses exist at D and C only."""
    assert {number for number, (_, _, owner) in ATTACKS.items() if owner == "B"} == {2, 3, 6, 7, 12}
