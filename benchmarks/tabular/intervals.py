"""Intervals over splits that share training rows, and ranks over tables.

The rows of different splits overlap, so the plain standard error is too small. Nadeau and Bengio (2003, Machine
Learning 52) correct it: with J splits, a share q of the rows held out, and the variance s^2 of the J differences,

    mean ± t(J - 1) * s * sqrt(1 / J + q / (1 - q))

The split is the unit: seeds of one split are averaged before.

    >>> interval([0.01, 0.03, 0.02], held=0.2).rounded()
    (0.02, -0.013, 0.053)

By hand: s = .01, 1 / 3 + .25 = .5833, whose root is .7638, and t(2) at .975 is 4.303: .01 * .7638 * 4.303 = .0329.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata, t

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over splits with its bounds; without two splits the bounds are infinite."""

    mean: float
    low: float
    high: float
    splits: int

    @property
    def tells(self) -> bool:
        """Whether 0 lies outside, so that the sign of the mean is established."""
        return self.low > 0 or self.high < 0

    def rounded(self) -> tuple[float, float, float]:
        """Return mean and bounds to three decimals."""
        return round(self.mean, 3), round(self.low, 3), round(self.high, 3)


def interval(values: Sequence[float], held: float = 0.2) -> Interval:
    """Return the mean of one value a split with its corrected interval; `held` is the share held out."""
    count = len(values)
    mean = float(np.mean(values)) if count else math.nan
    if count < 2:
        return Interval(mean, -math.inf, math.inf, count)
    error = float(np.std(values, ddof=1)) * math.sqrt(1 / count + held / (1 - held))
    reach = float(t.ppf((1 + LEVEL) / 2, count - 1)) * error
    return Interval(mean, mean - reach, mean + reach, count)


def paired(one: Mapping[int, float], other: Mapping[int, float], held: float = 0.2) -> Interval:
    """Return the interval of `one` - `other` over the splits that both have."""
    return interval([one[split] - other[split] for split in sorted(set(one) & set(other))], held)


def ranks(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return each generator's mean rank (1 is best) over the tables that all have; scores are higher where better.

    `scores` is table -> generator -> score.

    >>> ranks({"a": {"x": 0.9, "y": 0.8}, "b": {"x": 0.5, "y": 0.5}})
    {'x': 1.25, 'y': 1.75}
    """
    names = sorted(set.intersection(*(set(row) for row in scores.values()))) if scores else []
    if not names:
        return {}
    placed = [rankdata([-row[name] for name in names]) for row in scores.values()]
    return {name: float(value) for name, value in zip(names, np.mean(placed, axis=0), strict=True)}
