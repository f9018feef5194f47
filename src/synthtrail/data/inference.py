"""From a column of a table to its description: which kind it is (`classify`), and the facts of that kind (`describe`).

    two values: 0/1, yes/no, true/false, ...      boolean
    whole numbers, all different, named as a key   identifier
    texts, all different, of one make              identifier
    texts such as 09:30 or 9:30 PM                 time
    other texts, half of them or more different    refused: an identifier or free text, which must not be released

Kinds are told from the whole table; facts (ranges, categories, rates) from training rows only.

    >>> import pandas as pd
    >>> classify(pd.Series(["no", "yes", "no"], name="ill", dtype="str"), at=0)
    'boolean'
    >>> describe(pd.Series([1, 5, 9], name="age"), Column("age", "integer", "int64")).maximum
    9
"""

import math
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd

from synthtrail.data import identifiers, values
from synthtrail.data.columns import Column, Shape, Value
from synthtrail.data.errors import SchemaError
from synthtrail.data.values import Floats

LARGEST = 1e100  # the squares of larger ones are beyond what a float holds
MOST_DECIMALS = 12  # more digits than that are the noise of binary fractions, not a grid
IDENTIFIER_ROWS = 50  # below this, too few rows to tell an identifier from a category
LONG_TEXT, MANY_TEXTS = 60, 50  # so many different texts of such a mean length are prose
PAIRS = tuple(
    frozenset(pair.split())
    for pair in ("no yes", "n y", "false true", "f t", "0 1", "off on", "nein ja", "n j", "non oui", "no si", "no sí",
                 "falsch wahr", "faux vrai", "нет да", "nee ja", "nej ja")
)  # fmt: skip
CLOCK = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
NOON = r"(0?[1-9]|1[0-2]):[0-5]\d(:[0-5]\d)? ?[AaPp][Mm]"

ZERO_SHARE = 0.1  # so many zeros among otherwise different numbers are a mass of their own
SHARED_END = 0.01  # so many rows at either end show that the ends are limits
TAIL = 8.0  # (q99 - median) / (q75 - median): 3.5 for a normal, 5.6 an exponential, 9.6 a lognormal (sigma 1)
LEAST_FOR_SHAPE = 50


def classify(series: pd.Series, at: int, *, is_target: bool = False) -> str:
    """Return a column's kind, `identifier` included; "" if it must be refused. `at` is its place in the table."""
    types, present = pd.api.types, series.dropna()
    if types.is_bool_dtype(series.dtype) or (series.dtype == object and _all(present, bool)):
        return "boolean"
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "category"
    if types.is_integer_dtype(series.dtype):
        return _classify_integers(present, at, is_target=is_target)
    if types.is_datetime64_any_dtype(series.dtype):
        return "datetime"
    if types.is_float_dtype(series.dtype):
        return _classify_floats(present, at, is_target=is_target)
    return _classify_texts(series, present, is_target=is_target)


def describe(series: pd.Series, like: Column) -> Column:
    """Return `like`, which gives name, kind and what a person stated, with the facts of these rows."""
    column = replace(like, dtype=str(series.dtype), missing_rate=float(series.isna().mean()))
    present = series.dropna()
    if column.kind in ("category", "boolean"):
        return replace(column, categories=_categories(series, present))
    if present.empty:
        return replace(column, minimum=None, maximum=None)
    if column.kind == "datetime":
        return _describe_dates(present, column)
    numbers = values.numbers(present, column)
    if not np.isfinite(numbers).all():
        told = f"column {column.name!r} holds {int(np.isinf(numbers).sum())} infinities"
        raise SchemaError(f"{told}; correct them, or say `columns: {{{column.name}: {{infinite: missing}}}}`")
    low, high = numbers.min().item(), numbers.max().item()
    if max(-low, high) > LARGEST:
        raise SchemaError(f"column {column.name!r} holds numbers beyond {LARGEST:.0e}; correct them, or `drop` it")
    if column.kind == "integer":
        return limited(replace(column, minimum=int(present.min()), maximum=int(present.max()), decimals=0))
    if column.kind == "continuous" and "decimals" not in column.given:
        column = replace(column, decimals=decimals_of(present))
    return limited(replace(column, minimum=low, maximum=high))


def limited(column: Column) -> Column:
    """Return a column of numbers whose ends do not lie beyond those that a person stated."""
    if column.minimum is None or column.kind not in ("continuous", "integer"):
        return column
    low, high = column.limits
    ends = {"minimum": max(column.minimum, low) if low is not None else column.minimum,
            "maximum": min(column.maximum, high) if high is not None else column.maximum}  # type: ignore[type-var]  # fmt: skip
    if column.kind == "integer":
        ends = {"minimum": math.ceil(ends["minimum"]), "maximum": math.floor(ends["maximum"])}  # type: ignore[arg-type]
    return replace(column, **ends)  # type: ignore[arg-type]


def shape_of(numbers: Floats) -> Shape:
    """Return how numbers (N,) lie: a mass at zero, a heavy tail, limits at both ends, or nothing of these."""
    if numbers.size < LEAST_FOR_SHAPE or len(np.unique(numbers)) <= 10:
        return ""
    zeros = float((numbers == 0).mean())
    if zeros >= ZERO_SHARE:
        return "zero-inflated"
    if any(heavy_sides(numbers)):
        return "heavy-tailed"
    ends = min(float((numbers == numbers.min()).mean()), float((numbers == numbers.max()).mean()))
    return "bounded" if ends >= SHARED_END else ""


def heavy_sides(numbers: Floats) -> tuple[bool, bool]:
    """Return whether numbers (N,) have a heavy tail towards low and towards high values."""
    return (_tail(-numbers) > TAIL, _tail(numbers) > TAIL) if numbers.size else (False, False)


def decimals_of(present: pd.Series) -> int | None:
    """Return how many digits after the point the numbers have; None if they are on no decimal grid."""
    found = present.to_numpy()
    start = _digits(found[:1000], 0)
    return None if start is None else _digits(found, start)


def _digits(found: Floats, start: int) -> int | None:
    wide = found.astype(np.float64)
    for digits in range(start, MOST_DECIMALS + 1):
        # The nearest number of that many digits, in the column's own precision, is the number.
        if (np.round(wide, digits).astype(found.dtype) == found).all():
            return digits
    return None


def _tail(numbers: Floats) -> float:
    middle, upper, far = np.quantile(numbers, [0.5, 0.75, 0.99])
    return float((far - middle) / (upper - middle)) if upper > middle else 0.0


def _classify_integers(present: pd.Series, at: int, *, is_target: bool) -> str:
    if set(present.unique()) == {0, 1}:
        return "boolean"
    keyed = not is_target and identifiers.recognised_number(present, name=str(present.name), at=at)
    return "identifier" if keyed else "integer"


def _classify_floats(present: pd.Series, at: int, *, is_target: bool) -> str:
    """Return identifier for whole numbers that are keys (`1024.0`, as is written where gaps are), else continuous."""
    named = not is_target and at >= 0 and identifiers.named_like_one(str(present.name))
    whole = named and np.isfinite(present).all() and bool((present % 1 == 0).all()) and present.abs().max() < 2**53
    keyed = whole and identifiers.recognised_number(present.astype("int64"), name=str(present.name), at=at)
    return "identifier" if keyed else "continuous"


def _classify_texts(series: pd.Series, present: pd.Series, *, is_target: bool) -> str:
    if present.empty:
        return "category"
    if series.dtype == object and not _all(present, str):
        raise SchemaError(f"column {series.name!r} mixes texts with other values; make it one type")
    levels = pd.Series(present.unique(), dtype="str")
    if frozenset(levels.head(3).str.casefold()) in PAIRS and len(levels) == 2:
        return "boolean"
    if levels.str.fullmatch(CLOCK).all() or levels.str.fullmatch(NOON).all():
        return "time"
    if is_target:
        return "category"
    if identifiers.recognised_text(present, name=str(series.name)):
        return "identifier"
    many = len(series) >= IDENTIFIER_ROWS and len(levels) > len(series) / 2
    prose = len(levels) > MANY_TEXTS and float(levels.str.len().mean()) > LONG_TEXT
    return "" if many or prose else "category"


def _all(present: pd.Series, kind: type) -> bool:
    return bool(present.size) and all(isinstance(value, kind) for value in present.unique())


def _categories(series: pd.Series, present: pd.Series) -> tuple[Value, ...]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        used = set(present.unique())
        return tuple(_plain(level) for level in series.cat.categories if level in used)
    return tuple(sorted(_plain(level) for level in present.unique()))


def _plain(value: object) -> Value:
    return cast("Value", value.item() if hasattr(value, "item") else value)


def _describe_dates(present: pd.Series, column: Column) -> Column:
    seconds = values.instants(present, whole_days=False)
    days = bool((seconds % values.DAY == 0).all())
    digits = None if days else next(d for d in (0, 3, 6) if d == 6 or bool((np.round(seconds, d) == seconds).all()))
    low, high = (moment.isoformat() for moment in (present.min(), present.max()))
    return replace(column, minimum=low, maximum=high, decimals=digits)
