"""What all synthesizers that know classes share: settings, sampling in batches by class, and the files of a model.

A child says how it learns, what tensors it keeps and how it draws rows of given classes. Kept of a fit are those
tensors, the codec, the share of each class and, in `facts`, what else the child needs to decode.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from synthtrail.data.errors import DataError
from synthtrail.data.modality import Jsonable
from synthtrail.models import labels, settings
from synthtrail.models.errors import ModelError, ModelFileError
from synthtrail.models.objective import generator_for
from synthtrail.models.synthesizer import Conditions, Training
from synthtrail.models.threads import threads
from synthtrail.storage import files
from synthtrail.storage.salt import Salts, no_salt

Data = TypeVar("Data")
CodecT = TypeVar("CodecT", bound=Jsonable)
SettingsT = TypeVar("SettingsT")


class ConditionalModel(ABC, Generic[Data, CodecT, SettingsT]):
    """Makes rows given their class. See `Synthesizer` for the public methods."""

    name: ClassVar[str]
    modality: ClassVar[str]
    batch: ClassVar[int]  # rows sampled at once: bounds memory

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.settings: SettingsT = settings.read(self.settings_class(), given)
        self.codec: CodecT
        self.prior: NDArray[np.float64]
        self.facts: dict[str, Any] = {}
        self.learnt_from = 0  # rows; 0 where that must not be told
        self.restarts: tuple[str, ...] = ()

    @property
    def privacy(self) -> Mapping[str, object]:
        """What differential privacy the settings promise, nothing by default."""
        return {}

    @classmethod
    @abstractmethod
    def settings_class(cls) -> type[SettingsT]:
        """Return the dataclass of the settings."""

    @classmethod
    @abstractmethod
    def read_codec(cls, value: Mapping[str, Any]) -> CodecT:
        """Read the codec from JSON values."""

    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Return the names of the target's classes, () if it has none."""

    def label_codes(self) -> int:
        """Return how many classes the model tells apart, which for a numeric target are its bins."""
        return len(self.classes())

    @abstractmethod
    def learn(self, data: Data, training: Training) -> NDArray[np.float64]:
        """Learn from training rows; return the share of each class (L,)."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return what was learnt, as named tensors."""

    @abstractmethod
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take what `state` gave."""

    @abstractmethod
    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> Data:
        """Make one row for each of `classes`; `first` is the number of the first."""

    def fit(self, data: Data, codec: CodecT, training: Training) -> None:
        """Learn from training rows (see `Synthesizer.fit`)."""
        self.codec = codec
        self.prior = self.learn(data, training)
        self.learnt_from = 0 if self.privacy else len(data)  # type: ignore[arg-type]

    def sample(self, n: int, conditions: Conditions | None = None, seed: int = 0) -> Iterator[Data]:
        """Yield `n` rows in batches (see `Synthesizer.sample`)."""
        if n < 1:
            raise ModelError(f"{n} rows cannot be generated; ask for at least one")
        schema: Any = self.codec.schema  # type: ignore[attr-defined]
        counts = labels.counts_for(conditions, n, schema.target, self.classes())
        return self._batches(labels.draw(n, self.prior, counts, seed, self.batch), seed)

    def _batches(self, drawn: Iterator[labels.Labels], seed: int) -> Iterator[Data]:
        first = 0
        for number, classes in enumerate(drawn):
            with torch.no_grad(), threads(1):
                made = self.draw(torch.from_numpy(classes), generator_for(seed, number), first)
            yield made
            first += len(classes)

    def save(self, folder: Path, *, salts: Salts = no_salt) -> None:
        """Write `weights.safetensors` and `model.json` (see `Synthesizer.save`)."""
        state = {name: value.detach().cpu().contiguous() for name, value in self.state().items()}
        salt = salts("weights.safetensors")
        metadata = None if salt is None else {"salt": salt.hex()}
        files.write_bytes(folder / "weights.safetensors", save_tensors(state, metadata))
        described = {
            "synthesizer": self.name,
            "settings": asdict(self.settings),  # type: ignore[call-overload]
            "codec": self.codec.to_json(),
            "prior": self.prior.tolist(),
            "facts": self.facts,
            "learnt_from": self.learnt_from,
        }
        if self.privacy:
            described["privacy"] = dict(self.privacy)
        salt = salts("model.json")
        files.write_json(folder / "model.json", described if salt is None else described | {"salt": salt.hex()})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder (see `Synthesizer.load`)."""
        try:
            described = json.loads((folder / "model.json").read_bytes())
            model = cls(described["settings"])
            model.codec = cls.read_codec(described["codec"])
            model.prior = np.array(described["prior"], dtype=np.float64)
            model.facts = described["facts"]
            model.learnt_from = int(described["learnt_from"])
            model.restore(load_tensors((folder / "weights.safetensors").read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, DataError) as error:
            reason = str(error).splitlines()[0]
            raise ModelFileError(f"{folder}: not a {cls.name} model ({reason}); train it again") from error
        return model


def shares(classes: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return the share of each of `size` classes among `classes` (N,)."""
    counts = np.bincount(classes, minlength=max(1, size))
    return np.asarray(counts / counts.sum())
