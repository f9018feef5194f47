"""An artifact cut into packs: tar streams of bounded size, the same bytes for the same content.

A folder's files go into packs in the order of its manifest; a file is never cut, so a pack is larger than the limit
only if it holds a single file. Each pack is a plain tar (POSIX, PAX for long names) with owner 0, mode 0644 and time 0;
one file can be had by fetching one pack.

    >>> members = [Member("a", "00" * 32, 40), Member("b", "11" * 32, 40), Member("c", "22" * 32, 90)]
    >>> [[member.name for member in pack.members] for pack in plan(members, limit=100)]
    [['a', 'b'], ['c']]
"""

import stat
import tarfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from synthtrail.custody import digest
from synthtrail.custody.errors import ChangedError, FormatError

LIMIT = 64 << 20
_CHUNK = 1 << 18
_END = 2 * tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Member:
    """A file of an artifact: name below its folder, SHA-256 in hex, size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Pack:
    """Neighbouring files that are sealed together, as the object called `key`."""

    key: str
    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        """Bytes of the tar stream."""
        return sum(len(_header(item)) + item.size + _padding(item.size) for item in self.members) + _END


def members(path: Path, manifest: bytes) -> list[Member]:
    """Return the files that `manifest` lists below `path`, with the sizes that they have now."""
    return [Member(name, found, _size(path / name)) for name, found in digest.parse_manifest(manifest).items()]


def plan(found: Iterable[Member], limit: int = LIMIT) -> list[Pack]:
    """Return the packs that hold the files in this order, each of at most `limit` bytes of content if it can be."""
    groups: list[list[Member]] = []
    room = 0
    for member in found:
        if not groups or member.size > room:
            groups.append([])
            room = limit
        groups[-1].append(member)
        room -= member.size
    return [Pack(f"{number:05d}.age", tuple(group)) for number, group in enumerate(groups)]


def stream(root: Path, pack: Pack, on_bytes: Callable[[int], object] = lambda _: None) -> Iterator[bytes]:
    """Yield the tar stream of `pack` from the files below `root`.

    Raises `ChangedError` if a file is not what its digest says, so nothing is sealed unseen.
    """
    for member in pack.members:
        yield _header(member)
        yield from _content(root / member.name, member, on_bytes)
        yield bytes(_padding(member.size))
    yield bytes(_END)


class Unpacker:
    """Takes the tar stream of a pack as it is decrypted; hands each file to `open_file` and checks its digest."""

    def __init__(self, pack: Pack, open_file: Callable[[Member], BinaryIO | None]) -> None:
        self._open = open_file
        self._steps = self._walk(pack.members)
        self._wanted = next(self._steps)
        self._buffer = bytearray()
        self.done = False

    def write(self, data: bytes) -> int:
        """Take the next bytes; raise `FormatError` for a file that is not what its digest says."""
        if self._wanted < 0:  # pass content on as it comes, at most what is left of the file
            self._pass(data)
        else:
            self._buffer += data
            self._gather()
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def _gather(self) -> None:
        while not self.done and 0 <= self._wanted <= len(self._buffer):
            taken, self._buffer = bytes(self._buffer[: self._wanted]), self._buffer[self._wanted :]
            self._advance(taken)
        if not self.done and self._wanted < 0 and self._buffer:
            held, self._buffer = bytes(self._buffer), bytearray()
            self._pass(held)

    def _pass(self, data: bytes) -> None:
        share = min(len(data), -self._wanted)
        self._advance(data[:share])
        if share < len(data):
            self.write(data[share:])

    def _advance(self, data: bytes) -> None:
        try:
            self._wanted = self._steps.send(data)
        except StopIteration:
            self.done = True

    def _walk(self, found: Sequence[Member]) -> Generator[int, bytes, None]:
        """Say how many bytes are wanted next (negative: at most that many); a file's header says nothing new."""
        for member in found:
            yield len(_header(member))
            state, left = sha256(), member.size
            out = self._open(member)
            try:
                while left:
                    data = yield -left
                    state.update(data)
                    left -= len(data)
                    if out is not None:
                        out.write(data)
            finally:
                if out is not None:
                    out.close()
            if state.hexdigest() != member.sha256:
                raise FormatError(f"{member.name}: not what its digest says", code="artifact-changed")
            if _padding(member.size):
                yield _padding(member.size)
        yield _END


def _content(path: Path, member: Member, on_bytes: Callable[[int], object]) -> Iterator[bytes]:
    state, size = sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            state.update(block)
            size += len(block)
            if size > member.size:
                break
            on_bytes(len(block))
            yield block
    if size != member.size or state.hexdigest() != member.sha256:
        raise ChangedError(f"{path} is not what the ledger says was made; nothing of it was stored")


def _header(member: Member) -> bytes:
    entry = tarfile.TarInfo(member.name)
    entry.size = member.size
    entry.mode = 0o644
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE


def _size(path: Path) -> int:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise ChangedError(f"{path} is no plain file any more; nothing of it was stored")
    return found.st_size
