"""How many threads training should use: milliseconds per step with 1, 2, ... threads, beside what the rule chooses.

    python benchmarks/threads.py [--quick] [--json FILE]

The rule (`synthtrail.models.threads`) goes by the floating-point operations of generating one batch. The load of the
machine is printed with the figures: beside other work, more threads look worse than they are.
"""

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from figures import Figure, main
from synthtrail.data.codec import TableCodec
from synthtrail.data.image import Images, ImageSet
from synthtrail.data.schema import infer
from synthtrail.models import registry
from synthtrail.models.objective import Objective, Schedule, generator_for
from synthtrail.models.threads import threads, threads_for, work

SECONDS = 1.0  # of measuring each


def measure(quick: bool) -> list[Figure]:
    """Return the figures of every case."""
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    most = [number for number in (1, 2, 4, 8) if number <= (os.cpu_count() or 1)]
    found = []
    for name, objective, schedule in list(cases())[: 2 if quick else None]:
        flops = work(objective, schedule) / 1e6
        chosen = threads_for(objective, schedule)
        for number in most:
            mark = "the rule's choice; " if number == chosen else ""
            value = 1000 * step_seconds(objective, schedule, number)
            found.append(Figure(f"{name}, {number} threads", value, "ms", note=f"{mark}{flops:.0f} Mflop; {load}"))
    return found


def step_seconds(objective: Objective, schedule: Schedule, number: int) -> float:
    """Return the least seconds of a critic's and a generator's loss with their gradients."""
    times: list[float] = []
    with threads(number):
        until = time.perf_counter() + SECONDS
        while time.perf_counter() < until or len(times) < 3:
            start = time.perf_counter()
            random = generator_for(0, len(times))
            objective.critic_loss(schedule.batch, random).loss.backward()  # type: ignore[no-untyped-call]
            objective.generator_loss(schedule.batch, random).backward()  # type: ignore[no-untyped-call]
            times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 4]


def cases() -> Iterator[tuple[str, Objective, Schedule]]:
    """Yield models from small to large, each with random data of a size that is real."""
    yield prepared("cgan 5 columns", "cgan", {}, table(400, 5))
    yield prepared("wgan_gp 31 columns", "wgan_gp", {}, table(400, 31))
    yield prepared("wgan_gp 31 columns, batch 512, width 512", "wgan_gp", {"batch": 512, "width": 512}, table(2000, 31))
    yield prepared("mlp_gan 8x8", "mlp_gan", {}, images(8))
    yield prepared("mlp_gan 28x28", "mlp_gan", {"width": 256}, images(28))
    yield prepared("dcgan 8x8", "dcgan", {}, images(8))
    yield prepared("dcgan 28x28", "dcgan", {}, images(28))
    yield prepared("dcgan 28x28, width 64", "dcgan", {"width": 64}, images(28))


def prepared(title: str, name: str, settings: dict[str, Any], given: Any) -> tuple[str, Objective, Schedule]:
    """Return an untrained model's objective and schedule."""
    model: Any = registry.create(name, settings)
    data, model.codec = given
    rows, classes = model.learn_facts(data)
    return title, model.fresh(rows, classes, 0, model.schedule()), model.schedule()


def table(rows: int, columns: int) -> tuple[pd.DataFrame, TableCodec]:
    """Return numbers with a class, and their codec."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(rows, columns - 1)), columns=[f"c{at}" for at in range(columns - 1)])
    data["kind"] = rng.choice(["a", "b"], rows)
    return data, TableCodec.fit(data, infer(data, "kind"), bins=20)


def images(side: int) -> tuple[ImageSet, Any]:
    """Return grey noise of ten classes, and its codec."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (500, side, side, 1)).astype(np.uint8)
    data = ImageSet(pixels, np.array([str(n % 10) for n in range(500)], object), tuple(map(str, range(500))))
    return data, Images().fit_codec(data, Images().infer(data))


if __name__ == "__main__":
    torch.manual_seed(0)
    raise SystemExit(main("threads of training", measure))
