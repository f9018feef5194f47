"""Which rows are wanted: conditions on columns, checked against the schema before a row is drawn.

    target: malignant                       every row of that class
    target: {malignant: 300, benign: 700}   exactly so many of each
    sex: f            site: [lung, skin]    of that category, or of one of these
    age: {min: 18, max: 65}                 within a range to which both ends belong; either may be left out

`target` stands for the target column, whatever it is called. Classes of the target are met by the model, which knows
them; every other condition is a `Filter`, which drops the rows that do not fit. In texts, as a command line has them, a
range is written `18..65`, several categories `lung,skin`, exact counts `malignant:300,benign:700`.

    >>> from synthtrail.data.schema import Column, Schema
    >>> schema = Schema((Column("age", "integer", "int64", (), 0, 90, 0), Column("sex", "category", "str", ("f", "m"))))
    >>> parse({"age": "18..65"}, schema).filters[0].keep(pd.DataFrame({"age": [17, 18, 65, 66]})).tolist()
    [False, True, True, False]
    >>> parse({"sex": "g"}, schema)
    Traceback (most recent call last):
    synthtrail.data.errors.WantedError: conditions: 'sex' has no category 'g' (known: f, m)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import schema as schemas
from synthtrail.data.errors import WantedError
from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.schema import NUMERIC, Column, Schema
from synthtrail.params import nearest

ENDS = {"min", "max"}
TARGET = "target"


@dataclass(frozen=True)
class Within:
    """The column's number lies from `low` to `high`, on the scale of `schema.numbers`; missing values do not."""

    column: Column
    low: float
    high: float

    def keep(self, data: Any) -> NDArray[np.bool_]:
        """Return which rows (N,) fit."""
        values = schemas.numbers(data[self.column.name], self.column)
        return (values >= self.low) & (values <= self.high)


@dataclass(frozen=True)
class OneOf:
    """The column has one of these categories; missing values do not."""

    column: Column
    values: tuple[str | int | bool, ...]

    def keep(self, data: Any) -> NDArray[np.bool_]:
        """Return which rows (N,) fit."""
        found: NDArray[np.bool_] = values_of(data, self.column.name).isin(list(self.values)).to_numpy(dtype=bool)
        return found


Filter = Within | OneOf


@dataclass(frozen=True)
class Wanted:
    """What was asked for: the one class or the exact counts that the model is told, and what is left to filters."""

    target: str | None
    one_class: str | None = None
    counts: Mapping[str, int] | None = None
    filters: tuple[Filter, ...] = ()


def parse(asked: Mapping[str, Any], schema: Schema | ImageSchema | RelationalSchema) -> Wanted:
    """Return `asked` (column -> condition) as `Wanted`; raise `WantedError` for what the schema does not know."""
    columns, target = columns_of(schema)
    one_class: str | None = None
    counts: dict[str, int] | None = None
    filters: list[Filter] = []
    for key, given in asked.items():
        name = target if key == TARGET and TARGET not in columns else key
        if name is None:
            raise WantedError("conditions: 'target', but this data has no target column; name the column itself")
        if name not in columns:
            raise WantedError(f"conditions: no column {name!r}{nearest(name, set(columns))}")
        column = columns[name]
        value = read(given, column)
        if isinstance(value, Mapping) and name != target:
            raise WantedError(f"conditions: exact counts of {name!r}, but only the target's can be asked for")
        if isinstance(value, Mapping):
            counts = dict(value)
        elif name == target and isinstance(value, OneOf) and len(value.values) == 1:
            one_class = str(value.values[0])
        else:
            filters.append(value)
    return Wanted(target, one_class, counts, tuple(filters))


def read(given: Any, column: Column) -> Filter | Mapping[str, int]:
    """Return the condition `given` for `column`: a filter, or exact counts by the classes' names."""
    if column.kind in NUMERIC:
        return _range(given, column)
    plain = isinstance(given, str) and _known(given, column) is None
    value = _split(given) if plain else given
    if isinstance(value, Mapping):
        return {str(category(name, column)): _count(number, column) for name, number in value.items()}
    listed = value if isinstance(value, list | tuple) else [value]
    if not listed:
        raise WantedError(f"conditions: {column.name!r}: no category is named; leave the line out, or name one")
    return OneOf(column, tuple(category(item, column) for item in listed))


def category(given: Any, column: Column) -> str | int | bool:
    """Return the category of `column` that `given` names; `WantedError` names the nearest if there is none."""
    found = _known(given, column)
    if found is None:
        hint = nearest(str(given), {str(value) for value in column.categories})
        raise WantedError(f"conditions: {column.name!r} has no category {str(given)!r}{hint}")
    return found


def columns_of(schema: Schema | ImageSchema | RelationalSchema) -> tuple[dict[str, Column], str | None]:
    """Return the columns by name and the target's name; of images the label is the only column, of related tables those
    of the subjects count.
    """
    if isinstance(schema, ImageSchema):
        if schema.target is None:
            return {}, None
        return {schema.target: Column(schema.target, "category", "str", schema.classes)}, schema.target
    return {column.name: column for column in schema}, schema.target


def values_of(data: Any, name: str) -> "pd.Series[Any]":
    """Return the column `name` of a batch; of images, their labels."""
    return pd.Series(list(data.labels), dtype=object) if isinstance(data, ImageSet) else data[name]


def _known(given: Any, column: Column) -> str | int | bool | None:
    """Return the category whose text is that of `given`; truth values in any case of their letters."""
    wanted = str(given).lower() if column.kind == "boolean" else str(given)
    for value in column.categories:
        if (str(value).lower() if column.kind == "boolean" else str(value)) == wanted:
            return value
    return None


def _split(text: str) -> Any:
    """Read what a command line writes: `a:3,b:4` as counts, `a,b` as a list, else the text itself."""
    items = [item.strip() for item in text.split(",")]
    pairs = [item.rpartition(":") for item in items]
    if all(middle and number.isdecimal() for _, middle, number in pairs):
        return {name: int(number) for name, _, number in pairs}
    return items if len(items) > 1 else text


def _count(number: Any, column: Column) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise WantedError(f"conditions: {column.name!r}: a count is a whole number from 0 on, not {number!r}")
    return number


def _range(given: Any, column: Column) -> Within:
    ends: Any = given
    if isinstance(given, str) and ".." in given:
        first, _, last = given.partition("..")
        ends = {name: end for name, end in (("min", first.strip()), ("max", last.strip())) if end}
    elif not isinstance(given, Mapping):
        ends = {"min": given, "max": given}
    if not ends or set(ends) - ENDS:
        raise WantedError(f"conditions: {column.name!r} is a number: write {{min: ..., max: ...}} or LOW..HIGH")
    low = _number(ends["min"], column) if "min" in ends else -math.inf
    high = _number(ends["max"], column) if "max" in ends else math.inf
    if low > high:
        raise WantedError(f"conditions: {column.name!r}: min is above max")
    least, most = schemas.bounds(column)
    if high < least or low > most:
        raise WantedError(f"conditions: {column.name!r}: nothing is made outside the range of the training rows")
    return Within(column, low, high)


def _number(given: Any, column: Column) -> float:
    """Return `given` on the scale of `schema.numbers`."""
    try:
        if isinstance(given, bool):
            raise ValueError
        if column.kind != "datetime":
            found = float(given)
        else:
            found = float(schemas.numbers(pd.Series(pd.to_datetime([str(given)])), column)[0])
    except (ValueError, TypeError):
        found = math.nan
    if not math.isfinite(found):
        what = "date" if column.kind == "datetime" else "number"
        raise WantedError(f"conditions: {column.name!r}: {str(given)!r} is not a {what}")
    return found
