"""Training of one network by maximum likelihood with Lightning: watched, resumable, and the same bytes every time.

The loop is that of `training.py` with one network instead of two: steps are counted, everything random in a step comes
from a generator seeded by (seed, step), the state is one safetensors file. Part of the rows is held back to decide how
long to train: every `check_every` steps the moving average of the weights is judged on them, the best is kept, and
after `patience` checks without a better one training stops.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from torch import Tensor, nn

from synthtrail.models.callbacks import Bar, Saver, quiet, shown_steps
from synthtrail.models.checkpoint import Checkpoint
from synthtrail.models.devices import deterministic
from synthtrail.models.errors import TrainingError
from synthtrail.models.journal import Journal
from synthtrail.models.objective import generator_for, mixed
from synthtrail.models.state import State
from synthtrail.models.synthesizer import Training
from synthtrail.models.threads import threads

EPOCH = 100  # steps

Sample = Callable[[nn.Module], Any]
"""Takes a network, on the CPU, and returns what it makes of draws that are the same each time."""


class Likelihood(nn.Module):
    """One network, the rows that it learns from and the rows that judge it (as buffers)."""

    network: nn.Module
    rows: Tensor
    held: Tensor

    def __init__(self, network: nn.Module, rows: Tensor, held: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("held", held, persistent=False)

    def loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the loss on `size` rows."""
        raise NotImplementedError

    def begin(self, step: int) -> None:
        """Be told that step number `step` (from 0) comes."""

    def judge(self, network: nn.Module) -> Tensor:
        """Return the loss of `network` on the rows held back, with the same draws each time."""
        raise NotImplementedError


@dataclass(frozen=True)
class LikelihoodSchedule:
    """How long and how fast: at most `steps` steps of `batch` rows, AdamW, a cosine after a short warm-up.

    Within the first `unjudged` steps nothing is checked.
    """

    steps: int
    batch: int
    rate: float
    decay: float = 1e-4
    warm_up: int = 100
    ema: float = 0.999
    clip: float = 1.0
    check_every: int = 100
    patience: int = 10
    threads: int = 1
    unjudged: int = 0

    def share(self, step: int) -> float:
        """Return the share of the learning rate that step number `step` (from 0) has."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return min(1.0, (step + 1) / self.warm_up) * (cosine + 0.01)


def maximise(
    objective: Likelihood,
    schedule: LikelihoodSchedule,
    training: Training,
    sample: Sample,
    loop: "Loop | None" = None,
) -> dict[str, Tensor]:
    """Train, by another `loop` if one is given; return the moving average of the weights at its best check, on the CPU.

    Raises `TrainingError` when losses are no longer finite.
    """
    journal = Journal(training)
    fresh = {"rows": objective.rows, "held": objective.held, **objective.state_dict()}
    checkpoint = Checkpoint.named(fresh, f"{schedule} {training.seed} {objective}", training, journal)
    module = (loop or Maximum)(objective, schedule, journal, sample)
    module.resume(checkpoint.restore(module.state()) if checkpoint else 0)
    callbacks: list[Callback] = [Bar(schedule.steps)] if training.progress and Console(stderr=True).is_terminal else []
    if checkpoint:
        callbacks.append(Saver(checkpoint))
    with quiet(), threads(schedule.threads), deterministic():
        trainer = Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=-1,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, train_dataloaders=Steps(module))
    if checkpoint:
        checkpoint.discard()
    return {name: value.detach().cpu().clone() for name, value in module.best.state_dict().items()}


class Steps:
    """An epoch's worth of turns, none once training is over (see `training.Steps`)."""

    def __init__(self, module: "Maximum") -> None:
        self._module = module

    def __iter__(self) -> Iterator[int]:
        for turn in range(EPOCH):
            if self._module.over:
                return
            yield turn


class Maximum(LightningModule):
    """The loop of the module docstring around one objective."""

    def __init__(self, objective: Likelihood, schedule: LikelihoodSchedule, journal: Journal, sample: Sample) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.objective, self.schedule, self.journal, self.sample = objective, schedule, journal, sample
        self.average = copy.deepcopy(objective.network).requires_grad_(False)
        self.best = copy.deepcopy(self.average)
        self.adam = torch.optim.AdamW(
            objective.network.parameters(), schedule.rate, weight_decay=schedule.decay, fused=True
        )
        self.checks = Checks()
        self.shown = shown_steps(schedule.steps)
        self.done = 0

    def resume(self, done: int) -> None:
        """Count on from `done` steps, whose state has been put back."""
        self.done = done
        if done:
            self.journal.training.tell(f"resumed from step {done} of {self.schedule.steps}")

    @property
    def over(self) -> bool:
        """Whether all steps are done, or longer training has stopped paying."""
        return self.done >= self.schedule.steps or self.checks.since >= self.schedule.patience

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser."""
        return self.adam

    def training_step(self, batch: int, batch_index: int) -> None:
        """Take one step."""
        del batch, batch_index
        if self.over:  # a turn that Lightning had fetched already
            return
        self._slow_down()
        self.objective.begin(self.done)
        seed = self.journal.training.seed
        with torch.random.fork_rng(devices=[]):  # dropout draws from torch's own generator
            torch.manual_seed(mixed(seed, self.done))
            loss = self.objective.loss(self.schedule.batch, generator_for(seed, self.done, self.device))
        norm = self._descend(loss)
        self._average(self.done)
        self.done += 1
        self._look(loss, norm)

    def _slow_down(self) -> None:
        for group in self.adam.param_groups:
            group["lr"] = self.schedule.rate * self.schedule.share(self.done)

    def _descend(self, loss: Tensor) -> Tensor:
        """Take the optimiser's step; return the gradient's norm."""
        adam = cast("Any", self.optimizers())
        adam.zero_grad()
        self.manual_backward(loss)
        norm = nn.utils.clip_grad_norm_(self.objective.network.parameters(), self.schedule.clip)
        adam.step()
        return norm

    @torch.no_grad()
    def _average(self, step: int) -> None:
        weight = 1 - min(self.schedule.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.objective.network.parameters()), weight)

    def _look(self, loss: Tensor, norm: Tensor) -> None:
        """Check, report and show this step, as far as it is time."""
        last = self.done == self.schedule.steps
        figures = {"loss": loss.detach(), "gradient_norm": norm}
        if last or (self.done % self.schedule.check_every == 0 and self.done > self.schedule.unjudged):
            figures["held_loss"] = self._check()
        if last or self.over or self.done % self.journal.training.log_every == 0:
            self._report({name: float(value) for name, value in figures.items()})
        if self.over or self.done in self.shown:
            self._show(self.best if self.over else self.average)
        self.trainer.should_stop = self.over

    def _show(self, network: nn.Module) -> None:
        self.journal.show(self.done, self.schedule.steps, self.sample(copy.deepcopy(network).cpu()))

    @torch.no_grad()
    def _check(self) -> Tensor:
        held = self.objective.judge(self.average.eval())
        if not math.isfinite(float(held)):
            self._report({"held_loss": float(held)})
        if self.checks.better(float(held)):
            self.best.load_state_dict(self.average.state_dict())
        return held

    def _report(self, figures: dict[str, float]) -> None:
        wrong = [name for name, value in figures.items() if not math.isfinite(value)]
        if wrong:
            where = f"training is not finite at step {self.done} ({', '.join(wrong)})"
            raise TrainingError(f"{where}; lower model.rate or check the data for extreme values")
        self.journal.log(self.done, figures)

    def state(self) -> State:
        """Return what a checkpoint must hold."""
        parts = {"network": self.objective.network, "average": self.average, "best": self.best, "checks": self.checks}
        return State(parts, [self.adam])


Loop = Callable[[Any, LikelihoodSchedule, Journal, Sample], Maximum]
"""Makes the module that trains an objective, by default `Maximum`."""


class Checks(nn.Module):
    """The course of the checks, as a module so that it is part of the saved state."""

    course: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("course", torch.tensor([math.inf, 0.0], dtype=torch.float64))

    @property
    def since(self) -> int:
        """How many checks there were since the best."""
        return int(self.course[1])

    def better(self, loss: float) -> bool:
        """Take the loss of a check; return whether it is the least so far."""
        found = loss < float(self.course[0])
        self.course.copy_(torch.tensor([loss, 0.0] if found else [float(self.course[0]), self.since + 1.0]))
        return found
