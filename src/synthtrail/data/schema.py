"""The schema of a table: what a released table must look like to be taken for the real one.

A `Column` has a kind, and with it the facts that synthetic values must respect:

    continuous  minimum, maximum, decimals (digits after the point; None: not on a decimal grid)
    integer     minimum, maximum
    datetime    minimum, maximum as ISO 8601 text; decimals counts digits after the second,
                None means that every value is a whole day
    category    categories, sorted (a pandas category keeps its own order)
    boolean     categories: those of False, True that occur

`dtype` is the pandas dtype by name, so that types come out as they went in. `missing_rate` is the
share of missing values; zero forbids them. The schema is inferred on training rows only, and holds
no row; its minimum and maximum are the data's own.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [31, 64], "sex": ["f", "m"]})
    >>> schema = infer(table, target="sex")
    >>> schema.column("age").kind, schema.column("sex").categories
    ('integer', ('f', 'm'))
    >>> check(pd.DataFrame({"age": [31, 99], "sex": ["f", "m"]}), schema)[0].message
    "column 'age': 1 value outside 31 to 64"
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.errors import SchemaError

Kind = Literal["continuous", "integer", "category", "boolean", "datetime"]
NUMERIC: tuple[Kind, ...] = ("continuous", "integer", "datetime")
MOST_DECIMALS = 12  # more digits than that are the noise of binary fractions, not a grid
IDENTIFIER_ROWS = 50  # below this, too few rows to tell an identifier from a category


@dataclass(frozen=True)
class Column:
    """One column; which of the facts are set depends on the kind (module docstring)."""

    name: str
    kind: Kind
    dtype: str
    categories: tuple[str | int | bool, ...] = ()
    minimum: float | str | None = None
    maximum: float | str | None = None
    decimals: int | None = None
    missing_rate: float = 0.0


@dataclass(frozen=True)
class Schema:
    """Columns in table order, and the name of the target column if there is one."""

    columns: tuple[Column, ...]
    target: str | None = None

    def column(self, name: str) -> Column:
        """Return the column called `name`; `SchemaError` if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"no column {name!r}; there are: {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in table order."""
        return tuple(column.name for column in self.columns)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` gives back an equal schema."""
        columns = [{**asdict(column), "categories": list(column.categories)} for column in self]
        return {"columns": columns, "target": self.target}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Schema":
        """Read what `to_json` gave; `SchemaError` if fields are missing or unknown."""
        try:
            columns = tuple(Column(**{**item, "categories": tuple(item["categories"])}) for item in value["columns"])
            return cls(columns, value["target"])
        except (KeyError, TypeError) as error:
            raise SchemaError(f"not a table schema: {error}; run preprocess again") from error

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)


@dataclass(frozen=True)
class Violation:
    """One way in which data break their schema: where, which rule, how many values."""

    column: str
    rule: Literal["columns", "type", "range", "categories", "missing", "decimals"]
    count: int
    message: str


def infer(table: pd.DataFrame, target: str | None = None) -> Schema:
    """Describe `table`; `target` names the column that models condition on.

    Raises `SchemaError` for an empty table, doubled or non-text names, an absent or incomplete
    target, infinite numbers, and text columns that look like identifiers.
    """
    names = list(table.columns)
    if table.empty:
        raise SchemaError("the table has no rows or no columns; check the source")
    if len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        raise SchemaError("column names must be different texts; rename them in the source")
    if target is not None and target not in names:
        raise SchemaError(f"no target column {target!r}; there are: {', '.join(names)}")
    schema = Schema(tuple(_describe(table[name]) for name in names), target)
    if target is not None and schema.column(target).missing_rate:
        raise SchemaError(f"target {target!r} has missing values; drop those rows in the source")
    return schema


def check(table: pd.DataFrame, schema: Schema) -> list[Violation]:
    """Return every violation of `schema` in `table`; an empty list means that it conforms."""
    if tuple(table.columns) != schema.names:
        return [_columns_differ(table, schema)]
    return [found for column in schema for found in _check_column(table[column.name], column)]


def numbers(series: pd.Series, column: Column) -> NDArray[np.float64]:
    """Return a numeric column as float64 (N,), NaN where missing; dates as days or seconds."""
    if column.kind == "datetime":
        return _instants(series, whole_days=column.decimals is None)
    return cast("NDArray[np.float64]", series.to_numpy(dtype=np.float64, na_value=np.nan))


def bounds(column: Column) -> tuple[float, float]:
    """Return a numeric column's minimum and maximum on the scale of `numbers`."""
    if column.kind == "datetime":
        ends = pd.Series(pd.to_datetime([str(column.minimum), str(column.maximum)]))
        low, high = _instants(ends, whole_days=column.decimals is None)
        return float(low), float(high)
    return float(column.minimum or 0), float(column.maximum or 0)


def restore(values: NDArray[np.float64], column: Column) -> pd.Series:
    """Turn numbers (N,) back into a column: on its grid, in its range, of its dtype.

    Whole numbers round, NaN becomes missing. The inverse of `numbers` for values that conform.
    """
    low, high = bounds(column)
    digits = column.decimals if column.kind == "continuous" else (column.decimals or 0)
    kept = np.clip(values if digits is None else np.round(values, digits), low, high)
    if column.kind == "datetime":
        ticks = kept * (86_400 if column.decimals is None else 1) * 1_000_000
        micros = pd.Series(np.round(ticks)).astype("Int64")
        moments = pd.Series(pd.to_datetime(micros, unit="us", utc=True))
        zoned = isinstance(pd.api.types.pandas_dtype(column.dtype), pd.DatetimeTZDtype)
        return as_dtype(moments if zoned else moments.dt.tz_localize(None), column.dtype)
    series = pd.Series(kept)
    return as_dtype(series.astype("Int64") if column.kind == "integer" else series, column.dtype)


def choices(codes: NDArray[np.int64], values: tuple[str | int | float | bool, ...], column: Column) -> pd.Series:
    """Turn numbers of `values` (N,) into a column of its dtype; the number after the last is missing."""
    if column.dtype == "category":
        kept = np.where(codes == len(values), -1, codes).astype(np.int64)
        return pd.Series(pd.Categorical.from_codes(kept, categories=cast("Any", list(values))))
    table = np.array([*values, None], dtype=object)
    return as_dtype(pd.Series(table[codes], dtype=object), column.dtype)


def as_dtype(series: pd.Series, dtype: str) -> pd.Series:
    """Return the series as the dtype of this name."""
    converted: pd.Series = series.astype(cast("Any", dtype))  # stubs list every name one by one
    return converted


def _instants(series: pd.Series, *, whole_days: bool) -> NDArray[np.float64]:
    moments = series.dt.tz_convert("UTC").dt.tz_localize(None) if series.dt.tz else series
    micros = moments.astype("datetime64[us]")
    ticks = micros.astype("int64").to_numpy(dtype=np.float64)
    seconds = np.where(micros.isna().to_numpy(), np.nan, ticks / 1_000_000)
    return seconds / 86_400 if whole_days else seconds


def _describe(series: pd.Series) -> Column:
    name, dtype, missing = str(series.name), str(series.dtype), float(series.isna().mean())
    present = series.dropna()
    types = pd.api.types
    if types.is_bool_dtype(series.dtype) or (present.size and present.map(lambda value: isinstance(value, bool)).all()):
        seen = tuple(sorted(bool(value) for value in present.unique()))
        return Column(name, "boolean", dtype, categories=seen, missing_rate=missing)
    if types.is_datetime64_any_dtype(series.dtype):
        return _describe_dates(series, Column(name, "datetime", dtype, missing_rate=missing))
    if types.is_integer_dtype(series.dtype):
        low, high = _ends(present)
        return Column(name, "integer", dtype, (), low, high, 0, missing)
    if types.is_float_dtype(series.dtype):
        low, high = _ends(present)
        return Column(name, "continuous", dtype, (), low, high, _decimals(present), missing)
    return Column(name, "category", dtype, _categories(series), missing_rate=missing)


def _ends(present: pd.Series) -> tuple[float | int | None, float | int | None]:
    if present.empty:
        return None, None
    low, high = present.min().item(), present.max().item()
    if not np.isfinite([low, high]).all():
        raise SchemaError(f"column {present.name!r} holds infinities; correct them in the source")
    return low, high


def _decimals(present: pd.Series) -> int | None:
    values = present.to_numpy()
    wide = values.astype(np.float64)
    for digits in range(MOST_DECIMALS + 1):
        # The nearest number of that many digits, in the column's own precision, is the number.
        if (np.round(wide, digits).astype(values.dtype) == values).all():
            return digits
    return None


def _describe_dates(series: pd.Series, column: Column) -> Column:
    present = series.dropna()
    if present.empty:
        return column
    seconds = _instants(present, whole_days=False)
    days = bool((seconds % 86_400 == 0).all())
    digits = None if days else next(d for d in (0, 3, 6) if _on_grid(seconds, d))
    low, high = (moment.isoformat() for moment in (present.min(), present.max()))
    return Column(column.name, "datetime", column.dtype, (), low, high, digits, column.missing_rate)


def _on_grid(seconds: NDArray[np.float64], digits: int) -> bool:
    return digits == 6 or bool((np.round(seconds, digits) == seconds).all())


def _categories(series: pd.Series) -> tuple[str | int | bool, ...]:
    present = series.dropna()
    if isinstance(series.dtype, pd.CategoricalDtype):
        known = [value for value in series.cat.categories if (present == value).any()]
        return tuple(value.item() if hasattr(value, "item") else value for value in known)
    if not present.map(lambda value: isinstance(value, str)).all():
        raise SchemaError(f"column {series.name!r} mixes texts with other values; make it one type")
    if len(series) >= IDENTIFIER_ROWS and present.nunique() > len(series) / 2:
        raise SchemaError(
            f"column {series.name!r} has {present.nunique()} different texts in {len(series)} "
            "rows: an identifier or free text, which must not be released; drop it in the source"
        )
    return tuple(sorted(present.unique()))


def _columns_differ(table: pd.DataFrame, schema: Schema) -> Violation:
    found, wanted = list(table.columns), list(schema.names)
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
        found.append(_count(column, "missing", missing, "missing, which the real column never is"))
    present = series.dropna()
    if column.kind in NUMERIC:
        return found + _check_numbers(present, column)
    strange = int((~present.isin(list(column.categories))).sum())
    if strange:
        found.append(_count(column, "categories", strange, "not among the categories"))
    return found


def _check_numbers(present: pd.Series, column: Column) -> list[Violation]:
    found: list[Violation] = []
    values = numbers(present, column)
    low, high = bounds(column)
    outside = int(((values < low) | (values > high)).sum())
    if outside:
        span = f"outside {column.minimum} to {column.maximum}"
        found.append(_count(column, "range", outside, span))
    if column.kind == "continuous" and column.decimals is not None:
        exact = np.round(values, column.decimals).astype(present.dtype.name) == present.to_numpy()
        finer = int((~exact).sum())
        if finer:
            digits = f"with more than {column.decimals} decimals"
            found.append(_count(column, "decimals", finer, digits))
    return found


def _count(column: Column, rule: Literal["range", "categories", "missing", "decimals"], n: int, what: str) -> Violation:
    message = f"column {column.name!r}: {n} value{'s' if n > 1 else ''} {what}"
    return Violation(column.name, rule, n, message)
