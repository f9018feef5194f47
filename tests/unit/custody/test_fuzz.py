"""Whatever bytes stand in a ledger's files, verification ends with a report, and a changed byte is never overlooked."""

import random
from pathlib import Path

import pytest
from tests.unit.custody.forgery import audit, bundle_path, checkpoint_path, tile_path
from tests.unit.custody.ledger_factory import World

from synthtrail.custody.errors import CustodyError


def spoiled(data: bytes, chance: random.Random) -> bytes:
    """One random fault: a byte, a stretch, an end, an insertion, noise."""
    at, to = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
    return chance.choice(
        [
            data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :],
            data[:at] + data[to + 1 :],
            data[:at],
            data[:at] + chance.randbytes(3) + data[at:],
            data + chance.randbytes(5),
            data[to:] + data[:to] if to > 0 else data[1:],
            chance.randbytes(to + 1),
        ]
    )


def replace(path: Path, data: bytes) -> None:
    """Write anew: cutting a file to nothing first would make the file system flush it."""
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize("which", [bundle_path, tile_path], ids=["entries", "hashes"])
def test_every_spoiled_tile_is_found(world: World, which: object) -> None:
    path: Path = which(world)  # type: ignore[operator]
    good = path.read_bytes()
    chance = random.Random(1)  # noqa: S311
    for _ in range(60):
        bad = spoiled(good, chance)
        replace(path, bad)
        report = audit(world)
        assert (report.level is None) == (bad != good)
        assert report.text()
        assert report.as_json()["ok"] is (bad == good)


def test_a_spoiled_checkpoint_raises_nothing(world: World) -> None:
    """A byte of a cosignature that nobody asked for may change; the head itself may not."""
    path = checkpoint_path(world)
    good = path.read_bytes()
    head = good.index(b"\n\n")
    chance = random.Random(2)  # noqa: S311
    for _ in range(60):
        bad = spoiled(good, chance)
        replace(path, bad)
        report = audit(world)
        assert report.level is None or bad[:head] == good[:head]


def test_a_spoiled_checkpoint_as_evidence_raises_nothing(world: World) -> None:
    good = world.ledger.checkpoint
    chance = random.Random(3)  # noqa: S311
    for _ in range(60):
        report = audit(world, since=spoiled(good, chance))
        assert report.level in {None, "B"}


def test_opening_a_spoiled_ledger_raises_only_our_errors(world: World) -> None:
    """Appending is refused with an error of this package, whatever was done to the files."""
    chance = random.Random(4)  # noqa: S311
    for which in (bundle_path, tile_path):
        path = which(world)
        good = path.read_bytes()
        for _ in range(20):
            bad = spoiled(good, chance)
            replace(path, bad)
            if bad != good:
                with pytest.raises(CustodyError):
                    world.reopen()
        replace(path, good)
        world.reopen()
