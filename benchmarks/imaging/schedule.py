"""Which runs there are, in the order in which they tell most, and the digest that says whether one is still good.

A run is one generator on one fold from one seed: trained, sampled, judged. `real` stands for the training images
themselves: the judge's lines without any generator, which the others are compared with.

    ours        `latent_gan` at its defaults but for `SUITED`: lesions have no up, and clothes take longer
    plain_002   the conditional DCGAN of source 002; plain_000 the DCGAN of source 000, which never looks at the labels

A plain DCGAN is trained for as many steps as take the processor seconds of ours on the same fold and seed, so its run
waits for ours (`budget`). A digest covers the run, the code of its generator, the data and the judge; comments and
docstrings do not count.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from imaging.data import SOURCES, digest
from synthtrail.models import registry
from tabular.runs import Run, Store, closure, meaning

SEEDS = 2
OURS = "latent_gan"
REAL = "real"
JUDGING = ("classifier", "crowding", "distinct", "domain", "images", "manifold", "nearest", "pixels")
LIMIT_S = 1_800  # processor seconds that ours may take to train


@dataclass(frozen=True)
class Generator:
    """A synthesizer with settings of its own; `budget` names the generator whose training time it is given."""

    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    budget: str | None = None
    about: str = ""


GENERATORS = {
    OURS: Generator(
        OURS, about="ours: an autoencoder's codes and their law, then hinge loss, projection, spectral normalisation"
    ),
    "plain_002": Generator(
        "plain_dcgan",
        {"labels": "used", "width": 128, "batch": 128, "noise": 64},
        OURS,
        "conditional DCGAN as source 002 defines it, as long as ours",
    ),
    "plain_000": Generator(
        "plain_dcgan",
        {"labels": "ignored", "width": 64, "batch": 64, "noise": 100},
        OURS,
        "DCGAN as source 000 defines it, without labels, as long as ours",
    ),
}

# Settings that follow from what is pictured, or were chosen on an inner part (docs/adr/0026).
SUITED: dict[tuple[str, str], Mapping[str, Any]] = {
    ("ham10000", OURS): {"orientation": "any"},
    ("fashion_mnist", OURS): {"code_steps": 20_000, "steps": 5_000},
}


def settings_of(table: str, name: str) -> dict[str, Any]:
    """Return the settings of a generator for an image set."""
    return {**GENERATORS[name].settings, **SUITED.get((table, name), {})}


def planned() -> list[Run]:
    """Return every run: of each set first what is compared, then further seeds, then further folds."""
    runs = []
    for source in SOURCES.values():
        for fold in range(source.folds):
            runs.append(Run(source.name, REAL, fold))
            for seed in range(SEEDS):
                runs += [Run(source.name, name, fold, seed) for name in order(source.name)]
    return sorted(runs, key=lambda run: (run.split > 0, run.seed if run.split == 0 else 0, run.split, run.seed))


def order(source: str) -> tuple[str, ...]:
    """Return the generators of a set, that of its own source before the other."""
    return (OURS, "plain_000", "plain_002") if source == "ham10000" else (OURS, "plain_002", "plain_000")


def awaited(run: Run, store: Store) -> str | None:
    """Return the line of the run that this one waits for, if that is not done."""
    needed = GENERATORS[run.generator].budget if run.generator in GENERATORS else None
    before = [REAL, needed] if needed else [REAL] if run.generator != REAL else []
    for name in before:
        other = Run(run.table, name, run.split, 0 if name == REAL else run.seed)
        if store.find(other, digest_of(other)) is None:
            return other.key
    return None


def budget(run: Run, store: Store) -> float | None:
    """Return the processor seconds that this run's training is given; None if it has steps of its own."""
    needed = GENERATORS[run.generator].budget if run.generator in GENERATORS else None
    if needed is None:
        return None
    found = store.latest(Run(run.table, needed, run.split, run.seed))
    return None if found is None else float(found["cost"]["train"])


def digest_of(run: Run) -> str:
    """Return the digest of a run."""
    drawing = [_beside("worker")] if run.generator in GENERATORS else []
    return _named(run.key, digest(run.table), _judging(), *_training(run), *drawing)


def training_of(run: Run) -> str:
    """Return the digest of a run's training, which a change of judging or drawing leaves as it was."""
    return _named(run.key, digest(run.table), *_training(run))


def _training(run: Run) -> list[str]:
    if run.generator not in GENERATORS:
        return []
    settings, code = settings_of(run.table, run.generator), _code(GENERATORS[run.generator].model)
    return [f"{sorted(settings.items())}", code, _beside("train")]


def _beside(name: str) -> str:
    return meaning(Path(__file__).with_name(f"{name}.py"))


def _named(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def _code(model: str) -> str:
    """Return the digest of the code that makes a synthesizer's images."""
    module = registry.SYNTHESIZERS[model].partition(":")[0]
    return hashlib.sha256("\0".join(map(meaning, closure(module))).encode()).hexdigest()


@cache
def _judging() -> str:
    """Return the digest of the code that judges."""
    package, here = Path(__file__).resolve().parents[2] / "src/synthtrail", Path(__file__).parent
    paths = [package / "evaluation" / f"{name}.py" for name in JUDGING]
    paths += [package / "data/augment.py", here / "judge.py", here / "data.py"]
    return hashlib.sha256("\0".join(map(meaning, paths)).encode()).hexdigest()
