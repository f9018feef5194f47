"""Tables as matrices, for models and for distances; every scale is fitted on training rows only.

dense   (N, D) float64: numbers as (x - mean) / standard deviation, missing ones as 0 (and, where the schema knows
        missing values, a column that is 1 there); one column of 0 or 1 per category, times sqrt(1/2), so that two
        rows that differ in one category lie 1 apart; more than 256 categories share that many columns
trees   (N, C) float64: numbers as they are, categories as codes; NaN where missing or never seen

>>> import pandas as pd
>>> from synthtrail.data.schema import infer
>>> table = pd.DataFrame({"age": [30, 50], "sex": ["f", "m"]})
>>> Features.fit(table, infer(table)).dense(table).round(2).tolist()
[[-1.0, 0.71, 0.0], [1.0, 0.0, 0.71]]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.schema import NUMERIC, Column, Schema, numbers

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_PLACES = 256  # a column for each of 50,000 categories would take gigabytes
MISSING = "∅"  # shown for a missing category; it is told apart from a category of that name by its code


@dataclass(frozen=True)
class Features:
    """How the columns of one training table become numbers; made by `fit`."""

    columns: tuple[Column, ...]
    centres: tuple[float, ...]
    spreads: tuple[float, ...]

    @classmethod
    def fit(cls, train: pd.DataFrame, schema: Schema, without: Sequence[str] = ()) -> "Features":
        """Take the scales from `train`; columns named in `without` (a target) are left out."""
        columns = tuple(column for column in schema if column.name not in without)
        stats = [_centre_and_spread(read(train, column)) if is_number(column) else (0.0, 1.0) for column in columns]
        return cls(columns, tuple(centre for centre, _ in stats), tuple(spread for _, spread in stats))

    def dense(self, table: pd.DataFrame) -> Floats:
        """Return the (N, D) matrix for distances and linear models; no value in it is missing."""
        parts = [
            self._number(table, column, centre, spread) if is_number(column) else _indicators(table, column)
            for column, centre, spread in zip(self.columns, self.centres, self.spreads, strict=True)
        ]
        return np.hstack([np.empty((len(table), 0)), *parts])

    def trees(self, table: pd.DataFrame) -> Floats:
        """Return the (N, C) matrix for trees, one column each, NaN where missing."""
        parts = [read(table, column) for column in self.columns]
        return np.column_stack(parts) if parts else np.empty((len(table), 0))

    @property
    def categorical(self) -> list[bool]:
        """Which columns of `trees` hold codes; more than 250 categories are too many and count as numbers there."""
        return [not is_number(column) and len(column.categories) <= 250 for column in self.columns]

    def _number(self, table: pd.DataFrame, column: Column, centre: float, spread: float) -> Floats:
        scaled = (read(table, column) - centre) / spread
        missing = np.isnan(scaled)
        filled = np.where(missing, 0.0, scaled)
        return np.column_stack([filled, missing]) if column.missing_rate else filled[:, None]


def without_empty(fitted: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Return both matrices (N, C) and (M, C) with 0 in columns that are empty in the first, which trees cannot bin."""
    empty = np.isnan(fitted).all(axis=0)
    return np.where(empty, 0.0, fitted), np.where(empty, 0.0, asked)


def is_number(column: Column) -> bool:
    """Return whether the values of `column` lie on a line (numbers, dates) rather than in categories."""
    return column.kind in NUMERIC


def read(table: pd.DataFrame, column: Column) -> Floats:
    """Return a column as (N,) numbers: values, days or seconds, or category codes; NaN where missing or unknown."""
    series = table[column.name]
    if is_number(column):
        values = numbers(series, column)
        return np.where(np.isinf(values), np.nan, values)
    found = codes(series, column).astype(np.float64)
    return np.where((found < 0) | (found >= len(column.categories)), np.nan, found)


def codes(series: pd.Series, column: Column) -> Ints:
    """Return category codes (N,): 0 … K-1 as in the schema, K where missing, -1 for what the schema does not know."""
    found = pd.Index(list(column.categories), dtype=object).get_indexer(pd.Index(series.astype(object)))
    return cast("Ints", np.where(series.isna().to_numpy(), len(column.categories), found).astype(np.int64))


def even_edges(values: Floats, bins: int) -> Floats:
    """Return the edges (bins + 1,) of bins of one width over values (N,), N above 0.

    As `numpy.histogram_bin_edges` does it, which however refuses large numbers that floats cannot tell apart so finely.
    """
    low, high = float(values.min()), float(values.max())
    low, high = (low, high) if low < high else (low - 0.5, high + 0.5)
    return np.linspace(low, high, bins + 1)


def rows(table: pd.DataFrame | Sequence[pd.DataFrame], schema: Schema) -> Ints:
    """Return one number per row (N,) of a table, or of several after each other: equal rows have equal numbers.

    One column at a time, so that millions of rows take the memory of a few columns.
    """
    parts = [table] if isinstance(table, pd.DataFrame) else table
    numbers = np.zeros(sum(map(len, parts)), dtype=np.int64)
    for column in schema:
        cells = np.concatenate([part[column.name].to_numpy(dtype=object) for part in parts])
        codes, levels = pd.factorize(cells)  # -1 where missing
        numbers = pd.factorize(numbers * (len(levels) + 1) + codes + 1)[0].astype(np.int64)
    return numbers


def _centre_and_spread(values: Floats) -> tuple[float, float]:
    present = values[~np.isnan(values)]
    if not present.size:
        return 0.0, 1.0
    spread = float(present.std())
    return float(present.mean()), spread if spread > 0 else 1.0


def _indicators(table: pd.DataFrame, column: Column) -> Floats:
    found, levels = codes(table[column.name], column), len(column.categories)
    places = min(levels, MOST_PLACES)
    at = np.where(found == levels, places, np.where(found < 0, -1, found % places if places else -1))
    width = places + bool(column.missing_rate)
    hot = np.zeros((len(table), width))
    known = np.flatnonzero((at >= 0) & (at < width))
    hot[known, at[known]] = np.sqrt(0.5)
    return hot
