"""A folder as an object store: on this disk, on a mounted share, on a medium to carry.

Objects are written beside their names and renamed, so a reader never sees half of one. The folder is created with mode
0700; one that others may enter is left as it is, since it holds ciphertext only, and the ledger says so.
"""

import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from synthtrail.custody.errors import UsageError
from synthtrail.handover.objects import Memo, OnBytes, Seen, StoreError
from synthtrail.storage.files import flush_folder
from synthtrail.storage.home import tilde

PART = ".part"


class FolderStore:
    """The store in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        told = tilde(root)
        self.url = f"file://{told}" if told.startswith("~") else root.as_uri()

    def prepare(self) -> list[tuple[str, str]]:
        """Make the folder, private if it is new."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"{self.root}: {error.strerror}; nothing was stored") from None
        mode = stat.S_IMODE(self.root.stat().st_mode)
        return [("folder.mode", f"{mode:04o}")]

    def spool(self, name: str, _aside: Path) -> Path:
        """Return a place in the store itself, so that nothing is written twice."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path.with_name(path.name + PART)

    def put(self, name: str, path: Path, _memo: Memo, _save: Callable[[], None], on_bytes: OnBytes) -> None:
        """Give the spooled file its name."""
        target = self.path(name)
        size = path.stat().st_size
        path.replace(target)
        flush_folder(target.parent)
        on_bytes(size)

    def names(self, prefix: str = "") -> Iterator[Seen]:
        """Yield every file of the store whose name begins with `prefix`."""
        base = self.root / prefix.rpartition("/")[0]
        for path in sorted(base.rglob("*")) if base.is_dir() else ():
            name = path.relative_to(self.root).as_posix()
            if name.startswith(prefix) and path.is_file() and not path.is_symlink():
                found = path.stat()
                yield Seen(name, found.st_size, f"{found.st_mtime_ns} {found.st_ino}")

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open an object."""
        try:
            return self.path(name).open("rb")
        except FileNotFoundError:
            raise StoreError(f"{self.path(name)} is not there") from None

    def delete(self, name: str) -> int:
        """Unlink an object, and folders that it leaves empty."""
        path = self.path(name)
        if not path.exists():
            return 0
        path.unlink()
        parent = path.parent
        flush_folder(parent)
        while parent != self.root and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent
        return 1

    def path(self, name: str) -> Path:
        """Return the file of an object; raise `UsageError` for a name that leaves the store."""
        if any(part in {"", ".", ".."} for part in name.split("/")):
            raise UsageError(f"not the name of an object: {name[:80]!a}")
        return self.root / name
