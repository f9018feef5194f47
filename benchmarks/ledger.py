"""How fast the custody ledger is, as ratios in one run against what limits it, and against other tools.

What a machine can do at all is measured beside each figure: bare Ed25519 verifications by `cryptography`, a loop over
`hashlib.sha256`. Ratios of CPU time hold roughly on a busy machine too; times and rates do not, so their goals are not
judged where others keep the cores busy. `--quick` takes smaller ledgers and leaves out the peers, which get an
environment of their own (`peers.py`).
"""

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import ledgers
import peers
from figures import Figure, main
from ledgers import NOW, POLICY
from synthtrail.custody import digest, dsse
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.ledger import Ledger
from synthtrail.custody.verify import verify

EVENT_BYTES = 1300  # what an ordinary event's signature covers
PEER_LINKS = 2000
SMALL_FILES = 20_000
_BLOCK = 1 << 18
_CORES = os.cpu_count() or 1
LOAD = os.getloadavg()[0]
BUSY = LOAD > _CORES / 2
"""Whether the machine had other things to do when this began."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    entries: int
    later: int
    large_bytes: int
    repeats: int


QUICK = Sizes(entries=4_000, later=300, large_bytes=1 << 27, repeats=2)
FULL = Sizes(entries=40_000, later=2_000, large_bytes=1 << 30, repeats=3)


def measure(quick: bool) -> list[Figure]:
    """Return every figure."""
    sizes = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="synthtrail-bench-") as name:
        folder = Path(name)
        ledger = ledgers.create(folder)
        appended = append(ledger, sizes)
        entry, verified = verification(ledger, sizes)
        return [
            *appended,
            *verified,
            *since(ledger, sizes),
            *hashing(folder, sizes, quick=quick),
            *against(entry, quick=quick),
            start_up(sizes),
        ]


def append(ledger: Ledger, sizes: Sizes) -> list[Figure]:
    """Appending in groups; building and signing the events is the actors' work and left out."""
    stages = ledgers.records()
    small = ledgers.grow(ledger, stages, sizes.entries // 2, 64)
    large = ledgers.grow(ledger, stages, sizes.entries // 2, 1000)
    raw = signature_seconds()
    share = raw * large.entries / large.cpu
    return [
        Figure("append, groups of 64", small.rate, "entries/s", when_idle(5000), at_least=True, note=wall()),
        Figure("append, groups of 1000", large.rate, "entries/s", when_idle(5000), at_least=True, note=wall()),
        Figure("append, of the signature limit", share, "per core", note="CPU time, groups of 1000"),
    ]


def verification(ledger: Ledger, sizes: Sizes) -> tuple[float, list[Figure]]:
    """CPU seconds of one entry in a full verification, and the figures about it."""
    one = max((full(ledger, 1) for _ in range(sizes.repeats)), key=lambda run: run.share)
    two = max((full(ledger, 2) for _ in range(sizes.repeats)), key=lambda run: run.share)
    limit = f"per core, by cryptography, {EVENT_BYTES} bytes each"
    return one.cpu, [
        Figure("Ed25519 alone", 1 / one.raw, "signatures/s", note=limit),
        Figure("verify, of the signature limit", one.share, "per core", 0.6, at_least=True, note="CPU time"),
        Figure("… with two processes", two.share, "per core", 0.6, at_least=True, note="CPU time of all"),
        Figure("verify", one.rate, "entries/s", note=wall("one process")),
        Figure("verify, two processes", two.rate, "entries/s", note=wall(f"{_CORES} cores")),
        Figure("speed-up by two", two.rate / one.rate, "times", when_idle(1.5), at_least=True, note=wall()),
    ]


@dataclass(frozen=True)
class Run:
    """A full verification: entries per wall second, CPU seconds of an entry and of a bare signature meanwhile."""

    rate: float
    cpu: float
    raw: float

    @property
    def share(self) -> float:
        """What part of the signature limit was reached, per core."""
        return self.raw / self.cpu


def full(ledger: Ledger, processes: int) -> Run:
    """Verify everything; the limit is measured right before and after."""
    before = signature_seconds(1000)
    start, cpu = time.perf_counter(), peers.cpu()
    report = verify(FolderReader(ledger.folder), POLICY, now=NOW, processes=processes)
    wall_seconds, cpu = time.perf_counter() - start, peers.cpu() - cpu
    if report.level != "A":
        sys.exit(report.text())
    return Run(report.size / wall_seconds, cpu / report.size, (before + signature_seconds(1000)) / 2)


class Counting:
    """Reads a folder and counts its bundles of entries."""

    def __init__(self, folder: Path) -> None:
        self._reader = FolderReader(folder)
        self.bundles = 0

    def read(self, path: str) -> bytes:
        """The bytes at a path."""
        self.bundles += "entries" in path
        return self._reader.read(path)


def since(ledger: Ledger, sizes: Sizes) -> list[Figure]:
    """Verifying from an earlier checkpoint on."""
    known = verify(FolderReader(ledger.folder), POLICY, now=NOW).snapshot()
    kept, size = ledger.checkpoint, ledger.head.size
    ledgers.grow(ledger, ledgers.records(sizes.entries), sizes.later, 1000)
    reader = Counting(ledger.folder)
    start = time.perf_counter()
    report = verify(reader, POLICY, now=NOW, since=kept, known=known)
    seconds = time.perf_counter() - start
    if report.level != "B":
        sys.exit(report.text())
    needed = -(-report.size // 256) - size // 256
    return [
        Figure(
            "bundles read with --since", reader.bundles, "files", needed, note=f"{sizes.later} new of {report.size}"
        ),
        Figure("verify --since", seconds, "s", note="wall, loading the snapshot included"),
    ]


def hashing(folder: Path, sizes: Sizes, *, quick: bool) -> list[Figure]:
    """A large file against hashlib, and many small ones."""
    large = folder / "large"
    block = os.urandom(1 << 20)
    with large.open("wb") as file:
        for _ in range(sizes.large_bytes >> 20):
            file.write(block)
    runs = [(least(1, lambda: digest.file(large)), least(1, lambda: bare_hash(large))) for _ in range(sizes.repeats)]
    ours, bare = (min(seconds) for seconds in zip(*runs, strict=True))
    large.unlink()
    small = small_files(folder / "small")
    many = wall_of(sizes.repeats, lambda: digest.folder(small))
    peer = None if quick else peers.ask("hash", str(small))
    rate = sizes.large_bytes / ours / 2**30
    return [
        Figure("hash a large file", bare / ours, "of hashlib", 0.9, at_least=True, note=f"{rate:.2f} GiB/s, CPU time"),
        Figure("hash 20,000 small files", many, "s", when_idle(0.35), note=wall()),
        Figure("the same by model-signing", peer, "s", note=wall("version 1.1.1")),
    ]


def small_files(folder: Path) -> Path:
    """A folder of many small files, no two alike."""
    for number in range(SMALL_FILES):
        if number % 200 == 0:
            (folder / f"{number // 200:03d}").mkdir(parents=True)
        (folder / f"{number // 200:03d}/{number:05d}.txt").write_bytes(b"%d\n" % number)
    return folder


def bare_hash(path: Path) -> str:
    """SHA-256 of a file with nothing around it."""
    found, buffer = hashlib.sha256(), memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            found.update(buffer[:count])
    return found.hexdigest()


def against(entry: float, *, quick: bool) -> list[Figure]:
    """Verifying one entry against verifying one in-toto link and one git commit, by CPU time."""
    link = None if quick else peers.ask("links", str(PEER_LINKS))
    commit = None if quick else peers.git_commits()

    def ratio(peer: float | None, name: str) -> Figure:
        note = "CPU time" if peer is None else f"CPU time; it verifies {1 / peer:,.0f}/s per core"
        return Figure(f"verify, against {name}", peer and peer / entry, "times as fast", 1, at_least=True, note=note)

    return [ratio(link, "in-toto links"), ratio(commit, "git commits")]


def start_up(sizes: Sizes) -> Figure:
    """The auditor's command line with nothing to do."""
    python = Path(sys.executable)
    bare = cpu_of(sizes.repeats, [str(python), "-c", f"import {Ed25519PublicKey.__module__}"])
    seconds = cpu_of(3 * sizes.repeats, [str(python.parent / "synthtrail"), "verify", "--help"])
    note = f"CPU time; importing cryptography alone {bare * 1000:.0f} ms{', load: not judged' * BUSY}"
    return Figure("synthtrail verify --help", seconds * 1000, "ms", when_idle(100), note=note)


def cpu_of(times: int, command: list[str]) -> float:
    """The least CPU seconds of several runs of a program."""
    return least(
        times, lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True), resource.RUSAGE_CHILDREN
    )


def signature_seconds(count: int = 3000) -> float:
    """CPU seconds of one bare Ed25519 verification by `cryptography`."""
    message = dsse.pae(dsse.IN_TOTO, b"y" * EVENT_BYTES)
    signature = ledgers.OPERATOR.sign(message)
    key = Ed25519PublicKey.from_public_bytes(ledgers.OPERATOR.verifier.public)
    start = time.process_time()
    for _ in range(count):
        key.verify(signature, message)
    return (time.process_time() - start) / count


def when_idle(goal: float) -> float | None:
    """The goal of a time or rate, if this machine can judge it now."""
    return None if BUSY else goal


def wall(what: str = "") -> str:
    """The note of a time or rate."""
    return ", ".join(part for part in ("wall", what, f"load {LOAD:.1f}: not judged" if BUSY else "") if part)


def least(times: int, work: Callable[[], object], who: int = resource.RUSAGE_SELF) -> float:
    """The least CPU seconds of several runs."""

    def once() -> float:
        before = resource.getrusage(who)
        work()
        after = resource.getrusage(who)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(times))


def wall_of(times: int, work: Callable[[], object]) -> float:
    """The least wall seconds of several runs."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(times))


if __name__ == "__main__":
    sys.exit(main("Custody ledger", measure))
