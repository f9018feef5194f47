"""Drawing related tables: parents before children, and below each parent one row after the other.

All parents of a table go forward together: step 0 draws the first row below each, step 1 the second below those that
have two, and so on. What a step draws are codes; they are turned to learnt columns, these to released ones, and moments
are laid out by the rules of the schema. Rows that break a rule are drawn again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthtrail.data import links, values
from synthtrail.data.columns import Column
from synthtrail.data.links import Link
from synthtrail.data.relational import RelationalCodec, standing
from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import PREVIOUS, ROW, Moment
from synthtrail.data.unrolled import Flat, floored, number_at, ordered
from synthtrail.data.values import Floats
from synthtrail.models.steps import Step, nothing, with_none
from synthtrail.models.tables import row_rng

Ints = NDArray[np.int64]
Applies = Callable[[RelationalCodec, str, Ints], NDArray[np.bool_]]
TRIES, MORE_TRIES = 20, 200  # of a row, and of a subject, which cannot be left out
FIRST, LAST = (float(np.datetime64(day, "s").astype(np.int64)) for day in ("1700-01-01", "2261-12-31"))


@dataclass
class Made:
    """Rows of one table: codes (N, C), the row of the parent (N,), the place, the moments; `kept` by the rules."""

    codes: Ints
    parent: Ints
    place: Ints
    numbers: dict[str, Floats]
    kept: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        if not len(self.kept):
            self.kept = np.ones(len(self.parent), dtype=bool)


class Drawing:
    """One batch of subjects; `repairs` counts as it goes."""

    def __init__(
        self, codec: RelationalCodec, steps: Mapping[str, Step], random: torch.Generator, first: int, applies: Applies
    ) -> None:
        self.codec, self.schema, self.steps, self.random, self.applies = codec, codec.schema, steps, random, applies
        self.rng = row_rng(random, first)
        self.flats: dict[str, Flat] = {}
        self.codes: dict[str, Ints] = {}
        self.repairs = {"drawn again": 0, "left out": 0}

    def made(self, subjects: int) -> Relations:
        """Return so many subjects with all that is theirs; keys are row numbers."""
        for link in self.schema.links:
            if link.parent is None:
                none = np.zeros(subjects, dtype=np.int64)
                found = self.attempt(link.name, none, none, None)
            else:
                found = self.sequence(link.name, link.parent)
            self.flats[link.name] = self.flat(found, link)
            self.codes[link.name] = found.codes
        tables = {link.name: self.released(link.name) for link in self.schema.links}
        return Relations(tables, self.schema.links)

    def flat(self, rows: Made, link: Link) -> Flat:
        """Return the rows of a table as other tables look at them."""
        own = np.arange(len(rows.parent))
        root = own if link.parent is None else self.flats[link.parent].root[rows.parent]
        codec = self.codec.tables[link.name]
        learnt = codec.decode(rows.codes, self.rng) if codec.columns else pd.DataFrame(index=own)
        return Flat(learnt, rows.parent, rows.place, root, own, rows.numbers)

    def sequence(self, name: str, parent: str) -> Made:
        """Return the rows of a child table, those of a parent one after the other."""
        counts = self.flats[parent].rows[self.schema.told[parent].counts[name]].to_numpy(dtype=np.int64)
        before = self.nothing_before(name, len(counts))
        found = [self.attempt(name, np.zeros(0, np.int64), np.zeros(0, np.int64), before)]
        for turn in range(int(counts.max(initial=0))):
            there = np.flatnonzero(counts > turn)
            rows = self.attempt(name, there, before.place[there], before, counts[there] - 1 - turn)
            good = rows.kept
            before.place[there[good]] += 1  # a row that was left out is before no other
            before.codes[there[good]] = rows.codes[good]
            for column, numbers in rows.numbers.items():
                told = good & ~np.isnan(numbers)
                before.numbers[column][there[told]] = numbers[told]
            found.append(chosen(rows, np.flatnonzero(good)))
        whole = combined(found)
        order = np.lexsort((whole.place, whole.parent))
        return chosen(whole, order)

    def nothing_before(self, name: str, parents: int) -> Made:
        """Return what stands before the first row below each parent."""
        own = with_none(self.codec.tables[name])
        codes = np.tile(nothing(own), (parents, 1)) if own.columns else np.zeros((parents, 0), dtype=np.int64)
        empty = np.full(parents, np.nan)
        moments = {moment.column: empty.copy() for moment in self.schema.told[name].moments}
        return Made(codes, np.arange(parents), np.zeros(parents, np.int64), moments)

    def attempt(self, name: str, parent: Ints, place: Ints, before: Made | None, left: Ints | None = None) -> Made:
        """Return a row for each of these parents; `kept` says which keep the rules that every real row keeps."""
        said = self.applies(self.codec, name, place)
        known = self.known(name, parent, place, before, left if left is not None else np.zeros_like(place))
        rows = self.drawn(name, known, said, parent, place, before)
        shares = np.array([rule.share for rule in self.schema.told[name].rules])
        held = self.rng.random((len(parent), len(shares))) < shares  # which rules each row has to keep
        for _ in range(TRIES if before is not None else MORE_TRIES):
            again = np.flatnonzero(self.strays(name, rows, held))
            if not len(again):
                break
            self.repairs["drawn again"] += len(again)
            other = self.drawn(name, known[again], said[again], parent[again], place[again], before)
            rows = replaced(rows, again, other)
        rows.kept = ~self.strays(name, rows, np.tile(shares == 1, (len(parent), 1)))
        if before is None:  # a subject is never left out
            rows.kept[:] = True
        self.repairs["left out"] += int((~rows.kept).sum())
        return rows

    def known(self, name: str, parent: Ints, place: Ints, before: Made | None, left: Ints) -> Ints:
        """Return the codes of what a step knows (N, K)."""
        parts, at = [np.zeros((len(parent), 0), dtype=np.int64)], parent
        for above in links.ancestors(self.schema.links, name):
            parts.append(self.codes[above][at])
            at = self.flats[above].parent[at]
        if before is not None:
            since = self.since(name, parent, place, before)
            stood = standing(place, left, since, self.flats, self.schema, name, parent)
            parts += [before.codes[parent], self.codec.standing[name].encode(within(stood, self.codec.standing[name]))]
        return np.concatenate(parts, axis=1)

    def since(self, name: str, parent: Ints, place: Ints, before: Made) -> Floats:
        """Return the moment after which each row comes (N,), NaN where there is none."""
        order, told = self.schema.link(name).order, self.schema.told[name]
        first = next((moment for moment in told.moments if moment.column == order), None)
        if order is None or first is None or not first.unit:
            return np.full(len(parent), np.nan)
        return np.where(place == 0, self.base(name, first, parent, {}, before), before.numbers[order][parent])

    def drawn(
        self, name: str, known: Ints, said: NDArray[np.bool_], parent: Ints, place: Ints, before: Made | None
    ) -> Made:
        """Draw rows and lay out their moments."""
        codec = self.codec.tables[name]
        if not codec.columns:
            return Made(np.zeros((len(parent), 0), np.int64), parent, place, {})
        codes = self.steps[name].draw(known, said, place > 0, self.random)
        return Made(codes, parent, place, self.moments(name, codes, parent, place, before))

    def moments(self, name: str, codes: Ints, parent: Ints, place: Ints, before: Made | None) -> dict[str, Floats]:
        """Return the moments of rows (N, C), and an order by numbers, as numbers (N,)."""
        found: dict[str, Floats] = {}
        order, codec = self.schema.link(name).order, self.codec.tables[name]
        for moment in self.schema.told[name].moments:
            at = codec.schema.names.index(moment.learned)
            told = codec.decode_column(at, codes[:, at], self.rng)
            if moment.as_it_is:
                number = values.instants(told, whole_days=False)
            else:
                span = told.to_numpy(dtype=np.float64, na_value=np.nan) * (moment.unit or 1)
                number = floored(self.base(name, moment, parent, found, before), moment.unit) + span
            if moment.unit:
                number = np.clip(number, FIRST, LAST)
            if moment.column == order and moment.base == PREVIOUS:
                number = np.where(place > 0, number, found[order])
            found[moment.column] = number
        return found

    def base(self, name: str, moment: Moment, parent: Ints, own: Mapping[str, Floats], before: Made | None) -> Floats:
        """Return what a moment is counted from (N,)."""
        table, _, column = moment.base.partition(":")
        if not table:
            return np.zeros(len(parent)) if not moment.unit else np.full(len(parent), np.nan)
        if table == ROW:
            return own[column]
        if table == PREVIOUS:
            return np.full(len(parent), np.nan) if before is None else before.numbers[moment.column][parent]
        above = str(self.schema.link(name).parent)
        local = f"{ROW}:{column}" if table == above else moment.base
        return number_at(local, self.flats, self.schema, above, parent)

    def strays(self, name: str, rows: Made, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows (N,) break one of the rules (N, R) to which they are held."""
        wrong = np.zeros(len(rows.parent), dtype=bool)
        for rule, bound in zip(self.schema.told[name].rules, held.T, strict=True):
            low, high = (
                self.base(name, Moment("", "", end, 1), rows.parent, rows.numbers, None)
                for end in (rule.low, rule.high)
            )
            kept, _ = ordered(rule, low, high)
            wrong |= ~kept & bound
        return wrong

    def released(self, name: str) -> pd.DataFrame:
        """Return a table as released but for its identifiers, which are row numbers."""
        flat, link = self.flats[name], self.schema.link(name)
        made: dict[str, object] = {}
        if link.key is not None:
            made[link.key] = np.arange(len(flat))
        if link.foreign_key is not None:
            made[link.foreign_key] = flat.parent
        for column in self.schema.tables[name]:
            told = column.name in flat.numbers
            made[column.name] = restored(flat.numbers[column.name], column) if told else flat.rows[column.name]
        return pd.DataFrame(made, index=pd.RangeIndex(len(flat)))


def restored(numbers: Floats, column: Column) -> "pd.Series[Any]":
    """Return moments (seconds) or an order by numbers as a column of its type."""
    if column.kind == "datetime":
        ticks = pd.Series(np.round(numbers * 1e6)).astype("Int64")
        moments = pd.Series(pd.to_datetime(ticks, unit="us", utc=True))
        zoned = isinstance(pd.api.types.pandas_dtype(column.dtype), pd.DatetimeTZDtype)
        return values.as_dtype(moments if zoned else moments.dt.tz_localize(None), column.dtype)
    low, high = values.bounds(column)
    wide = (
        column
        if np.isnan(numbers).all()
        else _widened(column, min(low, np.nanmin(numbers)), max(high, np.nanmax(numbers)))
    )
    return values.restore(numbers, wide)


def _widened(column: Column, low: float, high: float) -> Column:
    return Column(column.name, column.kind, column.dtype, (), float(low), float(high), column.decimals)


def within(stood: pd.DataFrame, codec: object) -> pd.DataFrame:
    """Return where rows stand in the terms of the training rows: nothing is missing that was not missing there."""
    filled = {}
    for column, codes in zip(codec.schema, codec.columns, strict=True):  # type: ignore[attr-defined]
        series = stood[column.name]
        filled[column.name] = series if codes.missing else series.fillna(column.minimum or 0)
    return pd.DataFrame(filled, index=stood.index)


def chosen(rows: Made, at: Ints) -> Made:
    """Return some rows, in this order."""
    return Made(
        rows.codes[at],
        rows.parent[at],
        rows.place[at],
        {name: numbers[at] for name, numbers in rows.numbers.items()},
        rows.kept[at],
    )


def combined(parts: list[Made]) -> Made:
    """Return the rows of all parts."""
    return Made(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.parent for part in parts]),
        np.concatenate([part.place for part in parts]),
        {name: np.concatenate([part.numbers[name] for part in parts]) for name in parts[0].numbers},
        np.concatenate([part.kept for part in parts]),
    )


def replaced(rows: Made, at: Ints, by: Made) -> Made:
    """Return the rows with those at some places taken from others."""
    order = np.arange(len(rows.parent))
    order[at] = len(order) + np.arange(len(at))
    return chosen(combined([rows, by]), order)
