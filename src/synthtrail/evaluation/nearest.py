"""Nearest neighbours, exactly: distances are Euclidean, equal points are at distance 0.

    >>> nearest(np.array([[0.0], [5.0]]), np.array([[1.0], [5.0]]))
    (array([1., 0.]), array([0, 1]))

The search uses |a|² + |b|² - 2ab, which is fast but rounds; the distance to the neighbour found is then taken from the
difference itself, so that a copy is a copy. Points in float32 are searched in float32: twice as fast, and of neighbours
that differ by less than a thousandth either may be found.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Points = NDArray[np.floating[Any]]

CELLS = 4_000_000  # distances held at a time: 32 MB


def nearest(queries: Points, points: Points, *, among_themselves: bool = False) -> tuple[Floats, Ints]:
    """Return the distance from each query (Q, D) to its nearest point (P, D), and that point's index: two of (Q,).

    `among_themselves` says that `queries` is `points`, and that a point is no neighbour of itself (another one equal
    to it is). Without any other point the distance is infinite and the index -1.
    """
    if among_themselves:
        return nearest_other(points, np.arange(len(points)))
    return _nearest(queries, points, None)


def nearest_other(points: Points, rows: Ints) -> tuple[Floats, Ints]:
    """Return for the points (P, D) of these numbers (Q,) the distance to the nearest other point, and its index."""
    return _nearest(points[rows], points, rows)


def _nearest(queries: Points, points: Points, own: Ints | None) -> tuple[Floats, Ints]:
    if len(points) <= int(own is not None):
        return np.full(len(queries), np.inf), np.full(len(queries), -1, dtype=np.int64)
    half = 0.5 * np.einsum("ij,ij->i", points, points)
    step = max(1, CELLS // len(points))
    index = np.empty(len(queries), dtype=np.int64)
    distance = np.empty(len(queries))
    for start in range(0, len(queries), step):
        asked = queries[start : start + step]
        closeness = asked @ points.T - half[None, :]
        if own is not None:
            closeness[np.arange(len(asked)), own[start : start + step]] = -np.inf
        found = closeness.argmax(axis=1)
        index[start : start + step] = found
        distance[start : start + step] = np.sqrt(((asked - points[found]) ** 2).sum(axis=1))
    return distance, index


def several(queries: Floats, points: Floats, k: int, *, among_themselves: bool = False) -> Floats:
    """Return the distances from each query (Q, D) to its k nearest points (P, D), nearest first: (Q, k).

    Fewer columns where there are fewer points; `among_themselves` as in `nearest`.

    >>> line = np.array([[0.0], [1.0], [3.0]])
    >>> several(line, line, 2, among_themselves=True).tolist()
    [[1.0, 3.0], [1.0, 2.0], [2.0, 3.0]]
    """
    k = min(k, len(points) - int(among_themselves))
    found = np.empty((len(queries), max(0, k)))
    for start, squares in blocks(queries, points) if k > 0 else ():
        if among_themselves:
            own = np.arange(len(squares))
            squares[own, start + own] = np.inf
        found[start : start + len(squares)] = np.sort(np.partition(squares, k - 1, axis=1)[:, :k], axis=1)
    return np.sqrt(found)


def blocks(queries: Points, points: Points) -> Iterator[tuple[int, Floats]]:
    """Yield squared distances (B, P) from queries (Q, D) to points (P, D) block by block, with the block's first row.

    Rounding leaves up to some 1e-14 of the squared lengths where points are equal.
    """
    lengths = np.einsum("ij,ij->i", points, points)
    step = max(1, CELLS // max(1, len(points)))
    for start in range(0, len(queries), step):
        some = queries[start : start + step]
        squares = some @ points.T
        squares *= -2
        squares += np.einsum("ij,ij->i", some, some)[:, None]
        squares += lengths[None, :]
        yield start, np.maximum(squares, 0, out=squares)
