"""What of a confidential table may stand in a released schema, codec or model: nothing that few rows have.

Both rules take a least count k, `rare_min` in params.yaml (5 for confidential sources unless said otherwise; 1 protects
nothing), and are applied to the training rows:

    rare levels   a category that fewer than k rows have becomes `other` (a whole number as category: missing); truth
                  values stay, since everybody knows them. Holdout rows are treated likewise
    ends          the minimum is the k-th smallest value, the maximum the k-th largest, each moved outwards to a number
                  of one or two digits (a multiple of a power of ten, at most a twentieth of the range), but not
                  beyond what a person stated. A column with fewer than k values counts as missing throughout

So an extreme stands in no released file unless k rows share it, and rows beyond the ends count as lying on them. Where
several rows are one person's (`group` in params.yaml), persons count, not rows.

    >>> from synthtrail.data.schema import infer
    >>> table = pd.DataFrame({"pay": [*range(1000, 3000, 10), 1_000_000], "town": ["Ulm"] * 199 + ["Aalen"] * 2})
    >>> schema = protected(table, infer(table), least=5, ends=True)
    >>> schema.column("pay").maximum, schema.column("town").categories
    (2960, ('Ulm', 'other'))
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import inference, values
from synthtrail.data.columns import NUMERIC, Column, Schema
from synthtrail.data.errors import SchemaError

OTHER = "other"
Whose = NDArray[np.int64]
CONFIDENTIAL = 5  # rows: the least that a released level stands for, unless said otherwise
LAST = int(np.datetime64("9999-12-31T23:59:59", "us").astype(np.int64))  # the last moment that files can hold
FINE = 20  # an end is rounded to at most one of so many parts of the range


def protected(
    train: pd.DataFrame, schema: Schema, *, least: int, ends: bool, persons: NDArray[np.int64] | None = None
) -> Schema:
    """Return the schema of training rows without levels, and with `ends` without extremes, that few rows have.

    With `persons` (N,), a number for whose each row is, it is those few have that is left out.
    """
    if least <= 1:
        return schema
    whose = np.arange(len(train)) if persons is None else persons
    columns = tuple(_protected(train[column.name], column, least, whose, ends=ends) for column in schema)
    safe = replace(schema, columns=columns)
    target = None if safe.target is None else safe.column(safe.target)
    if target is not None and target.kind == "category" and len(target.categories) < 2:
        raise SchemaError(f"target {safe.target!r} has no two classes of {least} rows; lower `rare_min`")
    return safe


def merged(table: pd.DataFrame, schema: Schema) -> tuple[pd.DataFrame, int]:
    """Return the rows with levels that the schema has merged away as `other` (or missing), and the number of cells."""
    changed, cells = dict[str, pd.Series](), 0
    for column in schema:
        if column.other is not None:
            series = table[column.name]
            rare = series.notna() & ~series.isin(list(column.categories))
            cells += int(rare.sum())
            changed[column.name] = _replaced(series, rare, column)
        elif column.missing_rate == 1.0 and table[column.name].notna().any():
            cells += int(table[column.name].notna().sum())
            none = pd.Series([None] * len(table), table.index, dtype=object)
            changed[column.name] = values.as_dtype(none, column.dtype)
    return (table.assign(**changed) if changed else table), cells


def _replaced(series: pd.Series, rare: pd.Series, column: Column) -> pd.Series:
    value = column.other or None
    if column.dtype == "category":
        plain = series.astype(object).mask(rare, value)
        return pd.Series(pd.Categorical(plain, categories=list(column.categories)), index=series.index)
    return values.as_dtype(series.astype(object).mask(rare, value), column.dtype)


def _protected(series: pd.Series, column: Column, least: int, whose: Whose, *, ends: bool) -> Column:
    if column.kind == "category":
        return _common(series, column, least, whose)
    if column.kind in NUMERIC and ends and column.minimum is not None:
        return _drawn_in(series, column, least, whose)
    return column


def _common(series: pd.Series, column: Column, least: int, whose: Whose) -> Column:
    counts = series.value_counts()
    persons = series[~pd.DataFrame({"level": series, "whose": whose}).duplicated()].value_counts()
    common = tuple(level for level in column.categories if persons.get(level, 0) >= least)
    if len(common) == len(column.categories):
        return column
    if not all(isinstance(level, str) for level in column.categories):
        rare = 1 - counts.reindex(list(common), fill_value=0).sum() / len(series)
        dtype = {"int64": "Int64", "bool": "boolean"}.get(column.dtype, column.dtype)
        return replace(column, categories=common, other="", missing_rate=float(rare), dtype=dtype)
    name = OTHER
    while name in common:
        name = f"({name})"
    return replace(column, categories=tuple([*common, name] if column.dtype == "category" else sorted([*common, name])),
                   other=name)  # fmt: skip


def _drawn_in(series: pd.Series, column: Column, least: int, whose: Whose) -> Column:
    numbers = values.numbers(series.dropna(), column)
    each = pd.Series(numbers).groupby(whose[series.notna().to_numpy()])
    lows, highs = np.sort(each.min().to_numpy()), np.sort(each.max().to_numpy())  # of each person
    if lows.size < least:
        return replace(column, minimum=None, maximum=None, missing_rate=1.0, dtype=_with_gaps(column.dtype))
    low, high = float(lows[least - 1]), float(highs[-least])
    if low > high:
        low = high = float(np.median(numbers))
    step = _step(high - low, column)
    ends = [_stated(end, column) for end in (math.floor(low / step) * step, math.ceil(high / step) * step)]
    return inference.limited(replace(column, minimum=ends[0], maximum=ends[1]))


def _with_gaps(dtype: str) -> str:
    return {"int64": "Int64", "bool": "boolean"}.get(dtype, dtype)


def _step(span: float, column: Column) -> float:
    """Return the power of ten that ends are multiples of, no finer than the column's grid."""
    grid = (
        1.0 if column.kind != "continuous" else 10.0 ** -(column.decimals or 0) if column.decimals is not None else 0.0
    )
    coarse = 10.0 ** math.floor(math.log10(span / FINE)) if span > 0 else grid or 1.0
    return max(coarse, grid)


def _stated(end: float, column: Column) -> float | int | str:
    """Return an end as the schema writes it: a whole number, an ISO date, or a number without binary noise."""
    if column.kind == "integer":
        return round(end) + values.offset(column)
    if column.kind == "datetime":
        ticks = round(end * (values.DAY if column.decimals is None else 1) * 1e6)
        moment = pd.Timestamp(np.datetime64(min(ticks, LAST), "us"))
        return f"{moment.isoformat()}+00:00" if "," in column.dtype else moment.isoformat()
    return float(f"{end:.12g}")
