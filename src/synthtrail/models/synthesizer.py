"""What every synthesizer can do, so that stages need not know which one they have.

    model = registry.create("wgan_gp", {"steps": 1500})
    model.fit(train, codec, Training(seed=0))
    model.save(folder)
    for batch in registry.load(folder).sample(1_000_000, {"target": "malignant"}, seed=1):
        ...

A model folder holds `weights.safetensors` and `model.json` and nothing that runs. The same seed, data, settings,
versions and machine give the same bytes of both, and the same samples. Loading and sampling import torch alone; what
training needs beyond it is imported by `fit`.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

from synthtrail.storage.salt import Salts, no_salt

Data = TypeVar("Data")
CodecT_contra = TypeVar("CodecT_contra", contravariant=True)

Conditions = Mapping[str, str | Mapping[str, int]]
"""`{"target": class}`: every row of that class; `{"target": {class: count}}`: exactly so many of each, adding up to n.
The target column's own name may stand for "target"."""


class Curves(Protocol):
    """Takes the figures of training as they come, a few dozen times a run."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Keep the figures of training step `step` (1 is the first)."""
        ...


class NoCurves:
    """Curves that nobody watches."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Do nothing."""


class Samples(Protocol):
    """Takes what a model makes while it still trains: the same noise each time, after 10, 30, 100, ... steps."""

    def draw(self, step: int, steps: int, data: Any) -> Mapping[str, bytes]:
        """Show `data`, a few hundred items made after `step` of `steps` steps; return the files to keep of it."""
        ...

    def keep(self, files: Mapping[str, bytes]) -> None:
        """Take the files that `draw` returned in an earlier process."""
        ...


class NoSamples:
    """Samples that nobody looks at."""

    def draw(self, step: int, steps: int, data: Any) -> Mapping[str, bytes]:
        """Do nothing."""
        del step, steps, data
        return {}

    def keep(self, files: Mapping[str, bytes]) -> None:
        """Do nothing."""


def tell(line: str) -> None:
    """Print a line for the user on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@dataclass(frozen=True)
class Training:
    """How a fit runs, apart from the model's settings. Of these only `seed` and `devices` have a part in the bytes.

    `checkpoints` is a folder in which an interrupted fit finds where it was; None keeps none. `devices` is how many
    GPUs, or processes where there is none, share a step's rows. `tell` takes a line when something happens that the
    user should know: training was resumed, or set back.
    """

    seed: int
    curves: Curves = field(default_factory=NoCurves)
    checkpoints: Path | None = None
    log_every: int = 50
    progress: bool = True
    samples: Samples = field(default_factory=NoSamples)
    devices: int = 1
    tell: Callable[[str], None] = tell


class Synthesizer(Protocol[Data, CodecT_contra]):
    """One way to make data. The docstring of each says what it needs and what it is good for.

    Some can do more, which callers ask for by name: `complete(rows, seed, cells)` fills the gaps of rows that are given
    in part (`stages.complete`); `narrowed(wanted)` is the model told of conditions on any columns (`models.directed`).
    """

    name: ClassVar[str]
    modality: ClassVar[str]
    settings: Any  # the frozen dataclass of the settings in use, defaults filled in
    restarts: tuple[str, ...]  # how often, and why, `fit` was set back to an earlier state
    privacy: Mapping[str, object]  # the terms of its differential privacy, epsilon among them; empty if it has none
    codec: Any  # what rows were encoded with, once fitted or loaded; its `schema` describes them

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Read the settings; `ParamsError` names an unknown key and its nearest."""
        ...

    def fit(self, data: Data, codec: CodecT_contra, training: Training) -> None:
        """Learn from training rows, encoded by a codec that was fitted on them.

        Raises `TrainingError` if training leaves the finite numbers.
        """
        ...

    def sample(self, n: int, conditions: Conditions | None = None, seed: int = 0) -> Iterator[Data]:
        """Yield `n` rows in batches, in constant memory; without conditions, classes are drawn as often as in training.

        Raises `ConditionError` for conditions that cannot be met.
        """
        ...

    def save(self, folder: Path, *, salts: Salts = no_salt) -> None:
        """Write `weights.safetensors` and `model.json` into `folder`."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; `ModelFileError` if it cannot be."""
        ...
