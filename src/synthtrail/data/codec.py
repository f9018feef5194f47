"""The codec of tables: rows as small integers (N, C) that networks can learn, one code per column, and back.

A column's codes are, in this order:

    values    a code each: categories, booleans, and numbers that many rows share (heavy values): as many as a bin has,
              or, where an even bin has 100 and more, a 50th of it; 10 for each bin at most, the heaviest
    tail      one code for all further categories, where there are more than `MOST_LEVELS`; decoded by their frequency
    bins      ranges of the other numbers, about equally full; decoded uniformly inside the range, or, where numbers
              have a heavy tail, uniformly in asinh(x / scale), which is nearly linear at the middle, logarithmic far
              out; there the outermost range is cut further, each time leaving a quarter of its rows
    missing   one code, if the column has missing values

So a column of 50,000 categories costs a network no more than one of 256. A bin edge lies about halfway between two
neighbouring values, and a heavy value is shared by at least `LEAST_SHARED` rows, so the codec holds no row of the table
and no single person's number, the schema's own minimum and maximum apart (for which see `protect`). It is fitted on
training rows only. Numbers outside the range are clamped into it.

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

from synthtrail.data import inference
from synthtrail.data import schema as schemas
from synthtrail.data.errors import CodecError
from synthtrail.data.schema import NUMERIC, Column, Schema

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
LEAST_SHARED = 5  # a number gets a code of its own only if at least this many rows have it
FULL = 100  # rows of an even bin, from which on
HEAVY = 50  # this part of them is enough for a code of one's own
MOST_HEAVY = 10  # such codes for each bin
TAILED = ("heavy-tailed", "zero-inflated")
MOST_LEVELS = 256  # codes of one column of categories, the tail's included


@dataclass(frozen=True)
class ColumnCodec:
    """The codes of one column: `values`, then the tail or the bins between `edges`, then missing.

    `weights` are how many training rows had each level of the `tail`; `scale` is 0 where bins are decoded evenly.
    """

    values: tuple[str | int | float | bool, ...]
    edges: tuple[float, ...]
    missing: bool
    tail: tuple[str | int | float | bool, ...] = ()
    weights: tuple[int, ...] = ()
    scale: float = 0.0

    @property
    def bins(self) -> int:
        """Number of ranges."""
        return max(0, len(self.edges) - 1)

    @property
    def cardinality(self) -> int:
        """Number of codes, at least 1."""
        return len(self.values) + bool(self.tail) + self.bins + self.missing

    def spread(self, numbers: Floats) -> Floats:
        """Turn numbers (N,) to the scale on which a bin is even."""
        return np.arcsinh(numbers / self.scale) if self.scale else numbers

    def unspread(self, places: Floats) -> Floats:
        """Undo `spread`."""
        return np.sinh(places) * self.scale if self.scale else places


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
        edges = column.spread(np.asarray(column.edges))
        middles = column.unspread((edges[1:] + edges[:-1]) / 2)
        gap = [np.nan] if column.missing else []
        return np.concatenate([np.asarray(column.values, dtype=np.float64), middles, gap])

    def decode_column(self, at: int, codes: Codes, rng: np.random.Generator) -> pd.Series:
        """Turn codes (N,) of column number `at` into its values."""
        return _decode_column(codes, self.schema.columns[at], self.columns[at], rng)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` gives back an equal codec."""
        return {"schema": self.schema.to_json(), "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TableCodec":
        """Read what `to_json` gave; `CodecError` or `SchemaError` if it is something else."""
        try:
            columns = tuple(ColumnCodec(**{k: _tuple(v) for k, v in column.items()}) for column in value["columns"])
            return cls(Schema.from_json(value["schema"]), columns)
        except (KeyError, TypeError) as error:
            raise CodecError(f"not a table codec: {error}; run preprocess again") from error


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fit_column(series: pd.Series, column: Column, bins: int) -> ColumnCodec:
    if column.kind not in NUMERIC:
        return _fit_categories(series, column)
    return _fit_numbers(series, column, bins)


def _fit_categories(series: pd.Series, column: Column) -> ColumnCodec:
    """Give the most frequent categories a code each, in the schema's order, and the others one together."""
    missing = column.missing_rate > 0
    if len(column.categories) <= MOST_LEVELS:
        return ColumnCodec(column.categories, (), missing)
    counts = series.value_counts().reindex(list(column.categories), fill_value=0).to_numpy()
    first = np.argsort(-counts, kind="stable")[: MOST_LEVELS - 1]
    own = np.zeros(len(counts), dtype=bool)
    own[first] = True
    levels = np.array(column.categories, dtype=object)
    return ColumnCodec(
        tuple(levels[own]), (), missing, tuple(levels[~own]), tuple(np.maximum(counts[~own], 1).tolist())
    )


def _fit_numbers(series: pd.Series, column: Column, bins: int) -> ColumnCodec:
    missing = column.missing_rate > 0
    low, high = schemas.bounds(column)
    values = np.sort(schemas.numbers(series.dropna(), column)).clip(low, high)
    if values.size == 0 or column.minimum is None:
        return ColumnCodec((), (), missing)
    distinct, counts = np.unique(values, return_counts=True)
    shared = _shared(counts, bins)
    if shared.all():
        return ColumnCodec(tuple(distinct.tolist()), (), missing)
    share = counts[~shared].sum() / len(values)
    sides = inference.heavy_sides(values[values != 0]) if column.shape in TAILED else (False, False)
    edges = _edges(distinct, np.where(shared, 0, counts), max(1, round(bins * share)), column, sides)
    scale = _scale(values) if column.shape in TAILED else 0.0
    return ColumnCodec(tuple(distinct[shared].tolist()), edges, missing, scale=scale)


def _shared(counts: NDArray[np.int64], bins: int) -> NDArray[np.bool_]:
    """Return which of the different numbers, of which there are `counts` (K,), get a code of their own (K,)."""
    if len(counts) == 1:
        return np.ones(1, dtype=bool)
    bin_rows = counts.sum() / bins
    shared = counts >= max(LEAST_SHARED, bin_rows if bin_rows < FULL else bin_rows / HEAVY)
    shared[np.argsort(-counts, kind="stable")[MOST_HEAVY * bins :]] = False
    return np.asarray(shared)


def _scale(values: Floats) -> float:
    """Return the median size of the numbers that are not 0, to two digits, so that it is nobody's number."""
    middle = float(np.median(np.abs(values[values != 0]))) if values.any() else 0.0
    return float(f"{middle:.1e}")


def _shares(bins: int, rows: int, sides: tuple[bool, bool]) -> Floats:
    """Return which share of the rows lies below each inner edge: even ones, and ever finer ones along a heavy tail."""
    last, far = 1 / bins, list[float]()
    while (last := last / 4) * rows >= LEAST_SHARED:
        far.append(last)
    low, high = sides
    return np.array([*(far[::-1] if low else []), *np.arange(1, bins) / bins, *(1 - share for share in far if high)])


def _edges(
    distinct: Floats, counts: NDArray[np.int64], bins: int, column: Column, sides: tuple[bool, bool]
) -> tuple[float, ...]:
    """Return the edges of about `bins` equally full ranges over values with non-zero counts; see `_shares`."""
    digits = column.decimals if column.kind == "continuous" else (column.decimals or 0)
    # On a grid the first and last value own half a step more, else rounding would halve them.
    reach = 0.0 if digits is None else 0.5 * 10.0**-digits
    halfway = (distinct[:-1] + distinct[1:]) / 2
    if digits is not None:  # between two places of the grid, so that rounding stays inside the bin
        halfway = (np.floor(halfway * 10.0**digits) + 0.5) / 10.0**digits
    low, high = schemas.bounds(column)
    fences = np.concatenate([[low - reach], halfway, [high + reach]])
    used = np.flatnonzero(counts)
    cuts = np.searchsorted(np.cumsum(counts), _shares(bins, int(counts.sum()), sides) * counts.sum())
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
    # Looking up the few different values and not every row is what keeps a million rows fast.
    rows, levels = pd.factorize(present.to_numpy(dtype=object))
    coded = pd.Index(list(codec.values), dtype=object).get_indexer(pd.Index(levels, dtype=object))
    if codec.tail:
        far = pd.Index(list(codec.tail), dtype=object).get_indexer(pd.Index(levels, dtype=object))
        coded = np.where((coded < 0) & (far >= 0), len(codec.values), coded)
    if (coded < 0).any():
        raise CodecError(
            f"column {column.name!r}: {int((coded < 0)[rows].sum())} values are not a category of the training rows; "
            "split again or merge them with another"
        )
    return coded[rows].astype(np.int64)


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
    levels = column.categories if codec.tail else codec.values
    return schemas.choices(_draw_levels(codes, absent, levels, codec, rng), levels, column)


def _draw_levels(
    codes: Codes, absent: NDArray[np.bool_], levels: tuple[Any, ...], codec: ColumnCodec, rng: np.random.Generator
) -> Codes:
    """Return the number of each row's level among `levels` (N,), that after the last where it is missing."""
    if not codec.tail:
        return codes
    at = {level: number for number, level in enumerate(levels)}
    places = np.array([at[level] for level in (*codec.values, *codec.tail)], dtype=np.int64)
    ends = np.cumsum(codec.weights)
    drawn = np.searchsorted(ends, rng.random(len(codes)) * ends[-1], side="right")
    chosen = places[np.where(codes == len(codec.values), len(codec.values) + drawn, np.where(absent, 0, codes))]
    return np.where(absent, len(levels), chosen).astype(np.int64)


def _draw_numbers(codes: Codes, absent: NDArray[np.bool_], codec: ColumnCodec, rng: np.random.Generator) -> Floats:
    own, edges = np.asarray(codec.values, dtype=np.float64), codec.spread(np.asarray(codec.edges))
    drawn = rng.random(len(codes))  # for every row, so that columns do not shift each other
    values = np.full(len(codes), np.nan)
    heavy = codes < len(own)
    values[heavy] = own[codes[heavy]]
    ranged = ~heavy & ~absent
    at = codes[ranged] - len(own)
    values[ranged] = codec.unspread(edges[at] + (edges[at + 1] - edges[at]) * drawn[ranged])
    return values
