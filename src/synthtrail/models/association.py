"""How closely columns of codes are related: their mutual information, less what chance gives (Miller 1955).

>>> codes = np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]] * 50)
>>> association(codes, (2, 2, 2)).round(2).tolist()
[[0.0, 0.69, 0.0], [0.69, 0.0, 0.0], [0.0, 0.0, 0.0]]
"""

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 5_000  # more change little


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
