"""Signed notes and checkpoints: strict in form, deaf to unknown keys, unforgiving to known ones."""

import pytest

from synthtrail.custody import note
from synthtrail.custody.canonical import b64encode
from synthtrail.custody.ed25519 import Signer, Verifier, parse_vkey
from synthtrail.custody.errors import DataError, FormatError, SignatureError, UsageError
from synthtrail.custody.note import Checkpoint, NoteSignature

LOG = Signer("example.com/log", bytes(31) + b"l")
OTHER = Signer("example.com/other", bytes(31) + b"o")
HEAD = Checkpoint("example.com/log", 7, bytes(range(32)))
SIGNED = note.sign(HEAD.text(), [LOG])


def test_a_note_is_text_gap_and_lines() -> None:
    assert SIGNED.decode() == f"{HEAD.text()}\n{note.signature(HEAD.text(), LOG).line()}"
    assert note.open(SIGNED, [LOG.verifier]).text == HEAD.text()


def test_text_may_have_empty_lines_and_what_looks_like_signatures() -> None:
    """The last empty line divides, so an earlier block of signatures belongs to the text."""
    inner = "first\n\n" + note.signature("first\n", OTHER).line()
    opened = note.open(note.sign(inner, [LOG]), [LOG.verifier, OTHER.verifier])
    assert opened.text == inner
    assert [item.name for item in opened.verified] == [LOG.name]


def test_the_example_of_the_specification() -> None:
    """https://c2sp.org/signed-note gives a key and a note that it signed."""
    verifier = parse_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    signature = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
    text = "This is an example message.\n"
    opened = note.open(f"{text}\n— example.com/foo {signature}\n".encode(), [verifier])
    assert opened.text == text


def test_every_byte_counts() -> None:
    """Whatever byte changes, the note no longer opens; or the line is no longer this key's."""
    for at in range(len(SIGNED)):
        for flip in (1, 32, 128):
            mauled = SIGNED[:at] + bytes([SIGNED[at] ^ flip]) + SIGNED[at + 1 :]
            with pytest.raises(DataError):
                note.open(mauled, [LOG.verifier])


def test_unknown_signatures_are_kept_and_prove_nothing() -> None:
    both = note.sign("text\n", [LOG, OTHER])
    opened = note.open(both, [OTHER.verifier])
    assert [item.name for item in opened.verified] == [OTHER.name]
    assert [item.name for item in opened.unverified] == [LOG.name]
    with pytest.raises(SignatureError) as caught:
        note.open(both, [])
    assert caught.value.code == "unknown-key"


def test_a_namesake_with_another_id_is_unknown() -> None:
    namesake = Signer(LOG.name, OTHER.seed)
    with pytest.raises(SignatureError) as caught:
        note.open(note.sign("text\n", [namesake]), [LOG.verifier])
    assert caught.value.code == "unknown-key"


def test_one_bad_signature_of_a_known_key_refuses_the_note() -> None:
    bad = NoteSignature(LOG.name, LOG.key_id, bytes([1]) * 64)
    with pytest.raises(SignatureError):
        note.open(note.attach(note.sign("text\n", [OTHER]), [bad]), [LOG.verifier, OTHER.verifier])


def test_a_repeated_line_counts_once() -> None:
    doubled = SIGNED + note.signature(HEAD.text(), LOG).line().encode()
    assert len(note.open(doubled, [LOG.verifier]).verified) == 1


def test_two_pinned_keys_with_one_name_and_id_are_the_callers_fault() -> None:
    with pytest.raises(UsageError):
        note.open(SIGNED, [LOG.verifier, Verifier(LOG.name, LOG.verifier.public)])
    note.open(SIGNED, [LOG.verifier, OTHER.verifier, OTHER.verifier])


LINE = note.signature("text\n", LOG).line()
MALFORMED = {
    "empty": "",
    "no signatures": "text\n",
    "no lines after the gap": "text\n\n",
    "no gap": "text\n" + LINE,
    "signatures of nothing": LINE,
    "no newline at the end": "text\n\n" + LINE[:-1],
    "hyphen for dash": "text\n\n" + LINE.replace("—", "-"),
    "no space after the dash": "text\n\n" + LINE.replace("— ", "—"),
    "two spaces": "text\n\n" + LINE.replace("log ", "log  "),
    "trailing space": "text\n\n" + LINE.replace("\n", " \n"),
    "no name": "text\n\n— AAAAAAA=\n",
    "plus in the name": "text\n\n" + LINE.replace("log", "l+g"),
    "wide space in the name": "text\n\n" + LINE.replace("log", "l\u00a0g"),
    "id without signature": "text\n\n— log AAAAAA==\n",
    "base64 with a second spelling": "text\n\n— log AAAAAAB=\n",
    "base64 without padding": "text\n\n— log AAAAAAA\n",
    "text among the lines": "text\n\n" + LINE + "more\n",
    "carriage return": "text\r\n\n" + LINE,
    "tab": "te\txt\n\n" + LINE,
    "NUL": "te\0xt\n\n" + LINE,
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        note.open(text.encode(), [LOG.verifier])


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(FormatError):
        note.parse(b"\xff" + SIGNED)


def test_sizes_are_bounded() -> None:
    """A hundred signatures are read, one more is not; nor is a note of more than 256 KiB."""
    lines = [NoteSignature("w", bytes(4), n.to_bytes(2, "big")) for n in range(101)]
    hundred = note.attach(SIGNED, lines[:99])
    assert len(note.open(hundred, [LOG.verifier]).unverified) == 99
    for data in (hundred + lines[99].line().encode(), note.sign("a" * note.MAX_BYTES + "\n", [LOG])):
        with pytest.raises(FormatError) as caught:
            note.open(data, [LOG.verifier])
        assert caught.value.code == "size"


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "return\r\n", "nul\0\n"])
def test_only_clean_text_is_signed(text: str) -> None:
    with pytest.raises(UsageError):
        note.sign(text, [LOG])


def test_a_note_is_signed_by_somebody() -> None:
    with pytest.raises(UsageError):
        note.sign("text\n", [])


def test_attaching_keeps_the_rest() -> None:
    line = note.signature(HEAD.text(), OTHER)
    extended = note.attach(SIGNED, [line, note.signature(HEAD.text(), LOG)])
    assert extended == SIGNED + line.line().encode()
    assert len(note.open(extended, [LOG.verifier, OTHER.verifier]).verified) == 2


def test_checkpoints_round_trip() -> None:
    assert note.parse_checkpoint(HEAD.text()) == HEAD
    assert note.open_checkpoint(SIGNED, HEAD.origin, [LOG.verifier]).checkpoint == HEAD


ROOT = b64encode(bytes(32))
BAD_CHECKPOINTS = {
    "empty": "",
    "two lines": "o\n1\n",
    "four lines": f"o\n1\n{ROOT}\nextension\n",
    "no newline at the end": f"o\n1\n{ROOT}",
    "no origin": f"\n1\n{ROOT}\n",
    "size with a leading zero": f"o\n01\n{ROOT}\n",
    "size with a sign": f"o\n+1\n{ROOT}\n",
    "negative size": f"o\n-1\n{ROOT}\n",
    "size with a space": f"o\n 1\n{ROOT}\n",
    "size in other digits": f"o\n\u0661\n{ROOT}\n",
    "hexadecimal size": f"o\n0x1\n{ROOT}\n",
    "no size": f"o\n\n{ROOT}\n",
    "size beyond 2^63 − 1": f"o\n{2**63}\n{ROOT}\n",
    "long size": f"o\n{'9' * 5000}\n{ROOT}\n",
    "short root": f"o\n1\n{b64encode(bytes(31))}\n",
    "long root": f"o\n1\n{b64encode(bytes(33))}\n",
    "root with a second spelling": f"o\n1\n{ROOT[:-2]}B=\n",
    "root in hex": f"o\n1\n{'00' * 32}\n",
    "control character": f"o\x01\n1\n{ROOT}\n",
}


@pytest.mark.parametrize("text", BAD_CHECKPOINTS.values(), ids=BAD_CHECKPOINTS.keys())
def test_a_checkpoint_is_exactly_three_lines(text: str) -> None:
    with pytest.raises(FormatError):
        note.parse_checkpoint(text)


def test_the_largest_size_is_read() -> None:
    assert note.parse_checkpoint(f"o\n{2**63 - 1}\n{ROOT}\n").size == 2**63 - 1


def test_the_checkpoint_of_another_log_is_refused() -> None:
    """The key may be right: one operator, two logs."""
    with pytest.raises(FormatError) as caught:
        note.open_checkpoint(SIGNED, "example.com/log2", [LOG.verifier])
    assert caught.value.code == "origin"


@pytest.mark.parametrize(
    ("origin", "size", "root"), [("", 0, ZERO := bytes(32)), ("a\nb", 0, ZERO), ("a", -1, ZERO), ("a", 0, b"")]
)
def test_no_checkpoint_without_its_parts(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(FormatError):
        Checkpoint(origin, size, root)
