"""Early stopping: how far generated rows are from rows held back, looked at now and then, and the best kept.

Asked for by the setting `patience` of a GAN. A part of the training rows is then not learnt from; at the end of each
epoch the moving average makes as many rows, from the same noise each time, and the energy distance (Székely and Rizzo
2013) between the two is taken:

    2 mean|made - held| - mean|made - made'| - mean|held - held'|

0 if they are distributed alike, above 0 if not, whatever the rows are. Training ends after `patience` checks that were
no better than the best, and the weights of the best check are what is kept.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from synthtrail.models.objective import Objective, generator_for

HELD = 0.1  # share of the training rows that decides
LEAST_HELD = 20  # rows: the distance to fewer says too little
MOST_HELD = 1000
PARTING, STREAM = 2**50, 2**50 + 1  # random streams: which rows, and the noise of the checks


def parted(rows: Tensor, classes: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows to learn from, their classes, and the rows that decide; of a single row, that row twice."""
    order = torch.randperm(len(rows), generator=generator_for(seed, PARTING))
    held = min(MOST_HELD, max(round(len(rows) * HELD), min(LEAST_HELD, len(rows) // 2)))
    if not held:
        return rows, classes, rows
    learnt = order[held:].sort().values
    return rows[learnt], classes[learnt], rows[order[:held]]


class Stopping(nn.Module):
    """The best weights so far, and the course of the checks; a module, so that it is part of the saved state."""

    course: Tensor
    own: Tensor

    def __init__(self, average: nn.Module, patience: int, seed: int) -> None:
        super().__init__()
        self.best = copy.deepcopy(average).requires_grad_(False)
        self.patience, self.seed = patience, seed
        self.register_buffer("course", torch.tensor([math.inf, 0.0, 0.0], dtype=torch.float64))

    @property
    def since(self) -> int:
        """How many checks there were since the best."""
        return int(self.course[1])

    @property
    def step(self) -> int:
        """The step of the best check."""
        return int(self.course[2])

    @property
    def over(self) -> bool:
        """Whether longer training has stopped paying."""
        return self.since >= self.patience

    @torch.no_grad()
    def check(self, objective: Objective, average: nn.Module, step: int) -> float:
        """Judge the moving average after `step` steps, remember it if it is the best, and return its distance."""
        held = objective.view(objective.held).flatten(1)
        with standing_in(objective, average):
            random = generator_for(self.seed, STREAM, held.device)
            made = objective.made(objective.fitting(max(2, len(held))), random).flatten(1)
        found = distance(made, held)
        if found < float(self.course[0]):
            self.best.load_state_dict(average.state_dict())
            self.course.copy_(torch.tensor([found, 0.0, float(step)]))
        else:
            self.course[1] += 1
        return found


@contextmanager
def standing_in(objective: Objective, generator: nn.Module) -> Iterator[None]:
    """Let `generator` make the objective's rows inside the block."""
    mine, objective.generator = objective.generator, generator
    try:
        yield
    finally:
        objective.generator = mine


def distance(made: Tensor, held: Tensor) -> float:
    """Return the energy distance of rows (N, D) and (M, D); NaN if rows are not finite.

    >>> distance(torch.zeros(4, 1), torch.ones(4, 1))
    2.0
    """
    if not bool(made.isfinite().all()):
        return math.nan
    between = torch.cdist(made, held).mean()
    return float(2 * between - _within(made) - _within(held))


def _within(rows: Tensor) -> Tensor:
    """Return the mean distance of two different rows, 0 for a single one."""
    return torch.cdist(rows, rows).sum() / max(1, len(rows) * (len(rows) - 1))
