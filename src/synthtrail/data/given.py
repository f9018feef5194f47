"""Rows that somebody gives in part, to be completed: read as the source was, and brought to the schema of a model.

    rows = conformed(table, schema)      # the learnt columns, in the schema's types, with gaps where nothing is known
    seen = understood(rows, schema)      # the same, with rare levels as the model knows them

A column that the file lacks is a gap in every row. Columns that are not learnt are left to the caller. What no model
of this schema can make sense of is refused in one line that names column and row, and shows no cell.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from synthtrail.data import protect, sources
from synthtrail.data.asked import Asked
from synthtrail.data.columns import NUMERIC, Column, Schema
from synthtrail.data.delimited import How
from synthtrail.data.errors import SourceError
from synthtrail.data.prepare import settled
from synthtrail.data.sources import Source
from synthtrail.data.values import as_dtype


def read(path: Path, schema: Schema, how: How) -> tuple[Source, pd.DataFrame]:
    """Return the file and its table, the columns read as what the schema says they are. Raises `SourceError`."""
    found = sources.read(path, None, how, {column.name: _asked(column) for column in schema})
    if not isinstance(found.data, pd.DataFrame):
        raise SourceError(f"{path}: not a table; give a .csv, .xlsx or .parquet file")
    if not set(found.data.columns) & set(schema.names):
        raise SourceError(f"{path}: none of its columns is one that the model knows ({', '.join(schema.names[:10])})")
    return found, found.data


def _asked(column: Column) -> Asked:
    if column.kind == "datetime":
        return Asked("datetime", format=column.format)
    worded = pd.api.types.is_string_dtype(column.dtype) or column.dtype == "category"
    return Asked("category" if worded else None)


def conformed(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return the learnt columns of a table in types that have room for gaps; raise `SourceError` for other values."""
    return pd.DataFrame({column.name: _conformed(table, column) for column in schema}, index=table.index)


def understood(rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return conforming rows with levels that were merged away as what they were merged into."""
    return protect.merged(rows, schema)[0]


def roomy(dtype: str) -> str:
    """Return a type that holds the same values and gaps.

    >>> roomy("int64"), roomy("bool"), roomy("str")
    ('Int64', 'boolean', 'str')
    """
    kind = pd.api.types.pandas_dtype(dtype)
    if isinstance(kind, np.dtype) and kind.kind in "iu":
        return f"UInt{kind.itemsize * 8}" if kind.kind == "u" else f"Int{kind.itemsize * 8}"
    return "boolean" if isinstance(kind, np.dtype) and kind.kind == "b" else dtype


def _conformed(table: pd.DataFrame, column: Column) -> pd.Series:
    if column.name not in table.columns:
        return as_dtype(pd.Series([None] * len(table), table.index, dtype=object), roomy(column.dtype))
    series = settled(table[column.name])
    if series.isna().all():
        return as_dtype(pd.Series([None] * len(table), table.index, dtype=object), roomy(column.dtype))
    if column.kind in NUMERIC and column.kind != "time":
        return _number(series, column)
    return _level(series, column)


def _number(series: pd.Series, column: Column) -> pd.Series:
    if column.kind == "datetime":
        _refuse(series, ~pd.Series(pd.api.types.is_datetime64_any_dtype(series.dtype), series.index), "no dates")
        return as_dtype(series, column.dtype)
    numbers = pd.to_numeric(series, errors="coerce").astype("Float64")
    _refuse(series, numbers.isna(), "no numbers")
    if column.kind == "integer":
        _refuse(series, (numbers % 1 != 0).fillna(value=False), "no whole numbers")
    return as_dtype(numbers, roomy(column.dtype))


def _level(series: pd.Series, column: Column) -> pd.Series:
    texts = {str(level).casefold() if column.kind == "boolean" else str(level): level for level in column.categories}
    found = series.astype(object).map(lambda cell: texts.get(_text(cell, column), cell), na_action="ignore")
    if column.kind != "time" and column.other is None:
        _refuse(series, ~found.isin(list(column.categories)), "no categories that the model knows")
    if column.dtype == "category":
        return pd.Series(pd.Categorical(found), index=series.index) if column.other else _categories(found, column)
    return as_dtype(found.astype(object), roomy(column.dtype))


def _categories(found: pd.Series, column: Column) -> pd.Series:
    return pd.Series(pd.Categorical(found, categories=list(column.categories)), index=found.index)


def _text(cell: object, column: Column) -> str:
    whole = isinstance(cell, float) and cell.is_integer()
    text = str(int(cell)) if whole else str(cell)  # type: ignore[call-overload]
    return text.casefold() if column.kind == "boolean" else text


def _refuse(series: pd.Series, odd: pd.Series, what: str) -> None:
    """Raise `SourceError` where present cells are `odd`."""
    wrong = np.flatnonzero((odd & series.notna()).to_numpy(dtype=bool))
    if len(wrong):
        raise SourceError(
            f"column {series.name!r}: {len(wrong)} cells are {what}, the first in row {wrong[0] + 1}; correct them"
        )


def spelling(found: Source, schema: Schema, table: pd.DataFrame) -> Mapping[str, Mapping[str, str]]:
    """Return how moments, truth values and gaps are written, by column: as in the file, or as in the model's source."""
    told: dict[str, dict[str, str]] = {}
    for name in table.columns:
        dated = pd.api.types.is_datetime64_any_dtype(table[name].dtype) or pd.api.types.is_bool_dtype(table[name].dtype)
        own = found.spelt.get(name)
        learnt = next((column for column in schema if column.name == name), None)
        form = (own.format if own else None) or (learnt.format if learnt else None) or ""
        absent = own.absent if own else learnt.absent if learnt else ""
        told[name] = {key: text for key, text in (("format", form if dated else ""), ("absent", absent)) if text}
    return {name: how for name, how in told.items() if how}
