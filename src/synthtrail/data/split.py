"""Dividing rows into training and holdout, once, by seed.

Every label keeps its share on both sides (largest remainders), and a label with two or more rows
has one on each side. With `groups`, rows of one group (a patient, a lesion) stay together; a group
counts for the label that most of its rows have. Only numpy's Philox is used, whose stream is the
same on every machine. Both index arrays are sorted, so they say nothing of the drawing order.

    >>> import numpy as np
    >>> parts = split(10, holdout=0.2, seed=0, labels=np.array(["a"] * 5 + ["b"] * 5))
    >>> len(parts.train), len(parts.holdout)
    (8, 2)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthtrail.data.errors import SplitError

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of the two parts, each sorted, together every row once."""

    train: Indices
    holdout: Indices


def split(
    n: int,
    holdout: float,
    seed: int,
    labels: NDArray[Any] | None = None,
    groups: NDArray[Any] | None = None,
) -> Split:
    """Divide rows 0..n-1; `holdout` is the share held out, `labels` and `groups` are (n,).

    Raises `SplitError` if the share is not between 0 and 1, or a side would be empty.
    """
    if not 0 < holdout < 1:
        raise SplitError(f"holdout share {holdout} is not between 0 and 1; 0.2 is usual")
    rows = np.zeros(n, dtype=np.int64) if labels is None else _codes(labels)
    units = np.arange(n, dtype=np.int64) if groups is None else _codes(groups)
    unit_label, unit_size = _units(units, rows)
    rng = np.random.Generator(np.random.Philox(seed))
    held = np.zeros(len(unit_size), dtype=bool)
    sizes = np.bincount(unit_label, weights=unit_size).astype(np.int64)  # rows that count for each label
    for label, quota in enumerate(_quotas(sizes, holdout)):
        members = rng.permutation(np.flatnonzero(unit_label == label))
        before = np.cumsum(unit_size[members]) - unit_size[members]
        held[members[before < quota][: len(members) - 1]] = True  # one unit at least to learn from
    chosen = held[units]
    if chosen.all() or not chosen.any():
        raise SplitError(f"{n} rows in {len(unit_size)} groups cannot be divided at {holdout}")
    return Split(np.flatnonzero(~chosen), np.flatnonzero(chosen))


def _codes(values: NDArray[Any]) -> Indices:
    return np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64).reshape(-1)


def _units(units: Indices, rows: Indices) -> tuple[Indices, Indices]:
    """Return each unit's most frequent label (the lowest of equals) and its number of rows."""
    order = np.lexsort((rows, units))
    pairs, counts = np.unique(np.stack([units[order], rows[order]], axis=1), axis=0, return_counts=True)
    best = np.lexsort((pairs[:, 1], -counts, pairs[:, 0]))
    first = np.unique(pairs[best, 0], return_index=True)[1]
    return pairs[best][first, 1], np.bincount(units)


def _quotas(sizes: Indices, share: float) -> Indices:
    """Return how many rows of each label to hold out: largest remainders, 1 to size - 1."""
    exact = sizes * share
    quotas = np.floor(exact).astype(np.int64)
    spare = round(float(exact.sum())) - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:spare]] += 1
    return np.where(sizes > 1, np.clip(quotas, 1, np.maximum(sizes - 1, 1)), 0)
