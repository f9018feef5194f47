"""Encryption in a process of its own: the same result, and nobody left behind when one of the two dies."""

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthtrail.handover import apart, sealing
from synthtrail.handover.objects import StoreError
from synthtrail.handover.ring import SLOT, SLOTS, BrokenRingError, Ring
from synthtrail.handover.sealing import Ciphertext, Identity, SealError
from tests.imports import ROOT

pytestmark = pytest.mark.skipif(not apart.possible(), reason="there is no second process here")
LARGE = apart.WORTH


def blocks(size: int) -> Iterator[bytes]:
    """Blocks that fit no slot."""
    for start in range(0, size, 100_003):
        yield bytes([start % 251]) * min(100_003, size - start)


def open_files() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("size", [0, 1, SLOT, 3 * SLOT * SLOTS + 5])
def test_what_another_process_encrypted_opens(size: int) -> None:
    """Of any size, and what is returned is what was written, by either digest."""
    identity, before = Identity.generate("1"), open_files()
    for hashing in (hashlib.sha256, sealing.blake3):
        out, opened = io.BytesIO(), io.BytesIO()
        made = sealing.seal(blocks(size), out, [identity.recipient], size=LARGE, hashing=hashing)
        state = hashing()
        state.update(out.getvalue())
        assert made == Ciphertext(state.hexdigest(), len(out.getvalue()))
        sealing.unseal(io.BytesIO(out.getvalue()), opened, identity)
        assert opened.getvalue() == b"".join(blocks(size))
    assert open_files() == before


def test_short_streams_are_encrypted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process costs more than it saves."""
    monkeypatch.setattr("synthtrail.handover.apart.encrypt", None)
    recipients = [Identity.generate("1").recipient]
    assert sealing.seal([b"x"], io.BytesIO(), recipients, size=LARGE - 1).size > 1
    with pytest.raises(TypeError):
        sealing.seal([b"x"], io.BytesIO(), recipients, size=LARGE)


def test_what_goes_wrong_is_what_is_raised() -> None:
    """While reading, while writing, and for a recipient that is none; no descriptor stays open, no process runs on."""
    identity, before = Identity.generate("1"), open_files()

    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def broken() -> Iterator[bytes]:
        yield from blocks(SLOT * SLOTS * 2)
        raise RuntimeError("the disk burns")

    with pytest.raises(RuntimeError, match="burns"):
        sealing.seal(broken(), io.BytesIO(), [identity.recipient], size=LARGE)
    with pytest.raises(OSError, match="No space"):
        sealing.seal(blocks(SLOT * SLOTS * 4), Full(), [identity.recipient], size=LARGE)
    with pytest.raises(SealError, match="not an age recipient"):
        sealing.seal(blocks(1), io.BytesIO(), ["age1nonsense"], size=LARGE)
    assert open_files() == before


def test_an_encrypting_process_that_dies_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed from outside, or failing by itself: what it made is not taken for the whole."""
    identity, before = Identity.generate("1"), open_files()
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def watched(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))  # type: ignore[call-overload]
        return started[-1]

    def killing() -> Iterator[bytes]:
        yield from blocks(SLOT * SLOTS)
        started[-1].kill()
        yield from blocks(SLOT * SLOTS * 4)

    monkeypatch.setattr("synthtrail.handover.apart.subprocess.Popen", watched)
    with pytest.raises(StoreError, match=r"ended early \(exit status -9\); nothing was lost: run the same command"):
        sealing.seal(killing(), io.BytesIO(), [identity.recipient], size=LARGE)
    monkeypatch.setattr("synthtrail.handover.apart._BOOT", "raise SystemExit('no memory')")
    with pytest.raises(StoreError, match=r"ended early \(no memory\)"):
        sealing.seal(blocks(SLOT * SLOTS * 4), io.BytesIO(), [identity.recipient], size=LARGE)
    assert open_files() == before


ORPHANED = """
import os, subprocess, sys
from synthtrail.handover import apart, readback, sealing
popen = subprocess.Popen
def told(*arguments, **options):
    child = popen(*arguments, **options)
    print(child.pid, flush=True)
    return child
apart.subprocess.Popen = told
def plain():
    for number in range(40):
        yield bytes(1 << 18)
    print("enough", flush=True)
    sys.stdin.read()
recipient = sealing.Identity.generate("1").recipient
with readback.written(__import__("pathlib").Path(sys.argv[1])) as out:
    sealing.seal(plain(), out, [recipient], size=apart.WORTH)
"""


def test_kill_9_of_the_storing_process_ends_the_encrypting_one(tmp_path: Path) -> None:
    """It finishes nothing: what was written is no whole age file, and the process is gone."""
    path = tmp_path / "00000.age.part"
    command = [sys.executable, "-c", ORPHANED, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as storing:
        assert storing.stdout is not None
        encrypting = int(storing.stdout.readline())
        assert storing.stdout.readline() == "enough\n"
        assert Path(f"/proc/{encrypting}").exists()
        os.kill(storing.pid, signal.SIGKILL)
    for _ in range(200):
        if not Path(f"/proc/{encrypting}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{encrypting}").exists()
    assert 0 < path.stat().st_size < 40 << 18


def test_a_ring_that_ends_without_saying_so_is_broken() -> None:
    """The writer died: what it sent is given, and then it is an error, not an end."""
    ring = Ring.new()
    ring.write(b"half")
    ring.flush()
    os.close(ring.sizes[1])
    ring.sizes = (ring.sizes[0], -1)
    found = ring.blocks()
    assert bytes(next(found)) == b"half"
    with pytest.raises(BrokenRingError):
        next(found)
    ring.close()


def test_a_ring_whose_reader_is_gone_is_broken() -> None:
    """A writer does not wait for ever for a slot that nobody gives back."""
    ring = Ring.new()
    os.close(ring.free[1])
    ring.free = (ring.free[0], -1)
    ring.write(bytes(SLOT * SLOTS))
    with pytest.raises(BrokenRingError):
        ring.write(b"x")
    os.close(ring.sizes[0])
    ring.sizes = (-1, ring.sizes[1])
    with pytest.raises(BrokenRingError):
        ring.end()
    ring.close()
