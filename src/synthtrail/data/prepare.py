"""From a table as read to one that can be learnt: columns left out, kinds as asked for, a schema, or one clear line.

    table, schema = prepare(source.data, "outcome", asked, source.spelt)

Types that models and files do not share are settled first: texts become `str`, dates of Arrow and Excel datetime64,
decimal numbers float64, times of day texts.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd

from synthtrail.data import inference
from synthtrail.data import schema as schemas
from synthtrail.data.asked import Asked, known_only
from synthtrail.data.columns import Schema
from synthtrail.data.errors import SchemaError
from synthtrail.data.texts import Spelling
from synthtrail.data.values import as_dtype

LEAST_ROWS = 10


def prepare(
    table: pd.DataFrame, target: str | None, asked: Mapping[str, Asked], spelt: Mapping[str, Spelling]
) -> tuple[pd.DataFrame, Schema]:
    """Return the table to learn and its schema. Raises `SchemaError` in one line."""
    schemas.check_names(table, target)
    known_only(asked, list(table.columns))
    if target is not None and asked.get(target, Asked()).kind in ("drop", "identifier"):
        raise SchemaError(
            f"the target {target!r} is left out by `drop` or `columns`; choose another, or take that back"
        )
    kept = [name for name in table.columns if asked.get(name, Asked()).kind != "drop"]
    if not kept:
        raise SchemaError("`drop` leaves no column; take some back")
    if len(table) < LEAST_ROWS:
        raise SchemaError(f"{len(table)} rows; at least {LEAST_ROWS} are needed to learn from some and test on others")
    columns = {name: as_asked(settled(table[name]), asked.get(name, Asked())) for name in kept}
    whole = pd.DataFrame(columns)
    schema = _as_spelt(schemas.infer(whole, target, asked), spelt)
    if target is not None and whole[target].nunique() < 2:
        raise SchemaError(f"target {target!r} has one value in all rows: nothing to predict; choose another, or none")
    if target is not None and schema.column(target).kind == "category" and whole[target].nunique() == len(whole):
        raise SchemaError(f"target {target!r} has another value in every row; choose one with classes, or none")
    return whole, schema


def settled(series: pd.Series) -> pd.Series:
    """Return a column in a type that is learnt and written alike; raise `SchemaError` for one that has no such type."""
    name, dtype = series.name, series.dtype
    if pd.api.types.is_timedelta64_dtype(dtype) or isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        raise SchemaError(
            f"column {name!r}: durations and periods are not supported; store them as numbers, or drop it"
        )
    if pd.api.types.is_complex_dtype(dtype):
        raise SchemaError(f"column {name!r}: complex numbers are not supported; store two columns, or drop it")
    return _settled_objects(series) if pd.api.types.is_object_dtype(dtype) else series


def as_asked(series: pd.Series, asked: Asked) -> pd.Series:
    """Return a column in the type of the kind that was asked for; raise `SchemaError` if its values forbid that."""
    if asked.infinite and pd.api.types.is_float_dtype(series.dtype):
        series = series.where(~np.isinf(series), np.nan)
    change = {
        "integer": _integer, "continuous": _continuous, "category": _category, "boolean": _boolean,
        "datetime": _datetime, "time": _time, "identifier": _identifier,
    }.get(asked.kind or "")  # fmt: skip
    found = series if change is None else change(series)
    return _within(found, asked)


def _settled_objects(series: pd.Series) -> pd.Series:
    present = series.dropna()
    values = present.head(1000)
    if present.empty:
        return series.astype("float64")
    if _are(values, str) and _are(present, str):
        return series.astype("str")
    if _are(values, bool) and _are(present, bool):
        return series.astype("boolean")
    if _are(values, (dt.date, dt.datetime)):
        return as_dtype(pd.Series(pd.to_datetime(series)), "datetime64[us]")
    if _are(values, dt.time):
        texts = [None if pd.isna(value) else value.isoformat("seconds") for value in series]
        return pd.Series(texts, series.index, dtype="str")
    if _are(values, Decimal):
        return series.astype("float64")
    kind = type(values.iloc[0]).__name__
    if all(isinstance(value, str | int | float | bool) for value in present):
        raise SchemaError(f"column {series.name!r} mixes texts with other values; make it one type")
    raise SchemaError(f"column {series.name!r} holds values of type {kind}, which cannot be learnt; `drop` it")


def _are(values: object, kind: type | tuple[type, ...]) -> bool:
    return all(isinstance(value, kind) for value in pd.Series(values, dtype=object))


def _refuse(series: pd.Series, kind: str, wrong: int) -> SchemaError:
    return SchemaError(f"`columns`: {series.name!r} is to be {kind}, but {wrong} of its values are not; correct either")


def _integer(series: pd.Series) -> pd.Series:
    if pd.api.types.is_integer_dtype(series.dtype):
        return series
    numbers = pd.to_numeric(series, errors="coerce").astype("float64")
    wrong = int((series.notna() & ~(numbers % 1 == 0)).sum())
    if wrong:
        raise _refuse(series, "integer", wrong)
    return numbers.astype("Int64" if numbers.isna().any() else "int64")


def _continuous(series: pd.Series) -> pd.Series:
    if pd.api.types.is_float_dtype(series.dtype):
        return series
    numbers = pd.to_numeric(series, errors="coerce").astype("float64")
    wrong = int((series.notna() & numbers.isna()).sum())
    if wrong:
        raise _refuse(series, "continuous", wrong)
    return numbers


def _category(series: pd.Series) -> pd.Series:
    if isinstance(series.dtype, pd.CategoricalDtype | pd.StringDtype) or pd.api.types.is_integer_dtype(series.dtype):
        return series
    return series.astype(object).map(str, na_action="ignore").astype("str")


def _boolean(series: pd.Series) -> pd.Series:
    if series.nunique() > 2:
        raise _refuse(series, "boolean", series.nunique() - 2)
    return _category(series) if pd.api.types.is_float_dtype(series.dtype) else series


def _datetime(series: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return series
    raise _refuse(series, "datetime (name its `format`)", int(series.notna().sum()))


def _time(series: pd.Series) -> pd.Series:
    texts = series.astype("str")
    fits = texts.str.fullmatch(f"{inference.CLOCK}|{inference.NOON}").fillna(value=False).astype(bool)
    wrong = int((series.notna() & ~fits).sum())
    if wrong:
        raise _refuse(series, "time", wrong)
    return texts


def _identifier(series: pd.Series) -> pd.Series:
    return _integer(series) if pd.api.types.is_float_dtype(series.dtype) else _category(series)


def _within(series: pd.Series, asked: Asked) -> pd.Series:
    """Return the series if it keeps the limits that were stated, else raise `SchemaError`."""
    for end, beyond in (("minimum", series.lt), ("maximum", series.gt)):
        limit = getattr(asked, end)
        if limit is None:
            continue
        try:
            wrong = int(beyond(pd.Timestamp(limit) if isinstance(limit, str) else limit).sum())
        except (TypeError, ValueError):
            raise SchemaError(
                f"`columns`: {series.name!r} has no values that {limit!r} could be the {end} of"
            ) from None
        if wrong:
            raise SchemaError(f"`columns`: {series.name!r}: {wrong} values beyond the {end} {limit}; correct either")
    return series


def _as_spelt(schema: Schema, spelt: Mapping[str, Spelling]) -> Schema:
    none = Spelling()
    columns = tuple(
        replace(column, format=column.format or spelt.get(column.name, none).format,
                absent=spelt.get(column.name, none).absent)
        for column in schema
    )  # fmt: skip
    keys = tuple(replace(key, absent=spelt.get(key.name, none).absent) for key in schema.identifiers)
    return replace(schema, columns=columns, identifiers=keys)
