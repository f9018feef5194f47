"""The files inside a folder and its zip archives, as they lie: nothing is unpacked to disk.

A zip is read member by member, into memory. Refused in one line: names that lead out of the archive, encrypted members,
members of more than 256 MiB, and members that unpack to more than 200 times their size (a picture hardly shrinks in a
zip). Hidden files and what systems leave behind are passed over.

    inside(Path("drop/ham10000"))    ->  Member("drop/ham10000/part_1.zip", "ISIC_0024306.jpg", "ISIC_0024306.jpg"), ...
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePosixPath

from synthtrail.data.errors import SourceError

LIMIT_BYTES = 256 << 20  # of one file
LIMIT_RATIO = 200  # unpacked to packed, for members above
SMALL = 1 << 20  # bytes
JUNK = {"__MACOSX", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True, order=True)
class Member:
    """A file called `name`: the file `place`, or `inner` inside the zip `place`."""

    name: str
    place: str
    inner: str | None = None

    def read(self) -> bytes:
        """Return its bytes; `SourceError` that says what is wrong with them."""
        try:
            return _unzipped(self.place, self.inner) if self.inner is not None else _file(self.place)
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
            raise SourceError(f"cannot be read ({' '.join(str(error).split())[:80]})") from error


def inside(path: Path) -> list[Member]:
    """Return every file in a folder and its zips, or in one zip, sorted by name; `SourceError` if two share one."""
    found = sorted(_zip(path) if path.is_file() else _folder(path))
    for one, next_one in pairwise(found):
        if one.name == next_one.name:
            raise SourceError(f"{path}: {one.name!r} is there twice, in {one.place} and {next_one.place}; remove one")
    return found


def _folder(path: Path) -> Iterator[Member]:
    for root, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not _passed_over(name))
        for name in files:
            if _passed_over(name):
                continue
            file = Path(root, name)
            if file.suffix.lower() == ".zip":
                yield from _zip(file)
            else:
                yield Member(_printable(file.relative_to(path).as_posix(), path), str(file))


def _zip(path: Path) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                parts = PurePosixPath(info.filename).parts
                if info.is_dir() or any(map(_passed_over, parts)):
                    continue
                _refuse(path, info)
                yield Member(_printable(info.filename, path), str(path), info.filename)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise SourceError(f"{path}: not a whole zip archive; fetch it again") from error


def _refuse(path: Path, info: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    name = f"{path}: {info.filename[:200]!r}"
    if ".." in parts or info.filename.startswith(("/", "\\")) or ":" in parts[0]:
        raise SourceError(f"{name} leads out of the archive; it is not read")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise SourceError(f"{name} is a link; it is not read")
    if info.flag_bits & 1:
        raise SourceError(f"{name} is encrypted; unpack the archive first")
    if info.file_size > LIMIT_BYTES:
        raise SourceError(f"{name} has {info.file_size:,} bytes, more than {LIMIT_BYTES >> 20} MiB; it is not read")
    if info.file_size > max(SMALL, LIMIT_RATIO * info.compress_size):
        raise SourceError(f"{name} unpacks to {info.file_size:,} bytes from {info.compress_size:,}; it is not read")


def _passed_over(name: str) -> bool:
    return name in JUNK or (name.startswith(".") and name != "..")


def _printable(name: str, path: Path) -> str:
    if not name.isprintable():
        raise SourceError(f"{path}: {name!r} has characters that cannot be printed; rename it")
    return name


def _file(place: str) -> bytes:
    size = Path(place).stat().st_size
    if size > LIMIT_BYTES:
        raise SourceError(f"has {size:,} bytes, more than {LIMIT_BYTES >> 20} MiB")
    return Path(place).read_bytes()


def _unzipped(place: str, inner: str) -> bytes:
    with _archive(place, Path(place).stat().st_mtime_ns).open(inner) as file:
        data = file.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise SourceError(f"unpacks to more than {LIMIT_BYTES >> 20} MiB")
    return data


@lru_cache(maxsize=16)
def _archive(place: str, _changed: int) -> zipfile.ZipFile:
    """Return an open archive, whose list of names is read once a process."""
    return zipfile.ZipFile(place)
