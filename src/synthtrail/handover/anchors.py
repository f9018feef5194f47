"""Anchors of a ledger: stamped checkpoints in ``ledger/anchors``, in three files for each size.

    5.checkpoint    the signed checkpoint as it was published, the bytes that were sent to be stamped
    5.tsq           the request (RFC 3161 TimeStampReq)
    5.tsr           the answer (TimeStampResp), once there is one

`prepare` writes the first two, `accept` the third, `stored` lists what there is, `check` says what one is worth, and
`token_check` says it to whoever verifies the ledger.
Nothing that was accepted is ever replaced.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from synthtrail.custody import anchor, note, tiles
from synthtrail.custody.anchor import Limits, TokenChecker
from synthtrail.custody.errors import DataError, StorageError, UsageError
from synthtrail.custody.evidence import TokenCheck
from synthtrail.custody.findings import Finding
from synthtrail.handover.posting import post
from synthtrail.handover.timestamp import MAX_TOKEN
from synthtrail.storage import files

FOLDER = "anchors"


@dataclass(frozen=True)
class Anchor:
    """One anchor of the ledger folder `ledger`, by the size of its checkpoint."""

    ledger: Path
    size: int

    @property
    def checkpoint(self) -> Path:
        """The file of the bytes that were stamped."""
        return self._file("checkpoint")

    @property
    def request(self) -> Path:
        """The file of the request."""
        return self._file("tsq")

    @property
    def token(self) -> Path:
        """The file of the answer."""
        return self._file("tsr")

    def _file(self, suffix: str) -> Path:
        return self.ledger / FOLDER / f"{self.size}.{suffix}"


def prepare(ledger: Path) -> Anchor:
    """Write a request for the published checkpoint of `ledger`; one that was asked before is asked again as it was.

    Raises `UsageError` if that checkpoint is anchored already, `StorageError` if there is none.
    """
    path = ledger / "checkpoint"
    if not path.is_file():
        raise StorageError(f"{path}: no checkpoint to anchor")
    signed = path.read_bytes()
    found = Anchor(ledger, note.parse_checkpoint(note.parse(signed)[0]).size)
    if found.token.exists():
        raise UsageError(f"size {found.size} is anchored already: {found.token}")
    if found.request.exists():
        if note.parse(found.checkpoint.read_bytes())[0] != note.parse(signed)[0]:
            raise StorageError(f"{found.checkpoint} is a checkpoint of another history")
    else:
        nonce = secrets.randbits(8 * anchor.NONCE_BYTES)
        files.write_bytes(found.checkpoint, signed)
        files.write_bytes(found.request, anchor.request(signed, nonce=nonce))
    return found


def pending(ledger: Path) -> Anchor:
    """Return the largest anchor that has a request and no answer; raise `UsageError` if there is none."""
    waiting = [item for item in stored(ledger) if not item.token.exists()]
    if not waiting:
        raise UsageError(f"no request waits in {ledger / FOLDER}")
    return waiting[-1]


def stored(ledger: Path) -> list[Anchor]:
    """Return all anchors of the ledger, with or without an answer, smallest first."""
    names = [path.stem for path in (ledger / FOLDER).glob("*.tsq")]
    return [Anchor(ledger, size) for size in sorted(int(name) for name in names if name.isdecimal())]


def fetch(found: Anchor, url: str) -> bytes:
    """Send the request to the TSA at `url` and return its answer (RFC 3161 section 3.4)."""
    answer = post(url, found.request.read_bytes(), "application/timestamp-query")
    if answer.status != 200 or answer.content_type != "application/timestamp-reply":
        raise DataError(f"{url} answers {answer.status}, {answer.content_type}", code="token")
    return answer.body


def accept(
    found: Anchor, token: bytes, roots: bytes | None, checker: TokenChecker | None, now: datetime
) -> datetime | Finding:
    """Store the answer to a request, unless it is found bad, and return the stamped time or what was found.

    Where nothing can be checked, for want of `roots` or of a `checker`, the token is stored all the same.
    """
    if len(token) > MAX_TOKEN:
        raise DataError(f"a token of more than {MAX_TOKEN} bytes", code="size")
    if found.token.exists():
        raise UsageError(f"{found.token} exists already")
    outcome = judge(found, token, roots, checker, Limits(now))
    if isinstance(outcome, datetime) or outcome.code == "check-unavailable":
        files.write_bytes(found.token, token)
    return outcome


def check(found: Anchor, roots: bytes | None, checker: TokenChecker | None, limits: Limits) -> datetime | Finding:
    """Return when the checkpoint of an anchor was stamped, or what is wrong with its token."""
    if not found.token.exists():
        return Finding("check-unavailable", "requested, not answered", path=str(found.request))
    return judge(found, found.token.read_bytes(), roots, checker, limits)


def token_check(
    read: tiles.Reader, roots: bytes | None, checker: TokenChecker | None, *, required: bool
) -> TokenCheck | None:
    """Return the check that `synthtrail.custody.verify` wants of the token over a head of the ledger behind `read`.

    None if no `roots` (PEM) are pinned: then nobody asked. Where there is no token, or nothing to check it with, that
    is a finding, `check-unavailable`: an error if a token is `required`, else a warning.
    """
    if roots is None:
        return None

    def wrong(signed: bytes, now: datetime) -> tuple[Finding, ...]:
        text, _ = note.parse(signed)
        found = _stored_token(read, note.parse_checkpoint(text).size)
        if isinstance(found, Finding):
            return (found if required else replace(found, severity="warning"),)
        stored, asked, token = found
        if note.parse(stored)[0] != text:
            return (Finding("timestamp-bad", "the stamped checkpoint is of another history"),)
        outcome = anchor.check(stored, token, roots, checker, Limits(now), asked=asked)
        if isinstance(outcome, datetime):
            return ()
        lenient = outcome.code == "check-unavailable" and not required
        return (replace(outcome, severity="warning") if lenient else outcome,)

    return wrong


def _stored_token(read: tiles.Reader, size: int) -> tuple[bytes, bytes | None, bytes] | Finding:
    """The stamped checkpoint, the request if it was kept, and the token; or that there is no token."""
    stored, asked, token = (_read(read, f"{FOLDER}/{size}.{kind}") for kind in ("checkpoint", "tsq", "tsr"))
    if stored is None or token is None:
        return Finding("check-unavailable", f"no time-stamp token for size {size}")
    return stored, asked, token


def _read(read: tiles.Reader, path: str) -> bytes | None:
    try:
        return read(path)
    except (OSError, KeyError):
        return None


def judge(
    found: Anchor, token: bytes, roots: bytes | None, checker: TokenChecker | None, limits: Limits
) -> datetime | Finding:
    """Return when the checkpoint of an anchor was stamped by `token`, or what is wrong with it."""
    if roots is None:
        return Finding("check-unavailable", "time stamp not checked: no root of a TSA is pinned")
    data, asked = found.checkpoint.read_bytes(), found.request.read_bytes()
    return anchor.check(data, token, roots, checker, limits, asked=asked)
