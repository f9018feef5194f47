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

from collections.abc import Iterator, Mapping
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


@dataclass(frozen=True)
class Training:
    """How a fit runs, apart from the model's settings. Only `seed` has a part in the bytes that come out.

    `checkpoints` is a folder in which an interrupted fit finds where it was; None keeps none.
    """

    seed: int
    curves: Curves = field(default_factory=NoCurves)
    checkpoints: Path | None = None
    log_every: int = 50
    progress: bool = True


class Synthesizer(Protocol[Data, CodecT_contra]):
    """One way to make data. The docstring of each says what it needs and what it is good for."""

    name: ClassVar[str]
    modality: ClassVar[str]
    settings: Any  # the frozen dataclass of the settings in use, defaults filled in

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
