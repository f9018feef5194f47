"""A file that is read back as it is written: what is on the other side of the system calls is what was meant.

The file is new: something else of that name is unlinked, not written into, so a link that somebody put there leads
nowhere, and a process that was cut off writes on in a file that nobody reads. It is flushed to the disk piece by piece
while more is written, and once more at the end, with its folder.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "object"
    >>> with written(path) as file:
    ...     file.write(b"ciphertext")
    10
    >>> path.read_bytes()
    b'ciphertext'
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from synthtrail.handover.background import Background
from synthtrail.handover.objects import StoreError
from synthtrail.storage.files import flush_folder

FLUSH = 32 << 20  # bytes after which what was written is flushed to its disk
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@contextmanager
def written(path: Path) -> Iterator["ReadBack"]:
    """A new file at `path` that is read back as it is written, and flushed to its disk at the end."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        # Flushing goes on beside the encryption, so that little is left to flush at the end.
        with Background(lambda _: os.fdatasync(descriptor)) as flushing:
            yield ReadBack(descriptor, path, lambda: flushing.put(b""))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    flush_folder(path.parent)


class ReadBack:
    """Writes to a file and compares what can be read there with what was written, block by block."""

    def __init__(self, descriptor: int, path: Path, flush: Callable[[], object]) -> None:
        self.descriptor, self.path, self.flush, self.place = descriptor, path, flush, 0
        self.back = bytearray()

    def write(self, data: bytes | memoryview) -> int:
        """Write a block; raise `StoreError` if something else can be read in its place."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]
        if len(self.back) != len(data):  # blocks are alike, so one buffer does for nearly all
            self.back = bytearray(len(data))
        meant: object = data  # a buffer compares bytes; two views would be compared number by number
        if os.preadv(self.descriptor, [self.back], self.place) != len(data) or self.back != meant:
            raise StoreError(f"{self.path}: what was written reads back differently")
        if (self.place + len(data)) // FLUSH > self.place // FLUSH:
            self.flush()
        self.place += len(data)
        return len(data)
