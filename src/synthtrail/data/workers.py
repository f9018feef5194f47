"""Pictures decoded and encoded by several processes, in order.

Processes are started afresh (spawn), so that nothing of the parent's threads is inherited; each takes a chunk at a time
and gives back PNG bytes, whatever the number of processes: the same source gives the same bytes. This module imports
little, since every process does so anew.
"""

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np
from PIL import Image

from synthtrail.data.archives import Member
from synthtrail.data.decoding import Pixels, encode_png, pixels, resized
from synthtrail.data.errors import SourceError
from synthtrail.data.imagehow import ImageHow

Done = list[bytes | str]  # a PNG each, or why there is none
Items = Sequence[Member] | Pixels


def in_parallel(chunks: Iterator[Items], how: ImageHow, processes: int) -> Iterator[Done]:
    """Yield what `made` makes of each chunk, in order; no more than three a process are under way."""
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=ignore_interrupts)
    waiting: deque[Future[Done]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(made, chunk, how))
            if len(waiting) >= 3 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise SourceError(
            "a process that decodes pictures was killed, perhaps for want of memory; run it again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def ignore_interrupts() -> None:
    """Leave ctrl-C to the process that waits for this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def made(items: Items, how: ImageHow) -> Done:
    """Return the PNG of each picture of asked size and colour, or why there is none."""
    return [_one(item, how) for item in items]


def _one(item: Member | Pixels, how: ImageHow) -> bytes | str:
    try:
        if isinstance(item, Member):
            return encode_png(pixels(item.read(), how))
        return encode_png(_array(item, how))
    except SourceError as error:
        return str(error)


def _array(values: Pixels, how: ImageHow) -> Pixels:
    """Return one image (H, W, C) as asked; unchanged where it is so already."""
    if values.shape == (how.size, how.size, how.channels):
        return values
    return resized(Image.fromarray(np.ascontiguousarray(values[:, :, 0] if values.shape[2] == 1 else values)), how)
