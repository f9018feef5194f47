"""In which order columns are drawn, where a generator draws them in a few stages: related columns in different ones.

Columns of one stage are drawn beside each other, so they are tied by the noise alone; those of a later stage see what
the earlier ones have come to. How closely two columns are related is their mutual information, less what chance gives
(Miller 1955). A column goes where it is least related to those that are there; all stages are about equally long.

    >>> codes = np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]] * 50)
    >>> arrange(association(codes, (2, 2, 2)), stages=2, target=None)
    ((0, 2), (1,))
"""

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 5_000  # more do not change the order


def association(codes: NDArray[np.int64], cardinalities: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the mutual information of each two columns of codes (N, C) in nats, (C, C), 0 for a column with itself."""
    some = codes[:MOST_ROWS]
    found = np.zeros((len(cardinalities), len(cardinalities)))
    for one in range(len(cardinalities)):
        for other in range(one):
            cells = some[:, one] * cardinalities[other] + some[:, other]
            table = np.bincount(cells, minlength=cardinalities[one] * cardinalities[other])
            found[one, other] = found[other, one] = information(table.reshape(cardinalities[one], -1))
    return found


def information(counts: NDArray[np.int64]) -> float:
    """Return the mutual information in nats of a table of counts (K, L), less its bias, and 0 at least."""
    rows = max(1, int(counts.sum()))
    share = counts / rows
    one, other = share.sum(1, keepdims=True), share.sum(0, keepdims=True)
    used = share > 0
    found = float((share[used] * np.log(share[used] / (one * other)[used])).sum())
    bias = ((one > 0).sum() - 1) * ((other > 0).sum() - 1) / (2 * rows)
    return max(0.0, found - float(bias))


def arrange(related: NDArray[np.float64], stages: int, target: int | None) -> tuple[tuple[int, ...], ...]:
    """Return the columns of each stage from how `related` (C, C) they are; the target, which is given, is in none."""
    columns = [int(c) for c in np.argsort(-related.sum(1), kind="stable") if c != target]
    if not columns:
        return ()
    count = min(stages, len(columns))
    most = -(-len(columns) // count)
    found: list[list[int]] = [[] for _ in range(count)]
    for column in columns:
        free = [stage for stage in found if len(stage) < most]
        min(free, key=lambda stage: (float(related[column, stage].sum()), len(stage))).append(column)
    return tuple(tuple(sorted(stage)) for stage in found if stage)
