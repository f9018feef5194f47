"""One proof file, the policy and the artifact are enough offline; and nothing less or other is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from synthtrail.custody import acts, carried, dsse, entry, merkle, note, proofcheck, tiles, tlogproof
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.canonical import Value, format_time
from synthtrail.custody.carried import Carried, KeyEntry
from synthtrail.custody.digest import Digest
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import FormatError
from synthtrail.custody.policy import Policy
from synthtrail.custody.proofreport import ProofReport
from synthtrail.custody.state import State
from tests.unit.custody.ledger_factory import (
    ADA,
    AUDITOR,
    OPERATOR,
    ROOTS,
    SEQUENCER,
    STRANGER,
    WITNESSES,
    World,
    good_world,
    item,
    make_policy,
    make_record,
)

NEW = Signer(OPERATOR.name + "-2", STRANGER.seed)
ARTIFACT = Digest(item("iris", "generate").digest.hex(), 1234, 2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A ledger whose operator key was rotated, with cosignatures."""
    made = good_world(tmp_path_factory.mktemp("world"))
    made.act("key-rotated", *ROOTS, fields={"key": NEW.verifier.vkey(), "replaces": OPERATOR.name})
    at = made.tick()
    with made.ledger.transaction(at) as tx:
        tx.append([acts.made(tx.state, make_record("late", "ingest"), NEW, at=at)])
    made.cosign(*WITNESSES[:2])
    return made


def prove(world: World, index: int) -> bytes:
    return carried.prove(FolderReader(world.path).read, world.ledger.checkpoint, index, world.ledger.state)


def generated(world: World) -> int:
    return world.ledger.state.slots["iris/generate"].entry


def judge(world: World, data: bytes, policy: Policy | None = None, **brought: object) -> ProofReport:
    return proofcheck.check(data, policy or world.policy, now=world.now, **brought)  # type: ignore[arg-type]


def test_every_entry_is_proved_by_its_file(world: World) -> None:
    """By machines, people, roots and a rotated key; what is not shown is said."""
    for index in range(world.ledger.head.size):
        report = judge(world, prove(world, index))
        assert (report.findings, report.level, report.index) == ((), "C", index)
        assert any("every other entry" in line for line in report.not_checked)
        assert any("none was brought" in line for line in report.not_checked)


def test_an_artifact_is_proved_by_three_files(world: World) -> None:
    data = prove(world, generated(world))
    assert carried.looks_like(data)
    report = judge(world, data, artifact=ARTIFACT)
    assert report.level == "C"
    assert report.said is not None
    assert report.said.act.event == "generated"
    assert "entry 11 of" in report.text()
    assert ARTIFACT.sha256 in report.text()
    assert report.as_json()["event"] == "generated"
    assert len(data) < 16_000


def test_the_key_of_a_rotated_signer_is_shown_from_its_first_listing(world: World) -> None:
    last = world.ledger.head.size - 1
    found = carried.decode(tlogproof.parse(prove(world, last)).extra or b"")
    assert [key.index for key in found.keys] == [1, last - 1]
    for kept in ((), found.keys[:1], found.keys[1:]):
        report = judge(world, with_extra(prove(world, last), Carried(found.entry, kept)))
        assert "signer-unknown" in report.codes
        assert report.level is None


def with_extra(data: bytes, content: Carried) -> bytes:
    return tlogproof.encode(replace(tlogproof.parse(data), extra=carried.encode(content)))


def test_20_21_another_artifact(world: World) -> None:
    data = prove(world, generated(world))
    other = Digest("0" * 64, 5)
    assert judge(world, data, artifact=other).codes == {"artifact-changed"}
    assert judge(world, data, artifact=replace(other, files=2)).codes == {"folder-changed"}


def test_another_policy(world: World) -> None:
    """Another sequencer, other roots, another origin: nothing is proved."""
    data, good = prove(world, generated(world)), world.policy
    strange = STRANGER.verifier.vkey()
    cases: list[tuple[Policy, str]] = [
        (replace(good, sequencer=Signer(SEQUENCER.name, STRANGER.seed).verifier.vkey()), "key-substituted"),
        (replace(good, sequencer=strange), "key-substituted"),
        (replace(good, origin="example.com/other"), "event-of-another-ledger"),
        (replace(good, roots=(strange,), threshold=1), "signer-unknown"),
        (replace(good, roots=(ROOTS[0].verifier.vkey(), strange)), "signer-unknown"),
        (make_policy(quorum=3), "quorum-missing"),
        (replace(good, timestamp=True), "check-unavailable"),
    ]
    for policy, code in cases:
        report = judge(world, data, policy)
        assert report.level is None
        assert code in report.codes, (code, report.findings)


def test_a_checkpoint_kept_from_earlier(world: World) -> None:
    """A proof can only be compared with a checkpoint of its own size."""
    data = prove(world, generated(world))
    assert judge(world, data, since=world.ledger.checkpoint).claims == ("A", "B", "C")
    head = world.ledger.head
    forged = note.sign(note.Checkpoint(head.origin, head.size, bytes(32)).text(), [SEQUENCER])
    assert judge(world, data, since=forged).codes == {"log-forked"}
    older = note.sign(note.Checkpoint(head.origin, 3, bytes(32)).text(), [SEQUENCER])
    report = judge(world, data, since=older)
    assert report.claims == ("A", "C")
    assert any("only for its own size" in line for line in report.not_checked)
    assert judge(world, data, since=b"garbage").codes == {"proof-malformed"}


def test_entry_beside_a_plain_proof(world: World) -> None:
    """A proof without `extra` needs the entry's bytes; without its signer's listing, only a pinned key is known."""
    plain = world.ledger.proof(generated(world))
    entries = list(world.ledger.entries())
    assert judge(world, plain).codes == {"proof-malformed"}
    assert judge(world, plain, beside=entries[generated(world)]).codes == {"signer-unknown"}
    assert judge(world, plain, beside=entries[0]).codes == {"proof-malformed"}
    assert judge(world, world.ledger.proof(1), beside=entries[1]).level == "C"


def test_30_every_part_counts(world: World) -> None:
    """No line of the proof, and no part of what it carries, can be changed, lost or doubled unnoticed."""
    data = prove(world, generated(world))
    lines = data.split(b"\n")
    blank = lines.index(b"")
    for number in range(blank + 4):
        for spoiled in ([], [lines[number], lines[number]], [b"A" + lines[number][1:]], [lines[number][:-1]]):
            broken = b"\n".join([*lines[:number], *spoiled, *lines[number + 1 :]])
            if broken != data:
                assert judge(world, broken).level is None, (number, spoiled)


@pytest.mark.parametrize("data", [b"", b"c2sp.org/tlog-proof@v1\n", b"\xff" * 100, b"x" * 400_000])
def test_bytes_that_are_no_proof(world: World, data: bytes) -> None:
    report = judge(world, data)
    assert (report.level, set(report.codes)) == (None, {"proof-malformed"})
    assert "FAILED" in report.text()


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"{}",
        b'{"entry":"","keys":[],"v":2}',
        b'{"entry":"","keys":[],"v":true}',
        b'{"entry":"QR==","keys":[],"v":1}',
        b'{"entry":1,"keys":[],"v":1}',
        b'{"entry":"","keys":[{"entry":"","index":1,"path":[]},{"entry":"","index":0,"path":[]}],"v":1}',
        b'{"entry":"","keys":[{"entry":"","index":-1,"path":[]}],"v":1}',
        b'{"entry":"","keys":[],"v":1,"w":1}',
    ],
)
def test_extra_has_one_form(extra: bytes) -> None:
    with pytest.raises(FormatError):
        carried.decode(extra)


def small_log(entries: list[bytes], index: int, listings: tuple[int, ...]) -> bytes:
    """A proof from a log of exactly these entries, honestly signed by the sequencer."""
    leaves = [merkle.leaf_hash(data) for data in entries]
    tree = merkle.Tree(leaves)
    head = note.Checkpoint(make_policy().origin, len(entries), tree.root())

    def path(at: int) -> tuple[bytes, ...]:
        return merkle.prove_inclusion(tree.node, at, len(entries))

    keys = tuple(KeyEntry(at, entries[at], path(at)) for at in listings)
    proof = tlogproof.TlogProof(index, path(index), note.sign(head.text(), [SEQUENCER]))
    return tlogproof.encode(replace(proof, extra=carried.encode(Carried(entries[index], keys))))


def forged(world: World, change: Callable[[World], tuple[dict[str, object], Signer]]) -> set[str]:
    """What is found in a log of two entries: a listing as `change` has it, and an event signed by the listed key."""
    fields, signer = change(world)
    state = world.ledger.state
    roots = fields.pop("signed_by", ROOTS)
    listing = acts.event(state, "key-added", *roots, at=world.now, fields=fields)  # type: ignore[arg-type,misc]
    event = acts.made(state, make_record("forged", "ingest"), signer, at=world.now)
    received = format_time(world.now)
    first = entry.encode(listing, prev=bytes(32), received=received, seq=0)
    second = entry.encode(event, prev=merkle.leaf_hash(first), received=received, seq=1)
    return set(judge(world, small_log([first, second], 1, (0,)), replace(world.policy, quorum=0)).codes)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"signed_by": ROOTS[:1]}, "threshold-missed"),
        ({"signed_by": (STRANGER,)}, "signer-unknown"),
        ({"signed_by": (SEQUENCER,)}, "proof-malformed"),
        ({"role": "auditor"}, "role-wrong"),
        ({"role": "steward"}, "key-rejected"),
    ],
    ids=["good", "one root", "no root", "the sequencer", "another role", "steward without person"],
)
def test_10_forged_listings(world: World, change: dict[str, object], code: str | None) -> None:
    """The owner of the sequencer's key alone cannot make a key: the roots must have signed its listing."""
    new = Signer("example.com/new", STRANGER.seed)
    fields: dict[str, object] = dict(acts.key_fields(new, "operator"))
    found = forged(world, lambda _: (fields | change, new))
    assert found == set() if code is None else code in found


def test_10_signature_by_another_listed_key(world: World) -> None:
    """The entry of one actor, signed by another, is not the first one's word."""
    entries = list(world.ledger.entries())
    made = acts.event(
        world.ledger.state, "reviewed", AUDITOR, at=world.now, subjects=[item("iris", "train")], meaning="review",
        fields={"outcome": "comment", "notes": ""},
    )  # fmt: skip
    envelope = dsse.sign(dsse.parse(made).payload, ADA)
    last = entry.encode(envelope, prev=merkle.leaf_hash(entries[-1]), received=format_time(world.now), seq=len(entries))
    state = world.ledger.state
    listings = tuple(sorted(key.since for key in state.keys if key.name in (ADA.name, AUDITOR.name)))
    found = judge(world, small_log([*entries, last], len(entries), listings), replace(world.policy, quorum=0))
    assert found.codes == {"key-substituted"}


def judge_log(world: World, envelopes: list[Value], index: int, listings: tuple[int, ...]) -> ProofReport:
    """What a proof out of a log of these envelopes shows, when no witness is asked for."""
    entries: list[bytes] = []
    for seq, envelope in enumerate(envelopes):
        prev = merkle.leaf_hash(entries[-1]) if entries else bytes(32)
        entries.append(entry.encode(envelope, prev=prev, received=format_time(world.now), seq=seq))
    return judge(world, small_log(entries, index, listings), replace(world.policy, quorum=0))


def test_11_key_outside_its_stretch_of_the_log(world: World) -> None:
    """A listing counts only for later entries, and a rotation that is shown ends the key."""
    state, fields = world.ledger.state, acts.key_fields(OPERATOR, "operator")
    listing = acts.event(state, "key-added", *ROOTS, at=world.now, fields=fields)
    made = acts.made(state, make_record("own", "ingest"), OPERATOR, at=world.now)
    swap: dict[str, Value] = {"key": NEW.verifier.vkey(), "replaces": OPERATOR.name}
    rotation = acts.event(state, "key-rotated", *ROOTS, at=world.now, fields=swap)
    assert judge_log(world, [listing, made], 1, (0,)).level == "A"
    assert judge_log(world, [made, listing], 0, (1,)).codes == {"signer-unknown"}
    assert judge_log(world, [listing, rotation, made], 2, (0, 1)).codes == {"signer-revoked"}


def test_9_event_of_another_ledger(world: World) -> None:
    """The same keys, another log: what they signed there proves nothing here."""
    other = State(replace(world.policy, origin="example.com/other"))
    listing = acts.event(world.ledger.state, "key-added", *ROOTS, at=world.now, fields=acts.key_fields(NEW, "operator"))
    made = acts.made(other, make_record("own", "ingest"), NEW, at=world.now)
    assert judge_log(world, [listing, made], 1, (0,)).codes == {"event-of-another-ledger"}


def test_4_entry_at_another_place(world: World, tmp_path: Path) -> None:
    """An entry that was moved, in a tree signed anew, still says its own place."""
    entries = list(world.ledger.entries())
    entries[0], entries[1] = entries[1], entries[0]
    found = judge(world, small_log(entries, 0, ()), replace(world.policy, quorum=0))
    assert "entries-reordered" in found.codes


def test_proofs_in_a_log_of_several_tiles(world: World, tmp_path: Path) -> None:
    long = good_world(tmp_path, quorum=0)
    for version in range(2, 51):
        long.run("wine", version)
    assert long.ledger.head.size > tiles.WIDTH
    for index in (12, 255, 256, long.ledger.head.size - 1):
        assert judge(long, prove(long, index)).level == "A"
