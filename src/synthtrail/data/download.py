"""Bringing a published file here: with checksum, resumption, retries; whole under its name or not at all.

    fetch(RemoteFile("part_1.zip", "md5", "4639...", "https://...", 1366522108), Path("drop/ham10000"))

1. What came so far lies in `.<name>.part`, locked against a second download. It is asked for the rest (HTTP Range, RFC
   9110 section 14); a server that answers with the whole file starts it anew.
2. When a connection breaks, or the server is busy (408, 429, 5xx), it is tried again after 1, 2, 4, 8, 16 seconds (or
   as Retry-After says, at most 60); whatever came on sets the count back.
3. The digest is taken of what lies on disk. If it is wrong and an older part was continued, all is fetched once more
   from the start; if it is wrong then, nothing is kept.
4. It is flushed and renamed. A file that is there already and has the digest is left alone.
"""

import errno
import fcntl
import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from synthtrail.data.dropped import RemoteFile
from synthtrail.data.errors import SourceError
from synthtrail.storage.files import flush_folder

BLOCK = 1 << 18
TIMEOUT = 60.0  # seconds without a byte
PAUSES = (1, 2, 4, 8, 16)  # seconds before each further try
LONGEST_PAUSE = 60
MOST = 1 << 40  # bytes, of a file whose size nobody states
BUSY = {408, 425, 429}

Progress = Callable[[int], object]


class _BrokenError(Exception):
    """A connection that ended too early, or a server that asks to come back; `pause` as it says."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass
class Fetching:
    """One file on its way; `size` is what is stated or what the server says, None as long as nobody did."""

    file: RemoteFile
    part: Path
    progress: Progress
    sleep: Callable[[float], object] = time.sleep
    size: int | None = field(default=None)


def fetch(
    file: RemoteFile,
    folder: Path,
    progress: Progress = lambda _count: None,
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Bring `file` into `folder` and return its path; `progress` is told each number of bytes that came.

    Raises `SourceError` in one line; what came so far is kept for the next time, unless its digest is wrong.
    """
    if file.url is None or urlsplit(file.url).scheme not in ("http", "https"):
        raise SourceError(f"{file.name}: no http(s) address is declared; bring it yourself")
    path = folder / file.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_file() and digest(path, file.algorithm) == file.digest:
            progress(path.stat().st_size)
            return path
        fetching = Fetching(file, folder / f".{file.name}.part", progress, sleep, file.size)
        with fetching.part.open("ab") as part:
            _lock(part, file.name)
            _bring(fetching, part)
            part.flush()
            os.fsync(part.fileno())
            fetching.part.replace(path)
        flush_folder(folder)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "free some room and run it again, it goes on where it stopped" if full else "mend that, run it again"
        raise SourceError(f"{path}: {error.strerror or error}; {advice}") from error
    return path


def digest(path: Path, algorithm: str) -> str:
    """Return the digest of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _bring(fetching: Fetching, part: BinaryIO) -> None:
    """Fill `part` until it has the declared digest."""
    file, continued = fetching.file, part.tell() > 0
    fetching.progress(part.tell())
    _complete(fetching, part)
    found = digest(fetching.part, file.algorithm)
    if found != file.digest and continued:
        fetching.progress(-part.tell())
        part.truncate(0)
        _complete(fetching, part)
        found = digest(fetching.part, file.algorithm)
    if found != file.digest:
        fetching.part.unlink()
        raise SourceError(
            f"{file.name}: its {file.algorithm.upper()} is {found[:16]}…, declared is {file.digest[:16]}…: "
            f"{file.url} holds another file, or it was changed on the way; nothing was kept"
        )


def _complete(fetching: Fetching, part: BinaryIO) -> None:
    """Append what is missing, over as many connections as it takes."""
    tries = 0
    while True:
        before = _length(part)
        try:
            _append(fetching, part)
            return
        except _BrokenError as broken:
            tries = 0 if _length(part) > before else tries
            if tries == len(PAUSES):
                have = f"{_length(part):,} bytes are kept, and the next run goes on from there"
                raise SourceError(f"{fetching.file.name}: {fetching.file.url}: {broken}; {have}") from None
            fetching.sleep(PAUSES[tries] if broken.pause is None else min(broken.pause, LONGEST_PAUSE))
            tries += 1


def _append(fetching: Fetching, part: BinaryIO) -> None:
    """Ask for the rest of the file and append it; `_BrokenError` if the connection does not bring all of it."""
    have = _length(part)
    if have and have == fetching.size:
        return
    headers = {"User-Agent": "synthtrail", "Accept-Encoding": "identity"} | (
        {"Range": f"bytes={have}-"} if have else {}
    )
    request = urllib.request.Request(str(fetching.file.url), headers=headers)  # noqa: S310 - http(s), checked by `fetch`
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            _take(fetching, part, answer)
    except urllib.error.HTTPError as error:
        with error:  # it is the answer too, and its connection
            _answered(fetching, part, error)
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):  # trying again would not make it another server
            raise SourceError(f"{fetching.file.name}: {fetching.file.url}: {reason.verify_message}") from error
        raise _BrokenError(str(reason) or type(error).__name__) from error


def _take(fetching: Fetching, part: BinaryIO, answer: Any) -> None:
    have, length = _length(part), answer.headers.get("Content-Length")
    if have and answer.status != 206:  # the whole file again
        fetching.progress(-have)
        part.truncate(0)
        have = 0
    starts = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if answer.status == 206 and starts != str(have):
        raise SourceError(f"{fetching.file.name}: {fetching.file.url} sends another part than was asked for")
    if length is not None and length.isdigit():
        fetching.size = fetching.size or have + int(length)
    most = fetching.size or MOST
    while block := answer.read(BLOCK):
        if part.tell() + len(block) > most:
            fetching.part.unlink()
            raise SourceError(f"{fetching.file.name}: {fetching.file.url} sends more than {most:,} bytes; not kept")
        part.write(block)
        fetching.progress(len(block))
    part.flush()
    if fetching.size is not None and _length(part) < fetching.size:
        raise _BrokenError(f"the connection ended after {_length(part):,} of {fetching.size:,} bytes")


def _answered(fetching: Fetching, part: BinaryIO, error: urllib.error.HTTPError) -> None:
    """Deal with an answer that is no file: come back later, or give up."""
    if error.code == 416 and _length(part):  # nothing beyond what is here: it is whole, or not of this file
        fetching.size = None
        return
    told = f"HTTP {error.code} {error.reason}"
    if error.code in BUSY or error.code >= 500:
        after = error.headers.get("Retry-After", "")
        raise _BrokenError(told, float(after) if after.isdigit() else None) from error
    raise SourceError(f"{fetching.file.name}: {fetching.file.url}: {told}; see whether the address is still right")


def _length(part: BinaryIO) -> int:
    part.flush()
    return part.seek(0, os.SEEK_END)


def _lock(part: BinaryIO, name: str) -> None:
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SourceError(f"{name}: another process is downloading it; wait for that one") from None
