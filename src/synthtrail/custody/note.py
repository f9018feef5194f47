"""Signed notes and checkpoints: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint.

A note is text that ends in a newline, an empty line, and one line per signature (em dash, space, key name, space,
base64):

    example.com/log
    5
    41smjBUiAU70EtKlT6lIOIYtRTYxYXsDB+XHfcvu/BE=

    — example.com/log 202fftzGl3LVoqjXfwCFZZXs8I+…=

The base64 holds four bytes of key id, then the signature over the text. Name and id pick a pinned key; a line that
matches none is kept but proves nothing, a line that matches one must verify. A note is UTF-8 without control
characters.

A *checkpoint* is a note whose text is exactly three lines: the log's origin, its size, and the base64 of its root
hash.

    >>> from synthtrail.custody.ed25519 import Signer
    >>> signer = Signer("example.com/log", bytes(32))
    >>> data = sign(Checkpoint("example.com/log", 1, bytes(32)).text(), [signer])
    >>> open(data, [signer.verifier]).text.splitlines()[:2]
    ['example.com/log', '1']
    >>> open_checkpoint(data, "example.com/log", [signer.verifier]).checkpoint.size
    1
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from synthtrail.custody.canonical import b64decode, b64encode
from synthtrail.custody.ed25519 import check_key_name
from synthtrail.custody.errors import FormatError, SignatureError, UsageError
from synthtrail.custody.merkle import HASH_BYTES, MAX_SIZE

MAX_BYTES = 262_144
MAX_SIGNATURES = 100
_DASH = "— "
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_DECIMAL = re.compile("0|[1-9][0-9]{0,18}")


class NoteSigner(Protocol):
    """Whatever can sign the text of a note."""

    @property
    def name(self) -> str:
        """The key's name."""

    @property
    def key_id(self) -> bytes:
        """The key's four-byte id."""

    def sign(self, message: bytes, /) -> bytes:
        """Return the signature over the text, without the key id."""


class NoteVerifier(Protocol):
    """Whatever can verify a signature over the text of a note."""

    @property
    def name(self) -> str:
        """The key's name."""

    @property
    def key_id(self) -> bytes:
        """The key's four-byte id."""

    def verify(self, message: bytes, signature: bytes, /) -> None:
        """Raise `SignatureError` unless `signature` is this key's over the text."""


@dataclass(frozen=True)
class NoteSignature:
    """One signature line: the key's name, its id (4 bytes), and the signature proper."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Return the line, with its newline."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature)}\n"


@dataclass(frozen=True)
class Note:
    """A note: its `text`, the signatures by pinned keys that `verified`, and the others, which prove nothing.

    A key may stand more than once, a witness for instance with two times: count keys, not signatures.
    """

    text: str
    verified: tuple[NoteSignature, ...]
    unverified: tuple[NoteSignature, ...]


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log: `origin`, the number of entries, and the root hash (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin or _CONTROL.search(self.origin):
            raise FormatError("an origin is one line", code="checkpoint")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_BYTES:
            raise FormatError("a checkpoint needs a size and a root hash", code="checkpoint")

    def text(self) -> str:
        """Return the three lines."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root)}\n"


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint together with the note that it was read from."""

    checkpoint: Checkpoint
    note: Note


def sign(text: str, signers: Iterable[NoteSigner]) -> bytes:
    """Return the note of `text` with a line for each signer; the text ends in a newline."""
    _check_text(text, UsageError("the text of a note ends in a newline and has no control characters"))
    lines = [signature(text, signer).line() for signer in signers]
    if not lines:
        raise UsageError("a note needs a signature")
    return (text + "\n" + "".join(lines)).encode()


def signature(text: str, signer: NoteSigner) -> NoteSignature:
    """Return the line that `signer` adds to the note of `text`."""
    return NoteSignature(signer.name, signer.key_id, signer.sign(text.encode()))


def attach(data: bytes, signatures: Iterable[NoteSignature]) -> bytes:
    """Return the note `data` with further signature lines, for instance those of witnesses."""
    _, present = parse(data)
    lines = [item.line() for item in signatures if item not in present]
    extended = data + "".join(lines).encode()
    parse(extended)
    return extended


def open(data: bytes, verifiers: Iterable[NoteVerifier]) -> Note:
    """Return the note in `data` once at least one pinned key is found to have signed it.

    1. The bytes have the form of a note (`FormatError`).
    2. Each signature whose name and id are those of a pinned key verifies (`SignatureError`).
    3. There is at least one such signature (`SignatureError`, code unknown-key).
    """
    pinned = list(verifiers)
    text, signatures = parse(data)
    message = text.encode()
    verified, unverified = [], []
    for item in signatures:
        verifier = _find(item, pinned)
        if verifier is None:
            unverified.append(item)
        else:
            verifier.verify(message, item.signature)
            verified.append(item)
    if not verified:
        raise SignatureError("no pinned key signed this note", code="unknown-key")
    return Note(text, tuple(verified), tuple(unverified))


def parse(data: bytes) -> tuple[str, tuple[NoteSignature, ...]]:
    """Return the text and the distinct signature lines of a note, nothing of it believed yet."""
    if len(data) > MAX_BYTES:
        raise FormatError(f"a note of more than {MAX_BYTES} bytes", code="size")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise FormatError("a note is UTF-8", code="note") from None
    _check_text(whole, FormatError("a note is lines without control characters", code="note"))
    text, gap, tail = whole.rpartition("\n\n")
    lines = tail.split("\n")[:-1]
    if not gap or not lines:
        raise FormatError("a note without signatures", code="note")
    if len(lines) > MAX_SIGNATURES:
        raise FormatError(f"a note with more than {MAX_SIGNATURES} signatures", code="size")
    return text + "\n", tuple(dict.fromkeys(map(_parse_line, lines)))


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that `text` spells; raise `FormatError` unless it is exactly three lines."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise FormatError("a checkpoint is exactly three lines", code="checkpoint")
    origin, size, encoded = lines[:3]
    if not _DECIMAL.fullmatch(size):
        raise FormatError("a size is a decimal without leading zeros", code="checkpoint")
    return Checkpoint(origin, int(size), b64decode(encoded))


def open_checkpoint(data: bytes, origin: str, verifiers: Iterable[NoteVerifier]) -> SignedCheckpoint:
    """Return the checkpoint in `data`, signed by a pinned key and of the log named `origin`.

    Raises what `open` and `parse_checkpoint` raise, and `FormatError` (code origin) for another log's checkpoint.
    """
    note = open(data, verifiers)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != origin:
        raise FormatError(f"a checkpoint of {checkpoint.origin[:80]!a}", code="origin")
    return SignedCheckpoint(checkpoint, note)


def _check_text(text: str, refusal: Exception) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise refusal


def _parse_line(line: str) -> NoteSignature:
    parts = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2:
        raise FormatError("not a signature line", code="note")
    name, encoded = parts
    check_key_name(name)
    material = b64decode(encoded)
    if len(material) < 5:
        raise FormatError("a signature line without a signature", code="note")
    return NoteSignature(name, material[:4], material[4:])


def _find(item: NoteSignature, pinned: Sequence[NoteVerifier]) -> NoteVerifier | None:
    found = [key for key in pinned if (key.name, key.key_id) == (item.name, item.key_id)]
    if len(found) > 1:
        raise UsageError(f"two pinned keys are called {item.name} and share an id")
    return found[0] if found else None
