"""What an act that takes several steps intends and has done, so that a re-run completes it after `kill -9`.

A journal is a small JSON file in the state folder, written whole and flushed at every change. The intended steps stand
in it before the first of them is taken; a step that is not noted as done is taken again, and each step is one that may
be.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "act.json"
    >>> journal = Journal(path, {"plan": ["a", "b"]})
    >>> journal.done("a", size=3)
    >>> again = Journal(path, {"plan": ["a", "b"]})
    >>> again.has("a"), again.has("b"), again.fact("a")
    (True, False, {'size': 3})
    >>> again.finish()
    >>> path.exists()
    False
"""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from synthtrail.custody.errors import StorageError, UsageError
from synthtrail.storage.files import write_json

OnStep = Callable[[str], object]
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN)


class Journal:
    """The journal at `path`; one that has another plan belongs to an act that was given up, and is begun anew."""

    def __init__(self, path: Path, plan: dict[str, Any], on_step: OnStep = lambda _: None) -> None:
        self.path = path
        self.on_step = on_step
        self.value: dict[str, Any] = {"plan": plan, "done": {}, "memo": {}}
        if path.exists():
            kept = json.loads(path.read_bytes())
            if kept["plan"] == json.loads(json.dumps(plan)):
                self.value = kept
                return
        self.save()

    @property
    def memo(self) -> dict[str, Any]:
        """What a step remembers of itself while it is not done."""
        found: dict[str, Any] = self.value["memo"]
        return found

    def save(self) -> None:
        """Write the journal."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(self.path, self.value)

    def step(self, name: str) -> None:
        """Announce what comes next. Nothing hangs on it, except in tests, which stop the process there."""
        self.on_step(name)

    def has(self, step: str) -> bool:
        """Tell whether a step is done."""
        return step in self.value["done"]

    def fact(self, step: str) -> Any:
        """Return what was noted when the step was done."""
        return self.value["done"][step]

    def done(self, step: str, **facts: Any) -> None:
        """Note that a step is done."""
        self.value["done"][step] = facts
        self.save()
        self.on_step(f"done {step}")

    def finish(self) -> None:
        """Forget the act: all of it is done."""
        self.path.unlink(missing_ok=True)


@contextmanager
def room(what: Path) -> Iterator[None]:
    """Turn a full disk, or one that refuses or fails, into one line; raise everything else as it is."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(
                f"{what}: {os.strerror(error.errno)}; make room and run the same command again: it goes on where it was"
            ) from None
        if error.errno in _REFUSED:
            raise StorageError(
                f"{error.filename or what}: {os.strerror(error.errno)}; nothing was lost: see to it, "
                "and run the same command again"
            ) from None
        raise


@contextmanager
def alone(folder: Path, artifacts: Iterable[str]) -> Iterator[None]:
    """Keep other acts off these artifacts (digests in hex) while this one goes on; raise `UsageError` if one is at it.

    Two that stored one artifact would write each other's files; one that stored what another disposes of would leave
    a copy behind. The lock ends with the process, whatever ends that.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as held:
        for artifact in sorted(set(artifacts)):
            held.enter_context(_locked(folder / f"{artifact[:32]}.lock", artifact))
        yield


@contextmanager
def _locked(path: Path, artifact: str) -> Iterator[None]:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"another command stores or disposes of {artifact[:16]}… right now; run this one when it has ended"
                ) from None
            if not _names(path, descriptor):
                continue  # whoever had it has just unlinked it
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return
        finally:
            os.close(descriptor)


def _names(path: Path, descriptor: int) -> bool:
    """Tell whether `path` is still the file that is open as `descriptor`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
