"""Several GPUs, or several processes where there is no GPU, that share each step's rows.

Process 0 is the one that called `fit`; it starts the others (`python -m synthtrail.models.worker`) and sends them what
to train over a pipe, so nothing of the data touches a disk. All build the same fresh networks from the seed, draw
their own rows, and average their gradients (Lightning's DDP); so all end with the same weights, which is checked. Only
process 0 reports, shows and saves.

    with team(2, request) as others:       # request: bytes, see `worker`
        trained = train(objective, schedule, training, sample, others.place)
        others.agree(trained.weights)

If a process dies, the others' exchange fails at once and process 0 says so; if process 0 dies, the pipes close and the
others end. The exchange never leaves this machine.
"""

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

import torch
from torch import Tensor

from synthtrail.models.errors import TrainingError

GRACE = 10.0  # seconds for the others to end once process 0 is done
READY = "ready"  # what a process says that is about to join
STRIDE = 2**42  # between the streams of two processes
ATTEMPT = 2**32  # between those of two attempts


@dataclass(frozen=True)
class Place:
    """Which of `world` processes this is, and the port at which they meet."""

    rank: int = 0
    world: int = 1
    port: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that reports, shows and saves."""
        return self.rank == 0

    def number(self, step: int, attempt: int) -> int:
        """Return the number of the random stream of a step."""
        return step + attempt * ATTEMPT + self.rank * STRIDE


ALONE = Place()


def count(asked: int | str) -> int:
    """Return how many devices `devices:` means on this machine; `TrainingError` if there are fewer.

    `auto` is every GPU, and one process where there is none. Without a GPU, processes take their place.
    """
    gpus = torch.cuda.device_count()
    if asked == "auto":
        return max(1, gpus)
    number, there = int(asked), gpus or os.cpu_count() or 1
    if number > there:
        kind = "GPUs" if gpus else "CPU cores"
        raise TrainingError(f"devices: {number} asked for, but this machine has {there} {kind}; write auto or fewer")
    return number


class Team:
    """The other processes, as seen from process 0."""

    def __init__(self, place: Place, request: bytes) -> None:
        self.place = place
        self._others = [_start(Place(rank, place.world, place.port), request) for rank in range(1, place.world)]

    def meet(self) -> None:
        """Wait until every process is about to join; `TrainingError` if one is not."""
        for rank, other in enumerate(self._others, 1):
            if _line(other) != READY:
                raise TrainingError(f"process {rank} of {self.place.world} did not start; what it printed says why")

    def agree(self, weights: Mapping[str, Tensor]) -> None:
        """Raise `TrainingError` unless every process ended with these weights."""
        mine = digest(weights)
        strays = [rank for rank, other in enumerate(self._others, 1) if _line(other) != mine]
        if strays:
            raise TrainingError(f"processes {strays} did not end with the weights of process 0: nothing was kept")

    def fate(self) -> str:
        """Return which process has died, for an exchange that failed."""
        time.sleep(0.5)  # the exchange may fail before the system says that a process is gone
        dead = [f"process {rank} ended with code {p.returncode}" for rank, p in enumerate(self._others, 1) if p.poll()]
        return ", ".join(dead) or "the exchange between processes failed"

    def end(self) -> None:
        """End the others, who should have ended by themselves."""
        for other in self._others:
            _stop(other)


@contextmanager
def team(world: int, request: bytes) -> Iterator[Team]:
    """Start the other processes; end them, whatever happens. With a world of 1 there are none."""
    if world == 1:
        yield Team(ALONE, b"")
        return
    with surroundings():
        others = Team(Place(0, world, free_port()), request)
        try:
            others.meet()
            yield others
        except RuntimeError as error:
            raise TrainingError(f"{others.fate()}: training stopped ({str(error).splitlines()[0]})") from error
        finally:
            others.end()


def _start(place: Place, request: bytes) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "synthtrail.models.worker", *map(str, (place.rank, place.world, place.port))]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ourselves
    with suppress(BrokenPipeError):  # it is dead already, which is found when it should say that it is ready
        _stream(other.stdin).write(len(request).to_bytes(8) + request)
        _stream(other.stdin).flush()
    return other


def _line(other: "subprocess.Popen[bytes]") -> str:
    return _stream(other.stdout).readline().decode().strip()


def _stop(other: "subprocess.Popen[bytes]") -> None:
    with suppress(BrokenPipeError):  # what it did not take any more
        _stream(other.stdin).close()  # which it takes as a sign to end
    try:
        other.wait(GRACE)
    except subprocess.TimeoutExpired:
        other.kill()
        other.wait()
    _stream(other.stdout).close()


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - every process here is started with pipes
    return pipe


@contextmanager
def surroundings() -> Iterator[None]:
    """Keep the exchange on this machine; leave the process group, and the environment as it was, afterwards."""
    before, hook = dict(os.environ), sys.excepthook
    loop = "lo0" if sys.platform == "darwin" else "lo"
    os.environ.setdefault("GLOO_SOCKET_IFNAME", loop)
    try:
        yield
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        os.environ.clear()
        os.environ.update(before)
        sys.excepthook = hook  # torch puts the process's number before each line of a traceback


@contextmanager
def deterministic() -> Iterator[None]:
    """Make a GPU compute the same every time inside the block; a CPU does so anyway."""
    if not torch.cuda.is_available():
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def digest(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of named tensors."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode() + weights[name].detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
