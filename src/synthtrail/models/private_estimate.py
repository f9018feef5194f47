"""The table of probabilities that fits several noisy counts best.

Counts of a table's margins contradict each other and have negative cells. `joint` finds the non-negative table whose
margins are closest to all of them, each weighed by its noise (McKenna, Sheldon, Miklau 2019, arXiv 1901.09136, for one
clique): entropic mirror descent from the table in which nothing beyond the margins depends on each other.

    >>> noisy = np.array([[30.0, -1.0], [2.0, 69.0]])
    >>> table = joint([(noisy, 1.0, (0, 1))], (2, 2))
    >>> np.abs(table * 100 - noisy).max().round() <= 1.0, table.min() >= 0
    (np.True_, np.True_)
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measured = tuple[Floats, float, tuple[int, ...]]
"""Noisy counts, their standard deviation, and the axes of the table that they keep."""

ROUNDS = 400


def joint(measured: Sequence[Measured], shape: tuple[int, ...]) -> Floats:
    """Return the probabilities (shape) that fit the measured counts best, adding up to 1."""
    total = _total(measured)
    logits = np.zeros(shape)
    table = _normal(logits)
    loss, slope = _loss(table, measured, total)
    step = 1.0
    for _ in range(ROUNDS):
        tried = _normal(logits - step * slope)
        tried_loss, tried_slope = _loss(tried, measured, total)
        if tried_loss <= loss - 0.5 * float((slope * (table - tried)).sum()):
            logits = logits - step * slope
            table, slope, step = tried, tried_slope, step * 1.5
            if loss - tried_loss < 1e-9 * max(loss, 1.0):
                break
            loss = tried_loss
        else:
            step /= 2
            if step < 1e-12:
                break
    return table


def _total(measured: Sequence[Measured]) -> float:
    """Return the number of rows, from the counts with the least noise in their sum."""
    weights = np.array([1 / (deviation**2 * counts.size) for counts, deviation, _ in measured])
    sums = np.array([counts.sum() for counts, _, _ in measured])
    return float(max(1.0, (weights * sums).sum() / weights.sum()))


def _normal(logits: Floats) -> Floats:
    grown = np.exp(logits - logits.max())
    return np.asarray(grown / grown.sum())


def _loss(table: Floats, measured: Sequence[Measured], total: float) -> tuple[float, Floats]:
    """Return half the squared distance in units of noise, and its slope at `table`, over the total."""
    loss, slope = 0.0, np.zeros(table.shape)
    for counts, deviation, axes in measured:
        away_axes = tuple(axis for axis in range(table.ndim) if axis not in axes)
        off = (table.sum(away_axes) * total - counts) / deviation**2
        loss += 0.5 * float(((table.sum(away_axes) * total - counts) ** 2).sum()) / deviation**2
        slope = slope + np.expand_dims(off, away_axes)
    return loss / total, slope
