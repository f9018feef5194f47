"""The codec of tables: rows as small integers (N, C) that networks can learn, one code per column, and back.

A column's codes are, in this order:

    values    a code each: categories, booleans, and numbers that many rows share (heavy values)
    bins      ranges of the other numbers, about equally full; decoded uniformly inside the range
    missing   one code, if the column has missing values

A bin edge lies about halfway between two neighbouring values, and a heavy value is shared by at least `LEAST_SHARED`
rows, so the codec holds no row of the table and no single person's number, the schema's own minimum and maximum apart.
It is fitted on training rows only. Numbers outside the range are clamped into it.

    >>> import pandas as pd
    >>> from synthtrail.data.schema import infer
    >>> table = pd.DataFrame({"age": range(20, 60), "sex": ["f", "m"] * 20})
    >>> codec = TableCodec.fit(table, infer(table, "sex"), bins=4)
    >>> codec.cardinalities
    (4, 2)
    >>> codec.encode(table)[[0, 39]].tolist()
    [[0, 0], [3, 1]]
    >>> codec.decode(codec.encode(table), np.random.default_rng(0))["age"].between(20, 59).all()
    np.True_
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import schema as schemas
from synthtrail.data.errors import CodecError
from synthtrail.data.schema import NUMERIC, Column, Schema

Codes = NDArray[np.int64]
LEAST_SHARED = 5  # a number gets a code of its own only if at least this many rows have it


@dataclass(frozen=True)
class ColumnCodec:
    """The codes of one column: `values`, then the bins between `edges`, then missing."""

    values: tuple[str | int | float | bool, ...]
    edges: tuple[float, ...]
    missing: bool

    @property
    def bins(self) -> int:
        """Number of ranges."""
        return max(0, len(self.edges) - 1)

    @property
    def cardinality(self) -> int:
        """Number of codes, at least 1."""
        return len(self.values) + self.bins + self.missing


@dataclass(frozen=True)
class TableCodec:
    """A schema and, for each of its columns, the codes (see the module docstring)."""

    schema: Schema
    columns: tuple[ColumnCodec, ...]

    @classmethod
    def fit(cls, train: pd.DataFrame, schema: Schema, bins: int = 50) -> "TableCodec":
        """Choose codes from training rows: at most about `bins` for each numeric column."""
        if bins < 1:
            raise CodecError(f"bins: {bins} is too few; give 1 or more")
        return cls(schema, tuple(_fit_column(train[c.name], c, bins) for c in schema))

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each column, (C,)."""
        return tuple(column.cardinality for column in self.columns)

    def encode(self, table: pd.DataFrame) -> Codes:
        """Return the codes of every row, int64 (N, C).

        Raises `CodecError` for categories never seen and for missing values where training had none.
        """
        pairs = zip(self.schema, self.columns, strict=True)
        coded = [_encode_column(table[column.name], column, codes) for column, codes in pairs]
        return np.stack(coded, axis=1)

    def decode(self, codes: Codes, rng: np.random.Generator) -> pd.DataFrame:
        """Turn codes (N, C) into rows that conform to the schema, drawing inside bins with `rng`."""
        if codes.shape[1:] != (len(self.columns),):
            raise CodecError(f"codes of shape {codes.shape} do not fit {len(self.columns)} columns")
        return pd.DataFrame({c.name: self.decode_column(i, codes[:, i], rng) for i, c in enumerate(self.schema)})

    def centres(self, at: int) -> NDArray[np.float64] | None:
        """Return the number each code of column `at` stands for (K,), NaN for missing; None without numbers."""
        if self.schema.columns[at].kind not in NUMERIC:
            return None
        column = self.columns[at]
        edges = np.asarray(column.edges)
        gap = [np.nan] if column.missing else []
        return np.concatenate([np.asarray(column.values, dtype=np.float64), (edges[1:] + edges[:-1]) / 2, gap])

    def decode_column(self, at: int, codes: Codes, rng: np.random.Generator) -> pd.Series:
        """Turn codes (N,) of column number `at` into its values."""
        return _decode_column(codes, self.schema.columns[at], self.columns[at], rng)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` gives back an equal codec."""
        columns = [{**asdict(c), "values": list(c.values), "edges": list(c.edges)} for c in self.columns]
        return {"schema": self.schema.to_json(), "columns": columns}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TableCodec":
        """Read what `to_json` gave; `CodecError` or `SchemaError` if it is something else."""
        try:
            columns = tuple(ColumnCodec(tuple(c["values"]), tuple(c["edges"]), c["missing"]) for c in value["columns"])
            return cls(Schema.from_json(value["schema"]), columns)
        except (KeyError, TypeError) as error:
            raise CodecError(f"not a table codec: {error}; run preprocess again") from error


def _fit_column(series: pd.Series, column: Column, bins: int) -> ColumnCodec:
    missing = column.missing_rate > 0
    if column.kind not in NUMERIC:
        return ColumnCodec(column.categories, (), missing)
    values = np.sort(schemas.numbers(series.dropna(), column))
    if values.size == 0:
        return ColumnCodec((), (), missing)
    distinct, counts = np.unique(values, return_counts=True)
    shared = counts >= max(LEAST_SHARED, len(values) / bins)
    if len(distinct) == 1:
        shared = np.ones(1, dtype=bool)
    if shared.all():
        return ColumnCodec(tuple(distinct.tolist()), (), missing)
    share = counts[~shared].sum() / len(values)
    edges = _edges(distinct, np.where(shared, 0, counts), max(1, round(bins * share)), column)
    return ColumnCodec(tuple(distinct[shared].tolist()), edges, missing)


def _edges(distinct: NDArray[np.float64], counts: NDArray[np.int64], bins: int, column: Column) -> tuple[float, ...]:
    """Return the edges of about `bins` equally full ranges over values with non-zero counts."""
    digits = column.decimals if column.kind == "continuous" else (column.decimals or 0)
    # On a grid the first and last value own half a step more, else rounding would halve them.
    reach = 0.0 if digits is None else 0.5 * 10.0**-digits
    halfway = (distinct[:-1] + distinct[1:]) / 2
    if digits is not None:  # between two places of the grid, so that rounding stays inside the bin
        halfway = (np.floor(halfway * 10.0**digits) + 0.5) / 10.0**digits
    fences = np.concatenate([[distinct[0] - reach], halfway, [distinct[-1] + reach]])
    used = np.flatnonzero(counts)
    cuts = np.searchsorted(np.cumsum(counts), np.arange(1, bins) * counts.sum() / bins)
    cuts = np.unique(cuts[(cuts >= used[0]) & (cuts < used[-1])])
    return tuple(fences[[used[0], *(cuts + 1), used[-1] + 1]].tolist())


def _encode_column(series: pd.Series, column: Column, codec: ColumnCodec) -> Codes:
    absent = series.isna().to_numpy()
    if absent.any() and not codec.missing:
        what = f"column {column.name!r} has {int(absent.sum())} missing values"
        raise CodecError(f"{what}, the training rows had none; fill or drop them")
    coded = np.full(len(series), codec.cardinality - 1, dtype=np.int64)
    present = series[~absent]
    code = _encode_numbers if column.kind in NUMERIC else _encode_categories
    coded[~absent] = code(present, column, codec) if len(present) else 0
    return coded


def _encode_categories(present: pd.Series, column: Column, codec: ColumnCodec) -> Codes:
    coded = pd.Index(list(codec.values), dtype=object).get_indexer(
        pd.Index(present.to_numpy(dtype=object), dtype=object)
    )
    if (coded < 0).any():
        strange = present.to_numpy(dtype=object)[coded < 0][0]
        raise CodecError(
            f"column {column.name!r}: {strange!r} is not a category of the training rows; "
            "split again or merge it with another"
        )
    return coded.astype(np.int64)


def _encode_numbers(present: pd.Series, column: Column, codec: ColumnCodec) -> Codes:
    values, own = schemas.numbers(present, column), np.asarray(codec.values, dtype=np.float64)
    if codec.bins:
        inner = np.asarray(codec.edges[1:-1])
        coded = len(own) + np.searchsorted(inner, values, side="right")
        near = np.searchsorted(own, values).clip(0, max(len(own) - 1, 0))
        exact = own[near] == values if len(own) else np.zeros(len(values), dtype=bool)
    else:
        near, exact = np.searchsorted((own[:-1] + own[1:]) / 2, values), np.ones(len(values), bool)
        coded = near
    return np.where(exact, near, coded).astype(np.int64)


def _decode_column(codes: Codes, column: Column, codec: ColumnCodec, rng: np.random.Generator) -> pd.Series:
    if codes.size and (codes.min() < 0 or codes.max() >= codec.cardinality):
        raise CodecError(f"column {column.name!r}: codes go from 0 to {codec.cardinality - 1}")
    absent = (codes == codec.cardinality - 1) & codec.missing
    if column.kind in NUMERIC:
        return schemas.restore(_draw_numbers(codes, absent, codec, rng), column)
    return schemas.choices(codes, codec.values, column)


def _draw_numbers(
    codes: Codes, absent: NDArray[np.bool_], codec: ColumnCodec, rng: np.random.Generator
) -> NDArray[np.float64]:
    own, edges = np.asarray(codec.values, dtype=np.float64), np.asarray(codec.edges)
    drawn = rng.random(len(codes))  # for every row, so that columns do not shift each other
    values = np.full(len(codes), np.nan)
    heavy = codes < len(own)
    values[heavy] = own[codes[heavy]]
    ranged = ~heavy & ~absent
    at = codes[ranged] - len(own)
    values[ranged] = edges[at] + (edges[at + 1] - edges[at]) * drawn[ranged]
    return values
