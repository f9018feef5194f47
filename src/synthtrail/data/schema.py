"""The schema of a table: what a released table must look like to be taken for the real one.

`infer` describes a table, `check` names every way in which a table breaks a description. The parts of a schema stand in
`columns`, how kinds are told apart in `inference`. A schema is inferred on training rows only, and holds no row; its
minimum and maximum are the data's own unless `protect` has drawn them in.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [31, 64], "sex": ["f", "m"]})
    >>> schema = infer(table, target="sex")
    >>> schema.column("age").kind, schema.column("sex").categories
    ('integer', ('f', 'm'))
    >>> check(pd.DataFrame({"age": [31, 99], "sex": ["f", "m"]}), schema)[0].message
    "column 'age': 1 value outside 31 to 64"
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast

import numpy as np
import pandas as pd

from synthtrail.data import identifiers, inference
from synthtrail.data.asked import Asked
from synthtrail.data.columns import NUMERIC, Column, Identifier, Kind, Schema, Violation
from synthtrail.data.errors import RefusedColumnsError, SchemaError
from synthtrail.data.values import as_dtype, bounds, choices, numbers, restore

__all__ = [
    "NUMERIC", "Column", "Identifier", "Kind", "Schema", "Violation",
    "as_dtype", "bounds", "check", "choices", "infer", "learn", "numbers", "restore",
]  # fmt: skip


def infer(table: pd.DataFrame, target: str | None = None, asked: Mapping[str, Asked] | None = None) -> Schema:
    """Describe `table`; `target` names the column that models condition on, `asked` what a person says of columns.

    Raises `SchemaError` for an empty table, doubled or non-text names, an absent or incomplete target, infinite
    numbers, and texts that look like identifiers or prose, all of them in one message.
    """
    check_names(table, target)
    asked = asked or {}
    columns: list[Column] = []
    keys: list[Identifier] = []
    refused: list[str] = []
    for at, name in enumerate(table.columns):
        said = asked.get(name, Asked())
        kind = said.kind or inference.classify(table[name], at, is_target=name == target)
        if not kind:
            refused.append(name)
        elif kind == "identifier":
            keys.append(_identifier(table[name], at))
        else:
            columns.append(_column(table[name], cast("Kind", kind), said))
    if refused:
        raise RefusedColumnsError(_refusal(table, refused), tuple(refused))
    if not columns:
        raise SchemaError("every column is an identifier: nothing is left to learn; name the kinds under `columns:`")
    schema = Schema(tuple(columns), target, tuple(keys))
    if target is not None and schema.column(target).missing_rate:
        raise SchemaError(f"target {target!r} has missing values; drop those rows in the source")
    return schema


def learn(table: pd.DataFrame, like: Schema) -> Schema:
    """Describe training rows: kinds, formats and what a person stated as in `like`; ranges, levels and rates anew."""
    columns = tuple(inference.describe(table[column.name], column) for column in like)
    keys = tuple(replace(key, missing_rate=float(table[key.name].isna().mean())) for key in like.identifiers)
    return replace(like, columns=columns, identifiers=keys)


def check_names(table: pd.DataFrame, target: str | None) -> None:
    """Raise `SchemaError` unless the table has rows, columns with names of their own, and the target."""
    names = list(table.columns)
    if table.empty:
        raise SchemaError("the table has no rows or no columns; check the source")
    if len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        raise SchemaError("column names must be different texts; rename them in the source")
    if target is not None and target not in names:
        raise SchemaError(f"no target column {target!r}; there are: {', '.join(names)}")


def check(table: pd.DataFrame, schema: Schema) -> list[Violation]:
    """Return every violation of `schema` in `table`; an empty list means that it conforms."""
    if tuple(table.columns) != schema.order:
        return [_columns_differ(table, schema)]
    found = [found for column in schema for found in _check_column(table[column.name], column)]
    return found + [found for key in schema.identifiers for found in _check_identifier(table[key.name], key)]


def _column(series: pd.Series, kind: Kind, said: Asked) -> Column:
    given = ("decimals",) if said.decimals is not None else ()
    like = Column(str(series.name), kind, str(series.dtype), decimals=said.decimals, given=given)
    column = inference.describe(series, replace(like, limits=(said.minimum, said.maximum)))
    if kind in ("continuous", "integer"):
        shape = inference.shape_of(numbers(series.dropna(), column))
        column = replace(column, shape=shape or ("" if None in column.limits else "bounded"))
    if kind == "time":
        column = replace(column, format=said.format or _clock_format(series))
    return column


def _clock_format(series: pd.Series) -> str:
    texts = series.dropna().astype("str")
    noon = "" if not texts.str.fullmatch(inference.NOON).all() else " %p" if texts.str.contains(" ").any() else "%p"
    hour = "I" if noon else "H"
    padded = f"%{hour}" if texts.str.match(r"\d\d:").all() else f"%-{hour}"
    return (f"{padded}:%M:%S" if texts.str.count(":").max() == 2 else f"{padded}:%M") + noon


def _identifier(series: pd.Series, at: int) -> Identifier:
    present = series.dropna()
    whole = pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype)
    pattern = identifiers.pattern_of_numbers(present) if whole and len(present) else identifiers.RUNNING
    if not whole and len(present):
        pattern = identifiers.pattern_of(present.astype("str")) or identifiers.RUNNING
    distinct = present.nunique() / len(present) if len(present) else 1.0
    return Identifier(str(series.name), at, str(series.dtype), pattern, distinct, float(series.isna().mean()))


def _refusal(table: pd.DataFrame, refused: list[str]) -> str:
    told = ", ".join(f"{name!r} ({table[name].nunique()} different texts in {len(table)} rows)" for name in refused[:5])
    more = f" and {len(refused) - 5} more" if len(refused) > 5 else ""
    return (
        f"identifiers or free text, which must not be released: {told}{more}; leave them out with "
        f"`drop: [{', '.join(refused)}]`, or name a kind for each under `columns:` (identifier: made anew; category)"
    )


def _columns_differ(table: pd.DataFrame, schema: Schema) -> Violation:
    found, wanted = list(table.columns), list(schema.order)
    odd = [str(name) for name in found if name not in wanted]
    odd += [name for name in wanted if name not in found]
    what = f"columns differ: {', '.join(odd)}" if odd else "columns stand in another order"
    return Violation("", "columns", max(1, len(odd)), what)


def _check_column(series: pd.Series, column: Column) -> list[Violation]:
    if str(series.dtype) != column.dtype:
        what = f"column {column.name!r}: type {series.dtype}, not {column.dtype}"
        return [Violation(column.name, "type", len(series), what)]
    found: list[Violation] = []
    missing = int(series.isna().sum())
    if missing and not column.missing_rate:
        found.append(_count(column.name, "missing", missing, "missing, which the real column never is"))
    present = series.dropna()
    if column.kind in NUMERIC:
        return found + _check_numbers(present, column)
    strange = int((~present.isin(list(column.categories))).sum())
    if strange:
        found.append(_count(column.name, "categories", strange, "not among the categories"))
    return found


def _check_numbers(present: pd.Series, column: Column) -> list[Violation]:
    if present.empty:
        return []
    found: list[Violation] = []
    values = numbers(present, column)
    low, high = bounds(column)
    outside = int(((values < low) | (values > high)).sum())
    if outside:
        span = f"outside {column.minimum} to {column.maximum}"
        found.append(_count(column.name, "range", outside, span))
    if column.kind == "continuous" and column.decimals is not None:
        exact = np.round(values, column.decimals).astype(present.dtype.name) == present.to_numpy()
        finer = int((~exact).sum())
        if finer:
            digits = f"with more than {column.decimals} decimals"
            found.append(_count(column.name, "decimals", finer, digits))
    return found


def _check_identifier(series: pd.Series, key: Identifier) -> list[Violation]:
    if str(series.dtype) != key.dtype:
        return [Violation(key.name, "type", len(series), f"column {key.name!r}: type {series.dtype}, not {key.dtype}")]
    found: list[Violation] = []
    missing, doubled = int(series.isna().sum()), int(series.dropna().duplicated().sum())
    if missing and not key.missing_rate:
        found.append(_count(key.name, "missing", missing, "missing, which the real column never is"))
    if doubled and key.distinct == 1:
        found.append(_count(key.name, "unique", doubled, "repeated, though each row has its own"))
    return found


def _count(
    name: str, rule: Literal["range", "categories", "missing", "decimals", "unique"], n: int, what: str
) -> Violation:
    return Violation(name, rule, n, f"column {name!r}: {n} value{'s' if n > 1 else ''} {what}")
