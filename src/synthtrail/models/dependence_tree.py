"""Which other column each column is drawn beside: the tree of greatest mutual information (Chow, Liu 1968, IEEE
Transactions on Information Theory 14:462, doi 10.1109/TIT.1968.1054142).

    >>> one = np.repeat(np.arange(4), 25)
    >>> rows = np.stack([one, np.tile(np.arange(5), 20), one // 2], axis=1)
    >>> parents(rows, (4, 5, 2))
    (-1, -1, 0)

Mutual information is that of `association`, over at most `MOST_ROWS` rows, evenly spaced, in groups of
codes about equally full: as many as leave `FULL` rows to a pair of groups, at most `GROUPS`. A pair counts only if it
is no chance: by the likelihood-ratio test, at `LEVEL` divided by the number of pairs. So the fewer rows, the fewer
edges, and of columns that do not depend on each other none.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.stats import chi2

from synthtrail.models.association import MOST_ROWS, association

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

GROUPS, FULL = 16, 5
LEVEL = 0.01
ROOT = -1


def parents(
    codes: Codes, sizes: tuple[int, ...], without: int | None = None, first: int | None = None
) -> tuple[int, ...]:
    """Return the parent of each column of rows (N, C) of so many codes, -1 for none.

    Column `without` has no share in it; column `first` has no parent, but may have children.
    """
    gain = information(codes, sizes)
    if without is not None:
        gain[without] = gain[:, without] = 0.0
    return spanning(gain, first)


def order(of: tuple[int, ...]) -> list[int]:
    """Return the columns with every parent before its children.

    >>> order((2, 0, -1))
    [2, 0, 1]
    """
    children: dict[int, list[int]] = {}
    for at, parent in enumerate(of):
        children.setdefault(parent, []).append(at)
    found, left = list[int](), [ROOT]
    while left:
        next_ = children.get(left.pop(), [])
        found += next_
        left += next_
    return found


def spanning(gain: Floats, first: int | None = None) -> tuple[int, ...]:
    """Return each column's parent in the trees of greatest sum of `gain` (C, C); 0 joins nothing.

    A tree begins at column `first`, any other at that of its columns which tells most.
    """
    parent, told = np.full(len(gain), ROOT), gain.sum(1)
    joined = minimum_spanning_tree(-gain)
    waiting = np.ones(len(gain), dtype=bool)
    while waiting.any():
        start = int(np.where(waiting, told, -1.0).argmax()) if first is None or not waiting[first] else first
        reached, before = breadth_first_order(joined, start, directed=False)
        parent[reached[1:]] = before[reached[1:]]
        waiting[reached] = False
    return tuple(parent.tolist())


def information(codes: Codes, sizes: tuple[int, ...]) -> Floats:
    """Return the mutual information (C, C) of columns of rows (N, C) in nats, 0 where it may be chance."""
    rows = codes[:: math.ceil(len(codes) / MOST_ROWS)]
    most = max(2, min(GROUPS, math.isqrt(len(rows) // FULL)))
    grouped = np.stack([groups(rows[:, at], size, most) for at, size in enumerate(sizes)], axis=1)
    found = association(grouped, tuple(min(size, most) for size in sizes))
    free = np.array([len(np.unique(column)) - 1 for column in grouped.T])
    freedom = np.outer(free, free)
    # `association` has taken off what chance gives in the mean; the test counts it.
    chance = chi2.sf(2 * len(rows) * found + freedom, np.maximum(freedom, 1))
    pairs = len(sizes) * (len(sizes) - 1) / 2
    return np.where(chance * pairs > LEVEL, 0.0, found)


def groups(codes: Codes, size: int, most: int = GROUPS) -> Codes:
    """Return codes (N,) of so many values as numbers of at most so many groups of neighbours, about equally full."""
    if size <= most:
        return codes
    counts = np.bincount(codes, minlength=size)
    middles = (np.cumsum(counts) - counts / 2) / len(codes)
    return np.minimum((middles * most).astype(np.int64), most - 1)[codes]
