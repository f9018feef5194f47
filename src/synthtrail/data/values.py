"""Columns as numbers and back: `restore(numbers(series, column), column)` is the series, types and gaps included.

>>> import pandas as pd
>>> from synthtrail.data.columns import Column
>>> column = Column("day", "datetime", "datetime64[us]", (), "2020-01-01", "2020-12-31")
>>> numbers(pd.Series(pd.to_datetime(["2020-01-02"])), column).tolist()
[18263.0]
>>> restore(np.array([18263.4, 0.0]), column).dt.strftime("%d.%m.%Y").tolist()
['02.01.2020', '01.01.2020']
"""

from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.columns import Column

DAY = 86_400.0
EXACT = 2**53  # beyond it, a float no longer tells neighbouring integers apart

Floats = NDArray[np.float64]


def numbers(series: pd.Series, column: Column) -> Floats:
    """Return a numeric column as float64 (N,), NaN where missing; dates as days or seconds, times as seconds.

    Whole numbers too large for floats to tell apart are counted from `offset`.
    """
    if column.kind == "datetime":
        return instants(series, whole_days=column.decimals is None)
    if column.kind == "time":
        return clock(series)
    if start := offset(column):
        whole = [np.nan if pd.isna(value) else float(int(value) - start) for value in series.tolist()]
        return np.array(whole, dtype=np.float64)
    return cast("Floats", series.to_numpy(dtype=np.float64, na_value=np.nan))


def bounds(column: Column) -> tuple[float, float]:
    """Return a numeric column's minimum and maximum on the scale of `numbers`."""
    if column.kind == "datetime" and column.minimum is not None:
        ends = pd.Series(pd.to_datetime([str(column.minimum), str(column.maximum)]))
        low, high = instants(ends, whole_days=column.decimals is None)
        return float(low), float(high)
    start = offset(column)
    return float((column.minimum or 0) - start), float((column.maximum or 0) - start)  # type: ignore[operator]


def offset(column: Column) -> int:
    """Return the whole number that `numbers` counts from: the minimum where floats are too coarse, else 0."""
    if column.kind != "integer" or column.minimum is None or column.maximum is None:
        return 0
    low, high = int(column.minimum), int(column.maximum)
    return low if max(-low, high) > EXACT else 0


def restore(values: Floats, column: Column) -> pd.Series:
    """Turn numbers (N,) back into a column: on its grid, in its range, of its dtype.

    Whole numbers round, NaN becomes missing. The inverse of `numbers` for values that conform.
    """
    low, high = bounds(column)
    digits = column.decimals if column.kind == "continuous" else (column.decimals or 0)
    kept = np.clip(values if digits is None else np.round(values, digits), low, high)
    if column.kind == "datetime":
        return _moments(kept, column)
    if column.kind == "time":
        return _times(kept, column)
    if column.kind == "integer":
        return _integers(kept, column)
    return as_dtype(pd.Series(kept), column.dtype)


def choices(codes: NDArray[np.int64], values: tuple[str | int | float | bool, ...], column: Column) -> pd.Series:
    """Turn numbers of `values` (N,) into a column of its dtype; the number after the last is missing."""
    if column.dtype == "category":
        kept = np.where(codes == len(values), -1, codes).astype(np.int64)
        levels = pd.CategoricalDtype(list(dict.fromkeys(values)))
        return pd.Series(pd.Categorical.from_codes(kept, dtype=levels))
    table = np.array([*values, None], dtype=object)
    return as_dtype(pd.Series(table[codes], dtype=object), column.dtype)


def as_dtype(series: pd.Series, dtype: str) -> pd.Series:
    """Return the series as the dtype of this name."""
    converted: pd.Series = series.astype(dtype)  # type: ignore[call-overload]  # stubs list every name one by one
    return converted


def instants(series: pd.Series, *, whole_days: bool) -> Floats:
    """Return dates as days or seconds since 1970 in UTC, NaN where missing."""
    moments = series.dt.tz_convert("UTC").dt.tz_localize(None) if series.dt.tz else series
    micros = moments.astype("datetime64[us]")
    ticks = micros.astype("int64").to_numpy(dtype=np.float64)
    seconds = np.where(micros.isna().to_numpy(), np.nan, ticks / 1_000_000)
    return seconds / DAY if whole_days else seconds


def clock(series: pd.Series) -> Floats:
    """Return times of day (`9:05`, `09:05:30`, `9:05 pm`) as seconds after midnight, NaN where missing."""
    texts = series.astype("str").str.lower()
    parts = texts.str.rstrip(" apm").str.split(":", expand=True).astype("float64")
    weights = [3600.0, 60.0, 1.0][: parts.shape[1]]
    seconds = np.asarray(sum(parts[i].to_numpy() * weight for i, weight in enumerate(weights)), dtype=np.float64)
    late = texts.str.endswith("pm").fillna(value=False).to_numpy(dtype=bool)
    noon = late | texts.str.endswith("am").fillna(value=False).to_numpy(dtype=bool)
    return np.where(noon, seconds % (12 * 3600) + late * 12 * 3600, seconds)


def _moments(kept: Floats, column: Column) -> pd.Series:
    ticks = kept * (DAY if column.decimals is None else 1) * 1_000_000
    micros = pd.Series(np.round(ticks)).astype("Int64")
    moments = pd.Series(pd.to_datetime(micros, unit="us", utc=True))
    zoned = isinstance(pd.api.types.pandas_dtype(column.dtype), pd.DatetimeTZDtype)
    return as_dtype(moments if zoned else moments.dt.tz_localize(None), column.dtype)


def _times(kept: Floats, column: Column) -> pd.Series:
    absent = np.isnan(kept)
    moments = pd.Series(pd.to_datetime(np.where(absent, 0, kept).round(), unit="s"))
    texts = moments.dt.strftime(column.format or "%H:%M:%S").astype(object)
    return as_dtype(texts.mask(absent, None), column.dtype)


def _integers(kept: Floats, column: Column) -> pd.Series:
    start = offset(column)
    if not start:
        return as_dtype(pd.Series(kept).astype("Int64"), column.dtype)
    low, high = int(column.minimum or 0), int(column.maximum or 0)
    whole = [None if np.isnan(value) else min(max(int(value) + start, low), high) for value in kept.tolist()]
    wide = as_dtype(pd.Series(whole, dtype=object), "UInt64" if low >= 0 else "Int64")
    return as_dtype(wide, column.dtype)
