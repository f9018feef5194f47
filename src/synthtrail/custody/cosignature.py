"""Witness cosignatures, version 1: https://c2sp.org/tlog-cosignature (Ed25519, type 0x04).

A witness signs a checkpoint that it found consistent with all it saw before, and says when. On the note its line
holds, after the key id, eight bytes of POSIX time (big-endian) and 64 bytes of signature over

    cosignature/v1
    time 1679315147
    <the three lines of the checkpoint>

The message does not name the witness, so one key must never serve two witnesses. The clock is the caller's.

    >>> from synthtrail.custody import note
    >>> log, witness = Signer("example.com/log", bytes(32)), Signer("example.com/w", bytes(31) + b"!")
    >>> data = note.sign(note.Checkpoint("example.com/log", 1, bytes(32)).text(), [log])
    >>> data = cosign(data, witness, at=1679315147)
    >>> opened = note.open(data, [log.verifier])
    >>> [(found.witness.name, found.time) for found in cosignatures(opened, [witness.verifier])]
    [('example.com/w', 1679315147)]
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from synthtrail.custody import note
from synthtrail.custody.ed25519 import (
    SIGNATURE_BYTES,
    Signer,
    Verifier,
    format_vkey,
    key_id,
    split_vkey,
)
from synthtrail.custody.errors import SignatureError, UsageError

COSIGNATURE_TYPE = 0x04
_TIME_BYTES = 8
_MAX_TIME = 2**63 - 1


@dataclass(frozen=True)
class Cosignature:
    """A verified statement: the `witness` had seen no larger tree of this log at POSIX `time` (seconds)."""

    witness: Verifier
    time: int


@dataclass(frozen=True)
class Cosigner:
    """A witness's public key, as a `note.NoteVerifier` of cosignatures."""

    key: Verifier

    @property
    def name(self) -> str:
        """The witness's name."""
        return self.key.name

    @cached_property
    def key_id(self) -> bytes:
        """The four bytes that its signature lines carry."""
        return key_id(self.key.name, COSIGNATURE_TYPE, self.key.public)

    def vkey(self) -> str:
        """Return the key as text, with type 0x04."""
        return format_vkey(self.key.name, COSIGNATURE_TYPE, self.key.public)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise `SignatureError` unless `signature` is this witness's over the note text `message`."""
        at = timestamp(signature)
        self.key.verify(_signed(at, message), signature[_TIME_BYTES:])


@dataclass(frozen=True)
class CosigningSigner:
    """A witness's private key and the time that it states, as a `note.NoteSigner`."""

    key: Signer
    at: int

    def __post_init__(self) -> None:
        if not 0 <= self.at <= _MAX_TIME:
            raise UsageError(f"{self.at} is not a POSIX time")

    @property
    def name(self) -> str:
        """The witness's name."""
        return self.key.name

    @property
    def key_id(self) -> bytes:
        """The four bytes that its signature lines carry."""
        return Cosigner(self.key.verifier).key_id

    def sign(self, message: bytes) -> bytes:
        """Return time ‖ signature over the note text `message`."""
        return self.at.to_bytes(_TIME_BYTES, "big") + self.key.sign(_signed(self.at, message))


def parse_vkey(text: str) -> Cosigner:
    """Return the witness key (type 0x04) that `text` spells; raise `FormatError` for anything else."""
    return Cosigner(Verifier(*split_vkey(text, COSIGNATURE_TYPE)))


def sign(text: str, signer: Signer, *, at: int) -> note.NoteSignature:
    """Return the witness's line for the checkpoint `text`, as of POSIX time `at`.

    Raises `FormatError` if the text is no checkpoint: a witness vouches for nothing else.
    """
    note.parse_checkpoint(text)
    return note.signature(text, CosigningSigner(signer, at))


def cosign(data: bytes, signer: Signer, *, at: int) -> bytes:
    """Return the signed checkpoint `data` with the witness's line added. Consistency is the caller's to check."""
    text, _ = note.parse(data)
    return note.attach(data, [sign(text, signer, at=at)])


def cosignatures(opened: note.Note, witnesses: Iterable[Verifier]) -> tuple[Cosignature, ...]:
    """Return what each of the pinned `witnesses` stated on a note, the latest statement of each.

    The note need not have been opened with their keys: every line that bears a witness's name and id is verified
    here, and must verify (`SignatureError`). Two witnesses with one key would count one signature twice: `UsageError`.
    """
    pinned = list(witnesses)
    if len({witness.public for witness in pinned}) != len(pinned):
        raise UsageError("two witnesses with one key")
    latest = (_latest(opened, Cosigner(witness)) for witness in pinned)
    return tuple(found for found in latest if found)


def timestamp(signature: bytes) -> int:
    """Return the POSIX time in a cosignature; raise `SignatureError` if it has another length or an absurd time."""
    if len(signature) != _TIME_BYTES + SIGNATURE_BYTES:
        raise SignatureError("a cosignature is a time and 64 bytes", code="cosignature")
    at = int.from_bytes(signature[:_TIME_BYTES], "big")
    if at > _MAX_TIME:
        raise SignatureError("a cosignature of no possible time", code="cosignature")
    return at


def _latest(opened: note.Note, witness: Cosigner) -> Cosignature | None:
    times = []
    for item in (*opened.verified, *opened.unverified):
        if (item.name, item.key_id) == (witness.name, witness.key_id):
            witness.verify(opened.text.encode(), item.signature)
            times.append(timestamp(item.signature))
    return Cosignature(witness.key, max(times)) if times else None


def _signed(at: int, message: bytes) -> bytes:
    return b"cosignature/v1\ntime %d\n" % at + message
