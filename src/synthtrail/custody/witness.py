"""A witness of logs: https://c2sp.org/tlog-witness, as a function of bytes.

A witness remembers, for each log, the last checkpoint that it cosigned, and cosigns another one only if a consistency
proof shows that it continues that one. So no two checkpoints that it ever signed belong to different histories. What
is asked is one `Request`; on the wire (`encode_request`, `parse_request`)

    old 3                                               (what the asker believes the witness signed last)
    KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=        (the consistency proof, at most 63 hashes)

    example.com/log                                     (the signed checkpoint)
    …

The answer is a signature line, or a refusal with the HTTP status that the specification gives it:

======  ===========================================================================================
400     not a request, or the old size is larger than the checkpoint's
403     no key that the witness trusts for this log signed the checkpoint
404     the witness does not know the log (`refuse_unknown`)
409     another size was signed last (the body says which); or the same size with another root
422     the proof does not connect the two trees
503     the witness's own clock stands before its last statement; not in the specification
======  ===========================================================================================

The state is a signed note too: the last checkpoint with the witness's own cosignature. Whoever calls `cosign` must
read the state, persist `Cosigned.state` and only then let `Cosigned.line` out, all of it under one lock.

    >>> from synthtrail.custody.merkle import leaf_hash
    >>> log, witness = Signer("example.com/log", bytes(32)), Signer("example.com/w", bytes(31) + b"!")
    >>> seen = read_state(first_state("example.com/log", witness, at=5), "example.com/log", witness.verifier)
    >>> one = note.sign(Checkpoint("example.com/log", 1, leaf_hash(b"a")).text(), [log])
    >>> done = cosign(Request(0, (), one), [log.verifier], seen, witness, at=7)
    >>> done.line.split()[1]
    b'example.com/w'
    >>> seen = read_state(done.state, "example.com/log", witness.verifier)
    >>> (seen.checkpoint.size, seen.time)
    (1, 7)
    >>> cosign(Request(0, (), one), [log.verifier], seen, witness, at=8)
    Traceback (most recent call last):
    synthtrail.custody.witness.RefusedError: the last cosigned size is 1
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from synthtrail.custody import cosignature, merkle, note
from synthtrail.custody.canonical import b64decode, b64encode
from synthtrail.custody.cosignature import Cosigner
from synthtrail.custody.ed25519 import Signer, Verifier
from synthtrail.custody.errors import DataError, FormatError, ProofError, SignatureError, StorageError
from synthtrail.custody.note import Checkpoint, NoteSignature

MAX_PROOF = 63
MAX_REQUEST = note.MAX_BYTES + 4096
"""Bytes of the longest request: the longest note, and the lines before it."""

SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"
MAX_CLOCK_STEP = 300
"""Seconds by which a clock may have been set back before the witness stops signing."""

_OLD = re.compile("old (0|[1-9][0-9]{0,18})")


class RefusedError(DataError):
    """The witness does not cosign; `status` is the HTTP status, `size` the last cosigned one where that is why."""

    code = "witness-refused"

    def __init__(self, status: int, message: str, *, size: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.size = size


@dataclass(frozen=True)
class Request:
    """What a log asks: the size that it believes was cosigned last, the proof from there, its signed checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    signed: bytes

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, nothing of it believed yet."""
        return note.parse_checkpoint(note.parse(self.signed)[0])


@dataclass(frozen=True)
class Seen:
    """What a witness signed last for a log, and when (POSIX seconds)."""

    checkpoint: Checkpoint
    time: int


@dataclass(frozen=True)
class Cosigned:
    """The signature line to answer with (UTF-8, with its newline), and the state to persist before."""

    line: bytes
    state: bytes


@dataclass(frozen=True)
class Response:
    """An answer as HTTP sees it."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE


def make_request(signed: bytes, old: int, node: merkle.NodeReader) -> Request:
    """Return the request for the signed checkpoint `signed` of the log whose nodes `node` reads.

    Raises `UsageError` if the checkpoint is smaller than `old`: then this log was rolled back.
    """
    size = note.parse_checkpoint(note.parse(signed)[0]).size
    return Request(old, merkle.prove_consistency(node, old, size), signed)


def encode_request(request: Request) -> bytes:
    """Return the request as the body of an HTTP POST."""
    lines = [f"old {request.old}", *map(b64encode, request.proof), "", ""]
    return "\n".join(lines).encode() + request.signed


def parse_request(body: bytes) -> Request:
    """Return the request in `body`; raise `RefusedError` if there is none.

    The status is 400, or 403 where only the base64 of a signature is wrong: then it is no request by a trusted key.
    """
    try:
        request = _parse(body)
        _check_lines(request.signed)
        _ = request.checkpoint  # which must have the form of one
    except FormatError as error:
        raise RefusedError(400, str(error)) from None
    return request


def refuse_unknown(origin: str) -> RefusedError:
    """Return the refusal to raise for a log that the witness does not know."""
    return RefusedError(404, f"unknown log {origin[:200]!a}")


def cosign(request: Request, keys: Sequence[Verifier], seen: Seen, signer: Signer, *, at: int) -> Cosigned:
    """Return the cosignature that `request` asks for, or raise `RefusedError`.

    `keys` are those trusted for the log, `seen` is what was signed last, `at` the time (POSIX seconds).

    1. A trusted key signed the checkpoint (403).
    2. The old size is not larger than the checkpoint's (400).
    3. The old size is that of the last cosigned checkpoint (409, with the size).
    4. If the sizes are equal, so are the roots (409, with the size).
    5. The proof leads from the last cosigned root to the checkpoint's (422); between equal sizes it is empty.
    6. The clock did not go back by more than `MAX_CLOCK_STEP` seconds (503); the time stated is never earlier than
       the one stated before, since each statement says that no larger tree was seen until then.
    """
    opened = _open(request, keys)
    found, last = request.checkpoint, seen.checkpoint
    if request.old > found.size:
        raise RefusedError(400, "the old size is larger than the checkpoint's")
    if request.old != last.size:
        raise RefusedError(409, f"the last cosigned size is {last.size}", size=last.size)
    if found.size == last.size and found.root != last.root and not request.proof:
        raise RefusedError(409, f"another root was cosigned for size {last.size}", size=last.size)
    try:
        merkle.check_consistency(last.size, found.size, last.root, found.root, request.proof)
    except ProofError as error:
        raise RefusedError(422, f"consistency proof: {error}") from None
    if at + MAX_CLOCK_STEP < seen.time:
        raise RefusedError(503, "the witness's clock stands before its last statement")
    line = cosignature.sign(opened.text, signer, at=max(at, seen.time))
    return Cosigned(line.line().encode(), _join(opened.text, [*opened.verified, line]))


def answer(outcome: Cosigned | RefusedError) -> Response:
    """Return what HTTP says about an outcome."""
    if isinstance(outcome, Cosigned):
        return Response(200, outcome.line)
    if outcome.size is not None:
        return Response(outcome.status, b"%d\n" % outcome.size, SIZE_TYPE)
    return Response(outcome.status, f"{outcome}\n".encode())


def first_state(origin: str, signer: Signer, *, at: int) -> bytes:
    """Return the state of a witness that has signed nothing of the log `origin` yet.

    It vouches for the empty tree, the beginning of every history. That this state was written once lets its loss be
    told from a log that is new: a witness that forgot what it signed must not sign again.
    """
    text = Checkpoint(origin, 0, merkle.EMPTY_ROOT).text()
    return _join(text, [cosignature.sign(text, signer, at=at)])


def read_state(data: bytes, origin: str, witness: Verifier) -> Seen:
    """Return what the state says; raise `StorageError` if it is not what this witness wrote for this log."""
    cosigner = Cosigner(witness)
    try:
        opened = note.open_checkpoint(data, origin, [cosigner])
    except DataError as error:
        raise StorageError(f"the witness's state for {origin!a} is damaged: {error}") from None
    time = max(cosignature.timestamp(item.signature) for item in opened.note.verified)
    return Seen(opened.checkpoint, time)


def read_lines(body: bytes, signed: bytes, witnesses: Iterable[Verifier]) -> tuple[NoteSignature, ...]:
    """Return the cosignatures in an answer that are by pinned `witnesses` and over the checkpoint `signed`.

    Raises `FormatError` for what is no signature lines, `SignatureError` for a line that is not what it says, or if
    none is by a pinned witness.
    """
    text, _ = note.parse(signed)
    if not body.startswith("—".encode()) or b"\n\n" in body:  # which would make the text another one
        raise FormatError("an answer is signature lines", code="note")
    return note.open(text.encode() + b"\n" + body, map(Cosigner, witnesses)).verified


def merge(signed: bytes, lines: Iterable[NoteSignature]) -> bytes:
    """Return the signed checkpoint with `lines` added, each in place of an older one by the same key."""
    text, present = note.parse(signed)
    new = {(item.name, item.key_id): item for item in lines}
    kept = [item for item in present if (item.name, item.key_id) not in new]
    return _join(text, [*kept, *new.values()])


def _join(text: str, lines: Sequence[NoteSignature]) -> bytes:
    data = (text + "\n" + "".join(item.line() for item in lines)).encode()
    note.parse(data)
    return data


def _parse(body: bytes) -> Request:
    if len(body) > MAX_REQUEST:
        raise FormatError(f"a request of more than {MAX_REQUEST} bytes", code="size")
    head, gap, signed = body.partition(b"\n\n")
    first, *hashes = head.decode("ascii", "replace").split("\n")
    old = _OLD.fullmatch(first)
    if not gap or not old:
        raise FormatError("not a request: the old size, a proof, an empty line and a checkpoint are wanted")
    if len(hashes) > MAX_PROOF:
        raise FormatError(f"a proof of more than {MAX_PROOF} hashes")
    return Request(int(old[1]), tuple(map(_hash, hashes)), signed)


def _check_lines(signed: bytes) -> None:
    try:
        note.parse(signed)
    except FormatError as error:
        if error.code == "base64":
            raise RefusedError(403, f"invalid signature: {error}") from None
        raise


def _hash(line: str) -> bytes:
    found = b64decode(line)
    if len(found) != merkle.HASH_BYTES:
        raise FormatError("a line of the proof is not a hash")
    return found


def _open(request: Request, keys: Sequence[Verifier]) -> note.Note:
    try:
        return note.open(request.signed, keys)
    except SignatureError as error:
        raise RefusedError(403, f"invalid signature: {error}") from None
