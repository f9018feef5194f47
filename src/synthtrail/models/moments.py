"""How far generated rows are from the training rows in their second moments: marginals, pairs, pairs within a class.

A row x is its one-hot columns and the numbers they stand for, f(x) (D,); its second moments E[f f'] (D, D) hold the
share of every code, of every pair of codes, and the correlations of numbers. Those of the training rows are counted
once. The distance of a batch is |E_made[f f'] - E_real[f f']|^2, over the squared number of columns.

A batch's own moments are noisy, and the square of noise would reward rows that vary less. So the batch is halved, and
the differences of the halves are multiplied: on average that is the squared difference itself (the U-statistic of an
MMD with the kernel (f f')^2; Gretton et al. 2012, JMLR 13). Codes count by the inverse root of their share, so that
rare ones do not vanish beside frequent ones. With up to `MOST_CLASSES` classes each has moments of its own.

Beside a critic, this repairs cheaply what a critic is slow to see: that a column, or a pair, is a little off.
"""

import functools
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from synthtrail.models.objective import generator_for
from synthtrail.models.one_hot import Layout

MOST_CLASSES = 10
MOST_FEATURES = 512  # wider rows are projected at random; the distance is then about the same
BATCH = 4096
STREAM = 2**50 + 2  # the random stream of the projection, which is the same for every seed


class Moments(nn.Module):
    """The distance of the module docstring to training rows of codes (N, C) with classes (N,)."""

    real: Tensor
    scale: Tensor
    numbers: Tensor
    shares: Tensor
    projection: Tensor

    def __init__(self, rows: Tensor, classes: Tensor, labels: int, layout: Layout, numbers: Tensor) -> None:
        super().__init__()
        self.labels, self.columns = (labels if labels <= MOST_CLASSES else 1), len(layout.cardinalities)
        pairs = list(zip(torch.split(rows, BATCH), torch.split(classes, BATCH), strict=True))
        shares = _total(layout.one_hot(part).double().sum(0) for part, _ in pairs) / len(rows)
        counts = torch.bincount(classes, minlength=labels) if self.labels > 1 else torch.tensor([len(rows)])
        self.register_buffer("scale", _at_least(shares, rows).pow(-0.25), persistent=False)
        self.register_buffer("shares", _at_least(counts / len(rows), rows), persistent=False)
        self.register_buffer("numbers", numbers, persistent=False)
        self.register_buffer("projection", _projection(sum(numbers.shape)), persistent=False)
        total = _total(self.second(layout.one_hot(part), of) * len(part) for part, of in pairs)
        self.register_buffer("real", total / len(rows), persistent=False)

    def second(self, rows: Tensor, classes: Tensor) -> Tensor:
        """Return the second moments (L, D, D) of one-hot rows (B, W), each class's times its share."""
        seen = torch.cat([rows * self.scale, rows @ self.numbers], 1)
        if self.projection.numel():
            seen = seen @ self.projection
        if self.labels == 1:
            return (seen.T @ seen / len(rows))[None]
        parts = (seen[classes == label] for label in range(self.labels))
        return torch.stack([part.T @ part for part in parts]) / len(rows)

    def forward(self, rows: Tensor, classes: Tensor) -> Tensor:
        """Return the distance of one-hot rows (B, W) with classes (B,)."""
        half = len(rows) // 2
        one = self.second(rows[:half], classes[:half]) - self.real
        other = self.second(rows[half:], classes[half:]) - self.real
        return ((one * other).sum((1, 2)) / self.shares).sum() / self.columns**2


def _total(parts: Iterable[Tensor]) -> Tensor:
    """Return the sum, one part in memory at a time."""
    return functools.reduce(torch.add, parts)


def _at_least(shares: Tensor, rows: Tensor) -> Tensor:
    return shares.float().clamp(min=1 / len(rows))


def _projection(features: int) -> Tensor:
    if features <= MOST_FEATURES:
        return torch.zeros(0)
    signs = torch.randint(0, 2, (features, MOST_FEATURES), generator=generator_for(0, STREAM))
    return (2.0 * signs - 1) / math.sqrt(MOST_FEATURES)
