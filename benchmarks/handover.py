"""What handover costs: encrypting and storing, sweeping, each against its own limit in the same run.

The limit of storing is the encryption library alone: `pyrage.encrypt_file`, its fastest call, from the same file to the
same file system. It flushes nothing to the disk; storing flushes every object, so it is also compared with the library
and an `fsync`. That of sweeping is hashing the same bytes from memory. Files lie in the system's temporary folder and
their content in the page cache.

Each round takes every side once, one after the other; the best of each counts. On a machine that is not idle the share
of the processors' time says more than the clock's: all of ours is counted, the encrypting process included.
"""

import hashlib
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyrage

from figures import Figure, main
from synthtrail.custody import acts, digest
from synthtrail.custody.record import Item
from synthtrail.data.image import Images, ImageSet
from synthtrail.handover import acting, storing
from synthtrail.handover.places import FolderPlace
from synthtrail.handover.sweep import Memory, Wanted, sweep
from synthtrail.storage.custodian import Custodian, start

MIB = 1 << 20


def measure(quick: bool) -> list[Figure]:
    """Return every figure."""
    with tempfile.TemporaryDirectory(prefix="synthtrail-bench-") as name:
        base = Path(name)
        for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            os.environ[variable] = str(base / variable.lower())
        (base / "checkout").mkdir()
        custodian = start(base / "checkout")
        rounds = 3 if quick else 5
        return [
            *storing_large(custodian, base, (256 if quick else 1024) * MIB, rounds),
            *storing_images(custodian, base),
            *sweeping(base, 64, (256 if quick else 1024) * MIB // 64, rounds),
        ]


def storing_large(custodian: Custodian, base: Path, size: int, rounds: int) -> list[Figure]:
    """Encrypt and store one large file, against the library alone; rounds alternate, the best of each counts."""
    folder = custodian.root / "data/large/raw"
    write_noise(folder / "table.parquet", size)
    item = logged(custodian, "large", folder)
    recipient = pyrage.x25519.Identity.generate().to_public()
    source, target = folder / "table.parquet", base / "alone.age"
    sides: dict[str, Callable[[Path], object]] = {
        "alone": lambda _: pyrage.encrypt_file(str(source), str(target), [recipient]),
        "flushed": lambda _: flushed(source, target, recipient),
        "streamed": lambda _: stream(source, target, recipient),
        "stored": lambda url: store(custodian, item, folder, str(url)),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, work in sides.items():
            found[name].append(cost(partial(work, base / f"store-{number}")))
            target.unlink(missing_ok=True)  # every side makes a new file
    alone, fsynced, streaming, ours = (tuple(map(min, zip(*every, strict=True))) for every in found.values())
    told = "hashed, encrypted, written, read back, hashed again; all processes"
    share = "store one large file, share of the library's rate"
    return [
        Figure(
            share, fsynced[0] / ours[0], "", 0.8, at_least=True, note="both files flushed to the disk, as a store must"
        ),
        Figure("  the same, the library's file not flushed", alone[0] / ours[0], "", note="ours is; no goal"),
        Figure("  the library's own stream API, the same share", alone[0] / streaming[0], ""),
        Figure("  in time of processors: the library's over ours", alone[1] / ours[1], "", note=told),
        Figure("  the library alone", size / MIB / alone[0], "MiB/s"),
        Figure("store one large file", size / MIB / ours[0], "MiB/s", note=f"{cores():.2f} cores were to be had"),
    ]


def flushed(source: Path, target: Path, recipient: pyrage.x25519.Recipient) -> None:
    """Encrypt with the library's fastest call, and flush the file to its disk."""
    pyrage.encrypt_file(str(source), str(target), [recipient])
    with target.open("rb") as file:
        os.fsync(file.fileno())


def stream(source: Path, target: Path, recipient: pyrage.x25519.Recipient) -> None:
    """Encrypt with the library's stream API, without a hash."""
    with source.open("rb", buffering=0) as plain, target.open("wb", buffering=0) as out:
        pyrage.encrypt_io(plain, out, [recipient])


def cores() -> float:
    """Return how many processors two threads that only hash are given here, now: 2 on a machine that is free."""
    block = os.urandom(64 * MIB)
    with ThreadPoolExecutor(2) as pool:
        one = timed(lambda: hashlib.sha256(block))
        return 2 * one / timed(lambda: list(pool.map(hashlib.sha256, [block, block])))


def storing_images(custodian: Custodian, base: Path) -> list[Figure]:
    """Write 20,000 small images as shards, then store the shards; against the writing alone."""
    folder = custodian.root / "data/images/synthetic"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    batches = [pictures(rng, first) for first in range(0, 20_000, 1_000)]
    written = timed(lambda: Images().write(folder, "images", batches))
    item = logged(custodian, "images", folder)
    stored = timed(lambda: store(custodian, item, folder, str(base / "images")))
    plain = timed(lambda: written_plainly(folder, base / "plain"))
    return [
        Figure("20,000 images as shards: write and store, against writing", (written + stored) / written, "×", 2.0),
        Figure("20,000 images: store the shards", stored, "s", note=f"copying them and flushing took {plain:.3f} s"),
    ]


def sweeping(base: Path, count: int, size: int, rounds: int) -> list[Figure]:
    """Sweep a folder, everything hashed; against hashing the same bytes from memory; then again, incrementally."""
    folder = base / "swept"
    for number in range(count):
        write_noise(folder / f"{number % 8}/{number:04d}.bin", size)
    place, wanted = FolderPlace("bench", folder), Wanted({"00" * 32: "00" * 32})
    block = os.urandom(size)
    limit = min(timed(lambda: [hashlib.sha256(block) for _ in range(count)]) for _ in range(rounds))
    whole = min(timed(lambda: sweep(place, wanted)) for _ in range(rounds))
    memory = Memory(base / "memory.json")
    sweep(place, wanted, memory)
    memory.save()
    again = timed(lambda: sweep(place, wanted, Memory(base / "memory.json")))
    return [
        Figure("sweep, share of the speed of hashing", limit / whole, "", 0.8, at_least=True),
        Figure("sweep", count * size / MIB / whole, "MiB/s"),
        Figure("second sweep, share of the first's time", again / whole, "", 0.05, note="nothing had changed"),
    ]


def logged(custodian: Custodian, experiment: str, folder: Path) -> Item:
    """Log the folder as what an ingest read."""
    found = digest.folder(folder)
    path = folder.relative_to(custodian.root).as_posix()
    named = {"kind": "folder", "path": path, "sha256": found.sha256, "size": found.size, "files": found.files}
    record = {
        **{"v": 1, "experiment": experiment, "stage": "ingest", "event": "acquired", "subjects": [named], "views": []},
        **{
            "inputs": [],
            "params": [],
            "seed": 0,
            "code": {"sha256": "0" * 64, "files": 1},
            "tools": [],
            "class": "public",
        },
        **{"privacy": [], "facts": [], "source": [{"name": "licence", "value": "CC0-1.0"}]},
    }
    now = datetime.now(UTC)
    with custodian.ledger.transaction(now) as tx:
        tx.append([acts.made(tx.state, record, custodian.operator, at=now)])  # type: ignore[arg-type]
    custodian.ledger.keep_manifest(digest.manifest(folder))
    return Item(path, bytes.fromhex(found.sha256), found.size, found.files)


def store(custodian: Custodian, item: Item, folder: Path, url: str) -> None:
    """Store an artifact, as the command does."""
    storing.store(custodian, acting.find(custodian, "operator"), item, folder, url)


def written_plainly(folder: Path, target: Path) -> None:
    """Write the same files unencrypted, flushed to the disk."""
    target.mkdir()
    for path in folder.iterdir():
        with (target / path.name).open("wb") as file:
            file.write(path.read_bytes())
            file.flush()
            os.fsync(file.fileno())


def pictures(rng: np.random.Generator, first: int) -> ImageSet:
    """Return a thousand grey images of 28 × 28."""
    pixels = rng.integers(0, 256, (1_000, 28, 28, 1), dtype=np.uint8)
    names = tuple(f"{number:08d}.png" for number in range(first, first + 1_000))
    return ImageSet(pixels, np.array(["0"] * 1_000, dtype=object), names)


def write_noise(path: Path, size: int) -> None:
    """Write a file that nothing compresses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(block[: min(MIB, size - start)])


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds on the clock and seconds of processors that `work` takes, all threads and processes together."""
    clock, used = time.perf_counter(), spent()
    work()
    return time.perf_counter() - clock, spent() - used


def spent() -> float:
    """Return the seconds of processors that this process and those that it has waited for have had."""
    every = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(found.ru_utime + found.ru_stime for found in every)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main("Handover: stores and sweeps", measure))
