"""How fast images are loaded, learnt from and generated, on one thread, in images a processor second.

The loader is what feeds a training step: picking rows at random out of the images held in memory. The reader is what
fills that memory once: shards of PNG bytes, held against their manifest and decoded. Learning is what the GAN of
`latent_gan` does with a batch in a step; the loader must be at least five times as fast. Made on random images of 28
pixels, whose content costs the same as any other's.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imaging.schedule import GENERATORS, OURS
from synthtrail.data.image import ImageCodec, Images, ImageSet, numbered
from synthtrail.models import registry, threads
from synthtrail.models.synthesizer import Training
from synthtrail.storage.files import write_json

COUNT, SIDE, CLASSES = 5_000, 28, 10
STEPS = (20, 60)


def measure(target: Path) -> int:
    """Measure, print and write the rates."""
    threads.MOST = 1
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, COUNT).astype(str).astype(object)
    images = ImageSet(rng.integers(0, 256, (COUNT, SIDE, SIDE, 1), dtype=np.uint8), labels, numbered(0, COUNT))
    codec = ImageCodec(Images().infer(images))
    trained = {steps: fitted(images, codec, steps) for steps in STEPS}
    step = (trained[STEPS[1]][1] - trained[STEPS[0]][1]) / (STEPS[1] - STEPS[0])
    model = trained[STEPS[1]][0]
    batch = int(model.schedule().batch)
    rates = {
        "loader": loading(images, batch),
        "reader": reading(images),
        "training": batch / step,
        "generation": COUNT / cpu(lambda: [None for _ in model.sample(COUNT, seed=1)]),
    }
    goals = {"loader": 5 * rates["training"], "generation": 2_000.0}
    for name, rate in rates.items():
        goal = f"   goal {goals[name]:,.0f}: {'met' if rate >= goals[name] else 'MISSED'}" if name in goals else ""
        print(f"{name:12} {rate:12,.0f} images a CPU second{goal}")
    write_json(target, {name: round(rate) for name, rate in rates.items()})
    return 0


def fitted(images: ImageSet, codec: ImageCodec, steps: int) -> tuple[Any, float]:
    """Return a model trained for some steps, and the processor seconds that it took."""
    generator = GENERATORS[OURS]
    once = {"code_steps": 1}  # the first of its trainings, which is the cheaper one, is not what is measured
    model = registry.create(generator.model, {**generator.settings, **once, "steps": steps})
    return model, cpu(lambda: model.fit(images, codec, Training(0, progress=False)))


def loading(images: ImageSet, batch: int) -> float:
    """Return how many images a second are picked out of memory in batches and scaled."""
    rows = torch.from_numpy(np.ascontiguousarray(images.pixels.transpose(0, 3, 1, 2)))
    random, turns = torch.Generator().manual_seed(0), 500

    def load() -> None:
        for _ in range(turns):
            at = torch.randint(len(rows), (batch,), generator=random)
            rows[at].float().div_(127.5).sub_(1)

    return turns * batch / cpu(load)


def reading(images: ImageSet) -> float:
    """Return how many images a second are read from shards."""
    with tempfile.TemporaryDirectory() as name:
        Images().write(Path(name), "images", [images])
        return COUNT / cpu(lambda: Images().read(Path(name), "images"))


def cpu(work: Callable[[], object]) -> float:
    """Return the processor seconds that some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start
