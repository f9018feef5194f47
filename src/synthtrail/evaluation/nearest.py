"""Nearest neighbours, exactly: distances are Euclidean, equal points are at distance 0.

    >>> nearest(np.array([[0.0], [5.0]]), np.array([[1.0], [5.0]]))
    (array([1., 0.]), array([0, 1]))

The search uses |a|² + |b|² - 2ab, which is fast but rounds; the distance to the neighbour found is then taken from the
difference itself, so that a copy is a copy.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELLS = 4_000_000  # distances held at a time: 32 MB


def nearest(queries: Floats, points: Floats, *, among_themselves: bool = False) -> tuple[Floats, Ints]:
    """Return the distance from each query (Q, D) to its nearest point (P, D), and that point's index: two of (Q,).

    `among_themselves` says that `queries` is `points`, and that a point is no neighbour of itself (another one equal
    to it is). Without any other point the distance is infinite and the index -1.
    """
    if len(points) <= int(among_themselves):
        return np.full(len(queries), np.inf), np.full(len(queries), -1, dtype=np.int64)
    half = 0.5 * np.einsum("ij,ij->i", points, points)
    step = max(1, CELLS // len(points))
    index = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), step):
        closeness = queries[start : start + step] @ points.T - half[None, :]
        if among_themselves:
            own = np.arange(len(closeness))
            closeness[own, start + own] = -np.inf
        index[start : start + step] = closeness.argmax(axis=1)
    return np.sqrt(((queries - points[index]) ** 2).sum(axis=1)), index
