"""The training of one run: taken up where it was killed, and kept, with what it cost.

model/          the trained generator; curves.json beside it
checkpoints/    where a training that was killed goes on
cost.json       processor seconds spent on training so far, over all processes that took part
steps.json      steps that a baseline's processor seconds are good for
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imaging.data import Part
from imaging.schedule import GENERATORS, LIMIT_S, settings_of
from synthtrail.data.image import ImageCodec, Images
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from synthtrail.storage.files import write_json

PROBED = (20, 60)  # steps of two short trainings, whose difference is the time of a step


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
