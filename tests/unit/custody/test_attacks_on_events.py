"""Attacks on single events, numbered as in the specification: refused when appended, named by verify when forced in.

Forcing means owning the sequencer's key: the tree fits and is signed, so what is found, is found at level A.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.unit.custody.forgery import audit, entries_of, force, force_payload, found_at, write_log
from tests.unit.custody.ledger_factory import (
    ADA,
    ADA_AT_WORK,
    OPERATOR,
    ORIGIN,
    OTHER_RECIPIENT,
    RECIPIENT,
    ROOTS,
    SEQUENCER,
    STRANGER,
    World,
    item,
    make_policy,
    make_record,
)

from synthtrail.custody import acts, canonical, dsse, statement
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import L, Signer
from synthtrail.custody.errors import DataError, TransitionError
from synthtrail.custody.record import parse as parse_record

MODEL = item("iris", "train")
STORED: dict[str, Value] = {"place": "s3", "method": "age", "details": []}


def stored(world: World, signer: Signer = OPERATOR, **changes: object) -> dict[str, Value]:
    """A harmless event, to be made harmful."""
    arguments: dict[str, object] = {"at": world.now, "subjects": [MODEL], "fields": STORED} | changes
    return acts.event(world.ledger.state, "stored", signer, **arguments)  # type: ignore[arg-type]


def payload_of(envelope: Value) -> bytes:
    """The payload bytes of an envelope."""
    return dsse.parse(envelope).payload


def refused(world: World, envelope: Value) -> str:
    """The code with which appending is refused; nothing must have been appended."""
    before = world.ledger.checkpoint
    with pytest.raises(DataError) as caught:
        world.append(envelope)
    assert world.ledger.checkpoint == before
    return caught.value.code


def assert_found(world: World, envelope: Value, code: str) -> None:
    """Appending `envelope` is refused with `code`, and once forced in it is found with the same."""
    assert refused(world, envelope) == code
    place = force(world, envelope)
    report = audit(world)
    assert (report.level, set(found_at(report, code))) == (None, {place})


def test_8_replay_in_the_same_ledger(world: World) -> None:
    envelope = stored(world)
    world.append(envelope)
    assert_found(world, envelope, "event-replayed")


def test_9_replay_from_another_ledger(world: World) -> None:
    """The same keys in two ledgers: an event signed for one is not an event of the other."""
    payload = statement.build(
        "stored", actor=OPERATOR.name, at=world.now, ledger="example.com/ledger/other", subjects=[MODEL], fields=STORED
    )
    assert_found(world, dsse.sign(payload, OPERATOR), "event-of-another-ledger")


def test_10_key_substituted_under_a_listed_name(world: World) -> None:
    """Another key that bears the actor's name is not the actor's key."""
    impostor = Signer(OPERATOR.name, STRANGER.seed)
    envelope = stored(world, impostor)
    assert refused(world, envelope) == "unknown-key"
    place = force(world, envelope)
    assert found_at(audit(world), "key-substituted") == [place]


def test_10_key_id_claims_the_listed_key(world: World) -> None:
    """A key id is only a hint: a stranger's signature under the operator's id does not verify."""
    envelope = stored(world, STRANGER)
    payload = payload_of(stored(world))
    envelope = dsse.sign(payload, STRANGER)
    signatures = envelope["signatures"]
    assert isinstance(signatures, list)
    assert isinstance(signatures[0], dict)
    signatures[0]["keyid"] = OPERATOR.verifier.keyid
    assert refused(world, envelope) == "signature"
    place = force(world, envelope)
    assert found_at(audit(world), "signature-invalid") == [place]


def test_10_signed_by_another_listed_key(world: World) -> None:
    """A listed key may not speak for another one."""
    envelope = dsse.sign(payload_of(stored(world)), ADA_AT_WORK)
    assert_found(world, envelope, "key-substituted")


def test_10_unlisted_signer(world: World) -> None:
    place = force(world, stored(world, STRANGER))
    assert found_at(audit(world), "signer-unknown") == [place]


def test_11_revoked_signer(world: World) -> None:
    """After its revocation a key signs nothing; from the reported position on, its entries are in doubt."""
    assert audit(world).level == "A"
    fields: dict[str, Value] = {"name": OPERATOR.name, "reason": "laptop lost", "compromisedSince": 15}
    world.act("key-revoked", *ROOTS, fields=fields)
    doubtful = [entry for entry in range(15, world.ledger.head.size) if entry < 18]
    assert found_at(audit(world), "signer-revoked") == doubtful
    envelope = stored(world)
    assert refused(world, envelope) == "signer-revoked"
    place = force(world, envelope)
    assert found_at(audit(world), "signer-revoked") == [*doubtful, place]


def test_11_rotated_signer(world: World) -> None:
    """A rotated key ends, without any doubt about the past; the new one has its role."""
    new = Signer.generate("example.com/operator-2")
    world.act("key-rotated", *ROOTS, fields={"key": new.verifier.vkey(), "replaces": OPERATOR.name})
    world.append(stored(world, new))
    assert audit(world).level == "A"
    assert_found(world, stored(world), "signer-revoked")


@pytest.mark.parametrize(
    "shift", [timedelta(seconds=-1), timedelta(days=-3)], ids=["before its neighbour", "long before"]
)
def test_12_received_before_the_entry_that_precedes(world: World, shift: timedelta) -> None:
    """The sequencer's own clock may not run backwards."""
    envelope = stored(world, at=world.now + shift)
    place = force(world, envelope, world.now + shift)
    assert place in found_at(audit(world), "entry-back-dated")


@pytest.mark.parametrize(
    "at",
    [timedelta(seconds=301), timedelta(days=-8), timedelta(days=-2)],
    ids=["signed later than received", "older than allowed", "before the event that it follows"],
)
def test_12_signed_at_an_impossible_time(world: World, at: timedelta) -> None:
    assert_found(world, stored(world, at=world.now + at), "entry-back-dated")


def test_14_weak_key_is_not_listed(world: World) -> None:
    """A key of low order accepts signatures over messages that nobody signed."""
    fields = acts.key_fields(STRANGER, "operator")
    good = acts.event(world.ledger.state, "key-added", *ROOTS, at=world.now, fields=fields)
    weak = canonical.b64encode(b"\x01" + bytes(32))
    vkey = str(fields["key"])
    payload = payload_of(good).replace(vkey.split("+", 2)[2].encode(), weak.encode())
    identity = __import__("hashlib").sha256(STRANGER.name.encode() + b"\n\x01" + bytes(32)).hexdigest()[:8]
    payload = payload.replace(f"+{vkey.split('+')[1]}+".encode(), f"+{identity}+".encode())
    envelope = dsse.sign(payload, *ROOTS)
    assert refused(world, envelope) == "weak-point"
    place = force(world, envelope)
    assert found_at(audit(world), "key-weak") == [place]


def with_signature(envelope: dict[str, Value], change: Callable[[bytes], bytes]) -> dict[str, Value]:
    """The envelope with its signature bytes changed."""
    signatures = envelope["signatures"]
    assert isinstance(signatures, list)
    assert isinstance(signatures[0], dict)
    sig = canonical.b64decode(str(signatures[0]["sig"]))
    return envelope | {"signatures": [signatures[0] | {"sig": canonical.b64encode(change(sig))}]}


def test_14_weak_point_in_a_signature(world: World) -> None:
    place = force(world, with_signature(stored(world), lambda sig: bytes(32) + sig[32:]))
    assert found_at(audit(world), "key-weak") == [place]


def test_15_malleable_signature(world: World) -> None:
    """S + L verifies in a careless verifier: a second signature over the same payload."""

    def add_order(sig: bytes) -> bytes:
        return sig[:32] + (int.from_bytes(sig[32:], "little") + L).to_bytes(32, "little")

    place = force(world, with_signature(stored(world), add_order))
    assert found_at(audit(world), "signature-malleable") == [place]


def test_15_malleable_base64(world: World) -> None:
    """`QR==` decodes like `QQ==`: only one of the two spellings is accepted."""
    envelope = stored(world)
    signatures = envelope["signatures"]
    assert isinstance(signatures, list)
    assert isinstance(signatures[0], dict)
    sig = str(signatures[0]["sig"])
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    sibling = letters[letters.index(sig[-3]) ^ 1]
    place = force(world, envelope | {"signatures": [signatures[0] | {"sig": sig[:-3] + sibling + "=="}]})
    assert found_at(audit(world), "signature-malleable") == [place]


def test_16_payload_type_confusion(world: World) -> None:
    """The same bytes signed as something else are not an event."""
    envelope = dsse.sign(payload_of(stored(world)), OPERATOR, payload_type="application/json")
    assert refused(world, envelope) == "payload-type"
    place = force(world, envelope)
    assert found_at(audit(world), "type-confused") == [place]


def test_16_key_of_another_algorithm(world: World) -> None:
    """A cosigning key (type 4) is not listed as a signing key (type 1)."""
    fields = acts.key_fields(STRANGER, "operator")
    good = acts.event(world.ledger.state, "key-added", *ROOTS, at=world.now, fields=fields)
    vkey = str(fields["key"])
    other = vkey[:-44] + canonical.b64encode(b"\x04" + STRANGER.verifier.public)
    place = force_payload(world, payload_of(good).replace(vkey.encode(), other.encode()), *ROOTS)
    assert found_at(audit(world), "type-confused") == [place]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"method":"age"', b'"method":"age","method":"age"', "json-duplicate-key"),
        (b'"method":"age"', b'"\\u006dethod":"age","method":"age"', "json-duplicate-key"),
        (b'"details":[]', b'"details":[1.5]', "json-number"),
        (b'"details":[]', b'"details":[9007199254740992]', "json-number"),
        (b'"details":[]', b'"details":[NaN]', "json-number"),
        (b'"details":[]', b'"details":[-0]', "json-not-canonical"),
        (b'"place":"s3"', '"place":"e\u0301"'.encode(), "json-unicode"),
        (b'"place":"s3"', b'"place":"\\ud800"', "json-unicode"),
        (b'"place":"s3"', '"pl\u00e4ce":"s3"'.encode(), "json-unicode"),
        (b'"place":"s3"', b'"place":"\\u0073\\u0033"', "json-not-canonical"),
        (b'"place":"s3"', b'"place": "s3"', "json-not-canonical"),
        (b'"place":"s3"', b'"place":"s3","extra":"1"', "json-not-canonical"),
        (b'"place":"s3"', b'"plaa":"1","place":"s3"', "statement-malformed"),
        (b'"place":"s3"', b'"place":3', "statement-malformed"),
        (b'"details":[]', b'"details":' + b"[" * 40 + b"]" * 40, "entry-oversized"),
        (b"data/iris/model", b"data/../../etc", "path-unsafe"),
        (b"data/iris/model", b"/etc/passwd", "path-unsafe"),
        (b"data/iris/model", b"data/iris/\\u0000", "path-unsafe"),
        (b"data/iris/model", b"data//model", "path-unsafe"),
        (b"data/iris/model", b"C:\\\\model", "path-unsafe"),
        (b"12:00:", b"24:00:", "statement-malformed"),
        (b"12:00:", b"12:0:", "statement-malformed"),
        (b"custody/stored/v1", b"custody/stored/v2", "statement-malformed"),
        (b"custody/stored/v1", b"custody/burnt/v1", "statement-malformed"),
        (b'"prevEvent":[{', b'"prevEvent":[{"x":1},{', "statement-malformed"),
    ],
)
def test_17_18_19_22_payload_that_is_not_the_one_form(world: World, old: bytes, new: bytes, code: str) -> None:
    """Honestly signed bytes with one fault are refused by name; nothing of them takes effect."""
    payload = payload_of(stored(world))
    assert old in payload
    place = force_payload(world, payload.replace(old, new), OPERATOR)
    report = audit(world)
    assert (report.level, found_at(report, code)) == (None, [place])


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"v":1}', b'"v":1,"v":1}', "json-duplicate-key"),
        (b'"v":1}', b'"v":1.0}', "json-number"),
        (b'"v":1}', b'"v":true}', "statement-malformed"),
        (b'"v":1}', b'"v":2}', "statement-malformed"),
        (b'"v":1}', b'"v":1} ', "json-not-canonical"),
        (b'"v":1}', b'"v":1,"w":"\xc3\xa9"}', "statement-malformed"),
        (b'"v":1}', b"", "ledger-damaged"),
    ],
)
def test_17_18_19_leaf_that_is_not_the_one_form(world: World, old: bytes, new: bytes, code: str) -> None:
    """The leaf around the envelope is held to the same rules."""
    entries = entries_of(world)
    write_log(world, [*entries[:-1], entries[-1].replace(old, new)], signer=SEQUENCER)
    report = audit(world)
    assert (report.level, found_at(report, code)) == (None, [len(entries) - 1])


def test_custody_fork(world: World) -> None:
    """Two events that follow the same event: the second is the fork, whoever signed it."""
    first, second = stored(world), stored(world, fields=STORED | {"place": "tape"})
    world.append(first)
    assert_found(world, second, "custody-fork")


def test_event_that_hides_its_predecessor(world: World) -> None:
    payload = statement.build(
        "stored", actor=OPERATOR.name, at=world.now, ledger=ORIGIN, subjects=[MODEL], fields=STORED
    )
    assert_found(world, dsse.sign(payload, OPERATOR), "previous-wrong")


def test_event_that_follows_another_artifacts_event(world: World) -> None:
    state = world.ledger.state
    foreign = state.previous((item("wine", "train").digest,))[0][1]
    payload = statement.build(
        "stored",
        actor=OPERATOR.name,
        at=world.now,
        ledger=ORIGIN,
        subjects=[MODEL],
        previous=[(MODEL.digest, foreign)],
        fields=STORED,
    )
    assert_found(world, dsse.sign(payload, OPERATOR), "previous-wrong")


def test_28_self_approval_by_the_same_key_or_person(world: World) -> None:
    """A steward may not approve what she, under whichever key, has made."""
    at = world.tick()
    with world.ledger.transaction(at) as tx:
        for stage in ("ingest", "preprocess", "train", "generate", "validate"):
            tx.add(acts.made(tx.state, make_record("own", stage), ADA_AT_WORK, at=at))
        tx.commit()
    envelope = acts.event(
        world.ledger.state,
        "approved",
        ADA,
        at=at,
        subjects=[item("own", "generate")],
        meaning="approval",
        fields={"reason": "it is mine"},
    )
    assert_found(world, envelope, "self-approval")


def test_29_acceptance_by_another_than_the_receiver_and_twice(world: World) -> None:
    """Only the receiver named in the offer can accept, only once, and only what was offered."""
    found = item("iris", "generate")
    expires = canonical.format_time(world.now + timedelta(days=1))
    offer: dict[str, Value] = {"receiver": RECIPIENT.name, "purpose": "study", "terms": "none", "expires": expires}
    request = world.act("transfer-offered", OPERATOR, on=[found], fields=offer)
    stolen = acts.event(
        world.ledger.state, "transfer-accepted", OTHER_RECIPIENT, at=world.now, subjects=[found],
        fields={"request": request},
    )  # fmt: skip
    assert refused(world, stolen) == "acceptance-forged"
    world.act("transfer-accepted", RECIPIENT, on=[found], fields={"request": request})
    again = acts.event(
        world.ledger.state, "transfer-accepted", RECIPIENT, at=world.tick(), subjects=[found],
        fields={"request": request},
    )  # fmt: skip
    assert_found(world, again, "acceptance-forged")


def test_transition_that_the_table_lacks(world: World) -> None:
    """What has not passed the gate cannot be approved."""
    envelope = acts.event(
        world.ledger.state, "approved", ADA, at=world.now, subjects=[MODEL], meaning="approval", fields={"reason": "x"}
    )
    assert_found(world, envelope, "transition-illegal")


def test_role_and_person(world: World) -> None:
    """An operator approves nothing, and a steward only as a person."""
    found = item("wine", "generate")
    state = world.ledger.state
    wrong_role = acts.event(
        state, "approved", ADA_AT_WORK, at=world.now, subjects=[found], meaning="approval", fields={"reason": "x"}
    )
    assert refused(world, wrong_role) == "role-wrong"
    machine = acts.event(state, "approved", ADA, at=world.now, subjects=[found], fields={"reason": "x"})
    assert refused(world, machine) == "person-needed"
    no_person = acts.event(state, "stored", OPERATOR, at=world.now, subjects=[found], meaning="review", fields=STORED)
    assert_found(world, no_person, "person-needed")


def test_root_threshold(world: World) -> None:
    """Two roots must sign; one of them, or a stranger beside one, is not enough."""
    fields = acts.key_fields(STRANGER, "operator")
    assert_found(
        world,
        acts.event(world.ledger.state, "key-added", ROOTS[0], at=world.now, fields=fields),
        "threshold-missed",
    )


def test_unknown_input(world: World) -> None:
    """A record whose input no event made has no provenance."""
    assert_found(
        world, acts.made(world.ledger.state, make_record("new", "train"), OPERATOR, at=world.now), "input-unknown"
    )


def test_reuse_of_a_record_that_was_never_logged(world: World) -> None:
    found = parse_record(make_record("iris", "preprocess", 5) | {"inputs": make_record("iris", "preprocess")["inputs"]})
    envelope = acts.event(world.ledger.state, "reused", OPERATOR, at=world.now, record=found)
    assert refused(world, envelope) in {"record-unknown", "transition-illegal"}
    place = force(world, envelope)
    assert found_at(audit(world), "record-unknown") == [place]


def test_key_may_not_be_listed_twice(world: World) -> None:
    """Neither a name nor a point is given twice."""
    for signer in (OPERATOR, Signer("example.com/alias", OPERATOR.seed)):
        envelope = acts.event(
            world.ledger.state, "key-added", *ROOTS, at=world.now, fields=acts.key_fields(signer, "operator")
        )
        assert refused(world, envelope) == "key-rejected"


def test_nothing_follows_the_closing(world: World) -> None:
    world.act("ledger-closed", *ROOTS, fields={"reason": "moved"})
    assert audit(world).level == "A"
    assert_found(world, stored(world), "ledger-closed")


def test_second_opening(world: World) -> None:
    again = acts.event(
        world.ledger.state, "ledger-opened", *ROOTS, at=world.now, fields=acts.policy_fields(world.policy)
    )
    assert_found(world, again, "transition-illegal")


def test_36_status_about_another_prefix(world: World) -> None:
    size = world.ledger.head.size
    fields: dict[str, Value] = {"size": size - 1, "root": "0" * 64}
    envelope = acts.event(world.ledger.state, "status", OPERATOR, at=world.now, fields=fields)
    assert_found(world, envelope, "status-wrong")


def test_policy_change_is_followed_and_must_be_pinned(world: World) -> None:
    """Roots may move the ledger to another policy; who still pins the old one is told."""
    new = make_policy(quorum=3)
    world.act("policy-changed", *ROOTS, fields=acts.policy_fields(new))
    assert audit(world).codes == {"policy-mismatch"}
    world.policy = new
    assert audit(world).codes == {"quorum-missing"}


def test_refusal_leaves_the_ledger_usable(world: World) -> None:
    """A refused event in a group drops the group, and the next append goes on as if nothing had been."""
    size = world.ledger.head.size
    with pytest.raises(TransitionError):
        world.append(stored(world), stored(world, fields=STORED | {"place": "tape"}))
    assert world.ledger.head.size == size
    world.append(stored(world))
    assert audit(world).level == "A"
