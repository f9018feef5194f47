"""Related tables as they are learnt: rows below their parents in order, spans instead of moments, numbers of children.

    schema = replace(schema, told=tell(train, schema))
    flat = unroll(train, schema)["admissions"]
    flat.rows        learnt columns (N rows): "first admittime after patients.dob", "number of diagnoses", ...
    flat.parent      the row of the parent's table (N,); flat.place: how many of its rows stand before (N,)

Rows of one parent stand by their order (those without one last), else as they stood. `numbers` are the released moments
in seconds since 1970, and an order by numbers, as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import values
from synthtrail.data.columns import Column
from synthtrail.data.links import Link
from synthtrail.data.relations import Relations, parents_of
from synthtrail.data.relationschema import DAY, PREVIOUS, ROW, Moment, RelationalSchema, Rule
from synthtrail.data.values import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Flat:
    """One table as it is learnt (module docstring); `root` is the row of the subject (N,), `index` where it stood."""

    rows: pd.DataFrame
    parent: Ints
    place: Ints
    root: Ints
    index: Ints
    numbers: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.parent)


Flats = Mapping[str, Flat]


def unroll(data: Relations, schema: RelationalSchema) -> dict[str, Flat]:
    """Return every table as it is learnt; `schema` says how moments are told."""
    ordered = arranged(data, schema)
    found: dict[str, Flat] = {}
    for link in schema.links:
        flat = ordered[link.name]
        rows = _told(flat, ordered, schema, link)
        for child, column in schema.told[link.name].counts.items():
            rows[column] = np.bincount(ordered[child].parent, minlength=len(flat)).astype(np.int64)
        found[link.name] = replace(flat, rows=pd.DataFrame(rows, index=pd.RangeIndex(len(flat))))
    return found


def arranged(data: Relations, schema: RelationalSchema) -> dict[str, Flat]:
    """Return the tables with their rows in order, as released."""
    found: dict[str, Flat] = {}
    for link in schema.links:
        table = data.tables[link.name]
        numbers = {name: _numbers(table, schema, link, name) for name in _timed(schema, link)}
        if link.parent is None:
            own = np.arange(len(table))
            found[link.name] = Flat(table, own, np.zeros_like(own), own, own, numbers)
            continue
        above = found[link.parent]
        stood = np.empty(len(above), dtype=np.int64)
        stood[above.index] = np.arange(len(above))
        parent = stood[parents_of(data.tables, schema.links, link)]
        order = numbers[link.order] if link.order else np.zeros(len(table))
        index = np.lexsort((np.arange(len(table)), np.where(np.isnan(order), np.inf, order), parent))
        parent = parent[index]
        start = np.searchsorted(parent, parent, side="left")
        rows = table.iloc[index].reset_index(drop=True)
        told = {name: column[index] for name, column in numbers.items()}
        found[link.name] = Flat(rows, parent, np.arange(len(parent)) - start, above.root[parent], index, told)
    return found


def number_at(reference: str, flats: Flats, schema: RelationalSchema, name: str, rows: Ints | None = None) -> Floats:
    """Return the moment that a reference names for each row of the table `name` (N,), or for these rows of it."""
    table, _, column = reference.partition(":")
    at = np.arange(len(flats[name])) if rows is None else rows
    if table == ROW:
        return flats[name].numbers[column][at]
    here = name
    while here != table:
        at = flats[here].parent[at]
        here = str(schema.link(here).parent)
    return flats[table].numbers[column][at]


def floored(base: Floats, unit: int) -> Floats:
    """Return the moment from which a column of this unit counts: of whole days, the base's day."""
    return np.floor(base / DAY) * DAY if unit == DAY else base


def previous(flat: Flat, column: str) -> Floats:
    """Return the last number of a column that stands before each row below the same parent (N,), NaN if none does."""
    series = pd.Series(flat.numbers[column])
    last = series.groupby(flat.parent).ffill().groupby(flat.parent).shift(1)
    return np.asarray(last, dtype=np.float64)


def _timed(schema: RelationalSchema, link: Link) -> list[str]:
    """Return the columns of a table that are told by other moments: moments, and the order."""
    return [
        column.name for column in schema.tables[link.name] if column.kind == "datetime" or column.name == link.order
    ]


def _numbers(table: pd.DataFrame, schema: RelationalSchema, link: Link, name: str) -> Floats:
    column = schema.tables[link.name].column(name)
    if column.kind == "datetime":
        return values.instants(table[name], whole_days=False)
    return table[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _told(flat: Flat, flats: Flats, schema: RelationalSchema, link: Link) -> dict[str, Any]:
    """Return the learnt columns of a table but for the numbers of children."""
    telling = schema.told[link.name]
    rows: dict[str, Any] = {}
    for column in schema.tables[link.name]:
        moments = [moment for moment in telling.moments if moment.column == column.name]
        for moment in moments:
            rows[moment.learned] = _span(flat, flats, schema, link, moment)
        if not moments:
            rows[column.name] = flat.rows[column.name]
    return rows


def _span(flat: Flat, flats: Flats, schema: RelationalSchema, link: Link, moment: Moment) -> pd.Series:
    applies = np.ones(len(flat), dtype=bool)
    if moment.column == link.order:
        applies = flat.place > 0 if moment.base == PREVIOUS else flat.place == 0
    if moment.as_it_is:
        return flat.rows[moment.column].where(applies)
    number = flat.numbers[moment.column]
    base = np.zeros(len(flat))
    if moment.base == PREVIOUS:
        base = previous(flat, moment.column)
    elif moment.base:
        base = number_at(moment.base, flats, schema, link.name)
    span = (number - floored(base, moment.unit)) / (moment.unit or 1)
    span = np.where(applies, span, np.nan)
    whole = moment.unit or schema.tables[link.name].column(moment.column).kind == "integer"
    return pd.Series(np.floor(span)).astype("Int64") if whole else pd.Series(span)


def keeps(rule: Rule, flats: Flats, schema: RelationalSchema, name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows of a table keep a rule (N,), and in which both of its moments stand (N,)."""
    return ordered(rule, number_at(rule.low, flats, schema, name), number_at(rule.high, flats, schema, name))


def ordered(rule: Rule, low: Floats, high: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of these moments (N,) keep the rule, and where both stand (N,)."""
    both = ~(np.isnan(low) | np.isnan(high))
    if rule.whole_days:
        low, high = np.floor(low / DAY), np.floor(high / DAY)
    with np.errstate(invalid="ignore"):
        return (low <= high) | ~both, both


def whole(column: Column) -> Column:
    """Return a column of released moments without ends, which synthetic subjects may live beyond."""
    return replace(column, minimum=None, maximum=None)
