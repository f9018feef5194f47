"""After training: move a cascade's logits until its columns have the training rows' shares, class by class.

A GAN's marginals stay a little off however long it trains, since a critic that sees whole rows has little to say about
the share of one code. They are known, so they can be set: code k of a column, in class y, gets

    bias[y, k] += log(share among training rows of y) - log(share among generated rows of y)

a few times over, as a change in one column moves those drawn after it. Generated shares are means of probabilities,
not counts of draws, and so hardly noisy. Both shares are drawn towards the column's overall one as if `PRIOR` rows more
had been seen, so a level that few rows of a class have is neither copied exactly nor lost. Only the bias changes, and
sampling costs what it did; what is taken from the training rows is shares of codes within classes.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from synthtrail.models.cascade import Cascade
from synthtrail.models.objective import generator_for
from synthtrail.models.one_hot import Layout, gumbel

ROUNDS = 4
PRIOR = 2.0  # rows
MOST_STEP = 2.0  # of a bias in one round
BATCH = 2048
LEAST_ROWS, MOST_ROWS = 4096, 16384  # generated in a round
STREAM = 2**50 + 3  # the random stream of the first round
TINY = 1e-6


@torch.no_grad()
def calibrate(
    generator: Cascade, layout: Layout, rows: Tensor, classes: Tensor, *, noise: int, seed: int
) -> list[float]:
    """Set the generator's bias from training rows of codes (N, C) with classes (N,); return the mean gap in each round.

    `layout` is that of the rows, `noise` the size Z of the generator's noise.
    """
    labels, width = generator.bias.shape
    wanted = log_shares(layout, rows, classes, labels, width)
    gaps = []
    for number in range(ROUNDS if width else 0):
        made = _logarithm(
            _shares(_made(generator, classes, noise, generator_for(seed, STREAM + number)), labels, width)
        )
        gaps.append(float((wanted.exp() - made.exp()).abs().mean()))
        generator.bias += (wanted - made).clamp(-MOST_STEP, MOST_STEP)
    return gaps


def log_shares(layout: Layout, rows: Tensor, classes: Tensor, labels: int, width: int) -> Tensor:
    """Return the logarithm of the share of each code in each class (L, W), as wanted of generated rows."""
    return _logarithm(_shares(_coded(layout, rows, classes, width), labels, width))


def _logarithm(shares: Tensor) -> Tensor:
    return shares.clamp(min=TINY).log()


def _coded(layout: Layout, rows: Tensor, classes: Tensor, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of training rows (B, W) beside their classes (B,)."""
    for part, of in zip(torch.split(rows, BATCH), torch.split(classes, BATCH), strict=True):
        yield layout.one_hot(part)[:, :width], of


def _made(generator: Cascade, classes: Tensor, noise: int, random: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of the probabilities (B, W) that rows are drawn with, beside their classes (B,)."""
    labels, width = generator.bias.shape
    for _ in range(min(MOST_ROWS, max(LEAST_ROWS, 2 * len(classes))) // BATCH):
        of = classes[torch.randint(len(classes), (BATCH,), generator=random)]
        drawn = gumbel(torch.empty(BATCH, width), random)
        label = functional.one_hot(of, labels).float()
        steps = generator.steps(torch.randn(BATCH, noise, generator=random), label, drawn)
        pairs = zip(steps, generator.parts(), strict=True)
        yield torch.cat([_softmax(logits, stage.sizes) for (_, logits), stage in pairs], 1), of


def _softmax(logits: Tensor, sizes: list[int]) -> Tensor:
    return torch.cat([part.softmax(1) for part in torch.split(logits, sizes, 1)], 1)


def _shares(parts: Iterable[tuple[Tensor, Tensor]], labels: int, width: int) -> Tensor:
    """Return the share of each code in each class (L, W), drawn towards the overall one, from one part at a time."""
    sums, rows = torch.zeros(labels, width), torch.zeros(labels, 1)
    for part, of in parts:
        sums.index_add_(0, of, part)
        rows += torch.bincount(of, minlength=labels)[:, None]
    overall = sums.sum(0) / rows.sum()
    return (sums + PRIOR * overall) / (rows + PRIOR)
