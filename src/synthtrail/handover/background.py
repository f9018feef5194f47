"""Work for another thread, block by block, in order, with bounded memory.

`Background` takes blocks and has `work` done on each; `ahead` reads an iterator ahead of whoever consumes it. Hashing,
reading and writing release Python's lock, so they go on beside the encryption.

    >>> taken = []
    >>> with Background(taken.append) as lane:
    ...     lane.put(b"one")
    ...     lane.put(b"two")
    >>> taken
    [b'one', b'two']
    >>> with ahead([b"a", b"b"]) as blocks:
    ...     list(blocks)
    [b'a', b'b']
"""

import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

DEPTH = 8  # blocks that may wait
SWITCH = 5e-5  # seconds after which a thread asks for Python's lock, while blocks go from one to another


class Background:
    """A thread that does `work` on each block; leaving the block of code waits for it and raises what it raised."""

    def __init__(self, work: Callable[[bytes], object]) -> None:
        self.work = work
        self.fault: BaseException | None = None
        self.waiting: queue.Queue[bytes | None] = queue.Queue(DEPTH)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.waiting.put(None)
        self.thread.join()
        if kind is None and self.fault is not None:
            raise self.fault

    def put(self, block: bytes) -> None:
        """Hand over a block; raise what went wrong with an earlier one."""
        if self.fault is not None:
            raise self.fault
        self.waiting.put(block)

    def _run(self) -> None:
        while (block := self.waiting.get()) is not None:
            if self.fault is None:
                try:
                    self.work(block)
                except BaseException as error:
                    self.fault = error


@contextmanager
def brisk() -> Iterator[None]:
    """Hand Python's lock over a hundred times sooner than usual: native code that keeps it makes the others wait."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def ahead(blocks: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
    """Yield an iterator over `blocks`, which another thread reads some blocks ahead."""
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(DEPTH)
    stop = threading.Event()

    def read() -> None:
        try:
            for block in blocks:
                waiting.put(block)
                if stop.is_set():
                    return
            waiting.put(None)
        except BaseException as error:
            waiting.put(error)

    def taken() -> Iterator[bytes]:
        while (block := waiting.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stop.set()
        while thread.is_alive():  # it may wait for room
            try:
                waiting.get(timeout=0.01)
            except queue.Empty:
                continue
        thread.join()
