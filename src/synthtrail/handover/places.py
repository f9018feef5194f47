"""Where copies of an artifact can lie: each kind of place behind one adapter.

==================  ==================================================================================
workspace           the checkout, hidden files and half-written siblings included, but for the rest of this table
DVC cache           `files/md5` and `runs`, wherever `.dvc/config` says the cache is
DVC workspaces      `.dvc/tmp`: copies of the checkout that `dvc exp run --temp` and the queue work in
DVC remote NAME     a folder, or S3, with the same layout
MLflow              `mlruns/`: artifacts, models, spooled facts (the database is `tracking.purge`'s)
checkpoints         `data/.checkpoints`
unfinished acts     what a killed command left in the state folder
temporary files     the system's folder for them, other checkouts in it excepted
object stores       where the ledger says that something was stored; ciphertext, so it goes by name: `handover.stored`
==================  ==================================================================================

A place gives its files and deletes one; what they contain is found by `handover.sweep`. A place that cannot be reached
says so, and is never reported as clean.
"""

import configparser
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from synthtrail.custody.errors import CustodyError
from synthtrail.handover import telling
from synthtrail.handover.connecting import connect
from synthtrail.handover.objects import ObjectStore
from synthtrail.storage.files import flush_folder
from synthtrail.storage.home import home, tilde

_REMOTE = re.compile(r'remote "(.+)"')
DISK, REMOTE = "disk of this machine", "object store"


@dataclass(frozen=True)
class Candidate:
    """A file that may be a copy: its name in the place, its size in bytes, and what changes when its content does."""

    name: str
    size: int
    stamp: str


class Place(Protocol):
    """One place; `media` says on what it lies, `readers` how many of its files may be read at a time."""

    name: str
    media: str
    readers: int

    def files(self) -> Iterator[Candidate]:
        """Every file of the place."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The content of a file."""

    def locator(self, name: str) -> str:
        """Where a file lies, in full."""

    def delete(self, name: str) -> None:
        """Delete a file; nothing if it is gone."""


class FolderPlace:
    """The files below a folder, except below the folders `without`; links are never followed."""

    readers = 2

    def __init__(
        self,
        name: str,
        root: Path,
        without: tuple[Path, ...] = (),
        *,
        media: str = DISK,
        checkouts: bool = True,
        shown: Path | None = None,
    ) -> None:
        self.name, self.root, self.media, self.checkouts = name, root, media, checkouts
        self.shown = shown or root / "-"  # what a path is told relative to, if it lies below it
        self.without = {os.fspath(path) for path in without}

    def files(self) -> Iterator[Candidate]:
        """Yield every plain file; what may not be read is not there for this user."""
        waiting = [os.fspath(self.root)]
        while waiting:
            try:
                entries = list(os.scandir(waiting.pop()))
            except (FileNotFoundError, PermissionError, NotADirectoryError):
                continue
            if not self.checkouts and any(entry.name in (".dvc", ".git") for entry in entries):
                continue  # somebody's project, which is no temporary file
            for entry in sorted(entries, key=lambda item: item.name):
                if entry.is_dir(follow_symlinks=False):
                    if entry.path not in self.without:
                        waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield self._candidate(entry)

    def _candidate(self, entry: os.DirEntry[str]) -> Candidate:
        found = entry.stat(follow_symlinks=False)
        stamp = f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
        return Candidate(os.path.relpath(entry.path, self.root), found.st_size, stamp)

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file, without following links."""
        return os.fdopen(os.open(self.root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0)

    def locator(self, name: str) -> str:
        """Return the file's path, from the checkout if it lies in it."""
        return (
            os.path.relpath(self.root / name, self.shown) if self.root.is_relative_to(self.shown) else self.path(name)
        )

    def path(self, name: str) -> str:
        """Return the file's whole path, as a certificate may keep it."""
        return tilde(self.root / name)

    def delete(self, name: str) -> None:
        """Unlink a file (in DVC's cache it is read-only, which its folder's mode overrules), and emptied folders."""
        path = self.root / name
        path.unlink(missing_ok=True)
        parent = path.parent
        while parent != self.root and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent
        if parent.is_dir():
            flush_folder(parent)


class StorePlace:
    """The plain objects of a store, such as a DVC remote on S3."""

    media = REMOTE
    readers = 1

    def __init__(self, name: str, store: ObjectStore) -> None:
        self.name, self.store = name, store

    def files(self) -> Iterator[Candidate]:
        """Yield every object, page by page."""
        for seen in self.store.names():
            yield Candidate(seen.name, seen.size, seen.stamp)

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open an object."""
        return self.store.open(name)

    def locator(self, name: str) -> str:
        """Return the object's URL."""
        return f"{self.store.url}/{name}"

    def delete(self, name: str) -> None:
        """Delete an object in all of its versions."""
        self.store.delete(name)


@dataclass(frozen=True)
class Unreached:
    """A place that should have been looked through and could not be."""

    name: str
    why: str


def of(root: Path, origin: str, stack: ExitStack, endpoint: str | None = None) -> list[Place | Unreached]:
    """Return every place of the checkout at `root`; stores stay open until `stack` is closed."""
    root = root.resolve()
    dvc, runs, checkpoints = root / ".dvc", root / "mlruns", root / "data/.checkpoints"
    cache = dvc_cache(root)
    without = (root / ".git", dvc, runs, root / "ledger", checkpoints, cache, root / ".venv")
    temporary = Path(tempfile.gettempdir()).resolve()
    here: list[Place | Unreached] = [
        FolderPlace("workspace", root, without, shown=root),
        FolderPlace("DVC cache", cache, shown=root),
        FolderPlace("DVC workspaces", dvc / "tmp", (cache,), shown=root),
        FolderPlace("MLflow", runs, shown=root),
        FolderPlace("training checkpoints", checkpoints, shown=root),
        FolderPlace("unfinished acts", home().work(origin)),
        FolderPlace("temporary files", temporary, (root, *_homes(origin)), checkouts=False),
    ]
    return here + [_remote(remote, stack, endpoint) for remote in dvc_remotes(root)]


def dvc_cache(root: Path) -> Path:
    """Return the folder of DVC's cache."""
    named = _config(root).get("cache", "dir", fallback="")
    return (root / ".dvc" / named).resolve() if named else root / ".dvc/cache"


@dataclass(frozen=True)
class Remote:
    """A remote of DVC: its name, its folder or URL, and the address of an S3-compatible provider."""

    name: str
    url: str
    endpoint: str | None


def dvc_remotes(root: Path) -> list[Remote]:
    """Return every remote in DVC's configuration; relative folders are relative to `.dvc`."""
    config, found = _config(root), []
    for section in config.sections():
        named = _REMOTE.fullmatch(section.strip("'"))
        url = config.get(section, "url", fallback="")
        if named and url:
            where = url if "://" in url else os.fspath((root / ".dvc" / url).resolve())
            found.append(Remote(named[1], where, config.get(section, "endpointurl", fallback=None)))
    return found


def _config(root: Path) -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.read([root / ".dvc/config", root / ".dvc/config.local"], encoding="utf-8")
    return config


def _remote(remote: Remote, stack: ExitStack, endpoint: str | None) -> Place | Unreached:
    shown = f"DVC remote {remote.name}"
    if "://" not in remote.url:
        inside = Path(remote.url)
        return FolderPlace(shown, inside) if inside.is_dir() else Unreached(shown, f"{tilde(inside)} is not there")
    try:
        store = stack.enter_context(connect(remote.url, endpoint=endpoint or remote.endpoint))
        next(iter(store.names()), None)
        return StorePlace(shown, store)
    except (CustodyError, OSError, ImportError) as error:
        return Unreached(shown, telling.told(error))


def _homes(origin: str) -> tuple[Path, ...]:
    """The custodian's own folders, which are not copies: the ledger's keys, policy, guard."""
    own = home()
    return (own.keys(origin).parent, own.policy(origin).parent, own.guard(origin).parent)
