"""Where a cascade starts: at what pairs of columns along its tree tell by themselves, before any critic.

    bias[y, k]     = log p(k | class y)                   shares of codes within classes, as `calibration` counts them
    pairs[c][j, k] = log p(k | parent's code j) - log p(k)

So its first rows are those of a naive Bayes classifier whose columns see one another along a tree (Friedman, Geiger,
Goldszmidt 1997, Machine Learning 29:131), and what is left for the adversary is all that pairs do not tell. A critic is
slow to teach sharp dependences of two columns; here they are counted. p(k | j) is drawn towards p(k) as by `PRIOR` rows
more, so that what few rows say is not taken for certain.
"""

import torch
from torch import Tensor

from synthtrail.models.calibration import log_shares
from synthtrail.models.cascade import Cascade
from synthtrail.models.one_hot import Layout

PRIOR = 5.0  # rows


@torch.no_grad()
def begin(generator: Cascade, layout: Layout, rows: Tensor, classes: Tensor) -> None:
    """Set bias and pairs of a fresh generator from training rows of codes (N, C) with classes (N,)."""
    generator.bias.copy_(log_shares(layout, rows, classes, *generator.bias.shape))
    for at, parent in generator.order.edges():
        sizes = layout.cardinalities[parent], layout.cardinalities[at]
        generator.pairs[str(at)].copy_(log_ratios(rows[:, parent], rows[:, at], sizes))


def log_ratios(parent: Tensor, child: Tensor, sizes: tuple[int, int]) -> Tensor:
    """Return log p(child | parent) - log p(child), (K_parent, K), from codes (N,) of both; 0 where nothing is known.

    >>> log_ratios(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]), (3, 2)).abs().max()
    tensor(0.)
    """
    counts = torch.bincount(parent * sizes[1] + child, minlength=sizes[0] * sizes[1]).view(sizes).float()
    shares = (counts.sum(0) / len(child)).clamp(min=1 / (len(child) * sizes[1]))
    given = (counts + PRIOR * shares) / (counts.sum(1, keepdim=True) + PRIOR)
    return (given / shares).log()
