"""A witness's line: what it states, whose it is, and when."""

import pytest

from synthtrail.custody import cosignature, note
from synthtrail.custody.cosignature import Cosignature, Cosigner, CosigningSigner
from synthtrail.custody.ed25519 import Signer, Verifier
from synthtrail.custody.errors import FormatError, SignatureError, UsageError

LOG = Signer("example.com/log", bytes(31) + b"l")
ONE = Signer("w.example/1", bytes(31) + b"1")
TWO = Signer("w.example/2", bytes(31) + b"2")
TEXT = note.Checkpoint("example.com/log", 7, bytes(range(32))).text()
SIGNED = note.sign(TEXT, [LOG])
AT = 1679315147


def cosigned(*lines: note.NoteSignature) -> note.Note:
    return note.open(note.attach(SIGNED, lines), [LOG.verifier])


def test_what_is_signed_is_header_time_and_text() -> None:
    line = cosignature.sign(TEXT, ONE, at=AT)
    assert line.signature[:8] == AT.to_bytes(8, "big")
    ONE.verifier.verify(f"cosignature/v1\ntime {AT}\n{TEXT}".encode(), line.signature[8:])


def test_each_witness_is_reported_with_its_latest_time() -> None:
    opened = cosigned(
        *(cosignature.sign(TEXT, signer, at=at) for signer, at in [(ONE, 5), (TWO, 6), (ONE, 9), (ONE, 7)])
    )
    found = cosignature.cosignatures(opened, [TWO.verifier, ONE.verifier])
    assert found == (Cosignature(TWO.verifier, 6), Cosignature(ONE.verifier, 9))
    assert cosignature.cosignatures(opened, [Verifier("w.example/3", LOG.verifier.public)]) == ()


def test_a_line_with_another_time_or_text_is_refused() -> None:
    line = cosignature.sign(TEXT, ONE, at=AT)
    later = note.NoteSignature(line.name, line.key_id, (AT + 1).to_bytes(8, "big") + line.signature[8:])
    other = cosignature.sign(TEXT.replace("\n7\n", "\n8\n"), ONE, at=AT)
    for bad in (later, other):
        with pytest.raises(SignatureError):
            cosignature.cosignatures(cosigned(bad), [ONE.verifier])


def test_a_plain_signature_is_no_cosignature() -> None:
    """Neither under its own id, nor with the id of a cosignature."""
    plain = note.signature(TEXT, ONE)
    assert cosignature.cosignatures(cosigned(plain), [ONE.verifier]) == ()
    relabelled = note.NoteSignature(ONE.name, Cosigner(ONE.verifier).key_id, bytes(8) + plain.signature)
    with pytest.raises(SignatureError):
        cosignature.cosignatures(cosigned(relabelled), [ONE.verifier])


def test_one_key_under_two_names_is_not_two_witnesses() -> None:
    """The signed message does not name the witness, so the line of one would serve for the other."""
    double = Signer("w.example/double", ONE.seed)
    with pytest.raises(UsageError):
        cosignature.cosignatures(cosigned(), [ONE.verifier, double.verifier])


def test_a_note_made_by_hand_proves_nothing() -> None:
    line = cosignature.sign(TEXT, ONE, at=AT)
    with pytest.raises(SignatureError):
        cosignature.cosignatures(note.Note(TEXT.replace("7", "8"), (line,), ()), [ONE.verifier])


def test_a_note_opens_with_witness_keys_too() -> None:
    data = cosignature.cosign(SIGNED, ONE, at=AT)
    assert [item.name for item in note.open(data, [Cosigner(ONE.verifier)]).verified] == [ONE.name]
    with pytest.raises(SignatureError):
        note.open(data, [ONE.verifier])  # its key, but as a signer of notes


def test_a_witness_signs_checkpoints_only() -> None:
    with pytest.raises(FormatError):
        cosignature.sign("I owe you a favour\n", ONE, at=AT)
    with pytest.raises(FormatError):
        cosignature.cosign(note.sign(TEXT + "extension\n", [LOG]), ONE, at=AT)


@pytest.mark.parametrize("at", [-1, 2**63])
def test_a_time_is_a_time(at: int) -> None:
    with pytest.raises(UsageError):
        CosigningSigner(ONE, at)


def test_a_time_beyond_2_to_the_63_is_refused() -> None:
    message = b"cosignature/v1\ntime %d\n" % 2**63 + TEXT.encode()
    signature = (2**63).to_bytes(8, "big") + ONE.sign(message)
    with pytest.raises(SignatureError):
        Cosigner(ONE.verifier).verify(TEXT.encode(), signature)
    for size in (0, 8, 71, 73):
        with pytest.raises(SignatureError):
            cosignature.timestamp(bytes(size))


def test_keys_travel_as_text() -> None:
    witness = Cosigner(ONE.verifier)
    assert cosignature.parse_vkey(witness.vkey()) == witness
    assert CosigningSigner(ONE, AT).key_id == witness.key_id != ONE.key_id
    with pytest.raises(FormatError):
        cosignature.parse_vkey(ONE.verifier.vkey())
