"""The guard: the last checkpoint that was signed here, kept outside the ledger's own folder.

Whoever restores an old copy of the ledger folder restores its checkpoint with it. The guard lies elsewhere (an XDG
folder), one folder per origin, and holds the *whole* signed checkpoint; a ledger that is smaller than its guard was
rolled back or lost entries. The guard is written before the checkpoint is published, so a checkpoint that anyone has
seen is never larger than the guard.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from synthtrail.custody.durable import Disk, OnStep, Parts

CHECKPOINT = "checkpoint"
SNAPSHOT = "snapshot"


class Guard:
    """The guard folder of one log below `folder`."""

    def __init__(self, folder: Path, origin: str, on_step: OnStep | None = None) -> None:
        self.path = folder / sha256(origin.encode()).hexdigest()[:32]
        self._disk = Disk(self.path, on_step)

    def checkpoint(self) -> bytes | None:
        """The signed checkpoint as bytes; None if this log was never guarded here."""
        return self._disk.read_if_there(CHECKPOINT)

    def store(self, checkpoint: bytes) -> None:
        """Keep `checkpoint` durably in place of the one before."""
        self._disk.step("guard")
        self._disk.write([(CHECKPOINT, checkpoint)], mode=0o600)

    def snapshot(self) -> bytes | None:
        """A folded state that this machine made itself, to save a replay; None if there is none."""
        return self._disk.read_if_there(SNAPSHOT)

    @contextmanager
    def open_snapshot(self) -> Iterator[BinaryIO | None]:
        """The same, open to be read: what is loaded from a file is never held twice."""
        path = self.path / SNAPSHOT
        if not path.is_file():
            yield None
            return
        with path.open("rb") as file:
            yield file

    def store_snapshot(self, snapshot: Parts) -> None:
        """Keep a folded state, given in parts."""
        self._disk.write([(SNAPSHOT, snapshot)], mode=0o600)
