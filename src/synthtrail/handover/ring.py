"""Blocks from one process to another through memory that both see: the kernel copies nothing, nobody waits busily.

A ring has some slots of equal size. Who writes fills them one after the other and sends the size of each through a
pipe; who reads gives each slot back through a second pipe. A size of 0 is the end: a pipe that closes without it means
that the writer died, so what came is never taken for the whole.

    >>> ring = Ring.new()
    >>> ring.write(b"a few bytes")
    11
    >>> ring.end()
    >>> [bytes(block) for block in ring.blocks()]
    [b'a few bytes']
    >>> ring.close()
"""

import mmap
import os
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

SLOT = 4 * 65_552  # four chunks of age, sealed
SLOTS = 8


class BrokenRingError(Exception):
    """The process at the other end is gone."""


@dataclass
class Ring:
    """One direction. Each process uses either `write` and `end`, or `blocks`."""

    descriptor: int
    sizes: tuple[int, int]
    free: tuple[int, int]
    memory: mmap.mmap = field(init=False)
    sent: int = 0
    filled: int = 0
    taken: int = 0

    def __post_init__(self) -> None:
        self.memory = mmap.mmap(self.descriptor, SLOT * SLOTS)

    @classmethod
    def new(cls) -> Self:
        """Return a ring in memory that has no name, and vanishes with the last process that has it open."""
        descriptor = os.memfd_create("ring")
        os.truncate(descriptor, SLOT * SLOTS)
        return cls(descriptor, os.pipe(), os.pipe())

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What another process must inherit to have the ring too; `Ring.inherited` takes them."""
        return (self.descriptor, *self.sizes, *self.free)

    @classmethod
    def inherited(cls, descriptors: Sequence[int], *, writes: bool) -> Self:
        """Return the ring that has these descriptors, for a process that writes to it or reads from it."""
        ring = cls(descriptors[0], (descriptors[1], descriptors[2]), (descriptors[3], descriptors[4]))
        ring.take(writes=writes)
        return ring

    def take(self, *, writes: bool) -> None:
        """Close the ends that are the other process's, so that its death is noticed."""
        mine, theirs = (1, 0) if writes else (0, 1)
        os.close(self.sizes[theirs])
        os.close(self.free[mine])
        self.sizes = (-1, self.sizes[1]) if writes else (self.sizes[0], -1)
        self.free = (self.free[0], -1) if writes else (-1, self.free[1])

    def write(self, data: bytes | memoryview) -> int:
        """Add `data`; wait while every slot is full. Raises `BrokenRingError`."""
        view = memoryview(data)
        while view:
            if not self.filled and self.sent >= SLOTS and not os.read(self.free[0], 1):
                raise BrokenRingError
            start = self.sent % SLOTS * SLOT + self.filled
            count = min(len(view), SLOT - self.filled)
            self.memory[start : start + count] = view[:count]
            self.filled += count
            view = view[count:]
            if self.filled == SLOT:
                self.flush()
        return len(data)

    def flush(self) -> None:
        """Hand over the slot that is being filled."""
        if self.filled:
            self._send(self.filled)
            self.sent, self.filled = self.sent + 1, 0

    def end(self) -> None:
        """Say that this was all."""
        self.flush()
        self._send(0)

    def blocks(self) -> Generator[memoryview, None, None]:
        """Yield what was written, slot by slot; each is valid until the next is asked for. Raises `BrokenRingError`."""
        with memoryview(self.memory) as view:
            while True:
                told = os.read(self.sizes[0], 4)
                if len(told) != 4:  # four bytes go through a pipe as one
                    raise BrokenRingError
                size = int.from_bytes(told, "little")
                if not size:
                    return
                start = self.taken % SLOTS * SLOT
                with view[start : start + size] as block:
                    yield block
                self.taken += 1
                try:
                    os.write(self.free[1], b".")
                except BrokenPipeError:
                    continue  # what was written before its end can still be read

    def close(self) -> None:
        """Close what this process has of it."""
        with suppress(BufferError):  # somebody still looks at a block; the memory goes when they no longer do
            self.memory.close()
        for descriptor in (self.descriptor, *self.sizes, *self.free):
            if descriptor >= 0:
                os.close(descriptor)

    def _send(self, size: int) -> None:
        try:
            os.write(self.sizes[1], size.to_bytes(4, "little"))
        except BrokenPipeError:
            raise BrokenRingError from None
