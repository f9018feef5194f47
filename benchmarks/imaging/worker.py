"""One run, in a process of its own: train, sample, judge; each part is kept, so that a kill costs little.

python -m imaging.worker JOB.json       run, budget and folders in; result.json beside it, whole or not at all

model/            the trained generator, and what else training leaves (`train.py`)
synthetic.npz     the images, drawn through the sieve that `generate` uses
result.json       what came of it
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from imaging import judge
from imaging.data import SOURCES, Part, Source, divided, inner, taken
from imaging.schedule import REAL
from imaging.train import Job, trained
from synthtrail.data.conditions import Wanted
from synthtrail.data.image import Images, ImageSet
from synthtrail.evaluation import distinct
from synthtrail.evaluation.distinct import Reference
from synthtrail.evaluation.domain import together
from synthtrail.evaluation.pixels import small
from synthtrail.models import threads
from synthtrail.stages.draw import Draw
from synthtrail.stages.originals import DistinctSieve
from synthtrail.storage.files import write_json

FEW_ADDED = 300  # on an inner part 100 and 700 of each class teach less beside 6,400 real lesions (docs/adr/0028)
SPEED = 4_000  # images drawn to measure how fast


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
    """Return how many images of each class are asked for: as many as there are to learn from, or as the source says."""
    names, counts = np.unique(part.train.labels.astype(str), return_counts=True)
    each = SOURCES[job.table].generated
    return {str(name): int(count) if each is None else each for name, count in zip(names, counts, strict=True)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
