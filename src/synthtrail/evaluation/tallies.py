"""Counts behind the diagnostics page: columns and pairs of columns as shares per cell, real beside synthetic.

Of a confidential source no cell of fewer than `LEAST_CELL` real rows is told, edges are round numbers spanning the
synthetic values, and a category that fewer real rows share goes by no name. So whatever is drawn from these counts
contains no row, and no value that fewer than five rows have.

    tally(parts, column, private=True)  ->  Tally(labels=(), edges=(0, 10, …, 90), shares={"real": (B,), …})

`parts` are the tables by side: `real` (training), `held` (holdout), `made` (synthetic).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.schema import Column, Schema
from synthtrail.evaluation.canvas import LEAST_CELL
from synthtrail.evaluation.drawing import stride
from synthtrail.evaluation.features import codes, is_number, read

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Parts = Mapping[str, pd.DataFrame]

BINS = 28  # of a histogram
SQUARE = 14  # cells on each side of a pair's density
MOST_LABELS = 7
MOST_ROWS = 10_000  # of a table behind densities of pairs
MOST_PAIRED = 30  # columns whose pairs are looked at
OTHER = "(other)"


@dataclass(frozen=True)
class Tally:
    """One column: `edges` (B + 1,) of numbers or `labels` of choices, and each side's share in every cell."""

    column: Column
    labels: tuple[str, ...]
    edges: Floats
    shares: Mapping[str, Floats]
    missing: Mapping[str, float]


@dataclass(frozen=True)
class Pair:
    """Two columns: cells (R, C) of shares by side, and how strongly they are related, and how unlike the sides are."""

    names: tuple[str, str]
    cells: Mapping[str, Floats]
    strength: float
    difference: float


@dataclass(frozen=True)
class Places:
    """Which cell each row of each side falls into; `width` cells, and -1 for rows in none of them."""

    at: Mapping[str, Ints]
    width: int
    labels: tuple[str, ...] = ()
    edges: Floats = field(default_factory=lambda: np.empty(0))


def tally(parts: Parts, column: Column, *, private: bool) -> Tally:
    """Return how one column is distributed on every side."""
    found = places(parts, column, BINS, private=private)
    shares = {side: _shares(at, found.width, private and side != "made") for side, at in found.at.items()}
    missing = {side: float(table[column.name].isna().mean()) for side, table in parts.items()}
    return Tally(column, found.labels, found.edges, shares, missing)


def pairs(parts: Parts, schema: Schema, *, private: bool) -> list[Pair]:
    """Return every pair of the first columns, counted on at most `MOST_ROWS` rows a side."""
    some = {side: table.iloc[:MOST_ROWS] for side, table in parts.items() if side != "held"}
    columns = list(schema)[:MOST_PAIRED]
    square = max(4, min(SQUARE, math.isqrt(len(some["real"]) // 8))) if private else SQUARE
    known = [(column, places(some, column, square, private=private)) for column in columns]
    usable = [(column, found) for column, found in known if found.width > 1]
    return [_pair(one, other, private) for one, other in combinations(usable, 2)]


def places(parts: Parts, column: Column, bins: int, *, private: bool) -> Places:
    """Return the cells of a column, and where each row falls."""
    if private:  # fewer rows, wider cells: most of five and more
        bins = max(5, min(bins, len(parts["real"]) // 12))
    if is_number(column):
        values = {side: read(table, column) for side, table in parts.items()}
        edges = _edges(values, bins, private)
        at = {side: np.where(np.isnan(v), -1, np.digitize(v, edges[1:-1])) for side, v in values.items()}
        return Places(at, len(edges) - 1, edges=edges)
    return _choices(parts, column, private)


def density(points: Mapping[str, Floats], size: int, *, private: bool) -> dict[str, Floats]:
    """Return for each side's points (N, 2) the share in each cell of a square (size, size), row 0 at the top."""
    spans = [
        _span(np.concatenate([side[:, i] for name, side in points.items() if not private or name == "made"]))
        for i in (0, 1)
    ]
    edges = [np.linspace(low, high, size + 1) for low, high in spans]
    found = {}
    for name, side in points.items():
        counted = np.histogram2d(
            np.clip(side[:, 1], *spans[1]), np.clip(side[:, 0], *spans[0]), bins=(edges[1], edges[0])
        )[0]
        found[name] = _told(counted[::-1], private and name != "made") / max(1, len(side))
    return found


def _pair(one: tuple[Column, Places], other: tuple[Column, Places], private: bool) -> Pair:
    shape = (other[1].width, one[1].width)
    counted = {side: _crossed(one[1].at[side], other[1].at[side], shape) for side in one[1].at}
    real, made = (counted[side] / max(1.0, counted[side].sum()) for side in ("real", "made"))
    alone = real.sum(1)[:, None] * real.sum(0)[None, :]
    told = {side: _told(cells, private and side != "made") / max(1.0, cells.sum()) for side, cells in counted.items()}
    strength, difference = (float(np.abs(real - reference).sum() / 2) for reference in (alone, made))
    return Pair((one[0].name, other[0].name), told, strength, difference)


def _crossed(x: Ints, y: Ints, shape: tuple[int, int]) -> Floats:
    """Return how many rows fall into each cell (R, C) of two columns."""
    inside = (x >= 0) & (y >= 0)
    return np.bincount(y[inside] * shape[1] + x[inside], minlength=shape[0] * shape[1]).reshape(shape).astype(float)


def _choices(parts: Parts, column: Column, private: bool) -> Places:
    width = len(column.categories)
    found = {side: codes(table[column.name], column) for side, table in parts.items()}
    counted = {side: np.bincount(at[(at >= 0) & (at < width)], minlength=width) for side, at in found.items()}
    total = counted["real"] + (0 if private else counted["made"])
    named = [int(i) for i in np.argsort(-total, kind="stable") if total[i] >= (LEAST_CELL if private else 1)][
        :MOST_LABELS
    ]
    rest = len(named) < width
    place = np.full(width + 1, len(named) if rest else -1)
    place[named] = np.arange(len(named))
    place[width] = -1  # missing
    labels = tuple(str(column.categories[i]) for i in named) + (OTHER,) * rest
    at = {side: np.where(numbers < 0, -1, place[numbers]) for side, numbers in found.items()}
    return Places(at, len(labels), labels)


def _edges(values: Mapping[str, Floats], bins: int, private: bool) -> Floats:
    """Return round edges: confidential data are seen through the synthetic values alone."""
    seen = np.concatenate([side for name, side in values.items() if not private or name == "made"])
    seen = seen[~np.isnan(seen)]
    if not seen.size or seen.min() == seen.max():
        middle = float(np.round(seen[0], 0)) if seen.size else 0.0
        return (
            np.array([middle - 0.5, middle + 0.5])
            if not private
            else np.array([np.floor(middle), np.floor(middle) + 1])
        )
    low, high = _span(seen)
    step = stride(low, high, bins)
    first, last = np.floor(low / step), np.ceil(high / step)
    edges = np.arange(first, last + 1) * step
    return np.round(edges, 12) if len(edges) > 1 else np.array([low, low + step])


def _span(seen: Floats) -> tuple[float, float]:
    """Return the span of nearly all values, so that one far away does not leave the rest in a single cell."""
    if not seen.size:
        return 0.0, 1.0
    low, high = float(seen.min()), float(seen.max())
    inner = np.percentile(seen, [0.5, 99.5])
    wide = 1.5 * float(inner[1] - inner[0])
    if wide > 0 and high - low > 2 * wide:
        low, high = max(low, float(inner[0]) - wide / 4), min(high, float(inner[1]) + wide / 4)
    return (low, high) if high > low else (low, low + 1.0)


def _shares(at: Ints, width: int, hides: bool) -> Floats:
    counted = np.bincount(at[at >= 0], minlength=width).astype(np.float64)
    return _told(counted, hides) / max(1, int((at >= 0).sum()))


def _told(counted: Floats, hides: bool) -> Floats:
    return np.where(counted < LEAST_CELL, 0.0, counted) if hides else counted


def worth_showing(found: Sequence[Pair], strongest: int, least_alike: int) -> list[Pair]:
    """Return the pairs most strongly related in the real data, then those least alike, each pair once."""
    first = sorted(found, key=lambda pair: -pair.strength)[:strongest]
    rest = [pair for pair in found if pair not in first]
    return [*first, *sorted(rest, key=lambda pair: -pair.difference)[:least_alike]]
