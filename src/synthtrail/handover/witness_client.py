"""The log's side: asks witnesses to cosign the published checkpoint, and keeps what they answer.

A witness is named by a URL (asked at once) or by a drop folder (a file is left there; the answer is taken on a later
call). A log need not know what a witness signed last: it asks from size 0, and a 409 tells.

Cosignatures go to two places. The published checkpoint shows them until the next append replaces it; a copy stays at
``ledger/cosigned/<size>``, since whoever verifies a longer log can still hold it against that earlier size. A lock
beside the copies (``ledger/cosigned/.lock``) lets those who ask at once take turns to add theirs: no line is lost.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import merkle, note, tiles, witness
from synthtrail.custody.ed25519 import Verifier
from synthtrail.custody.errors import DataError, FormatError, ProofError, StorageError, UsageError
from synthtrail.custody.note import NoteSignature
from synthtrail.custody.witness import Response
from synthtrail.handover.posting import post
from synthtrail.handover.witness_server import REQUEST_SUFFIX, RESPONSE_SUFFIX, decode_response, read_plain
from synthtrail.storage import files

CHECKPOINT = "checkpoint"
COSIGNED = "cosigned"

_ATTEMPTS = 3
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n?")


@dataclass(frozen=True)
class Source:
    """What a request is made of: the signed checkpoint, and the nodes of the log's tree."""

    signed: bytes
    node: merkle.NodeReader

    def request(self, old: int) -> bytes:
        """Return the body of the request to a witness that signed size `old` last."""
        return witness.encode_request(witness.make_request(self.signed, old, self.node))

    @property
    def size(self) -> int:
        """The checkpoint's size."""
        return note.parse_checkpoint(note.parse(self.signed)[0]).size


class LargerTreeError(DataError):
    """A witness signed a larger tree of this log than the one that asks: this copy was rolled back, or forked."""

    code = "log-rolled-back"


class ForkError(DataError):
    """A witness signed another history of this log."""

    code = "log-forked"


def read_source(ledger: Path) -> Source:
    """Return what there is to ask about in the ledger folder; raise `StorageError` if it has no checkpoint."""
    path = ledger / CHECKPOINT
    if not path.is_file():
        raise StorageError(f"{path}: no checkpoint to cosign")
    signed = path.read_bytes()
    try:
        size = note.parse_checkpoint(note.parse(signed)[0]).size
    except DataError as error:
        raise StorageError(f"{path}: not a checkpoint: {error}") from None
    return Source(signed, tiles.TileReader(lambda name: (ledger / name).read_bytes(), size).node)


def ask(source: Source, url: str, witnesses: Sequence[Verifier]) -> tuple[NoteSignature, ...]:
    """Return the cosignatures by pinned `witnesses` that the witness at `url` (its submission prefix) gives.

    Raises `LargerTreeError` or `ForkError` if it signed something that this log denies, `DataError` if it refuses or
    its answer is not by a pinned witness, `UnreachableError` if it cannot be asked.
    """
    address = url.rstrip("/") + "/add-checkpoint"

    def send(body: bytes) -> Response:
        found = post(address, body, "text/plain; charset=utf-8")
        return Response(found.status, found.body, found.content_type)

    old = 0
    for _ in range(_ATTEMPTS):
        outcome = _judge(source, old, send(source.request(old)), witnesses)
        if not isinstance(outcome, int):
            return outcome
        old = outcome
    raise DataError(f"{url}: other logs' requests kept coming first; try again", code="witness-busy")


def ask_folder(source: Source, folder: Path, witnesses: Sequence[Verifier]) -> tuple[NoteSignature, ...] | None:
    """Return the cosignatures that wait in the drop folder for this checkpoint, or leave a request and return None.

    Raises what `ask` raises. An answer is removed once it was read.
    """
    stem = sha256(note.parse(source.signed)[0].encode()).hexdigest()[:32]
    if any(folder.glob(f"{stem}-*{REQUEST_SUFFIX}")):
        return None
    old = 0
    for path in sorted(folder.glob(f"{stem}-*{RESPONSE_SUFFIX}")):
        outcome = _judge(source, _asked(path), _take(path), witnesses)
        if not isinstance(outcome, int):
            return outcome
        old = outcome
    files.write_bytes(folder / f"{stem}-{old}{REQUEST_SUFFIX}", source.request(old))
    return None


def keep(ledger: Path, signed: bytes, lines: Sequence[NoteSignature], publish: Callable[[bytes], None]) -> bytes:
    """Add verified cosignatures to the checkpoint `signed` and return it, as published and kept.

    `publish` is the ledger's own way to replace its published checkpoint under its lock
    (`custody.ledger.Ledger.publish_cosigned`); it refuses if the log has grown meanwhile, and the copy stays anyway.
    """
    text, published = note.parse(signed)
    copy = ledger / COSIGNED / str(note.parse_checkpoint(text).size)
    with _alone(copy.parent):
        base = copy.read_bytes() if copy.is_file() else signed
        copied, present = note.parse(base)
        if copied != text:
            raise StorageError(f"{copy} is a checkpoint of another history")
        known = {(item.name, item.key_id) for item in present}
        missing = [item for item in published if (item.name, item.key_id) not in known]
        kept = witness.merge(base, [*missing, *lines])
        files.write_bytes(copy, kept)
        publish(kept)
    return kept


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time add to the copies in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _asked(path: Path) -> int:
    """Return the old size that stands in the name of an answer's file."""
    _, _, size = path.stem.rpartition("-")
    if not _SIZE.fullmatch(size.encode()):
        raise FormatError(f"{path}: not the name of an answer")
    return int(size)


def _take(path: Path) -> Response:
    """Return the answer in a file, and remove it."""
    data = read_plain(path)
    if data is None:
        raise FormatError(f"{path}: not a plain file of acceptable size")
    path.unlink()
    return decode_response(data)


def _judge(
    source: Source, asked: int, answer: Response, witnesses: Sequence[Verifier]
) -> tuple[NoteSignature, ...] | int:
    """Return the cosignatures in an answer, or the size to ask from instead."""
    if answer.status == 200:
        return witness.read_lines(answer.body, source.signed, witnesses)
    if answer.status == 422:
        raise _explain(source, asked)
    size = _SIZE.fullmatch(answer.body)
    if answer.status != 409 or not size:
        raise DataError(f"the witness answers {answer.status}: {answer.body[:200]!a}", code="witness-refused")
    last = int(size[1])
    if last > source.size:
        raise LargerTreeError(f"the witness signed {last} entries of this log; here are only {source.size}")
    if last == asked == source.size:
        raise ForkError(f"the witness signed another tree of {last} entries")
    return last


def _explain(source: Source, asked: int) -> DataError | StorageError:
    """Return what it means that a witness found this log's proof wrong: it is, or the witness knows another history."""
    checkpoint = note.parse_checkpoint(note.parse(source.signed)[0])
    proof = merkle.prove_consistency(source.node, asked, checkpoint.size)
    try:
        root = merkle.root_from(source.node, asked)
        merkle.check_consistency(asked, checkpoint.size, root, checkpoint.root, proof)
    except ProofError as error:
        return StorageError(f"the stored tree does not give the published root: {error}")
    return ForkError(f"the witness signed another tree of {asked} entries than the one that is here")


def check_ready(witnesses: Sequence[Verifier]) -> None:
    """Raise `UsageError` if no witness is pinned: then no answer could be believed."""
    if not witnesses:
        raise UsageError("the policy pins no witness, so no cosignature could be believed")
