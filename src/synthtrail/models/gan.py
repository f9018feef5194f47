"""What the conditional GANs share: two networks, their seeds, and samples shown while they train.

A child gives its networks, its objective and its decoding; training itself is `training.train`, imported by `learn`
alone so that sampling starts without Lightning. What is kept of a fit is the moving average of the generator's weights
(for the rest see `conditional`).
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthtrail.models.conditional import CodecT, ConditionalModel, Data, SettingsT
from synthtrail.models.objective import Objective, Schedule, generator_for
from synthtrail.models.synthesizer import Training

SHOWN = 2**41  # the random stream of the samples shown while training, apart from those of steps and batches
MOST_SHOWN, MOST_CLASSES, EACH = 500, 10, 8  # rows; classes of images, and images of each


class ConditionalGan(ConditionalModel[Data, CodecT, SettingsT]):
    """A generator of rows given their class. See `Synthesizer` for the public methods."""

    generator: nn.Module

    @abstractmethod
    def learn_facts(self, data: Data) -> tuple[Tensor, Tensor]:
        """Set `facts` from training rows; return them as tensors, and their classes int64 (N,)."""

    @abstractmethod
    def build(self) -> nn.Module:
        """Return a generator of the right shape with fresh weights."""

    @abstractmethod
    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return what to train: `self.generator` and a fresh critic, with the rows."""

    @abstractmethod
    def schedule(self) -> Schedule:
        """Return how long and how fast to train."""

    def learn(self, data: Data, training: Training) -> NDArray[np.float64]:
        """Train; return the share of each class."""
        from synthtrail.models import worker  # noqa: PLC0415 - Lightning: 3.5 s that sampling must not pay
        from synthtrail.models.devices import team  # noqa: PLC0415
        from synthtrail.models.training import train  # noqa: PLC0415

        rows, classes = self.learn_facts(data)
        counts = np.bincount(classes.numpy(), minlength=max(1, self.label_codes()))
        objective = self.fresh(rows, classes, training.seed)
        request = worker.request(self.told(training), rows, classes) if training.devices > 1 else b""
        with team(training.devices, request) as others:
            sample = partial(self.shown, counts=counts, seed=training.seed)
            trained = train(objective, self.schedule(), training, sample, others.place)
            others.agree(trained.weights)
        self.restarts = trained.restarts
        self.generator.cpu().load_state_dict(trained.weights)
        self.generator.eval()
        return np.asarray(counts / counts.sum())

    def fresh(self, rows: Tensor, classes: Tensor, seed: int) -> Objective:
        """Return what to train, its weights drawn anew; the caller's random state stays as it is."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator = self.build()
            return self.objective(rows, classes)

    def told(self, training: Training) -> dict[str, Any]:
        """Return what another process must know to train beside this one, as JSON values."""
        settings = asdict(self.settings)  # type: ignore[call-overload]
        return {
            "name": self.name,
            "settings": settings,
            "codec": self.codec.to_json(),
            "facts": self.facts,
            "seed": training.seed,
            "checkpoints": None if training.checkpoints is None else str(training.checkpoints.resolve()),
        }

    def train_beside(
        self, told: Mapping[str, Any], rows: Tensor, classes: Tensor, training: Training, place: Any
    ) -> dict[str, Tensor]:
        """Train as one of several processes (see `devices`); return the weights."""
        from synthtrail.models.training import train  # noqa: PLC0415

        self.codec, self.facts = self.read_codec(told["codec"]), dict(told["facts"])
        objective = self.fresh(rows, classes, training.seed)
        return train(objective, self.schedule(), training, lambda _: None, place).weights

    def shown(self, generator: nn.Module, counts: NDArray[np.int64], seed: int) -> Data:
        """Return what a generator that still trains makes of the same classes and noise each time."""
        mine, self.generator = self.generator, generator.eval()
        try:
            with torch.no_grad():
                return self.draw(torch.from_numpy(self.shown_classes(counts)), generator_for(seed, SHOWN), 0)
        finally:
            self.generator = mine

    def shown_classes(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the classes of what is shown while training: of rows a few hundred as given, of images a few each."""
        if self.modality == "image":
            return np.repeat(np.arange(min(len(counts), MOST_CLASSES)), EACH)
        share = np.linspace(0, counts.sum() - 1, min(MOST_SHOWN, int(counts.sum())))
        return np.searchsorted(np.cumsum(counts), share, side="right").astype(np.int64)

    def state(self) -> dict[str, Tensor]:
        """Return the generator's weights."""
        return self.generator.state_dict()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the generator's weights."""
        self.generator = self.build()
        self.generator.load_state_dict(state)
        self.generator.eval()
