"""Adversarial training with Lightning: on a GPU if there is one, watched, and the same bytes every time.

Lightning moves the networks and drives the loop; optimisation is manual, because two networks take turns. Its own
logger, checkpoints and progress bar are off: curves go to `Training.curves`, progress to a rich bar on a terminal, and
the state to one safetensors file (`checkpoint.py`). An epoch here is a hundred steps, for the tables are small and a
pass over the rows would be over in two.

A step: `critic_steps` times the critic, once the generator, then the generator's moving average. Everything random in
it comes from a generator seeded by (seed, step).
"""

import copy
import logging
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from synthtrail.models.checkpoint import Checkpoint
from synthtrail.models.errors import TrainingError
from synthtrail.models.objective import Objective, Schedule, generator_for
from synthtrail.models.synthesizer import Training
from synthtrail.models.threads import threads

EPOCH = 100  # steps
PAUSE = 10.0  # seconds at least between two checkpoints


def train(objective: Objective, schedule: Schedule, training: Training) -> dict[str, Tensor]:
    """Train both networks; return the moving average of the generator's weights, on the CPU.

    Raises `TrainingError` when losses or weights are no longer finite.
    """
    module = Adversarial(objective, schedule, training)
    checkpoint = Checkpoint.of(objective, schedule, training)
    module.done = checkpoint.restore(module.state()) if checkpoint else 0
    callbacks: list[Callback] = [Bar(schedule.steps)] if training.progress and Console(stderr=True).is_terminal else []
    if checkpoint:
        callbacks.append(Saver(checkpoint))
    with quiet(), threads(schedule.threads):
        # Batches are step numbers; `max_steps` would count every optimiser's step, so epochs end training here.
        trainer = Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=math.ceil((schedule.steps - module.done) / EPOCH),
            callbacks=callbacks,
            deterministic=torch.cuda.is_available(),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, train_dataloaders=Steps(module))
    if checkpoint:
        checkpoint.discard()
    return {name: value.detach().cpu().clone() for name, value in module.average.state_dict().items()}


class Steps:
    """The numbers of the next epoch's steps, counted from what is done: what Lightning takes for a data loader.

    Lightning may ask for an iterator that it never uses, so asking changes nothing.
    """

    def __init__(self, module: "Adversarial") -> None:
        self._module = module

    def __iter__(self) -> Iterator[int]:
        done = self._module.done
        return iter(range(done, min(done + EPOCH, self._module.schedule.steps)))


class Adversarial(LightningModule):
    """The loop of the module docstring around one objective."""

    def __init__(self, objective: Objective, schedule: Schedule, training: Training) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.objective, self.schedule, self.training_plan = objective, schedule, training
        self.average = copy.deepcopy(objective.generator).requires_grad_(False)
        self.adams = self._adams()
        self.done = 0

    def _adams(self) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        plan = self.schedule
        return (
            torch.optim.Adam(self.objective.critic.parameters(), plan.rate_critic, plan.betas, fused=True),
            torch.optim.Adam(self.objective.generator.parameters(), plan.rate_generator, plan.betas, fused=True),
        )

    def configure_optimizers(self) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        """Return the critic's optimiser and the generator's."""
        return self.adams

    def training_step(self, batch: int, batch_index: int) -> None:
        """Take one step, whose number is `batch`."""
        del batch_index
        critic_adam, generator_adam = cast("Sequence[Any]", self.optimizers())
        self._set_rates(self.schedule.rate(batch))
        random = generator_for(self.training_plan.seed, batch, self.device)
        for _ in range(self.schedule.critic_steps):
            judged = self.objective.critic_loss(self.schedule.batch, random)
            self._descend(critic_adam, judged.loss)
        self.objective.critic.requires_grad_(False)
        loss = self.objective.generator_loss(self.schedule.batch, random)
        self._descend(generator_adam, loss)
        self.objective.critic.requires_grad_(True)
        self._average(batch)
        self.done = batch + 1
        if self.done % self.training_plan.log_every == 0 or self.done == self.schedule.steps:
            self._report(judged.loss, loss, judged.real, judged.fake)

    def _descend(self, adam: Any, loss: Tensor) -> None:
        adam.zero_grad()
        self.manual_backward(loss)
        adam.step()

    def _set_rates(self, share: float) -> None:
        for adam, rate in zip(self.adams, (self.schedule.rate_critic, self.schedule.rate_generator), strict=True):
            for group in adam.param_groups:
                group["lr"] = rate * share

    @torch.no_grad()
    def _average(self, step: int) -> None:
        # Early on the past is short and bad, so it counts for less.
        weight = 1 - min(self.schedule.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.objective.generator.parameters()), weight)

    def _report(self, critic_loss: Tensor, generator_loss: Tensor, real: Tensor, fake: Tensor) -> None:
        figures = {
            "d_loss": float(critic_loss.detach()),
            "g_loss": float(generator_loss.detach()),
            "d_real": float(real),
            "d_fake": float(fake),
            "d_gradient_norm": _norm(p.grad for p in self.objective.critic.parameters()),
            "g_gradient_norm": _norm(p.grad for p in self.objective.generator.parameters()),
            "d_weight_norm": _norm(self.objective.critic.parameters()),
            "g_weight_norm": _norm(self.objective.generator.parameters()),
        }
        wrong = [name for name, value in figures.items() if not math.isfinite(value)]
        if wrong:
            where = f"training is not finite at step {self.done} ({', '.join(wrong)})"
            raise TrainingError(f"{where}; lower model.rate or check the data for extreme values")
        self.training_plan.curves.log(self.done, figures)

    def state(self) -> "State":
        """Return what a checkpoint must hold."""
        return State(self)


class State:
    """The loop's whole state as named tensors, in and out."""

    def __init__(self, module: Adversarial) -> None:
        self._module = module

    def tensors(self) -> dict[str, Tensor]:
        """Return networks, moving average and both optimisers' moments."""
        named = {f"objective.{k}": v for k, v in self._module.objective.state_dict().items()}
        named |= {f"average.{k}": v for k, v in self._module.average.state_dict().items()}
        for turn, adam in enumerate(self._module.adams):
            for number, moments in adam.state_dict()["state"].items():
                named |= {f"adam.{turn}.{number}.{k}": v for k, v in moments.items()}
        return named

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        self._module.objective.load_state_dict(_under("objective.", tensors))
        self._module.average.load_state_dict(_under("average.", tensors))
        for turn, adam in enumerate(self._module.adams):
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _under(f"adam.{turn}.", tensors).items():
                number, _, name = key.partition(".")
                moments.setdefault(int(number), {})[name] = value
            adam.load_state_dict({"state": moments, "param_groups": adam.state_dict()["param_groups"]})


class Saver(Callback):
    """Save the state at ends of epochs, `PAUSE` apart."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint, self._last = checkpoint, time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if it is time."""
        del trainer
        module = cast("Adversarial", pl_module)
        if time.monotonic() - self._last >= PAUSE:
            self._checkpoint.save(module.state(), module.done)
            self._last = time.monotonic()


class Bar(Callback):
    """One rich bar over all steps, on standard error."""

    def __init__(self, steps: int) -> None:
        columns = (
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task("training", total=steps)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        del trainer, pl_module
        self._progress.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Move it now and then: redrawing at each step would cost more than a small step."""
        del trainer
        done = cast("Adversarial", pl_module).done
        if done % 20 == 0:
            self._progress.update(self._task, completed=done)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the terminal as it was, after an error too."""
        del trainer, stage
        self._progress.update(self._task, completed=cast("Adversarial", pl_module).done)
        self._progress.stop()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's advertisement and its lines about devices off the terminal."""
    log = logging.getLogger("lightning.pytorch")
    before = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*LeafSpec.* is deprecated")  # Lightning's own use of torch
        try:
            yield
        finally:
            log.setLevel(before)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _norm(tensors: Any) -> float:
    parts = [t.detach().norm() for t in tensors if t is not None]
    return float(torch.stack(parts).norm()) if parts else 0.0
