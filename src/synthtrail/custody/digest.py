"""What a file or folder is called: the SHA-256 of its content.

A file's digest is that of its bytes. A folder's is that of its *manifest*, one line per file below it, in the order
of the bytes of the names; empty folders leave no trace. Anyone can redo it in a shell:

    cd FOLDER && find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum

(in Go: dirhash.Hash1). A digest that would not tell the truth is refused with `ArtifactError`; `code` says why:

==================  ===============================================================================
not-regular         a symbolic link, device, pipe or socket where a file or folder should be
hard-link           a file with a second name, if the caller forbids those (DVC's cache uses them)
name                control characters, a backslash, a leading dash, not UTF-8, not Unicode NFC
case-clash          two names in one folder that some file systems cannot tell apart
empty               a folder without files
depth               folders more than 64 deep
unreadable          the operating system would not open it
changed-while-read  size, time stamps or listing differ after reading (`ChangedError`)
==================  ===============================================================================

    >>> parse_manifest(("0" * 64 + "  a/b.txt\\n").encode())
    {'a/b.txt': '0000000000000000000000000000000000000000000000000000000000000000'}
"""

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from synthtrail.custody.errors import ArtifactError, ChangedError, FormatError

MAX_DEPTH = 64
_CHUNK = 1 << 18  # stays in a core's own cache between reading and hashing
# Without O_NONBLOCK, opening a pipe would wait for a writer; links are refused rather than followed.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_NOT_REGULAR = {errno.ELOOP, errno.ENXIO, errno.ENODEV}  # what open says of a link, a socket, a missing device
_BAD_NAME = re.compile(r"[\x00-\x1f\x7f\\]")
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


@dataclass(frozen=True)
class Digest:
    """The name of an artifact: SHA-256 in hex, `size` in bytes, and for a folder how many `files` it has."""

    sha256: str
    size: int
    files: int | None = None

    @property
    def kind(self) -> Literal["file", "folder"]:
        """What was digested."""
        return "file" if self.files is None else "folder"


@dataclass(frozen=True)
class Difference:
    """How one manifest differs from another: names of files, sorted. False if it does not."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def artifact(path: str | os.PathLike[str], *, hard_links: bool = True) -> Digest:
    """Return the digest of the file or folder at `path`.

    Raises `ArtifactError` for anything else, and `FileNotFoundError` for nothing.
    """
    if stat.S_ISDIR(os.lstat(path).st_mode):
        return folder(path, hard_links=hard_links)
    return file(path, hard_links=hard_links)


def file(path: str | os.PathLike[str], *, hard_links: bool = True) -> Digest:
    """Return the digest of the file at `path`; with `hard_links` false, refuse a file that has a second name."""
    shown = os.fsdecode(path)
    found, size = _digest(shown, None, shown, hard_links)
    return Digest(found, size)


def folder(path: str | os.PathLike[str], *, hard_links: bool = True) -> Digest:
    """Return the digest of the folder at `path`: that of its manifest, the sum of sizes, the number of files."""
    listing = _listing(path, hard_links)
    size = sum(item[1] for item in listing.values())
    names = {name: item[0] for name, item in listing.items()}
    return Digest(sha256(encode_manifest(names)).hexdigest(), size, len(names))


def manifest(path: str | os.PathLike[str], *, hard_links: bool = True) -> bytes:
    """Return the manifest of the folder at `path`."""
    listing = _listing(path, hard_links)
    return encode_manifest({name: item[0] for name, item in listing.items()})


def encode_manifest(files: Mapping[str, str]) -> bytes:
    """Return the manifest of files given as name to SHA-256 in hex."""
    # Code points and their UTF-8 bytes sort alike.
    return "".join(f"{files[name]}  {name}\n" for name in sorted(files)).encode()


def parse_manifest(data: bytes) -> dict[str, str]:
    """Return name to SHA-256 in hex of a manifest; raise `FormatError` unless it is one that `manifest` could give.

    1. UTF-8 lines ``<64 hex digits>  <name>``, at least one.
    2. Each name passes `check_path`: nothing absolute, no ``..``, no character that `manifest` refuses.
    3. Names ascend, so none stands twice, and no two differ only in case.
    4. No name is a folder to another.
    """
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise FormatError("a manifest is UTF-8", code="manifest") from None
    if len(lines) < 2 or lines.pop():
        raise FormatError("a manifest is one or more whole lines", code="manifest")
    files = dict(map(_parse_line, lines))
    if list(files) != sorted(files) or len(files) != len(lines):
        raise FormatError("the names of a manifest ascend", code="manifest")
    _check_case(files)
    return files


def difference(recorded: bytes, found: bytes) -> Difference:
    """Return what was added, removed and changed between two manifests."""
    before, after = parse_manifest(recorded), parse_manifest(found)
    return Difference(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name in after if before.get(name, after[name]) != after[name]),
    )


def check_path(path: str) -> None:
    """Raise `FormatError` (code path) unless `path` is relative, stays below its root, and has one spelling."""
    if any(part in {"", ".", ".."} or _name_fault(part) for part in path.split("/")):
        raise FormatError(f"not a path within a folder: {path[:80]!a}", code="path")
    if path.startswith("-"):
        raise FormatError(f"a path that a command would take for an option: {path[:80]!a}", code="path")


def _parse_line(line: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    if not found:
        raise FormatError("not a line of a manifest", code="manifest")
    check_path(found[2])
    return found[2], found[1]


def _check_case(files: Mapping[str, str]) -> None:
    """Refuse names of which a file system that ignores case would make one, and a file that is also a folder."""
    spelling: dict[str, str] = {}
    for name in files:
        parts = name.split("/")
        folders = ["/".join(parts[:count]) + "/" for count in range(1, len(parts))]
        for node in (*folders, name):
            if spelling.setdefault(node.removesuffix("/").casefold(), node) != node:
                raise FormatError(f"a name in two spellings: {node!a}", code="case-clash")


def _name_fault(name: str) -> str:
    """Return why a name of one file or folder cannot stand in a manifest, or nothing."""
    if _BAD_NAME.search(name):
        return "a control character or backslash"
    if name.isascii():
        return ""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "not UTF-8"
    return "" if unicodedata.is_normalized("NFC", name) else "not Unicode NFC"


def _listing(path: str | os.PathLike[str], hard_links: bool) -> dict[str, tuple[str, int]]:
    """Return name to (SHA-256, size) of every file below the folder `path`."""
    found: dict[str, tuple[str, int]] = {}
    shown = os.fsdecode(path)
    with _opened(shown, None, shown) as descriptor:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise ArtifactError(f"not a folder: {shown}", code="not-regular")
        _walk(descriptor, shown, "", found, hard_links)
    if not found:
        raise ArtifactError(f"a folder without files: {shown}", code="empty")
    return found


def _walk(descriptor: int, shown: str, prefix: str, found: dict[str, tuple[str, int]], hard_links: bool) -> None:
    """Add the files of an open folder. Descriptors, not paths, so that no parent can be exchanged on the way."""
    if prefix.count("/") > MAX_DEPTH:
        raise ArtifactError(f"folders more than {MAX_DEPTH} deep: {shown}", code="depth")
    before = os.fstat(descriptor)
    with os.scandir(descriptor) as entries:
        listing = sorted((entry.name, _type(entry, shown)) for entry in entries)
    _check_names([name for name, _ in listing], shown, top=not prefix)
    for name, is_folder in listing:
        inner = f"{prefix}{name}"
        if is_folder:
            with _opened(name, descriptor, f"{shown}/{name}") as child:
                _walk(child, f"{shown}/{name}", f"{inner}/", found, hard_links)
        else:
            found[inner] = _digest(name, descriptor, f"{shown}/{name}", hard_links)
    _check_unchanged(before, os.fstat(descriptor), shown)


def _type(entry: os.DirEntry[str], shown: str) -> bool:
    """Return whether an entry is a folder; raise unless it is a folder or a file itself."""
    if entry.is_file(follow_symlinks=False):
        return False
    if entry.is_dir(follow_symlinks=False):
        return True
    raise ArtifactError(f"neither file nor folder: {shown}/{entry.name!a}", code="not-regular")


def _check_names(names: list[str], shown: str, *, top: bool) -> None:
    for name in names:
        # A dash is harmless further down, where a folder's name stands before it.
        fault = _name_fault(name) or ("a leading dash" if top and name[0] == "-" else "")
        if fault:
            raise ArtifactError(f"{fault} in a name: {shown}/{name!a}", code="name")
    if len({name.casefold() for name in names}) != len(names):
        raise ArtifactError(f"names that differ only in case in {shown}", code="case-clash")


def _digest(name: str, parent: int | None, shown: str, hard_links: bool) -> tuple[str, int]:
    """Return SHA-256 and size of one file, which must not change meanwhile."""
    with _opened(name, parent, shown) as descriptor:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise ArtifactError(f"not a file: {shown}", code="not-regular")
        if before.st_nlink > 1 and not hard_links:
            raise ArtifactError(f"a file with a second name: {shown}", code="hard-link")
        found, size = _hash(descriptor, before.st_size)
        _check_unchanged(before, os.fstat(descriptor), shown)
    if size != before.st_size:
        raise ChangedError(f"changed while it was read: {shown}")
    return found, size


def _hash(descriptor: int, expected: int) -> tuple[str, int]:
    """Return SHA-256 and length of what can be read; small files need two system calls."""
    if expected < _CHUNK:
        data = os.read(descriptor, expected + 1)
        if len(data) == expected:
            return sha256(data).hexdigest(), expected
        os.lseek(descriptor, 0, os.SEEK_SET)
    state, total = sha256(), 0
    buffer = memoryview(bytearray(_CHUNK))
    while count := os.readv(descriptor, [buffer]):
        state.update(buffer[:count])
        total += count
    return state.hexdigest(), total


def _check_unchanged(before: os.stat_result, after: os.stat_result, shown: str) -> None:
    # Whoever may write the file can set its mtime back, but not its ctime.
    for field in ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino"):
        if getattr(before, field) != getattr(after, field):
            raise ChangedError(f"changed while it was read: {shown}")


@contextmanager
def _opened(name: str, parent: int | None, shown: str) -> Iterator[int]:
    try:
        descriptor = os.open(name, _FLAGS, dir_fd=parent)
    except FileNotFoundError:
        if parent is None:
            raise
        raise ChangedError(f"vanished while its folder was read: {shown}") from None
    except OSError as error:
        code = "not-regular" if error.errno in _NOT_REGULAR else "unreadable"
        raise ArtifactError(f"cannot be opened: {shown}: {error.strerror}", code=code) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)
