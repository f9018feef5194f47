"""What a verifier keeps between two audits of one ledger, so that the second need not read everything again.

After a verification that held, its folded state (`synthtrail.custody.snapshot`) is put in the verifier's own folder:

    $XDG_STATE_HOME/synthtrail/<origin>/verified/<policy digest>/<size>-<root>.snapshot       mode 0600

The next audit that brings the checkpoint of that size and root (`verify --since`) starts from there. A snapshot proves
nothing to anyone else. It is believed because nobody but the verifier could have written it: a file that belongs to
another user, or that others may read or write, is passed over, and so is one that is damaged (it begins with its own
SHA-256) or made under another policy. Whoever can write to this folder can make an audit with `--since` miss what lies
before the checkpoint; verify without `--since`, or remove the folder, and everything is read.

The newest `LIMIT` snapshots of a ledger and policy are kept.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from synthtrail.custody import note
from synthtrail.custody.durable import flush_folder
from synthtrail.custody.errors import DataError
from synthtrail.custody.policy import Policy
from synthtrail.custody.report import Report
from synthtrail.storage.home import home

LIMIT = 3
_SUFFIX = ".snapshot"
_OTHERS = 0o077


def keep(report: Report, policy: Policy) -> Path | None:
    """Write what `report` found, if it holds, and return where; None if it does not hold or the folder is closed.

    A verification is not worth less because its result could not be kept.
    """
    parts = report.snapshot_parts()
    if parts is None:
        return None
    path = _folder(policy) / _name(report.size, bytes.fromhex(report.root))
    try:
        _write(path, parts)
        _thin(path)
    except OSError:
        return None
    return path


@contextmanager
def known(since: bytes | None, policy: Policy) -> Iterator[tuple[BinaryIO | None, str]]:
    """Open the snapshot for the checkpoint `since`; yields it, or None, and a note on why there is none."""
    path = _path(since, policy)
    if path is None:
        yield None, ""
        return
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb")
    except OSError:
        yield None, "no verification that ended at this checkpoint was kept here: every entry was read"
        return
    with file:
        if _is_own(file):
            yield file, ""
        else:
            yield None, f"{path} could have been written by others and was not used: every entry was read"


def unusable(since: bytes, policy: Policy) -> str:
    """The note about a snapshot that was there and that the verification could not use."""
    return f"{_path(since, policy)} is damaged or of another version and was not used: every entry was read"


def _path(since: bytes | None, policy: Policy) -> Path | None:
    """Where the snapshot for the checkpoint `since` would lie; None if that is no checkpoint."""
    if since is None:
        return None
    try:
        earlier = note.parse_checkpoint(note.parse(since)[0])
    except DataError:
        return None
    return _folder(policy) / _name(earlier.size, earlier.root)


def _folder(policy: Policy) -> Path:
    return home().verified(policy.origin) / policy.digest.hex()


def _name(size: int, root: bytes) -> str:
    return f"{size}-{root.hex()}{_SUFFIX}"


def _is_own(file: BinaryIO) -> bool:
    found = os.fstat(file.fileno())
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS


def _write(path: Path, parts: list[bytes | memoryview]) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    flush_folder(path.parent)


def _thin(newest: Path) -> None:
    """Remove the oldest snapshots beyond `LIMIT`, never the one just written."""
    others = [path for path in newest.parent.glob(f"*{_SUFFIX}") if path != newest]
    for path in sorted(others, key=lambda item: item.stat().st_mtime)[: -LIMIT + 1]:
        path.unlink(missing_ok=True)
