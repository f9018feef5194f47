"""An envelope gives back exactly the bytes that a pinned key signed, or nothing."""

import copy
from typing import Any

import pytest

from synthtrail.custody import dsse
from synthtrail.custody.canonical import b64decode, b64encode
from synthtrail.custody.ed25519 import Signer, Verifier
from synthtrail.custody.errors import FormatError, SignatureError, UsageError

ALICE = Signer("alice", bytes(31) + b"a")
BOB = Signer("bob", bytes(31) + b"b")
PINNED = [ALICE.verifier, BOB.verifier]
PAYLOAD = b'{"a":1}'


def envelope(*signers: Signer) -> Any:
    return dsse.sign(PAYLOAD, *(signers or (ALICE,)))


def test_the_verified_payload_is_the_signed_one() -> None:
    found = dsse.verify(envelope(ALICE, BOB), PINNED)
    assert found == dsse.Verified(PAYLOAD, dsse.IN_TOTO, (ALICE.verifier, BOB.verifier))
    assert dsse.verify(envelope(), dsse.pin(PINNED)).signers == (ALICE.verifier,)


def test_lengths_keep_type_and_payload_apart() -> None:
    """Moving bytes from one to the other changes what is signed."""
    assert dsse.pae("a", b"b c") != dsse.pae("a 3 b", b"c")
    assert dsse.pae("té", b"") == b"DSSEv1 3 t\xc3\xa9 0 "


def test_another_payload_or_type_is_refused() -> None:
    other = envelope()
    other["payload"] = b64encode(PAYLOAD + b" ")
    with pytest.raises(SignatureError):
        dsse.verify(other, PINNED)
    for kind in ("text/plain", "", dsse.IN_TOTO + " ", dsse.IN_TOTO.upper()):
        confused = envelope()
        confused["payloadType"] = kind
        with pytest.raises(SignatureError) as caught:
            dsse.verify(confused, PINNED)
        assert caught.value.code == "payload-type"
        with pytest.raises(SignatureError):
            dsse.verify(confused, PINNED, payload_type=kind)


def test_a_raw_signature_over_the_payload_is_refused() -> None:
    raw = envelope()
    raw["signatures"][0]["sig"] = b64encode(ALICE.sign(PAYLOAD))
    with pytest.raises(SignatureError):
        dsse.verify(raw, PINNED)


def test_a_key_id_earns_no_trust() -> None:
    """Bob's id on Alice's signature fails with Bob's key; an id that is not pinned fails with none."""
    swapped = envelope()
    swapped["signatures"][0]["keyid"] = BOB.verifier.keyid
    with pytest.raises(SignatureError):
        dsse.verify(swapped, PINNED)
    with pytest.raises(SignatureError) as caught:
        dsse.verify(envelope(), [BOB.verifier])
    assert caught.value.code == "unknown-key"
    with pytest.raises(SignatureError):
        dsse.verify(envelope(), [])


def test_a_namesake_is_not_the_pinned_key() -> None:
    mallory = Signer("alice", bytes(31) + b"m")
    forged = envelope(mallory)
    forged["signatures"][0]["keyid"] = ALICE.verifier.keyid
    for attempt in (envelope(mallory), forged):
        with pytest.raises(SignatureError):
            dsse.verify(attempt, PINNED)


def test_one_bad_signature_spoils_the_rest() -> None:
    mixed = envelope(ALICE, BOB)
    mixed["signatures"][1]["sig"] = b64encode(bytes([1]) * 64)
    with pytest.raises(SignatureError):
        dsse.verify(mixed, PINNED)
    with pytest.raises(SignatureError):
        dsse.verify(envelope(ALICE, BOB), [ALICE.verifier])


def edits() -> dict[str, Any]:
    def edit(change: Any) -> Any:
        broken = copy.deepcopy(envelope())
        change(broken)
        return broken

    first = envelope()["signatures"][0]
    return {
        "not an object": [envelope()],
        "null": None,
        "no payload": edit(lambda e: e.pop("payload")),
        "no type": edit(lambda e: e.pop("payloadType")),
        "no signatures": edit(lambda e: e.pop("signatures")),
        "further member": edit(lambda e: e.update(extra=1)),
        "payload not text": edit(lambda e: e.update(payload=1)),
        "type not text": edit(lambda e: e.update(payloadType=None)),
        "signatures not a list": edit(lambda e: e.update(signatures=first)),
        "empty signatures": edit(lambda e: e.update(signatures=[])),
        "too many signatures": edit(lambda e: e.update(signatures=[{**first, "keyid": str(n)} for n in range(17)])),
        "same key twice": edit(lambda e: e.update(signatures=[first, first])),
        "signature not an object": edit(lambda e: e.update(signatures=["x"])),
        "signature without key id": edit(lambda e: e["signatures"][0].pop("keyid")),
        "signature with a further member": edit(lambda e: e["signatures"][0].update(cert="")),
        "signature not text": edit(lambda e: e["signatures"][0].update(sig=1)),
        "key id not text": edit(lambda e: e["signatures"][0].update(keyid=None)),
        "url-safe base64": edit(lambda e: e.update(payload="_-8=")),
        "second spelling of base64": edit(lambda e: e.update(payload="QR==")),
        "line break in base64": edit(lambda e: e.update(payload=e["payload"] + "\n")),
    }


@pytest.mark.parametrize("name", edits())
def test_only_the_exact_shape_is_read(name: str) -> None:
    with pytest.raises(FormatError) as caught:
        dsse.verify(edits()[name], PINNED)
    assert caught.value.code in {"envelope", "base64"}


def test_signing_needs_a_signer_and_pinning_distinct_ids() -> None:
    with pytest.raises(UsageError):
        dsse.sign(PAYLOAD)
    assert dsse.pin([ALICE.verifier, ALICE.verifier]) == {ALICE.verifier.keyid: ALICE.verifier}


def test_two_keys_with_one_id_cannot_both_be_pinned() -> None:
    double = Verifier("alice", BOB.verifier.public)
    double.__dict__["keyid"] = ALICE.verifier.keyid
    with pytest.raises(UsageError):
        dsse.pin([ALICE.verifier, double])


def test_the_envelope_carries_the_payload_in_clear() -> None:
    assert b64decode(envelope()["payload"]) == PAYLOAD
