"""Adversarial training with Lightning: on a GPU if there is one, watched, guarded, and the same bytes every time.

Lightning moves the networks and drives the loop; optimisation is manual, because two networks take turns. Its own
logger, checkpoints and progress bar are off: figures go to the journal, progress to a rich bar on a terminal, and the
state to `checkpoint.py`. An epoch here is a hundred steps, for the tables are small and a pass over the rows would be
over in two.

A step: `critic_steps` times the critic, once the generator, then the generator's moving average. Everything random in
it comes from a generator seeded by (seed, step). At the end of each epoch:

1. `guards.examine` looks at the networks.
2. If they diverge or have collapsed, training goes back to the last good state and on from there at half the rate and
   with other noise. If that is not enough, it goes up to half as far back, since a generator that collapses has often
   been on its way for long, and on at an eighth, then a 32nd of the rate. After `RESTARTS` times, divergence is an
   error, and collapse is left to the report.
3. Otherwise this state is the last good one, and what a checkpoint holds.
4. With `patience`, the moving average is judged on rows held back (`stopping`), and training may end.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from torch import Tensor, nn

from synthtrail.models import guards, layers, strategy
from synthtrail.models.callbacks import Bar, Saver, quiet, shown_steps
from synthtrail.models.checkpoint import Checkpoint
from synthtrail.models.devices import ALONE, Place, deterministic
from synthtrail.models.errors import TrainingError
from synthtrail.models.guards import Health
from synthtrail.models.journal import Journal
from synthtrail.models.objective import CriticLoss, Objective, Schedule, generator_for
from synthtrail.models.state import State
from synthtrail.models.stopping import Stopping
from synthtrail.models.synthesizer import Training
from synthtrail.models.threads import threads, threads_for

EPOCH = 100  # steps
RESTARTS = 3
WARM_UP = 2**31  # the random streams of the critic's steps before the first, apart from those of steps

Sample = Callable[[nn.Module], Any]
"""Takes a generator, on the CPU, and returns what it makes of noise that is the same each time."""


@dataclass(frozen=True)
class Trained:
    """The generator's weights, on the CPU, why training was set back, if it was, and after which step they were taken.

    The weights are their moving average at the end, or with `patience` at the best check.
    """

    weights: dict[str, Tensor]
    restarts: tuple[str, ...]
    step: int


def train(
    objective: Objective, schedule: Schedule, training: Training, sample: Sample, place: Place = ALONE
) -> Trained:
    """Train both networks.

    Raises `TrainingError` when losses or weights leave the finite numbers, or diverge at lower rates too.
    """
    journal = Journal(training)
    checkpoint = Checkpoint.of(objective, schedule, training, journal)  # every process takes up the same state
    module = Adversarial(objective, schedule, journal, sample, place)
    module.resume(checkpoint.restore(module.state()) if checkpoint else 0)
    callbacks: list[Callback] = []
    if training.progress and place.first and Console(stderr=True).is_terminal:
        callbacks.append(Bar(schedule.steps))
    if checkpoint and place.first:
        callbacks.append(Saver(checkpoint))
    with quiet(), threads(schedule.threads or threads_for(objective, schedule, place.world)), deterministic():
        # Batches are step numbers; `max_steps` would count every optimiser's step, so the module says when to stop.
        trainer = Trainer(
            **strategy.trainer(place),
            max_epochs=-1,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(module, train_dataloaders=Steps(module))
    if checkpoint and place.first:
        checkpoint.discard()
    kept, step = module.kept()
    with threads(schedule.threads or threads_for(objective, schedule, place.world)), deterministic():
        objective.settle(kept)
    weights = {name: value.detach().cpu().clone() for name, value in kept.state_dict().items()}
    return Trained(weights, tuple(journal.restarts), step)


def slower(attempt: int) -> float:
    """Return the share of the rates after `attempt` restarts: 1, 1/2, 1/8, 1/32."""
    return 0.5 ** max(0, 2 * attempt - 1)


class Steps:
    """An epoch's worth of turns, fewer if the last step comes first: what Lightning takes for a data loader.

    Lightning may ask for an iterator, or for one turn, that it never uses; so which step a turn takes is the module's
    own count.
    """

    def __init__(self, module: "Adversarial") -> None:
        self._module = module

    def __iter__(self) -> Iterator[int]:
        for turn in range(EPOCH):
            if self._module.over:
                return
            yield turn


class Adversarial(LightningModule):
    """The loop of the module docstring around one objective."""

    def __init__(
        self, objective: Objective, schedule: Schedule, journal: Journal, sample: Sample, place: Place
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.objective, self.schedule, self.journal = objective, schedule, journal
        self.sample, self.place = sample, place
        self.batch = objective.fitting(-(-schedule.batch // place.world))
        self.average = copy.deepcopy(objective.generator).requires_grad_(False)
        self.stopping = Stopping(self.average, schedule.patience, self.seed) if schedule.patience else None
        self.adams = self._adams()
        self.fresh = guards.norms(objective)
        self.shown = shown_steps(schedule.steps)
        self.done = 0
        self.health = Health(0.0, 1.0, 1.0)

    def _adams(self) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        plan = self.schedule
        return (
            torch.optim.Adam(self.objective.critic.parameters(), plan.rate_critic, plan.betas, fused=True),
            torch.optim.Adam(self.objective.generator.parameters(), plan.rate_generator, plan.betas, fused=True),
        )

    def resume(self, done: int) -> None:
        """Count on from `done` steps, whose state has been put back."""
        self.done = done
        self.good = [(done, self.state().copied())] * 2  # an older one, and the last
        if done:
            self.journal.training.tell(f"resumed from step {done} of {self.schedule.steps}")

    def configure_optimizers(self) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        """Return the critic's optimiser and the generator's."""
        return self.adams

    def training_step(self, batch: int, batch_index: int) -> None:
        """Take one step."""
        del batch, batch_index
        if self.over:  # a turn that Lightning had fetched already
            return
        critic_adam, generator_adam = cast("Sequence[Any]", self.optimizers())
        self._set_rates(self.schedule.rate(self.done) * slower(self.attempt))
        if not self.done:
            self._warm_up(critic_adam)
        random = generator_for(self.seed, self.place.number(self.done, self.attempt), self.device)
        for _ in range(self.schedule.critic_steps):
            judged = self.objective.critic_loss(self.batch, random)
            self._descend(critic_adam, judged.loss)
        self.objective.critic.requires_grad_(False)
        loss = self.objective.generator_loss(self.batch, random)
        self._descend(generator_adam, loss)
        self.objective.critic.requires_grad_(True)
        self._average(self.done)
        self.done += 1
        self._look(judged, loss)

    @property
    def over(self) -> bool:
        """Whether all steps are done, or longer training has stopped paying."""
        return self.done >= self.schedule.steps or (self.stopping is not None and self.stopping.over)

    def kept(self) -> tuple[nn.Module, int]:
        """Return the generator to keep, and after which step it was taken."""
        if self.stopping is None or not self.stopping.step:
            return self.average, self.done
        return self.stopping.best, self.stopping.step

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return self.journal.training.seed

    @property
    def attempt(self) -> int:
        """How often training was set back."""
        return len(self.journal.restarts)

    def _descend(self, adam: Any, loss: Tensor) -> None:
        adam.zero_grad()
        self.manual_backward(loss)
        adam.step()

    def _warm_up(self, adam: Any) -> None:
        """Let the critic learn alone, as far as the schedule says."""
        for number in range(self.schedule.warm_up):
            random = generator_for(self.seed, self.place.number(WARM_UP + number, self.attempt), self.device)
            self._descend(adam, self.objective.critic_loss(self.batch, random).loss)

    def _set_rates(self, share: float) -> None:
        rising = min(1.0, (self.done + 1) / max(1, self.schedule.warm_up))
        plan = self.schedule
        for adam, rate in zip(self.adams, (plan.rate_critic, plan.rate_generator * rising), strict=True):
            for group in adam.param_groups:
                group["lr"] = rate * share

    @torch.no_grad()
    def _average(self, step: int) -> None:
        # Early on the past is short and bad, so it counts for less.
        weight = 1 - min(self.schedule.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.objective.generator.parameters()), weight)
        for kept, now in zip(self.average.buffers(), self.objective.generator.buffers(), strict=True):
            kept.copy_(now)

    def _look(self, judged: CriticLoss, generator_loss: Tensor) -> None:
        """Report, show and check this step, as far as it is time."""
        ended = self.done == self.schedule.steps
        checked = ended or self.done % EPOCH == 0
        if checked and not self._sound():
            return
        figures = self._judge() if checked else {}
        last = ended or self.over
        if last or self.done % self.journal.training.log_every == 0:
            self._report(judged, generator_loss, figures)
        if self.place.first and (last or self.done in self.shown):
            self._show()
        if checked:
            self._remember()
        if last:
            self.trainer.should_stop = True

    def _judge(self) -> dict[str, float]:
        """Return what the check of this step found, after a look at the rows held back, if there are any."""
        health = self.health
        figures = {"variety": health.variety}
        if self.objective.choices:
            figures |= {"entropy": health.entropy, "lost": health.lost}
        if self.stopping is not None:
            figures["held_distance"] = self.stopping.check(self.objective, self.average, self.done)
            if self.stopping.over and self.place.first:
                better = f"none was better on the rows held back since step {self.stopping.step}, which is kept"
                self.journal.training.tell(f"stopped at step {self.done} of {self.schedule.steps}: {better}")
        return figures

    def _remember(self) -> None:
        """Take this state as the last good one; the one before stays if its number of epochs is a power of two.

        One that repeats itself, though it is too early to call that a collapse, is none to go back to.
        """
        if self.health.repeats:
            return
        earlier, last = self.good
        epochs = last[0] // EPOCH
        self.good = [last if epochs & (epochs - 1) == 0 else earlier, (self.done, self.state().copied())]

    def _show(self) -> None:
        generator = copy.deepcopy(self.average).cpu()
        if math.isfinite(guards.norm(generator.parameters())):  # if not, the next check sets training back
            self.journal.show(self.done, self.schedule.steps, self.sample(generator))
            networks = {"generator": self.objective.generator, "critic": self.objective.critic}
            self.journal.keep(layers.file_name(self.done), layers.told(self.done, networks))

    def _sound(self) -> bool:
        """Check the networks; if they are not sound, go back (see the module docstring, 1 to 3)."""
        self.health = health = guards.examine(self.objective, self.fresh, self.seed, self.done)
        wrong = health.diverged() or health.collapsed(self.done, self.schedule.steps)
        if not wrong:
            return True
        if self.attempt < RESTARTS:
            self._go_back(wrong)
            return False
        if health.diverged():
            raise TrainingError(self._hopeless(health))
        return True

    def _hopeless(self, health: Health) -> str:
        where = f"training is {health.diverged()} at step {self.done}, at lower rates too"
        return f"{where}; lower model.rate or check the data for extreme values"

    def _go_back(self, wrong: str) -> None:
        step, tensors = self.good[0 if self.attempt else 1]
        self.state().restore(tensors)
        line = f"step {self.done}: {wrong}; back to step {step}, at {slower(self.attempt + 1):g} of the rate"
        self.done = step
        self.journal.set_back(step, line)

    def _report(self, judged: CriticLoss, generator_loss: Tensor, found: Mapping[str, float]) -> None:
        kind = "d_score_" if self.objective.scores else "d_"
        figures = {
            "d_loss": float(judged.loss.detach()),
            "g_loss": float(generator_loss.detach()),
            f"{kind}real": float(judged.real),
            f"{kind}fake": float(judged.fake),
            "d_gradient_norm": guards.norm(p.grad for p in self.objective.critic.parameters()),
            "g_gradient_norm": guards.norm(p.grad for p in self.objective.generator.parameters()),
            "d_weight_norm": guards.norm(self.objective.critic.parameters()),
            "g_weight_norm": guards.norm(self.objective.generator.parameters()),
        }
        figures |= found
        if all(map(math.isfinite, figures.values())):  # if not, the next check sets training back
            self.journal.log(self.done, figures)

    def state(self) -> State:
        """Return what a checkpoint must hold."""
        parts: dict[str, nn.Module] = {"objective": self.objective, "average": self.average}
        return State(parts | ({"stopping": self.stopping} if self.stopping is not None else {}), self.adams)
