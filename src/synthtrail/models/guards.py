"""Is this training still going somewhere: divergence and mode collapse, found at the end of each epoch.

A check draws one batch from a generator of its own, so it changes nothing of the training, and finds

    critic loss   on that batch: beyond `MOST_LOSS` the game has run away
    growth        each network's weight norm, as a multiple of its fresh one: beyond `MOST_GROWTH` it has, too
    variety       mean distance of a generated row to its nearest fellow, over the same among real rows
    entropy       of the categories' shares, summed over columns, over the same among real rows
    lost          share of the frequent categories, those of `FREQUENT` of the real rows, that next to no row has

Variety is about 1 for a good generator and 0 for one that makes the same row, or a few rows, again and again: fewer
modes than rows in the batch leave most rows with a twin. Below `LEAST_VARIETY` the generator has collapsed. Fresh
generators are near constant by nature, so variety counts from a fifth of the steps on, and not before `SETTLED`; and
where half of the real rows have twins themselves (a table of two categories), it says nothing and is 1. There, and
where numbers differ but categories do not, entropy tells: below `LEAST_ENTROPY`, or with more than `MOST_LOST` of the
frequent categories gone, the generator has collapsed as well. The class is given and does not count; images have none.

What is done about it stands in `training`: back to an earlier good state, at a lower rate, with other noise.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from synthtrail.models.objective import Objective, generator_for

MOST_LOSS = 1e4
MOST_GROWTH = 100.0
LEAST_VARIETY = 0.05
LEAST_ENTROPY = 0.25
MOST_LOST = 0.25
FREQUENT = 0.05  # of the real rows; in a batch of `BATCH`, chance loses none that is drawn
GONE = 0.1  # of its real share, below which a category is lost
SETTLED = 200  # steps
BATCH = 256
STREAM = 2**40  # apart from the numbers of steps


@dataclass(frozen=True)
class Health:
    """What a check found."""

    critic_loss: float
    growth: float
    variety: float
    entropy: float = 1.0
    lost: float = 0.0

    def diverged(self) -> str:
        """Return how training has left the rails, empty if it has not."""
        if not all(map(math.isfinite, (self.critic_loss, self.growth, self.variety))):
            found = {"critic loss": self.critic_loss, "weights": self.growth, "generated rows": self.variety}
            return f"not finite ({', '.join(name for name, value in found.items() if not math.isfinite(value))})"
        if abs(self.critic_loss) > MOST_LOSS:
            return f"diverging (critic loss {self.critic_loss:.2g})"
        return f"diverging (weights grew {self.growth:.2g} times)" if self.growth > MOST_GROWTH else ""

    def collapsed(self, step: int, steps: int) -> str:
        """Return that the generator repeats itself after `step` of `steps` steps, empty if not."""
        return "" if step < max(SETTLED, steps / 5) else self.repeats

    @property
    def repeats(self) -> str:
        """How the generator repeats itself, empty if it does not; a fresh one may, so for it this says nothing."""
        if self.variety < LEAST_VARIETY:
            return f"collapsed (variety {self.variety:.2g})"
        if self.entropy < LEAST_ENTROPY:
            return f"collapsed (entropy of categories {self.entropy:.0%} of the real)"
        return f"collapsed ({self.lost:.0%} of the frequent categories gone)" if self.lost > MOST_LOST else ""


def examine(objective: Objective, fresh: Mapping[str, float], seed: int, step: int) -> Health:
    """Check the networks; `fresh` are the weight norms (see `norms`) from before the first step."""
    random = generator_for(seed, STREAM + step, objective.rows.device)
    size = min(BATCH, len(objective.rows))
    grown = max(norm / max(fresh[name], 1e-6) for name, norm in norms(objective).items())
    loss = float(objective.critic_loss(objective.fitting(size), random).loss.detach())
    return Health(loss, grown, variety(objective, size, random), *categories(objective, size, random))


@torch.no_grad()
def variety(objective: Objective, size: int, random: torch.Generator) -> float:
    """Return the ratio of the module docstring from `size` generated and as many different real rows."""
    made = objective.made(size, random).flatten(1)
    at = torch.randperm(len(objective.rows), generator=random, device=objective.rows.device)[:size]
    real = nearest(objective.real(at).flatten(1))
    if len(real) < 2 or float((real > 0).float().mean()) < 0.5:
        return 1.0 if bool(made.isfinite().all()) else math.nan
    return float(nearest(made).mean() / real.mean())


@torch.no_grad()
def categories(objective: Objective, size: int, random: torch.Generator) -> tuple[float, float]:
    """Return entropy and lost of the module docstring; 1 and 0 where there are no categories."""
    if not objective.choices:
        return 1.0, 0.0
    at = torch.randperm(len(objective.rows), generator=random, device=objective.rows.device)[:size]
    made, real = objective.made(objective.fitting(size), random).mean(0), objective.real(at).mean(0)
    parts = [(made[start:end], real[start:end]) for start, end in objective.choices]
    spread = sum(_entropy(part) for _, part in parts)
    entropy = sum(_entropy(part) for part, _ in parts) / spread if spread > 0 else 1.0
    frequent = sum(int((real >= FREQUENT).sum()) for _, real in parts)
    gone = sum(int(((real >= FREQUENT) & (made < GONE * real)).sum()) for made, real in parts)
    return entropy, gone / max(1, frequent)


def _entropy(shares: Tensor) -> float:
    return -float(torch.special.xlogy(shares, shares.clamp(min=0)).sum())


def nearest(rows: Tensor) -> Tensor:
    """Return each row's distance to the nearest other one, (B, D) -> (B,)."""
    apart = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return apart.fill_diagonal_(math.inf).amin(1)


def norms(objective: Objective) -> dict[str, float]:
    """Return the norm of each network's weights."""
    networks = {"critic": objective.critic, "generator": objective.generator}
    return {name: norm(network.parameters()) for name, network in networks.items()}


def norm(tensors: Iterable[Tensor | None]) -> float:
    """Return the Euclidean norm of all tensors together, 0 for none."""
    parts = [t.detach().norm() for t in tensors if t is not None]
    return float(torch.stack(parts).norm()) if parts else 0.0
