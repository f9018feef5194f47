"""Tables as real numbers: the view of a row that a plain network takes, and the way back.

A row becomes one float vector (D,), blocks side by side in column order, the target left out:

    number    one place: (value - mean) / standard deviation of the training rows, 0 if missing
    missing   one place after a number that can be missing: 1 if it is, else 0
    choice    a place for each category, missing being one more: one-hot

Means and deviations are of training rows only, and are all that is kept of them. Values come back on the column's grid
and in its range (`schema.restore`).

    >>> import pandas as pd
    >>> from synthtrail.data.schema import infer
    >>> table = pd.DataFrame({"age": [30, 40], "sex": ["f", "m"], "ill": ["y", "n"]})
    >>> scaler = TableScaler.fit(table, infer(table, "ill"))
    >>> scaler.encode(table).tolist()
    [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    >>> scaler.decode(scaler.encode(table))["age"].tolist()
    [30, 40]
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import schema as schemas
from synthtrail.data.errors import CodecError
from synthtrail.data.schema import NUMERIC, Column, Schema

Floats = NDArray[np.float32]
MOST_PLACES = 2_000  # of one column


@dataclass(frozen=True)
class TableScaler:
    """A schema with mean and deviation of each column, which are 0 and 1 for choices."""

    schema: Schema
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @classmethod
    def fit(cls, train: pd.DataFrame, schema: Schema) -> "TableScaler":
        """Take means and deviations from training rows; a constant column keeps deviation 1.

        Raises `CodecError` for a column of more than `MOST_PLACES` categories: one-hot rows would fill the memory.
        """
        for column in schema:
            if len(column.categories) > MOST_PLACES and column.name != schema.target:
                told = f"column {column.name!r} has {len(column.categories):,} categories, more than {MOST_PLACES:,}"
                raise CodecError(
                    f"{told} for this synthesizer; take one that learns codes (wgan_gp), or drop the column"
                )
        moments = [_moments(train[column.name], column) for column in schema]
        return cls(schema, tuple(m for m, _ in moments), tuple(d for _, d in moments))

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        """Kind ("number", "missing", "choice") and width of each block, in order."""
        return tuple(block for column in self._inputs() for block in _blocks(column))

    @property
    def width(self) -> int:
        """D, the number of places."""
        return sum(width for _, width in self.blocks)

    def encode(self, table: pd.DataFrame) -> Floats:
        """Return float32 (N, D); `CodecError` for a category that is not in the schema."""
        parts = [self._encode(table[column.name], column) for column in self._inputs()]
        return np.concatenate([np.zeros((len(table), 0)), *parts], axis=1).astype(np.float32)

    def decode(self, rows: Floats) -> pd.DataFrame:
        """Turn (N, D) back into the columns other than the target; choices go to their largest place."""
        columns: dict[str, pd.Series] = {}
        start = 0
        for column in self._inputs():
            stop = start + sum(width for _, width in _blocks(column))
            columns[column.name] = self._decode(rows[:, start:stop], column)
            start = stop
        return pd.DataFrame(columns)

    def to_json(self) -> dict[str, Any]:
        """Return the moments as plain JSON values; the schema is kept by the codec."""
        return {"means": list(self.means), "deviations": list(self.deviations)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], schema: Schema) -> "TableScaler":
        """Read what `to_json` gave."""
        return cls(schema, tuple(value["means"]), tuple(value["deviations"]))

    def _inputs(self) -> Iterator[Column]:
        return (column for column in self.schema if column.name != self.schema.target)

    def _moments_of(self, column: Column) -> tuple[float, float]:
        at = self.schema.names.index(column.name)
        return self.means[at], self.deviations[at]

    def _encode(self, series: pd.Series, column: Column) -> NDArray[np.float64]:
        if column.kind in NUMERIC:
            mean, deviation = self._moments_of(column)
            values = (_within(schemas.numbers(series, column), column) - mean) / deviation
            absent = np.isnan(values)
            places = [np.where(absent, 0.0, values)] + ([absent.astype(float)] if column.missing_rate else [])
            return np.stack(places, axis=1)
        known = pd.Index(list(column.categories), dtype=object)
        codes = known.get_indexer(pd.Index(series.to_numpy(dtype=object), dtype=object))
        at = np.where(series.isna().to_numpy(), len(known), codes)
        width = _blocks(column)[0][1]
        if (at < 0).any() or (at >= width).any():
            raise CodecError(f"column {column.name!r} holds values that the training rows did not; split again")
        hot: NDArray[np.float64] = np.eye(width)[at]
        return hot

    def _decode(self, places: Floats, column: Column) -> pd.Series:
        if column.kind in NUMERIC:
            mean, deviation = self._moments_of(column)
            values = places[:, 0].astype(np.float64) * deviation + mean
            if column.missing_rate:
                values[places[:, 1] > 0.5] = np.nan
            return schemas.restore(values, column)
        return schemas.choices(places.argmax(axis=1), column.categories, column)


def _blocks(column: Column) -> tuple[tuple[str, int], ...]:
    missing = column.missing_rate > 0
    if column.kind in NUMERIC:
        return (("number", 1), ("missing", 1)) if missing else (("number", 1),)
    return (("choice", len(column.categories) + missing),)


def _moments(series: pd.Series, column: Column) -> tuple[float, float]:
    if column.kind not in NUMERIC or not series.notna().any():
        return 0.0, 1.0
    values = _within(schemas.numbers(series.dropna(), column), column)
    return float(values.mean()), float(values.std()) or 1.0


def _within(values: NDArray[np.float64], column: Column) -> NDArray[np.float64]:
    """Return numbers (N,) with those beyond the schema's ends on them, so that a mean tells of no extreme."""
    return values if column.minimum is None else values.clip(*schemas.bounds(column))
