"""The one place where a private model looks at rows: counts go in exact and come out noisy.

`Counter` holds the rows while they are counted. Of all its public attributes and results only the noisy counts, and
what follows from them and from public facts, depend on the rows. One row adds 1 to one cell of each count.

    share of the budget   spent on
    columns               a count of each column
    target                a count of each column with the target
    tree                  the choice of each edge
    edges                 a count of each edge with the target

A count has at most `MOST_CELLS` cells. Of wide tables not all pairs of columns are candidates for an edge, but those
that stand near each other, `MOST_PAIRS` in all.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import NUMERIC, Column
from synthtrail.models.dp_accounting import choice_epsilon, gaussian_variance
from synthtrail.models.dp_noise import discrete_gaussian, exponential_choice
from synthtrail.models.private_domain import Grouping, merge
from synthtrail.models.private_estimate import joint
from synthtrail.models.tables import target_index

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Edge = tuple[int, int]
SHARES = {"columns": 0.15, "target": 0.25, "tree": 0.1, "edges": 0.5}
FLOOR = 4.0  # standard deviations of noise that a coarse code weighs at least
MOST_CELLS = 2**16
MOST_CLASSES = 64  # a target with more is merged like any other column
MOST_PAIRS = 5_000


@dataclass(frozen=True)
class Noisy:
    """A count with noise, and the noise's standard deviation."""

    counts: Floats
    deviation: float


@dataclass(frozen=True)
class Taken:
    """A noisy count that was taken: of a column's fine codes, or of columns' coarse codes with the target.

    With `maps` it is of rougher codes still: for each column the rough code of each of its coarse codes (S,).
    """

    columns: tuple[int, ...]
    fine: bool
    noisy: Noisy
    maps: tuple[Ints, ...] = ()


class Counter:
    """Noisy counts of one table within a budget of `rho`-zCDP; see the module docstring.

    `taken` is all that it has learnt of the rows but for the choice of edges.
    """

    def __init__(self, codec: TableCodec, data: pd.DataFrame, *, rho: float, bins: int) -> None:
        fine = codec.encode(data)
        self.at = target_index(codec)
        self.others = [i for i in range(fine.shape[1]) if i != self.at]
        edges = max(1, len(self.others) - 1)
        self._per_pair = rho * SHARES["target"] / max(1, len(self.others))
        self._per_choice = rho * SHARES["tree"] / edges
        self._per_edge = rho * SHARES["edges"] / edges
        per_column = rho * SHARES["columns"] / fine.shape[1]
        sizes = codec.cardinalities
        counts = [noisy(np.bincount(fine[:, i], minlength=size), per_column) for i, size in enumerate(sizes)]
        self.taken = [Taken((i,), True, count) for i, count in enumerate(counts)]
        self.groupings = groupings_of(codec, counts, bins)
        self.sizes = [grouping.size for grouping in self.groupings]
        self._coarse = np.stack([g.group[fine[:, i]] for i, g in enumerate(self.groupings)], 1)
        self._target = self._coarse[:, self.at] if self.at is not None else np.zeros(len(fine), dtype=np.int64)
        self.classes = 1 if self.at is None else self.sizes[self.at]
        self.pairs = {i: noisy(self._true((i,)), self._per_pair) for i in self.others}
        self.taken += [Taken((i,), False, count) for i, count in self.pairs.items()]

    @property
    def noise(self) -> float:
        """Standard deviation of the noise on the counts of edges."""
        return math.sqrt(gaussian_variance(self._per_edge))

    def shares_of(self, at: int | None) -> Floats:
        """Return the noisy share of each class (L,), 1 without a target."""
        if at is None:
            return np.ones(1)
        weight = self.groupings[at].weight
        return np.asarray(weight / weight.sum())

    def tree(self) -> tuple[dict[int, Floats], list[Edge]]:
        """Return the tables p(child | target, parent) (L, P, K), and (child, parent) parents first, -1 for none."""
        if not self.others:
            return {}, []
        edges, root = self._edges(), self.others[0]
        tables, order = {root: conditional(self._alone(root))}, [(root, -1)]
        while len(order) < len(self.others):
            parent, child = next((a, b) for e in edges for a, b in (e, e[::-1]) if a in tables and b not in tables)
            tables[child] = conditional(self._edge_table(parent, child))
            order.append((child, parent))
        return tables, order

    def _alone(self, root: int) -> Floats:
        pair = self.pairs[root]
        return joint([(pair.counts[:, None], pair.deviation, (0, 1, 2))], (self.classes, 1, self.sizes[root]))

    def _edge_table(self, parent: int, child: int) -> Floats:
        one, other = self.pairs[parent], self.pairs[child]
        third = noisy(self._true((parent, child)), self._per_edge)
        self.taken.append(Taken((parent, child), False, third))
        measured = [
            (one.counts, one.deviation, (0, 1)),
            (other.counts, other.deviation, (0, 2)),
            (third.counts, third.deviation, (0, 1, 2)),
        ]
        return joint(measured, (self.classes, self.sizes[parent], self.sizes[child]))

    def _edges(self) -> list[Edge]:
        """Choose a spanning tree, edge by edge."""
        scores = {edge: self._score(*edge) for edge in candidates(self.others)}
        member = {i: i for i in self.others}
        chosen: list[Edge] = []
        epsilon = choice_epsilon(self._per_choice)
        while len(chosen) < len(self.others) - 1:
            free = [(i, j) for i, j in scores if member[i] != member[j]]
            picked = free[exponential_choice([scores[edge] for edge in free], epsilon)]
            old, new = (member[i] for i in picked)
            member = {i: new if group == old else group for i, group in member.items()}
            chosen.append(picked)
        return chosen

    def _score(self, i: int, j: int) -> int:
        """Return how far the pair's count with the target is from what single columns let expect, less the noise.

        What is expected follows from noisy counts and is a whole number in each cell, so one row changes the score by
        exactly 1.
        """
        true = self._true((i, j))
        one, other = self.pairs[i].counts.clip(0), self.pairs[j].counts.clip(0)
        total = np.maximum((one.sum(1) + other.sum(1)) / 2, 1.0)
        expected = np.rint(one[:, :, None] * other[:, None, :] / total[:, None, None]).astype(np.int64)
        return int(np.abs(true - expected).sum()) - round(self.noise * math.sqrt(true.size))

    def _true(self, columns: tuple[int, ...]) -> Ints:
        """Return the exact count of the columns with the target, (L, K) or (L, K, K)."""
        shape = (self.classes, *(self.sizes[i] for i in columns))
        flat = np.ravel_multi_index((self._target, *(self._coarse[:, i] for i in columns)), shape)
        return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)


def noisy(true: Ints, rho: float) -> Noisy:
    """Return the count with noise that makes it rho-zCDP."""
    variance = gaussian_variance(rho)
    noise = np.array(discrete_gaussian(variance, true.size), dtype=np.int64).reshape(true.shape)
    return Noisy((true + noise).astype(np.float64), math.sqrt(variance))


def groupings_of(codec: TableCodec, counts: list[Noisy], bins: int) -> list[Grouping]:
    """Return how the codes of each column are merged; a target with few classes keeps them apart."""
    columns, at = list(zip(counts, codec.schema, codec.columns, strict=True)), target_index(codec)

    def merged(count: Noisy, column: Column, missing: bool, most: int) -> Grouping:
        return merge(count.counts, column, missing=missing, most=most, floor=FLOOR * count.deviation)

    classes, target = 1, None
    if at is not None:
        count, column, codes = columns[at]
        apart = column.kind not in NUMERIC and codes.cardinality <= MOST_CLASSES
        own = Grouping(np.arange(codes.cardinality), count.counts.clip(1))
        target = own if apart else merged(count, column, codes.missing, min(bins, MOST_CLASSES))
        classes = target.size
    most = max(2, min(bins, math.isqrt(MOST_CELLS // classes) - 2))  # missing, and a run begun, come on top
    groupings = [merged(count, column, codes.missing, most) for count, column, codes in columns]
    if at is not None and target is not None:
        groupings[at] = target
    return groupings


def candidates(columns: list[int]) -> list[Edge]:
    """Return the pairs of columns that may be joined: all, or of many columns those near each other in the table.

    >>> candidates([0, 2, 3])
    [(0, 2), (0, 3), (2, 3)]
    """
    reach = max(1, MOST_PAIRS // max(1, len(columns)))
    return [(i, j) for at, i in enumerate(columns) for j in columns[at + 1 : at + 1 + reach]]


def conditional(table: Floats) -> Floats:
    """Return p(child | target, parent) from a joint table (L, P, K)."""
    sums = table.sum(2, keepdims=True)
    whole = table.sum(1, keepdims=True)
    backup = (whole + 1e-12) / (whole + 1e-12).sum(2, keepdims=True)
    return np.asarray(np.where(sums > 0, table / np.maximum(sums, 1e-12), backup))
