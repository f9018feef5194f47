"""What the conditional GANs share: two networks, their seeds, and samples shown while they train.

A child gives its networks, its objective and its decoding; training itself is `training.train`, imported by `learn`
alone so that sampling starts without Lightning. What is kept of a fit is the moving average of the generator's weights
(for the rest see `conditional`), and in `facts` after how many steps it was taken.

A finished model can be trained on (`more`): with the codec and scales that it has, from the weights that it has. Its
critic was not kept, since a critic knows the training rows better than a released model should; so a fresh one learns
alone for a while before the generator moves, and the generator's rate rises slowly.

    model = registry.load(folder)
    model.more(train, Training(seed=2), steps=400)
    model.facts["steps"]      # [600, 400]
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthtrail.models.conditional import CodecT, ConditionalModel, Data, SettingsT
from synthtrail.models.errors import ModelError
from synthtrail.models.objective import Objective, Schedule, generator_for
from synthtrail.models.stopping import parted
from synthtrail.models.synthesizer import Training
from synthtrail.models.threads import threads

SHOWN = 2**41  # the random stream of the samples shown while training, apart from those of steps and batches
STEPS = "steps"  # among the facts: how many there were, for each time the model was trained
WARM_UP = 100  # steps of the critic alone, when a finished model is trained on
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

    def read_rows(self, data: Data) -> tuple[Tensor, Tensor]:
        """Return rows and classes as `learn_facts` does, by the `facts` that there are."""
        return self.learn_facts(data)

    def settle(self, rows: Tensor, classes: Tensor, seed: int) -> None:
        """Do what is left to do once the generator is trained; nothing as a rule."""

    def learn(self, data: Data, training: Training) -> NDArray[np.float64]:
        """Train; return the share of each class."""
        rows, classes = self.learn_facts(data)
        return self.learn_rows(rows, classes, training, self.schedule())

    def more(self, data: Data, training: Training, steps: int) -> None:
        """Train on for `steps` steps (see the module docstring).

        Raises `DataError` if the rows do not fit the codec, `ModelError` for less than a step or several devices.
        """
        if steps < 1:
            raise ModelError(f"{steps} more steps cannot be trained; ask for at least one")
        if training.devices > 1:
            raise ModelError("a finished model is trained on by one device: leave devices out")
        facts, start = self.facts, {name: value.clone() for name, value in self.state().items()}
        rows, classes = self.read_rows(data)
        self.facts = facts
        course = replace(self.schedule(), steps=steps, warm_up=WARM_UP)
        self.prior = self.learn_rows(rows, classes, training, course, start)
        self.learnt_from = len(rows)

    def learn_rows(
        self,
        rows: Tensor,
        classes: Tensor,
        training: Training,
        course: Schedule,
        start: Mapping[str, Tensor] | None = None,
    ) -> NDArray[np.float64]:
        """Train on encoded rows, from fresh weights or from `start`; return the share of each class."""
        from synthtrail.models import worker  # noqa: PLC0415 - Lightning: 3.5 s that sampling must not pay
        from synthtrail.models.devices import team  # noqa: PLC0415
        from synthtrail.models.training import train  # noqa: PLC0415

        counts = np.bincount(classes.numpy(), minlength=max(1, self.label_codes()))
        objective = self.fresh(rows, classes, training.seed, course)
        if start is not None:
            self.generator.load_state_dict(start)
        request = worker.request(self.told(training), rows, classes) if training.devices > 1 else b""
        with team(training.devices, request) as others:
            sample = partial(self.shown, counts=counts, seed=training.seed)
            trained = train(objective, course, training, sample, others.place)
            others.agree(trained.weights)
        self.restarts = trained.restarts
        self.facts = {**self.facts, STEPS: [*self.facts.get(STEPS, []), trained.step]}
        self.generator.cpu().load_state_dict(trained.weights)
        with threads(1):
            self.settle(rows, classes, training.seed)
        self.generator.eval()
        return np.asarray(counts / counts.sum())

    def fresh(self, rows: Tensor, classes: Tensor, seed: int, course: Schedule) -> Objective:
        """Return what to train, its weights drawn anew; the caller's random state stays as it is."""
        held = rows[:0]
        if course.patience:
            rows, classes, held = parted(rows, classes, seed)
        with torch.random.fork_rng(devices=[]), threads(1):
            torch.manual_seed(seed)
            self.generator = self.build()
            objective = self.objective(rows, classes)
        objective.held = held
        return objective

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
        course = self.schedule()
        objective = self.fresh(rows, classes, training.seed, course)
        return train(objective, course, training, lambda _: None, place).weights

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
