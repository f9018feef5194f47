"""What is to be trained, said in torch alone: two networks against each other, their losses, and a schedule.

Randomness is a pure function of (seed, step): every step seeds a generator of its own, and everything drawn in the
step comes from it. So training that was interrupted continues as if it had not been.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class CriticLoss(NamedTuple):
    """The critic's loss, and its mean judgement of real and of generated rows (probabilities for BCE, else raw)."""

    loss: Tensor
    real: Tensor
    fake: Tensor


class Objective(nn.Module):
    """Two networks and the training rows (as buffers, so that they follow to the GPU)."""

    generator: nn.Module
    critic: nn.Module
    rows: Tensor
    classes: Tensor
    held: Tensor  # rows that decide when to stop and are not learnt from, none without early stopping
    scores: ClassVar[bool] = False  # whether judgements are raw scores, not probabilities
    choices: tuple[tuple[int, int], ...] = ()  # where in a row, as `view` shows it, the parts of each category lie

    def __init__(self, generator: nn.Module, critic: nn.Module, rows: Tensor, classes: Tensor) -> None:
        super().__init__()
        self.generator, self.critic = generator, critic
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("classes", classes, persistent=False)
        self.register_buffer("held", rows[:0], persistent=False)

    def pick(self, size: int, random: torch.Generator) -> Tensor:
        """Return `size` row numbers drawn with replacement."""
        return torch.randint(len(self.rows), (size,), generator=random, device=self.rows.device)

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return the critic's loss on `size` real and as many generated rows."""
        raise NotImplementedError

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the generator's loss on `size` generated rows."""
        raise NotImplementedError

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return `size` generated rows, (size, ...), as `real` shows real ones."""
        raise NotImplementedError

    def view(self, rows: Tensor) -> Tensor:
        """Return real rows as the critic sees them, (B, ...)."""
        return rows

    def real(self, at: Tensor) -> Tensor:
        """Return the training rows of these numbers, (B,) -> (B, ...), as the critic sees them."""
        return self.view(self.rows[at])

    def settle(self, generator: nn.Module) -> None:
        """Prepare a trained generator for use; nothing, unless it has statistics to count."""

    def fitting(self, size: int) -> int:
        """Return the largest batch up to `size` that the losses can take, and at least one that they can."""
        return size


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: steps of the generator, rows a step, Adam's rates and betas, critic steps each.

    The rates stay constant for the first half and then fall linearly to a hundredth; `ema` is the weight of the past in
    the generator's moving average. `threads` is chosen by the size of a step if None. With `patience` training may end
    sooner (see `stopping`). `warm_up` steps of the critic alone come before the first; over as many steps the
    generator's rate then rises to its own.
    """

    steps: int
    batch: int
    rate_generator: float
    rate_critic: float
    betas: tuple[float, float] = (0.5, 0.9)
    critic_steps: int = 1
    ema: float = 0.995
    threads: int | None = None
    patience: int | None = None
    warm_up: int = 0

    def rate(self, step: int) -> float:
        """Return the share of the learning rate that step number `step` (from 0) has."""
        return min(1.0, 2 * (1 - step / self.steps) + 0.01)


def generator_for(seed: int, number: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the random generator of step or batch `number`."""
    return torch.Generator(device=device).manual_seed(mixed(seed, number))


def mixed(seed: int, number: int) -> int:
    """Mix a seed and a number into 32 bits, which is what torch's Mersenne twister takes in."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
