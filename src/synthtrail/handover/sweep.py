"""A sweep: every file of a place is hashed, and those with a wanted digest are copies.

Plaintext SHA-256, so a copy is found under whatever name and in whatever cache it lies; one that was altered, packed or
encrypted by others is not. Where the sizes of all wanted files are known, files of other sizes are passed over: they
cannot be copies. With `full`, everything is hashed.

The second run is incremental: a file whose path, size, times and inode are those of the last time is not read again.
That memory is a hint, which whoever can set clocks could deceive; `full` does not use it. Of a folder several files are
read at a time, since hashing leaves other cores idle.

    >>> wanted = Wanted({"aa" * 32: "bb" * 32}, sizes={10})
    >>> wanted.may_be(10), wanted.may_be(11), Wanted({}, sizes=None).may_be(11)
    (True, False, True)
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from synthtrail.custody.errors import CustodyError
from synthtrail.handover import telling
from synthtrail.handover.places import Candidate, Place, Unreached
from synthtrail.storage.files import write_bytes

CHUNK = 1 << 18
WINDOW = 16  # files that may wait for their turn


@dataclass(frozen=True)
class Wanted:
    """What is looked for: file digest to its artifact (both hex); sizes in bytes, None if not all are known."""

    digests: Mapping[str, str]
    sizes: set[int] | None = None

    def may_be(self, size: int) -> bool:
        """Tell whether a file of this size can be wanted."""
        return self.sizes is None or size in self.sizes


@dataclass(frozen=True)
class Copy:
    """A file that was found to be a copy of a file of an artifact."""

    place: str
    name: str
    locator: str
    media: str
    sha256: str
    artifact: str
    size: int


@dataclass
class Swept:
    """What came of one place; `why` is not empty if it could not be looked through."""

    place: str
    files: int = 0
    bytes: int = 0
    copies: list[Copy] = field(default_factory=list)
    why: str = ""

    @property
    def outcome(self) -> str:
        """In the words of a certificate."""
        return "not reached" if self.why else "found" if self.copies else "clean"


class Memory:
    """Digests of files as they were last seen, kept in one file of the state folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.known: dict[str, tuple[str, str]] = {
                key: (s, d) for key, (s, d) in json.loads(path.read_bytes()).items()
            }
        except (OSError, ValueError):
            self.known = {}
        self.seen: dict[str, tuple[str, str]] = {}

    def get(self, key: str, stamp: str) -> str | None:
        """Return the digest that the file had when it looked like this."""
        found = self.known.get(key)
        return found[1] if found is not None and found[0] == stamp else None

    def put(self, key: str, stamp: str, digest: str) -> None:
        """Remember a digest."""
        self.seen[key] = (stamp, digest)

    def save(self) -> None:
        """Write it, what was not seen this time kept too: it may have been passed over."""
        write_bytes(self.path, json.dumps(self.known | self.seen, separators=(",", ":")).encode(), mode=0o600)


def sweep(place: Place | Unreached, wanted: Wanted, memory: Memory | None = None) -> Swept:
    """Look through a place; with `memory`, files that look as they did are not read again."""
    if isinstance(place, Unreached):
        return Swept(place.name, why=place.why)
    made = Swept(place.name)
    try:
        for candidate, found in _digests(place, _eligible(place, wanted, made), memory):
            if found in wanted.digests:
                made.copies.append(_copy(place, candidate, found, wanted.digests[found]))
    except (CustodyError, OSError) as error:
        made.why = telling.told(error)
    return made


def sweep_all(places: Iterable[Place | Unreached], wanted: Wanted, memory: Memory | None = None) -> list[Swept]:
    """Look through every place, and remember what was seen."""
    made = [sweep(place, wanted, memory) for place in places]
    if memory is not None:
        memory.save()
    return made


def copies(made: Iterable[Swept]) -> Iterator[Copy]:
    """Yield the copies of all places."""
    for swept in made:
        yield from swept.copies


def _eligible(place: Place, wanted: Wanted, made: Swept) -> Iterator[Candidate]:
    """Yield the files that can be copies, and count all of them."""
    for candidate in place.files():
        made.files += 1
        if wanted.may_be(candidate.size):
            made.bytes += candidate.size
            yield candidate


def _digests(place: Place, candidates: Iterable[Candidate], memory: Memory | None) -> Iterator[tuple[Candidate, str]]:
    """Yield each file with its digest, in order, while the next ones are being read."""
    waiting: deque[tuple[Candidate, Callable[[], str]]] = deque()
    with ThreadPoolExecutor(place.readers) as pool:
        for candidate in candidates:
            waiting.append((candidate, _asked(place, candidate, memory, pool)))
            if len(waiting) >= (WINDOW if place.readers > 1 else 1):
                yield _answered(place, *waiting.popleft(), memory)
        while waiting:
            yield _answered(place, *waiting.popleft(), memory)


def _asked(place: Place, candidate: Candidate, memory: Memory | None, pool: ThreadPoolExecutor) -> Callable[[], str]:
    """Return what gives the digest: from memory, or from a thread that reads the file."""
    known = memory.get(*_remembered(place, candidate)) if memory is not None else None
    return (lambda: known) if known is not None else pool.submit(_hashed, place, candidate.name).result


def _answered(
    place: Place, candidate: Candidate, answer: Callable[[], str], memory: Memory | None
) -> tuple[Candidate, str]:
    found = answer()
    if memory is not None:
        memory.put(*_remembered(place, candidate), found)
    return candidate, found


def _remembered(place: Place, candidate: Candidate) -> tuple[str, str]:
    """Return under what a digest is remembered: the file, and what it looked like."""
    return f"{place.name}\n{place.locator(candidate.name)}", f"{candidate.size} {candidate.stamp}"


def _hashed(place: Place, name: str) -> str:
    """Return the SHA-256 of a file; empty if it vanished or may not be read, so that it is no copy of anything here."""
    try:
        with place.open(name) as file:
            return _sum(file)
    except (FileNotFoundError, PermissionError):
        return ""


def _sum(file: BinaryIO) -> str:
    state = sha256()
    buffer = memoryview(bytearray(CHUNK))
    while count := file.readinto(buffer):  # type: ignore[attr-defined]
        state.update(buffer[:count])
    return state.hexdigest()


def _copy(place: Place, candidate: Candidate, found: str, artifact: str) -> Copy:
    locator = place.locator(candidate.name)
    return Copy(place.name, candidate.name, locator, place.media, found, artifact, candidate.size)
