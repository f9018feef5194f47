"""Where a cascade starts: at what pairs of columns along its tree tell by themselves, before any critic.

    bias[y, k]     = log p(k | class y)                   shares of codes within classes, as `calibration` counts them
    pairs[c][j, k] = log p(k | parent's code j) - log q(k | j)    where  q(k | j) = sum of p(y | j) p(k | y) over y

q is what the parent's code tells through the class alone: the bias says that already. So the first rows are those of a
naive Bayes classifier whose columns see one another along a tree (Friedman, Geiger, Goldszmidt 1997, Machine Learning
29:131), and what is left for the adversary is all that pairs do not tell. A critic is slow to teach sharp dependences
of two columns; here they are counted.

A few rows must not be taken for certain, nor be found again: each counts for the neighbouring codes of a number too, as
by a normal curve some codes wide, and p(k | j) is drawn towards q(k | j) as by some rows more. How wide and how many
says each pair itself: those of `NEAR` and `PRIOR` by which every row is most likely given all others (leaving one out:
Stone 1974, JRSS B 36:111). Columns that follow from each other keep that; pairs of chance fade.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.models.calibration import log_shares
from synthtrail.models.cascade import Cascade
from synthtrail.models.likeness import likeness
from synthtrail.models.one_hot import Layout

NEAR = (0.0, 0.5, 1.0, 2.0)  # codes
PRIOR = tuple(2.0**power for power in range(11))  # rows

Centres = NDArray[np.float64] | None
"""What the codes of a number stand for (K,); None of words."""


@torch.no_grad()
def begin(
    generator: Cascade, layout: Layout, rows: Tensor, classes: Tensor, centres: Sequence[Centres] | None = None
) -> None:
    """Set bias and pairs of a fresh generator from training rows of codes (N, C) with classes (N,).

    `centres` says of each column what its codes stand for; without, all are words.
    """
    labels = len(generator.bias)
    generator.bias.copy_(log_shares(layout, rows, classes, *generator.bias.shape))
    for at, parent in generator.order.edges():
        before, after = layout.cardinalities[parent], layout.cardinalities[at]
        counts = table(rows[:, parent], rows[:, at], before, after)
        of = table(classes, rows[:, at], labels, after)
        expected = table(rows[:, parent], classes, before, labels) @ (of / of.sum(1, keepdim=True).clamp(min=1))
        places = (None, None) if centres is None else (centres[parent], centres[at])
        generator.pairs[str(at)].copy_(log_ratios(counts, expected, *places))


def table(one: Tensor, other: Tensor, before: int, after: int) -> Tensor:
    """Return how many rows have each code of `one` (N,) beside each of `other` (N,): (before, after)."""
    return torch.bincount(one * after + other, minlength=before * after).view(before, after).float()


def log_ratios(counts: Tensor, expected: Tensor, parents: Centres = None, children: Centres = None) -> Tensor:
    """Return log p(k | j) - log q(k | j) from counts of pairs (J, K) and how many q expects; 0 where nothing is known.

    >>> counts = torch.tensor([[90.0, 10.0], [10.0, 90.0], [0.0, 0.0]])
    >>> evenly = counts.sum(1, keepdim=True) / 2 * torch.ones(1, 2)
    >>> log_ratios(counts, evenly).exp().round(decimals=1)
    tensor([[1.8000, 0.2000],
            [0.2000, 1.8000],
            [1.0000, 1.0000]])
    """
    if not counts.sum():
        return torch.zeros_like(counts)
    words = parents is None and children is None
    found = [_most_likely(counts, expected, parents, children, near) for near in NEAR[: 1 if words else None]]
    return max(found, key=lambda one: one[0])[1]


def _most_likely(
    counts: Tensor, expected: Tensor, parents: Centres, children: Centres, near: float
) -> tuple[float, Tensor]:
    """Return of one width how likely rows are given all others, at the best of `PRIOR`, and the ratios by that."""
    curves = [likeness(centres, near) if near else None for centres in (parents, children)]
    seen, told = spread(counts, *curves), _shares(spread(expected, *curves))
    parent, child = (
        torch.ones(size) if curve is None else curve.diagonal()
        for curve, size in zip(curves, counts.shape, strict=True)
    )
    j, k = counts.nonzero(as_tuple=True)
    others, cells = seen.sum(1)[j] - parent[j], seen[j, k] - parent[j] * child[k]  # without the row itself
    scores = [
        float((counts[j, k] * ((cells.clamp(min=0) + rows * told[j, k]) / (others.clamp(min=0) + rows)).log()).sum())
        for rows in PRIOR
    ]
    best = int(np.argmax(scores))
    given = (seen + PRIOR[best] * told) / (seen.sum(1, keepdim=True) + PRIOR[best])
    return scores[best], (given / told).log()


def spread(counts: Tensor, parents: Tensor | None, children: Tensor | None) -> Tensor:
    """Return counts of pairs (J, K) with each row shared out among the codes that are like its own."""
    counts = counts if parents is None else parents.T @ counts
    return counts if children is None else counts @ children


def _shares(expected: Tensor) -> Tensor:
    """Return expected counts (J, K) as shares of each line, none quite 0."""
    lines = expected.sum(1, keepdim=True)
    overall = expected.sum(0) / expected.sum()
    shares = torch.where(lines > 0, expected / lines.clamp(min=1e-9), overall)
    shares = shares.clamp(min=float(1 / (expected.sum() * expected.shape[1])))
    return shares / shares.sum(1, keepdim=True)
