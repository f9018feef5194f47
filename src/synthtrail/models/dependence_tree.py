"""Which other column each column is drawn beside: the tree of greatest mutual information (Chow, Liu 1968, IEEE
Transactions on Information Theory 14:462, doi 10.1109/TIT.1968.1054142).

    >>> one = np.repeat(np.arange(4), 25)
    >>> rows = np.stack([one, np.tile(np.arange(5), 20), one // 2], axis=1)
    >>> parents(rows, (4, 5, 2))
    (-1, -1, 0)

Mutual information is counted over at most `ROWS` rows, evenly spaced, in groups of codes about equally full: as many
as leave `FULL` rows to a pair of groups, at most `GROUPS`. It is less what as many cells would show by chance (Miller
1955), and a pair counts only if it is no chance: by the likelihood-ratio test, at `LEVEL` divided by the number of
pairs. So the fewer rows, the fewer edges, and of columns that do not depend on each other none.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

GROUPS, FULL = 16, 5
ROWS = 20_000
CELLS = 40_000_000  # of rows in groups, at a time: 160 MB
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
    """Return each column's parent in the trees of greatest sum of `gain` (C, C); 0 joins nothing (Prim 1957).

    A tree begins at column `first`.
    """
    count = len(gain)
    parent, best = np.full(count, ROOT), np.zeros(count)
    waiting = np.ones(count, dtype=bool)
    while waiting.any():
        # Where nothing joins what is there already, another tree begins at the column that tells most.
        joined = best * waiting
        start = first if first is not None and waiting[first] else int(np.where(waiting, gain.sum(1), -1.0).argmax())
        at = int(joined.argmax()) if joined.any() else start
        waiting[at] = False
        nearer = waiting & (gain[at] > best)
        best[nearer], parent[nearer] = gain[at][nearer], at
    return tuple(parent.tolist())


def information(codes: Codes, sizes: tuple[int, ...]) -> Floats:
    """Return the mutual information (C, C) of columns of rows (N, C) in nats, 0 where it may be chance."""
    columns = len(sizes)
    asked = min(len(codes), ROWS, max(1, CELLS // (GROUPS * columns)))
    rows = codes[np.unique(np.linspace(0, len(codes) - 1, asked).astype(np.int64))]
    most = max(2, min(GROUPS, math.isqrt(len(rows) // FULL)))
    grouped = np.stack([groups(rows[:, at], size, most) for at, size in enumerate(sizes)], axis=1)
    hot = np.zeros((len(rows), columns, most), np.float32)
    hot[np.arange(len(rows))[:, None], np.arange(columns), grouped] = 1
    used = hot.any(0).sum(1).astype(np.float64)  # groups that occur, (C,)
    return np.stack([_with(hot, at, used) for at in range(columns)])


def groups(codes: Codes, size: int, most: int = GROUPS) -> Codes:
    """Return codes (N,) of so many values as numbers of at most so many groups of neighbours, about equally full."""
    if size <= most:
        return codes
    counts = np.bincount(codes, minlength=size)
    middles = (np.cumsum(counts) - counts / 2) / len(codes)
    return np.minimum((middles * most).astype(np.int64), most - 1)[codes]


def _with(hot: NDArray[np.float32], at: int, used: Floats) -> Floats:
    """Return the mutual information (C,) of column `at` with every column."""
    count, columns, most = hot.shape
    joint = (hot[:, at].T @ hot.reshape(count, -1) / count).astype(np.float64).reshape(most, columns, most)
    shares = joint.sum(0)  # of each column's groups, (C, G)
    apart = shares[at][:, None, None] * shares
    told = np.zeros_like(joint)
    np.log(np.divide(joint, apart, out=told, where=joint > 0), out=told, where=joint > 0)
    found: Floats = (joint * told).sum((0, 2))
    chance = chi2.sf(2 * count * found, np.maximum((used - 1) * (used[at] - 1), 1))
    found -= ((joint > 0).sum((0, 2)) - used - used[at] + 1) / (2 * count)
    found[(chance > LEVEL / max(1, columns * (columns - 1) / 2)) | (found < 0)] = 0.0
    found[at] = 0.0
    return found
