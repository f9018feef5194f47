"""Which numbers and which memory layout make the networks of images fast: milliseconds a step, and images a second.

    python benchmarks/precision.py [--quick] [--json FILE]

Each network takes a training step (both networks, both gradients) in single precision and in bfloat16 by autocast,
with channels first and last, on 1 and 2 threads. The rule in `synthtrail.models.precision` was set by these figures.
CPU seconds of the process are counted on one thread, so that other work on the machine matters less; on more threads
they say nothing, so there it is time on the clock, and the load is printed. Then: images a second that a model of
28x28 makes, sampling, decoding to bytes and all (goal 2,000).
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from figures import Figure, main
from synthtrail.data.image import Images, ImageSet
from synthtrail.models import image_layers, image_objective, precision, projection_gan, registry
from synthtrail.models.objective import Objective, Schedule, generator_for
from synthtrail.models.threads import threads

REPEATS = 4
GOAL = 2000.0  # images a second
SAMPLED = 4000  # images


def measure(quick: bool) -> list[Figure]:
    """Return the figures of every case."""
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    found = []
    for side, channels in [(28, 1)] if quick else [(28, 1), (64, 3)]:
        for number in (1,) if quick else (1, 2):
            for title, value in variants(side, channels, number):
                name = f"projection_gan {side}x{side}x{channels}, {number} threads, {title}"
                found.append(Figure(name, 1000 * value, "ms", note=load))
    for number in (1,) if quick else (1, 2):
        for name in ("projection_gan", "image_vae", "plain_dcgan"):
            title = f"{name} 28x28, sampling, {number} threads"
            found.append(Figure(title, sampled(name, number), "images/s", GOAL, at_least=True, note=load))
    return found


def variants(side: int, channels: int, number: int) -> Iterator[tuple[str, float]]:
    """Yield the seconds of a step in each kind of numbers and each layout."""
    for layout in ("channels first", "channels last"):
        for halved in (False, True):
            with laid_out(layout == "channels last"), numbers(halved=halved):
                objective, schedule = prepared(side, channels)
                yield f"{'bfloat16' if halved else 'single'}, {layout}", step_seconds(objective, schedule, number)


@contextmanager
def laid_out(last: bool) -> Iterator[None]:
    """Leave tensors with channels last, or put channels first wherever the code says last."""
    places: list[tuple[Any, str]] = [
        (torch, "channels_last"),
        (projection_gan, "last"),
        (image_objective, "last"),
        (projection_gan, "unfolded"),
    ]
    before = [getattr(*place) for place in places]
    first = (torch.contiguous_format, torch.Tensor.contiguous, torch.Tensor.contiguous, folded_first)
    try:
        for place, value in zip(places, before if last else first, strict=True):
            setattr(*place, value)
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            setattr(*place, value)


def folded_first(features: torch.Tensor, start: tuple[int, int]) -> torch.Tensor:
    """Return pictures (B, F, h, w) with channels first in memory."""
    return image_layers.unfolded(features, start).contiguous()


@contextmanager
def numbers(*, halved: bool) -> Iterator[None]:
    """Compute in bfloat16 or not, whatever the rule says."""
    before = precision.halved
    vars(precision)["halved"] = lambda device: halved
    try:
        yield
    finally:
        vars(precision)["halved"] = before


def prepared(side: int, channels: int) -> tuple[Objective, Schedule]:
    """Return an untrained model's objective and schedule."""
    model: Any = registry.create("projection_gan", {"augment": 1.0})
    data = noise(side, channels)
    model.codec = Images().fit_codec(data, Images().infer(data))
    rows = model.learn_facts(data)
    return model.fresh(*rows, 0, model.schedule()), model.schedule()


def noise(side: int, channels: int, count: int = 500) -> ImageSet:
    """Return noise of ten classes."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, channels)).astype(np.uint8)
    return ImageSet(pixels, np.array([str(n % 10) for n in range(count)], object), tuple(map(str, range(count))))


def step_seconds(objective: Objective, schedule: Schedule, number: int) -> float:
    """Return the least seconds of a critic's and a generator's loss with their gradients."""
    clock: Callable[[], float] = time.process_time if number == 1 else time.perf_counter
    times: list[float] = []
    with threads(number):
        for turn in range(REPEATS):
            start = clock()
            random = generator_for(0, turn)
            objective.critic_loss(schedule.batch, random).loss.backward()  # type: ignore[no-untyped-call]
            objective.generator_loss(schedule.batch, random).backward()  # type: ignore[no-untyped-call]
            times.append(clock() - start)
    return min(times)


def sampled(name: str, number: int) -> float:
    """Return how many images of 28x28 a fresh model makes in a second, labels, rounding to bytes and all."""
    model: Any = registry.create(name, {})
    data = noise(28, 1)
    model.codec, model.prior = Images().fit_codec(data, Images().infer(data)), np.full(10, 0.1)
    model.facts = {"width": 16 if name == "image_vae" else 24}  # the defaults for 28x28
    built = model.build().eval()
    model.network = model.generator = built
    clock: Callable[[], float] = time.process_time if number == 1 else time.perf_counter
    best = 0.0
    for _ in range(3):
        start = clock()
        with torch.no_grad(), threads(number):
            for first in range(0, SAMPLED, model.batch):
                classes = torch.arange(model.batch) % 10
                model.draw(classes, generator_for(0, first), first)
        best = max(best, SAMPLED / (clock() - start))
    return best


if __name__ == "__main__":
    torch.manual_seed(0)
    raise SystemExit(main("numbers and memory of images", measure))
