"""The status of an artifact: stated for all in one root, recomputed by verify, proved for one offline."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from tests.unit.custody.forgery import audit, checkpoint_path, force, found_at
from tests.unit.custody.ledger_factory import (
    ADA,
    BOB,
    OPERATOR,
    RECIPIENT,
    STRANGER,
    WITNESSES,
    World,
    item,
    make_policy,
)

from synthtrail.custody import (
    acts,
    canonical,
    carried,
    prefixtree,
    proofcheck,
    snapshot,
    status,
    statusproof,
    tlogproof,
)
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.canonical import Value
from synthtrail.custody.carried import Carried
from synthtrail.custody.digest import Digest
from synthtrail.custody.errors import FormatError, TransitionError, UsageError
from synthtrail.custody.policy import Policy
from synthtrail.custody.prefixtree import Proof
from synthtrail.custody.proofreport import ProofReport
from synthtrail.custody.state import State
from synthtrail.custody.status import Standing
from synthtrail.custody.verify import verify

DATA, OTHER = item("iris", "generate"), item("wine", "generate")
NOTHING = item("nothing", "generate").digest


def state_status(world: World) -> int:
    """Append a status; its entry."""
    at = world.tick()
    with world.ledger.transaction(at) as tx:
        return tx.append([acts.status(tx.state, OPERATOR, at=at)])[0]


def proof_of(world: World, artifact: bytes) -> bytes:
    return carried.prove_status(FolderReader(world.path).read, world.ledger.checkpoint, world.ledger.state, artifact)


def checked(world: World, data: bytes, policy: Policy | None = None) -> ProofReport:
    return proofcheck.check(data, policy or world.policy, now=world.now)


def transfer(world: World) -> None:
    until = canonical.format_time(world.now + timedelta(days=1))
    terms: dict[str, Value] = {"receiver": RECIPIENT.name, "purpose": "teaching", "terms": "none", "expires": until}
    offer = world.act("transfer-offered", OPERATOR, on=[DATA], fields=terms)
    world.act("transfer-accepted", RECIPIENT, on=[DATA], fields={"request": offer})


def dispose(world: World) -> None:
    asked = world.act("disposal-requested", BOB, on=[DATA], fields={"reason": "over"})
    approved = world.act(
        "disposal-approved", ADA, on=[DATA], meaning="approval", fields={"request": asked, "reason": "agreed"}
    )
    fields: dict[str, Value] = {"request": approved, "certificate": "0" * 64, "details": []}
    world.act("disposal-executed", OPERATOR, on=[DATA], fields=fields)


def test_each_word_through_a_life(world: World) -> None:
    """live, transferred, held, disposed; unknown for what no event concerns: stated, verified, and proved each time."""
    hold = ""
    words = []
    for step in ("", "transfer", "hold", "lift", "dispose"):
        if step == "transfer":
            transfer(world)
        elif step == "hold":
            hold = world.act("hold-placed", OPERATOR, on=[DATA], fields={"reason": "a question"})
        elif step == "lift":
            lifted: dict[str, Value] = {"request": hold, "reason": "answered"}
            world.act("hold-lifted", ADA, on=[DATA], meaning="approval", fields=lifted)
        elif step == "dispose":
            dispose(world)
        entry = state_status(world)
        assert audit(world).findings == ()
        report = checked(world, proof_of(world, DATA.digest))
        assert (report.level, report.index) == ("A", entry)
        assert report.status is not None
        words.append(report.status.standing.word)
        assert report.status.standing == world.ledger.state.standing(DATA.digest)
        absent = checked(world, proof_of(world, NOTHING))
        assert absent.status is not None
        assert (absent.level, absent.status.standing) == ("A", status.UNKNOWN)
    assert words == ["live", "transferred", "held", "transferred", "disposed"]


def test_the_root_is_that_of_the_definition(world: World) -> None:
    """Over every artifact that an event concerns: its key, its latest event, its word and state."""
    transfer(world)
    state = world.ledger.state
    leaves = []
    for row in range(len(state.lives)):
        artifact = state.lives.ids[row]
        event = state.events[state.lives.head(row)]
        word = b"transferred" if artifact == DATA.digest else b"live"
        said = event + word + b" " + state.status(artifact).encode()
        leaves.append((sha256(artifact).digest(), sha256(said).digest()))
    assert len(leaves) == 10
    assert state.status_root() == prefixtree.root(sorted(leaves))


@pytest.mark.parametrize("changed", ["size", "root"])
def test_a_wrong_status_is_refused_and_reported(world: World, changed: str) -> None:
    state = world.ledger.state
    fields: dict[str, Value] = {"size": state.size, "root": state.status_root().hex()}
    fields[changed] = state.size - 1 if changed == "size" else "0" * 64
    envelope = acts.event(state, "status", OPERATOR, at=world.now, fields=fields)
    with pytest.raises(TransitionError) as caught, world.ledger.transaction(world.now) as tx:
        tx.add(envelope)
    assert caught.value.code == "status-wrong"
    place = force(world, envelope)
    report = audit(world)
    assert (report.level, found_at(report, "status-wrong"), report.codes) == (
        None,
        [place],
        frozenset({"status-wrong"}),
    )


def test_verification_from_a_snapshot_judges_roots(world: World) -> None:
    """Whether the snapshot was taken before the first status, between two, or after changes since the last."""
    marks = []
    for version in range(2, 6):
        marks.append((world.ledger.checkpoint, audit(world).snapshot()))
        world.run("iris", version)
        if version > 2:
            state_status(world)
            marks.append((world.ledger.checkpoint, audit(world).snapshot()))
    transfer(world)
    state_status(world)
    fields: dict[str, Value] = {"size": world.ledger.head.size, "root": "1" * 64}
    whole = audit(world)
    assert whole.findings == ()
    place = force(world, acts.event(world.ledger.state, "status", OPERATOR, at=world.now, fields=fields))
    for since, known in marks:
        assert known is not None
        assert snapshot.load(known, world.policy) is not None
        report = verify(FolderReader(world.path), world.policy, now=world.now, since=since, known=known)
        assert (found_at(report, "status-wrong"), report.codes) == ([place], frozenset({"status-wrong"}))


def test_a_snapshot_keeps_transfers_and_the_tree(world: World) -> None:
    transfer(world)
    state_status(world)
    world.run("wine", 2)
    known = audit(world).snapshot()
    assert known is not None
    loaded = snapshot.load(known, world.policy)
    assert loaded is not None
    state: State = loaded[0]
    assert state.standing(DATA.digest).word == "transferred"
    assert state.tree is not None
    assert snapshot.dump(*loaded) == known
    assert state.status_root() == world.ledger.state.status_root()


def test_a_proof_is_of_the_last_entry(world: World) -> None:
    """Before the owner states it, there is no proof; what was stated before later entries proves nothing now."""
    with pytest.raises(UsageError, match="not a status"):
        proof_of(world, DATA.digest)
    entry = state_status(world)
    good = carried.decode(tlogproof.parse(proof_of(world, DATA.digest)).extra or b"").status
    world.run("wine", 2)
    read = FolderReader(world.path).read
    stale = carried.prove(read, world.ledger.checkpoint, entry, world.ledger.state, good)
    report = checked(world, stale)
    assert (report.level, report.codes, report.status) == (None, frozenset({"proof-malformed"}), None)
    assert "later entries" in report.findings[0].text
    other = carried.prove(read, world.ledger.checkpoint, entry - 1, world.ledger.state, good)
    assert "not a status" in checked(world, other).findings[0].text


def test_a_proof_says_nothing_else(world: World) -> None:
    """Another word, state, event, artifact or path does not lead to the root; half an unknown has no form."""
    transfer(world)
    state_status(world)
    data = proof_of(world, DATA.digest)
    proof = tlogproof.parse(data)
    told = carried.decode(proof.extra or b"")
    part = told.status
    assert part is not None
    said = part.standing
    others = [
        replace(part, standing=said._replace(word="live")),
        replace(part, standing=said._replace(state="released")),
        replace(part, standing=said._replace(event=bytes(32))),
        replace(part, standing=status.UNKNOWN),
        replace(part, artifact=OTHER.digest),
        replace(part, artifact=NOTHING),
        replace(part, path=Proof(part.path.siblings[:-1])),
        replace(part, path=part.path._replace(other=(bytes(32), bytes(32)))),
    ]
    for wrong in others:
        spoiled = tlogproof.encode(replace(proof, extra=carried.encode(replace(told, status=wrong))))
        assert checked(world, spoiled).codes == {"status-wrong"}
    value = statusproof.encode(part)
    assert isinstance(value, dict)
    changes: list[dict[str, Value]] = [
        {"event": ""},
        {"word": "unknown"},
        {"word": "lost"},
        {"other": ["0"]},
        {"more": 1},
    ]
    for change in changes:
        with pytest.raises(FormatError):
            statusproof.decode(value | change)
    assert statusproof.decode(value) == part
    assert carried.decode(carried.encode(told)) == told
    assert carried.decode(carried.encode(Carried(told.entry, told.keys))).status is None


def test_who_may_state_it_and_what_is_brought(world: World) -> None:
    """A forged signer is found; the artifact brought along is compared with the one the proof is about."""
    state_status(world)
    proof = proof_of(world, DATA.digest)
    brought = Digest(DATA.digest.hex(), 0, 2)
    assert proofcheck.check(proof, world.policy, now=world.now, artifact=brought).ok
    other = replace(brought, sha256=OTHER.digest.hex())
    assert "folder-changed" in proofcheck.check(proof, world.policy, now=world.now, artifact=other).codes
    place = force(world, acts.status(world.ledger.state, STRANGER, at=world.now))
    state = audit(world).state
    assert state is not None
    signed = checkpoint_path(world).read_bytes()
    read = FolderReader(world.path).read
    forged = carried.prove(read, signed, place, state, statusproof.prove(state, DATA.digest))
    assert "signer-unknown" in checked(world, forged).codes


def test_stale_cosignatures_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With witnesses asked for, the proof is good while cosignatures are young, not when they are beyond maxAge."""
    made = World(tmp_path_factory.mktemp("status"), policy=replace(make_policy(), max_age=3600))
    made.create()
    made.run("iris")
    state_status(made)
    assert checked(made, proof_of(made, DATA.digest)).codes == {"quorum-missing"}
    made.cosign(*WITNESSES[:2])
    proof = proof_of(made, DATA.digest)
    assert checked(made, proof).level == "C"
    made.now += timedelta(hours=2)
    assert checked(made, proof).codes == {"quorum-missing"}


def test_the_report_says_what_is_not_proved(world: World) -> None:
    """For people and for programs: the status, and that nobody but who holds the log recomputes its root."""
    state_status(world)
    report = checked(world, proof_of(world, DATA.digest))
    text = report.text()
    assert f"SHA-256 {DATA.digest.hex()}: live (approved)" in text
    assert "witnesses do not check it" in text
    assert "after this head" in text
    said = report.as_json()["status"]
    assert isinstance(said, dict)
    assert (said["word"], said["state"]) == ("live", "approved")
    plain = carried.prove(FolderReader(world.path).read, world.ledger.checkpoint, 9, world.ledger.state)
    assert checked(world, plain).status is None


def test_words() -> None:
    """Disposed before held before transferred before live."""
    every = [
        status.standing(state, bytes(32), held=held, transferred=transferred).word
        for state in ("disposed", "released")
        for held in (True, False)
        for transferred in (True, False)
    ]
    assert every == ["disposed"] * 4 + ["held"] * 2 + ["transferred", "live"]
    assert set(status.WORDS) == {*every, "unknown"}
    assert Standing("live", "made", b"x" * 32).value == b"x" * 32 + b"live made"
