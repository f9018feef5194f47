"""Running the appender under `strace`, which makes chosen system calls fail or kills the program before them.

A `Fault` names a system call, the how-manieth one, and what happens there:

    Fault("fsync", 3, "signal=SIGKILL")     the program is dead when it asks for its third fsync
    Fault("write", 2, "error=ENOSPC")       the second write says that the disk is full
    Fault("write", 2, "error=ENOSPC", lasting=True)     … and every later one

Calls are counted from the moment at which the appender opens the ledger.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SYSCALLS = ("openat", "mkdir", "write", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink")
_TIMEOUT = 120


class Stored(NamedTuple):
    """An acknowledged entry: its number, its leaf hash, and the head that covered it."""

    number: int
    leaf: bytes
    size: int
    root: bytes


@dataclass(frozen=True)
class Fault:
    """What goes wrong at the `number`-th call (from 1) of a system call; `lasting`: at all later ones too."""

    syscall: str
    number: int
    what: str
    lasting: bool = False

    @property
    def options(self) -> list[str]:
        """How strace is told."""
        when = f"{self.number}+" if self.lasting else str(self.number)
        return ["-e", f"inject={self.syscall}:{self.what}:when={when}"]

    def __str__(self) -> str:
        return f"{self.what} at {self.syscall} {self.number}{' and after' * self.lasting}"


@dataclass(frozen=True)
class Outcome:
    """What the appender said, and the system calls that it made, as strace wrote them."""

    stored: tuple[Stored, ...]
    failed: tuple[tuple[str, ...], ...]
    status: int
    trace: tuple[str, ...] = field(default=(), repr=False)

    @property
    def counts(self) -> Counter[str]:
        """How often each system call was made."""
        return Counter(
            call for line in self.trace for call in SYSCALLS if line.split(maxsplit=1)[1].startswith(f"{call}(")
        )


def need_strace() -> None:
    """Skip the test where programs cannot be traced."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        pytest.skip("no strace on this machine, so no faults in system calls")
    done = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"tracing is not permitted here: {done.stderr.strip()[:100]}")


def start(folder: Path, name: str, count: int, *options: str) -> "subprocess.Popen[str]":
    """Start an appender that waits for a line."""
    command = [sys.executable, "-m", "tests.faults.appender", str(folder), name, str(count), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: "subprocess.Popen[str]") -> None:
    """Let a waiting appender run."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def end(process: "subprocess.Popen[str]") -> Outcome:
    """Wait for an appender; what it said."""
    said, _ = process.communicate(timeout=_TIMEOUT)
    lines = [line.split() for line in said.splitlines()]
    stored = [
        Stored(int(line[1]), bytes.fromhex(line[2]), int(line[3]), bytes.fromhex(line[4]))
        for line in lines
        if line[0] == "stored"
    ]
    return Outcome(tuple(stored), tuple(tuple(line[1:]) for line in lines if line[0] == "failed"), process.returncode)


def run(folder: Path, name: str, count: int, *options: str) -> Outcome:
    """Run an appender undisturbed."""
    process = start(folder, name, count, *options)
    go(process)
    return end(process)


def run_traced(folder: Path, name: str, count: int, *options: str, fault: Fault | None = None) -> Outcome:
    """Run an appender under strace, with a fault."""
    log = folder / "trace"
    process = start(folder, name, count, *options)
    with _traced(process.pid, log, fault.options if fault else []):
        go(process)
        said = end(process)
    lines = [line for line in log.read_text(errors="replace").splitlines() if "(" in line]
    return Outcome(said.stored, said.failed, said.status, tuple(lines))


@contextmanager
def _traced(pid: int, log: Path, options: Sequence[str]) -> Iterator[None]:
    command = [
        "strace",
        "-f",
        "-y",
        "-o",
        str(log),
        "-e",
        f"trace={','.join(SYSCALLS)},writev",
        *options,
        "-p",
        str(pid),
    ]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    first = tracer.stderr.readline()
    if "attached" not in first:
        tracer.wait(_TIMEOUT)
        tracer.stderr.close()
        pytest.skip(f"a running program cannot be traced here: {first.strip()[:100]}")
    try:
        yield
    finally:
        tracer.communicate(timeout=_TIMEOUT)
