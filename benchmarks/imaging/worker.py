"""One run, in a process of its own: train, sample, judge; each part is kept, so that a kill costs little.

python -m imaging.worker JOB.json       run, budget and folders in; result.json beside it, whole or not at all

model/            the trained generator and its curves; a training that was killed goes on from its checkpoint
cost.json         processor seconds spent on training so far, over all processes that took part
synthetic.npz     the images, drawn through the sieve that `generate` uses
result.json       what came of it
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imaging import judge
from imaging.data import SOURCES, Part, Source, divided, inner, taken
from imaging.schedule import GENERATORS, LIMIT_S, REAL, settings_of
from synthtrail.data.conditions import Wanted
from synthtrail.data.image import ImageCodec, Images, ImageSet
from synthtrail.evaluation import distinct
from synthtrail.evaluation.distinct import Reference
from synthtrail.evaluation.domain import together
from synthtrail.evaluation.pixels import small
from synthtrail.models import registry, threads
from synthtrail.models.synthesizer import Training
from synthtrail.stages.draw import Draw
from synthtrail.stages.originals import DistinctSieve
from synthtrail.storage.files import write_json

IN_ALL = 30_000  # images, where classes are even
PROBED = (20, 60)  # steps of two short trainings, whose difference is the time of a step
FEW_ADDED = 300  # on an inner part 100 and 700 of each class teach less beside 6,400 real lesions (docs/adr/0028)
SPEED = 4_000  # images drawn to measure how fast


@dataclass(frozen=True)
class Job:
    """What a worker is told."""

    table: str
    generator: str
    split: int
    seed: int
    folder: Path
    cache: Path
    budget: float | None = None

    @classmethod
    def read(cls, path: Path) -> "Job":
        """Read a job."""
        value = json.loads(path.read_bytes())
        return cls(**{**value, "folder": Path(value["folder"]), "cache": Path(value["cache"])})


class Meter:
    """Curves that keep, with every report, how much processor time training has taken, earlier processes included."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spent: list[list[float]] = json.loads(path.read_bytes())["spent"] if path.exists() else []
        self.before, self.start = 0.0, time.process_time()
        self.figures: dict[str, list[list[float]]] = {}

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Take the figures of a step; those of earlier processes beyond it were lost with them, their time was not."""
        if not self.figures and self.spent:
            self.before = self.spent[-1][1]
        for name, value in figures.items():
            self.figures.setdefault(name, []).append([step, float(value)])
        self.spent.append([step, self.before + time.process_time() - self.start])
        write_json(self.path, {"spent": self.spent})

    @property
    def seconds(self) -> float:
        """Return the processor seconds so far."""
        return self.spent[-1][1] if self.spent else 0.0


def main(path: str) -> int:
    """Do the job and write its result."""
    job = Job.read(Path(path))
    threads.MOST = 1  # one process, one thread: processor seconds are then comparable
    source = SOURCES[job.table]
    part = divided(job.table, job.split, job.cache)
    if job.generator == REAL:
        result: dict[str, Any] = {**judge.of_real(part, source), "cost": {}}
    else:
        model, cost = trained(job, part)
        made, told = drawn(job, model, part)
        result = {**lines(job, part, made, source), **told, "cost": cost}
    write_json(job.folder / "result.json", result)
    return 0


def lines(job: Job, part: Part, made: ImageSet, source: Source) -> dict[str, Any]:
    """Return the judge's lines: of ours all, of a baseline those that ours is compared by.

    Where real images are few, `FEW_ADDED` generated ones of each class are added to them, not all.
    """
    if job.budget is None and len(part.train) >= judge.MANY:
        return judge.of_synthetic(part, made, source)
    found = {
        "synthetic": judge.taught(made, part, source, None, augmented=False),
        "distances": judge.placed(part, made),
        "distinctness": judge.unlike(part, made),
    }
    if job.budget is None:
        both = together(part.train, first_of_each(made, FEW_ADDED))
        found["real + synthetic"] = judge.taught(both, part, source, None, augmented=False)
        found["hybrid"] = judge.taught(both, part, source, None, augmented=True)
    return found


def first_of_each(made: ImageSet, count: int) -> ImageSet:
    """Return the first images of each class."""
    labels, kept = made.labels.astype(str), np.zeros(len(made), bool)
    for name in np.unique(labels):
        kept[np.flatnonzero(labels == name)[:count]] = True
    return taken(made, kept)


def trained(job: Job, part: Part) -> tuple[Any, dict[str, float]]:
    """Return the trained generator, and what it cost."""
    generator = GENERATORS[job.generator]
    kept = job.folder / "model"
    if (kept / "model.json").exists():
        cost = json.loads((job.folder / "trained.json").read_bytes())
        return registry.load(kept), cost
    steps = {} if job.budget is None else {"steps": affordable(job, part, job.budget)}
    meter = Meter(job.folder / "cost.json")
    model = registry.create(generator.model, {**settings_of(job.table, job.generator), **steps})
    training = Training(job.seed, meter, job.folder / "checkpoints", progress=False)
    model.fit(part.train, codec_of(part), training)
    seconds = round(meter.before + time.process_time() - meter.start, 1)
    cost = {"train": seconds, "steps": float(meter.spent[-1][0]), "over": float(seconds > LIMIT_S)}
    write_json(job.folder / "curves.json", meter.figures)
    write_json(job.folder / "trained.json", cost)
    model.save(kept)
    return model, cost


def affordable(job: Job, part: Part, seconds: float) -> int:
    """Return how many steps take so many processor seconds, by two short trainings; decided once for a run."""
    told = job.folder / "steps.json"
    if not told.exists():
        spent = [timed(job, part, steps) for steps in PROBED]
        each = max((spent[1] - spent[0]) / (PROBED[1] - PROBED[0]), 1e-4)
        write_json(told, {"steps": max(PROBED[1], int(seconds / each)), "each": each})
    return int(json.loads(told.read_bytes())["steps"])


def timed(job: Job, part: Part, steps: int) -> float:
    """Return the processor seconds of a short training."""
    generator = GENERATORS[job.generator]
    model = registry.create(generator.model, {**settings_of(job.table, job.generator), "steps": steps})
    start = time.process_time()
    model.fit(part.train, codec_of(part), Training(job.seed, progress=False))
    return time.process_time() - start


def codec_of(part: Part) -> ImageCodec:
    """Return the codec of the training images."""
    return ImageCodec(Images().infer(part.train))


def drawn(job: Job, model: Any, part: Part) -> tuple[ImageSet, dict[str, Any]]:
    """Return the generated images and what drawing them told, from the folder if they are there."""
    path = job.folder / "synthetic.npz"
    if not path.exists():
        made, told = draw(job, model, part)
        stage = path.with_suffix(".part.npz")
        np.savez(stage, pixels=made.pixels, labels=made.labels.astype(str), told=json.dumps(told))
        stage.replace(path)
    with np.load(path, allow_pickle=False) as arrays:
        pixels, labels, told = arrays["pixels"], arrays["labels"].astype(object), json.loads(str(arrays["told"]))
    return ImageSet(pixels, labels, tuple(f"{i:08d}.png" for i in range(len(pixels)))), told


def draw(job: Job, model: Any, part: Part) -> tuple[ImageSet, dict[str, Any]]:
    """Draw through the sieve, in exact numbers of each class."""
    sieve = DistinctSieve(distinct.Sieve(reference(part)))
    counts = wanted(job, part)
    asked = Wanted("label", counts=counts if model.classes() else None)
    total = sum(counts.values())
    start = time.process_time()
    for _ in model.sample(SPEED, seed=job.seed + 1):
        pass
    rate = SPEED / (time.process_time() - start)
    drawing = Draw(model, asked, count=total, seed=job.seed + 2, sieves=[sieve.sieve], modality=Images())
    batches = list(drawing.batches())
    pixels, labels = np.concatenate([b.pixels for b in batches]), np.concatenate([b.labels for b in batches])
    told = {"drawing": {**drawing.facts(), **sieve.facts()}, "images_per_second": round(rate)}
    return ImageSet(pixels, labels, tuple(f"{i:08d}.png" for i in range(total))), told


def reference(part: Part) -> Reference:
    """Return what images are held against; a fifth of the training images stands for the holdout, not the test set."""
    within = inner(part)
    marks = Reference.of(within.train.pixels, within.test.pixels)
    return replace(marks, train=small(part.train.pixels))


def wanted(job: Job, part: Part) -> dict[str, int]:
    """Return how many images of each class are asked for."""
    names, counts = np.unique(part.train.labels.astype(str), return_counts=True)
    each = SOURCES[job.table].generated
    if each is not None:
        return {str(name): each for name in names}
    return {str(name): round(IN_ALL * count / counts.sum()) for name, count in zip(names, counts, strict=True)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
