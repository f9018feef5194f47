"""How many threads torch may use: the right number depends on how much work a step is, and was found by measurement.

Work is counted in the floating-point operations of generating one batch; there is a thread for each `SPLITS` of them.
The number must not depend on how busy the machine is, since it has a part in the bytes, and threads that wait for one
another pay dearly on a busy one: milliseconds per step on 2 cores (`python benchmarks/threads.py`),

                                              idle             at a load of 5
    model                              Mflop   1 thread   2 threads   1 thread   2 threads
    cgan, 5 columns                        5        2.6         2.6          3         612
    wgan_gp, 31 columns                   22        9.6         7.9         17         624
    mlp_gan, 28 x 28, width 256          188         38          25        159         362
    dcgan, 28 x 28                       408        146          94        560        3345
    wgan_gp, batch 512, width 512       1458        189         106        619        2796
    dcgan, 28 x 28, width 64            6257       1091         564       2869        6938

so a second thread is given only where it nearly halves an idle machine's time, and a busy one still gets along.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from synthtrail.models.objective import Objective, Schedule, generator_for

SPLITS = 1_000_000_000
MOST = 8


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch use this many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(objective: Objective, schedule: Schedule, world: int = 1) -> int:
    """Return how many threads each of `world` processes should use to train this."""
    mine = max(1, (os.cpu_count() or 1) // world)
    return min(mine, MOST, max(1, work(objective, schedule) // SPLITS + 1))


def work(objective: Objective, schedule: Schedule) -> int:
    """Return the floating-point operations of generating one batch, as torch counts them."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - sampling needs none

    with threads(1), torch.no_grad(), FlopCounterMode(display=False) as counter:
        objective.made(objective.fitting(schedule.batch), generator_for(0, 0))
    return int(counter.get_total_flops())
