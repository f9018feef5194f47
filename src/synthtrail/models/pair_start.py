"""Where a cascade starts: at what pairs of columns along its tree tell by themselves, before any critic.

    bias[y, k]     = log p(k | class y)                   shares of codes within classes, as `calibration` counts them
    pairs[c][j, k] = log p(k | parent's code j) - log p(k)

So its first rows are those of a naive Bayes classifier whose columns see one another along a tree (Friedman, Geiger,
Goldszmidt 1997, Machine Learning 29:131), and what is left for the adversary is all that pairs do not tell. A critic is
slow to teach sharp dependences of two columns; here they are counted.

A few rows must not be taken for certain, nor be found again: each counts for the neighbouring codes of a number too, as
by a normal curve `NEAR` codes wide, and p(k | j) is drawn towards p(k) as by `PRIOR` rows more.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from synthtrail.models.calibration import log_shares
from synthtrail.models.cascade import Cascade
from synthtrail.models.one_hot import Layout

NEAR = 1.0  # codes
PRIOR = 20.0  # rows


@torch.no_grad()
def begin(
    generator: Cascade, layout: Layout, rows: Tensor, classes: Tensor, alike: Sequence[Tensor | None] | None = None
) -> None:
    """Set bias and pairs of a fresh generator from training rows of codes (N, C) with classes (N,).

    `alike` says of each column how alike its codes are (`likeness`), None where they are not at all.
    """
    generator.bias.copy_(log_shares(layout, rows, classes, *generator.bias.shape))
    curves = [None] * len(layout.cardinalities) if alike is None else alike
    for at, parent in generator.order.edges():
        sizes = layout.cardinalities[parent], layout.cardinalities[at]
        counts = torch.bincount(rows[:, parent] * sizes[1] + rows[:, at], minlength=sizes[0] * sizes[1])
        generator.pairs[str(at)].copy_(log_ratios(spread(counts.view(sizes).float(), curves[parent], curves[at])))


def spread(counts: Tensor, parents: Tensor | None, children: Tensor | None) -> Tensor:
    """Return counts of pairs (K_parent, K) with each row shared out among the codes that are like its own."""
    counts = counts if parents is None else parents.T @ counts
    return counts if children is None else counts @ children


def log_ratios(counts: Tensor) -> Tensor:
    """Return log p(child | parent) - log p(child) from counts of pairs (K_parent, K); 0 where nothing is known.

    >>> log_ratios(torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])).abs().max()
    tensor(0.)
    """
    shares = (counts.sum(0) / counts.sum()).clamp(min=1 / (counts.sum() * counts.shape[1]))
    given = (counts + PRIOR * shares) / (counts.sum(1, keepdim=True) + PRIOR)
    return (given / shares).log()
