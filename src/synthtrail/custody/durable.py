"""Files that survive a power cut, and a place to stop at each step of writing them.

A file appears under its name whole or not at all: its bytes go to a temporary sibling and are flushed to the disk, the
sibling is renamed, and then the folder is flushed, because until then the disk may forget the new name. Several
files of one step share the flushes of their folders.

Before each step `Disk` calls `on_step` with the step's name. Nothing hangs on that call, except in tests: raising there
leaves the files exactly as a process killed at that point would.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

OnStep = Callable[[str], None]
Parts = Sequence[bytes | memoryview]
_TEMPORARY = ".tmp"


class Disk:
    """The files below one folder, by relative path."""

    def __init__(self, root: Path, on_step: OnStep | None = None) -> None:
        self.root = root
        self._named: set[Path] = set()
        self._on_step = on_step or _ignore

    def read(self, path: str) -> bytes:
        """The bytes at `path`; raises `FileNotFoundError` if there are none."""
        return (self.root / path).read_bytes()

    def read_if_there(self, path: str) -> bytes | None:
        """The bytes at `path`, or None."""
        try:
            return self.read(path)
        except FileNotFoundError:
            return None

    def has(self, path: str) -> bool:
        """Whether there is a file at `path`."""
        return (self.root / path).is_file()

    def step(self, name: str) -> None:
        """Announce a step."""
        self._on_step(name)

    def write(self, files: Iterable[tuple[str, bytes | Parts]], *, mode: int = 0o644) -> None:
        """Put all `files` durably at their paths, in order; a large one may come in parts."""
        folders: dict[Path, None] = {}
        for path, data in files:
            target = self.root / path
            self._make(target.parent)
            self.step(f"write {path}")
            temporary = _write_temporary(target, data, mode)
            self.step(f"rename {path}")
            temporary.replace(target)
            folders[target.parent] = None
        for folder in folders:
            flush_folder(folder)

    def _make(self, folder: Path) -> None:
        """Make a folder, and flush its name once in the life of this object.

        That a folder is there does not say that its name would survive: whoever made it may have been killed just then.
        """
        if folder in self._named:
            return
        if folder == self.root:
            make_folder(folder)
        else:
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
        flush_folder(folder.parent)
        self._named.add(folder)

    def append(self, path: str, data: bytes) -> None:
        """Add bytes to a derived file, not durably."""
        self.step(f"append {path}")
        with (self.root / path).open("ab") as file:
            file.write(data)

    def write_lines(self, path: str, lines: Iterable[bytes]) -> None:
        """Make a derived file anew, a line for each of `lines`, not durably."""
        with (self.root / path).open("wb") as file:
            for line in lines:
                file.write(line + b"\n")

    def ends_with(self, path: str, data: bytes) -> bool:
        """Whether the file at `path` is there and ends with `data`."""
        try:
            with (self.root / path).open("rb") as file:
                file.seek(-len(data), os.SEEK_END)
                return file.read() == data
        except OSError:
            return False

    def names(self, path: str) -> list[str]:
        """The names in a folder, none if there is no such folder."""
        try:
            return sorted(os.listdir(self.root / path))  # noqa: PTH208  (a thousand Path objects less)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        (self.root / path).unlink(missing_ok=True)

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder, if it is there."""
        folder = self.root / path
        if folder.is_dir():
            folder.rmdir()


def flush_folder(folder: Path) -> None:
    """Flush a folder's own list of names."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each name flushed to the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    flush_folder(folder.parent)


def _write_temporary(target: Path, data: bytes | Parts, mode: int) -> Path:
    # One writer at a time holds the ledger's lock, so a fixed name also cleans up after a crash.
    temporary = target.with_name(target.name + _TEMPORARY)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines((data,) if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _ignore(_step: str) -> None:
    pass
