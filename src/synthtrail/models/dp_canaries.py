"""What an attacker makes of differentially private training: canaries in the steps, one fit, a score for each.

A canary is a row whose gradient is far too long, in a direction that no other row has: the worst that one row can do.
Its score is the log-likelihood that it was there, in what all steps gave (an attacker who sees every step: Nasr et al.
2021, arXiv 2101.04535). So the score sees it if a row is picked too often, clipped too late, or hidden by too little
noise. The other rows and the network play no part in that; they are rows of nobody and a small network. Sampling,
clipping, noise and number of steps are the model's own, and so is the code. `dp_audit` turns scores into an epsilon.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.models.dp_audit import CANARIES, Flags, Floats, coins
from synthtrail.models.dp_training import PrivateLoop, PrivateSchedule, RowLosses
from synthtrail.models.likelihood import maximise
from synthtrail.models.synthesizer import Training

LOUD = 1e4  # times the length to which a gradient is clipped


class Planted(nn.Module):
    """A network, and beside it a direction for each canary that the network does not use."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.canaries = network, nn.Linear(CANARIES, 1, bias=False)
        nn.init.zeros_(self.canaries.weight)


class PlantedRows(RowLosses):
    """The losses of rows, and of canaries that stand behind them; a row is its place among both (N + M,)."""

    network: Planted
    codes: Tensor
    numbers: Tensor

    def __init__(self, inner: RowLosses, inside: Flags, loudness: float) -> None:
        planted = torch.from_numpy(np.flatnonzero(inside) + 1)
        own = torch.arange(len(planted)) % len(inner.rows)  # what a canary is beside its direction plays no part
        codes = torch.cat([inner.rows, inner.rows[own]])
        super().__init__(Planted(inner.network), torch.arange(len(codes)))
        self.inner, self.loudness = inner, loudness
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("numbers", functional.pad(planted, (len(inner.rows), 0)), persistent=False)

    def losses(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """Return the loss of each row (B,); a canary's is its own direction's alone."""
        number = self.numbers[rows]  # of the canary, from 1, and 0 for none
        own = functional.one_hot(number, CANARIES + 1)[:, 1:].float()
        usual = torch.where(number == 0, self.inner.losses(self.codes[rows], random), 0.0)
        made: Tensor = usual + self.loudness * self.network.canaries(own).squeeze(1)
        return made


class Watched(PrivateLoop):
    """The loop, watched by an attacker who sees the noisy gradient of every step."""

    def __init__(self, plan: PrivateSchedule, seen: Floats, *given: Any) -> None:
        super().__init__(plan, *given)
        self.seen = seen

    def _add_noise(self, sums: list[Tensor]) -> None:
        super()._add_noise(sums)
        network: Any = self.objective.network
        gradient: Tensor = network.canaries.weight.grad
        found = gradient.double().cpu().numpy().ravel() * self.plan.batch / self.plan.clip
        told = (2 * found - 1) / (2 * max(self.plan.noise, 1e-6) ** 2)
        chance = min(self.plan.chance, 1.0)
        self.seen += np.logaddexp(np.log1p(-chance) if chance < 1 else -np.inf, np.log(chance) + told)


def attack_steps(inner: RowLosses, schedule: PrivateSchedule) -> tuple[Floats, Flags]:
    """Return scores (M,) and coins (M,) of canaries among the rows of `inner`, trained by this schedule."""
    inside, seen = coins(CANARIES, np.random.default_rng()), np.zeros(CANARIES)
    objective = PlantedRows(inner, inside, LOUD * schedule.clip)
    quiet = Training(seed=0, progress=False, log_every=schedule.steps + 1)
    maximise(objective, schedule, quiet, lambda _: None, partial(Watched, schedule, seen))
    return seen, inside
