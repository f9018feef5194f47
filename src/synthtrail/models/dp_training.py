"""Differentially private training of one network: DP-SGD (Abadi et al. 2016, arXiv 1607.00133) in the loop of
`likelihood.py`.

    1. every row has the same chance of being in a step, whatever befalls the others (Poisson sampling)
    2. the gradient of each row's own loss is clipped to length `clip`                          (Opacus' ghost clipping)
    3. the clipped gradients are added up, with Gaussian noise of deviation `noise` * `clip`
    4. the sum over the number of rows expected is the gradient of the step

Randomness of 1 and 3 is secret (`dp_random`), and so is what hides columns or draws latent codes; so two fits differ.
Nothing is held back: how long to train is a setting. Losses are not told, since they would be told of real rows; told
is the epsilon spent so far, and shown are rows of the model, both of which the guarantee covers. A training that was
killed goes on from its checkpoint with fresh noise; steps done twice were told to nobody.

A network must have a gradient of its own for each row: no normalisation over a batch, and only layers whose gradients'
length is known without taking them: those of `private_layers`, `Ordered`, and Opacus' own.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.grad_sample.utils import register_grad_sampler, register_norm_sampler
from torch import Tensor, nn

from synthtrail.models.dp_accounting import rho_of
from synthtrail.models.dp_random import Secret
from synthtrail.models.dp_sgd import Cost, epsilon_of, noise_for
from synthtrail.models.journal import Journal
from synthtrail.models.latent_prior import Ordered
from synthtrail.models.likelihood import Likelihood, LikelihoodSchedule, Maximum, Sample, maximise
from synthtrail.models.private_settings import COUNTS, PrivateSettings
from synthtrail.models.synthesizer import Training

AT_ONCE = 4096  # rows whose gradients are taken together: bounds memory
SAFE = 1 - 1e-5  # of the length, so that rounding never leaves a gradient longer than counted


class RowLosses(Likelihood):
    """One network and the rows that it learns from; none are held back."""

    def __init__(self, network: nn.Module, rows: Tensor) -> None:
        super().__init__(network, rows, rows[:0])

    def losses(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """Return the loss of each row (B,), which depends on no other."""
        raise NotImplementedError


@dataclass(frozen=True)
class PrivateSchedule(LikelihoodSchedule):
    """A schedule that keeps a promise: see the module docstring. `chance` is each row's to be in a step.

    `batch` is the number of rows expected in one, `rho` what was spent before (zCDP).
    """

    clip: float = 1.0
    noise: float = 1.0
    chance: float = 1.0
    rho: float = 0.0
    delta: float = 1e-6

    def epsilon(self, steps: int) -> float:
        """Return what so many steps have spent, the counts before them included."""
        return epsilon_of(self.noise, self.delta, Cost(self.chance, steps, self.rho))


def schedule_for(planned: Mapping[str, Any], settings: PrivateSettings) -> PrivateSchedule:
    """Return the schedule of a fit as `private_settings.plan` has it; `ModelError` where no noise keeps the promise."""
    cost = Cost(planned["chance"], planned["steps"], COUNTS * rho_of(settings.epsilon, settings.delta))
    return PrivateSchedule(
        planned["steps"],
        planned["batch"],
        settings.rate,
        decay=0.0,
        warm_up=1,
        ema=settings.ema,
        clip=settings.clip,
        noise=noise_for(settings.epsilon, settings.delta, cost),
        chance=cost.rate,
        rho=cost.rho,
        delta=settings.delta,
    )


def learn_privately(
    objective: RowLosses, schedule: PrivateSchedule, training: Training, sample: Sample
) -> dict[str, Tensor]:
    """Train; return the moving average of the weights, on the CPU."""
    return maximise(objective, schedule, training, sample, partial(PrivateLoop, schedule))


class PrivateLoop(Maximum):
    """The loop of the module docstring around one objective."""

    objective: RowLosses

    def __init__(
        self,
        plan: PrivateSchedule,
        objective: RowLosses,
        schedule: LikelihoodSchedule,
        journal: Journal,
        sample: Sample,
    ) -> None:
        super().__init__(objective, schedule, journal, sample)
        self.plan, self.secret, self.random = plan, Secret(), None
        self.weights = [p for p in objective.network.parameters() if p.requires_grad]
        self.gradients = RowGradients(objective.network, plan.clip)

    def training_step(self, batch: int, batch_index: int) -> None:
        """Take one step."""
        del batch, batch_index
        if self.over:
            return
        self._slow_down()
        sums = self._sums()
        self._add_noise(sums)
        cast("Any", self.optimizers()).step()
        self._average(self.done)
        self.done += 1
        self._tell()

    def _sums(self) -> list[Tensor]:
        """Return the sums of the clipped gradients of the rows picked for this step, zeros if none are."""
        random = self.secret.generator(self.device)
        picked = torch.from_numpy(self.secret.picked(len(self.objective.rows), self.plan.chance)).to(self.device)
        sums = [torch.zeros_like(weight) for weight in self.weights]
        for part in torch.split(picked, AT_ONCE) if len(picked) else ():
            rows = self.objective.rows[part]
            found = self.gradients.clipped(lambda: self.objective.losses(rows, random))  # noqa: B023 - called at once
            torch._foreach_add_(sums, found)
        return sums

    def _add_noise(self, sums: list[Tensor]) -> None:
        """Set each weight's gradient: the sum with noise, over the number of rows expected."""
        deviation, expected = self.plan.noise * self.plan.clip, self.plan.batch
        for weight, total in zip(self.weights, sums, strict=True):
            noise = torch.from_numpy(self.secret.gaussians(total.numel())).view(total.shape)
            noisy = total.double().cpu() + deviation * noise
            weight.grad = (noisy / expected).to(total)

    def _tell(self) -> None:
        """Tell the epsilon spent and show rows, as far as it is time."""
        if self.over or self.done % self.journal.training.log_every == 0:
            self._report({"epsilon": self.plan.epsilon(self.done)})
        if self.over:
            self.best.load_state_dict(self.average.state_dict())
        if self.over or self.done in self.shown:
            self._show(self.average)
        self.trainer.should_stop = self.over


class RowGradients:
    """Sums of clipped gradients of rows: two passes backward, the first for the length of each row's own gradient."""

    def __init__(self, network: nn.Module, clip: float) -> None:
        self.weights = [p for p in network.parameters() if p.requires_grad]
        self.hooked = GradSampleModuleFastGradientClipping(
            network, max_grad_norm=clip * SAFE, loss_reduction="sum", strict=False, use_ghost_clipping=True
        )

    def clipped(self, losses_of: Callable[[], Tensor]) -> list[Tensor]:
        """Return, for each weight, the sum of the clipped gradients of the rows' losses (B,)."""
        with warnings.catch_warnings():  # the first layer's input has no gradient, which Opacus does without
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            self.hooked.enable_hooks()
            losses = losses_of()
            losses.sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
            self.hooked.disable_hooks()
            share = self.hooked.get_clipping_coef().detach()
            found = torch.autograd.grad((share * losses).sum(), self.weights)
        for weight in self.weights:
            weight.grad = None
        return list(found)

    def lengths(self, losses_of: Callable[[], Tensor]) -> Tensor:
        """Return the length of each row's gradient (B,)."""
        self.clipped(losses_of)
        found: Tensor = self.hooked.per_sample_gradient_norms
        return found


@register_grad_sampler(Ordered)  # type: ignore[untyped-decorator]
def _ordered_gradients(layer: Ordered, inputs: Sequence[Tensor], slopes: Tensor) -> dict[Tensor, Tensor]:
    """Return each row's gradient, by parameter; Opacus wants it of a layer beside its length."""
    return {layer.weight: slopes[:, :, None] * inputs[0][:, None, :] * layer.kept, layer.bias: slopes}


@register_norm_sampler(Ordered)  # type: ignore[untyped-decorator]
def _ordered_lengths(layer: Ordered, inputs: Sequence[Tensor], slopes: Tensor) -> dict[Tensor, Tensor]:
    """Return the length of each row's gradient, by parameter."""
    squares = ((slopes**2) @ layer.kept * inputs[0] ** 2).sum(1)
    return {layer.weight: squares.clamp(min=0).sqrt(), layer.bias: slopes.norm(dim=1)}
