"""Rules between columns that every released row keeps.

    constraints:
      - 0 <= age <= 120                   # a range
      - admitted <= discharged            # an order, of numbers or dates, also of expressions
      - total = rent + food               # a formula: the column on the left follows from the others
      - unique: [ward, bed]               # no two rows alike in these
      - together: [city, country]         # only combinations that stand in the training rows

A row with a missing value in a rule's columns keeps that rule. `Keeper` mends what can be mended without bending the
data (a formula is worked out anew, a strange combination replaced by a known one that begins alike) and drops rows that
break an order or repeat; whoever calls it draws others. Both are counted.

    >>> from synthtrail.data.schema import infer
    >>> table = pd.DataFrame({"a": [1, 2, 3], "b": [3, 4, 9], "c": [4, 6, 12]})
    >>> schema = bound(["a <= b", "c = a + b"], infer(table), table, least=1)
    >>> keep = Keeper(schema, seed=0)
    >>> keep(pd.DataFrame({"a": [1, 3], "b": [3, 1], "c": [9, 9]}))["c"].tolist(), keep.mended, keep.dropped
    ([4], 1, 1)
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import expressions, inference, values
from synthtrail.data.columns import NUMERIC, Column, Combination, Schema
from synthtrail.data.errors import SchemaError
from synthtrail.data.expressions import COMPARISONS, Expression
from synthtrail.params import ParamsError, nearest

Mask = NDArray[np.bool_]
MOST_BROKEN = 0.1  # a rule that so many real rows break is not one
SLACK = 1e-9  # relative, for the rounding of binary fractions


@dataclass(frozen=True)
class Order:
    """Expressions that stand in this order."""

    text: str
    parts: tuple[Expression, ...]
    signs: tuple[type, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.columns))

    def broken(self, table: pd.DataFrame, schema: Schema) -> Mask:
        """Return which rows (N,) break it."""
        numbers = seconds(table, self.columns, schema)
        found = [np.broadcast_to(part.evaluate(numbers), len(table)) for part in self.parts]
        broken = np.zeros(len(table), dtype=bool)
        for left, sign, right in zip(found, self.signs, found[1:], strict=False):
            broken |= ~(COMPARISONS[sign](left, right) | np.isnan(left) | np.isnan(right))
        return broken


@dataclass(frozen=True)
class Formula:
    """`column` is what `expression` gives, on the column's grid."""

    text: str
    column: str
    expression: Expression

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs."""
        return (self.column, *self.expression.columns)

    def wanted(self, table: pd.DataFrame, schema: Schema) -> values.Floats:
        """Return what the column should hold (N,) on the scale of `values.numbers`, NaN where that is unknown."""
        column = schema.column(self.column)
        found = self.expression.evaluate(seconds(table, self.expression.columns, schema))
        if column.kind == "datetime" and column.decimals is None:
            found = found / values.DAY
        return np.broadcast_to(found - values.offset(column), len(table)).astype(np.float64)

    def broken(self, table: pd.DataFrame, schema: Schema) -> Mask:
        """Return which rows (N,) break it: by more than half a step of the column's grid."""
        column, wanted = schema.column(self.column), self.wanted(table, schema)
        held = values.numbers(table[self.column], column)
        digits = column.decimals if column.kind == "continuous" else 0
        step = 0.0 if digits is None else 0.5 * 10.0**-digits
        # Single precision has seven digits, of which the column cannot show more.
        slack = (1e-6 if column.dtype.lower() == "float32" else SLACK) * np.maximum(1.0, np.abs(wanted))
        with np.errstate(invalid="ignore"):
            far = np.abs(held - wanted) > step + slack
        return np.asarray(far & ~np.isnan(held) & ~np.isnan(wanted) | np.isinf(wanted), dtype=bool)


@dataclass(frozen=True)
class Unique:
    """No two rows are alike in `columns`."""

    text: str
    columns: tuple[str, ...]

    def broken(self, table: pd.DataFrame, schema: Schema) -> Mask:
        """Return which rows (N,) repeat an earlier one; a row with a gap in the columns repeats none."""
        del schema
        names = list(self.columns)
        return (table.duplicated(names) & table[names].notna().all(axis=1)).to_numpy(dtype=bool)


@dataclass(frozen=True)
class Together:
    """The columns stand together as in the training rows; which those are is in the schema's `combinations`."""

    text: str
    columns: tuple[str, ...]

    def broken(self, table: pd.DataFrame, schema: Schema) -> Mask:
        """Return which rows (N,) have another combination."""
        known = combination(schema, self.columns)
        if known is None:
            return np.zeros(len(table), dtype=bool)
        return numbered(table, known) < 0


Rule = Order | Formula | Unique | Together


def written(given: object, where: str) -> tuple[str, ...]:
    """Return the key `constraints` as texts, one a rule; raise `ParamsError` for what is no rule."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ParamsError(f"{where}: expected a list of rules, such as [a <= b]")
    texts = tuple(item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in given)
    for text in texts:
        try:
            parse(text)
        except ParamsError as error:
            raise ParamsError(f"{where}: {error}") from None
    return texts


def parse(text: str) -> Rule:
    """Read one rule; raise `ParamsError`."""
    if text.startswith("{"):
        return _listed(text)
    left, sign, right = text.partition("=")
    if sign and not right.startswith("=") and not left.endswith(("<", ">", "!")):
        if (column := expressions.parse(left).column) is None:
            raise ParamsError(f"{text!r}: on the left of = stands one column")
        return Formula(text, column, expressions.parse(right))
    parts, signs = expressions.parse_comparison(text)
    return Order(text, tuple(parts), tuple(signs))


def bound(texts: Sequence[str], schema: Schema, table: pd.DataFrame, *, least: int) -> Schema:
    """Return the schema with these rules, checked against real rows; ends that they state become the columns' own.

    Combinations that fewer than `least` rows have are not kept. Raises `SchemaError` for a rule on columns that are not
    there or no numbers, and for one that more than a tenth of the real rows break.
    """
    rules = [parse(text) for text in texts]
    for rule in rules:
        _check_columns(rule, schema)
    tight = schema
    for rule in rules:
        if isinstance(rule, Formula) and schema.column(rule.column).kind not in NUMERIC:
            raise SchemaError(f"constraint {rule.text!r}: {rule.column!r} holds no numbers or dates")
        if isinstance(rule, Order):
            tight = _with_ends(rule, tight)
    known = tuple(_combination(rule, table, least) for rule in rules if isinstance(rule, Together))
    whole = replace(tight, constraints=tuple(texts), combinations=known)
    for rule in rules:
        broken = int(rule.broken(table, replace(whole, combinations=())).sum())
        if broken > MOST_BROKEN * len(table):
            raise SchemaError(f"constraint {rule.text!r}: {broken} of {len(table)} real rows break it; correct either")
    return whole


def broken_rows(table: pd.DataFrame, schema: Schema) -> dict[str, int]:
    """Return for each rule how many rows break it."""
    return {text: int(parse(text).broken(table, schema).sum()) for text in schema.constraints}


class Keeper:
    """Turns drawn batches into ones that keep the schema's rules; `mended` and `dropped` count as it goes."""

    def __init__(self, schema: Schema, seed: int) -> None:
        self.schema, self.mended, self.dropped = schema, 0, 0
        self.rules = [parse(text) for text in schema.constraints]
        mending = [rule for rule in self.rules if isinstance(rule, Formula | Together)]
        self.mending = sorted(mending, key=lambda rule: isinstance(rule, Formula))  # these follow from the others
        self.rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 79])))
        self.seen: dict[str, set[int]] = {rule.text: set() for rule in self.rules if isinstance(rule, Unique)}

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the batch that keep all rules, mended where that is possible."""
        changed = np.zeros(len(batch), dtype=bool)
        for mendable in self.mending:
            broken = mendable.broken(batch, self.schema)
            changed |= broken
            batch = self._mended(batch, mendable, broken) if broken.any() else batch
        wrong = np.zeros(len(batch), dtype=bool)
        for rule in self.rules:
            wrong |= self._repeats(batch, rule, wrong) if isinstance(rule, Unique) else rule.broken(batch, self.schema)
        self.mended += int((changed & ~wrong).sum())
        self.dropped += int(wrong.sum())
        return batch[~wrong].reset_index(drop=True) if wrong.any() else batch

    def _mended(self, batch: pd.DataFrame, rule: Formula | Together, broken: Mask) -> pd.DataFrame:
        if isinstance(rule, Together):
            return self._recombined(batch, rule, broken)
        column = self.schema.column(rule.column)
        wanted = np.where(broken, rule.wanted(batch, self.schema), values.numbers(batch[rule.column], column))
        return batch.assign(**{rule.column: values.restore(np.where(np.isinf(wanted), np.nan, wanted), column)
                               .set_axis(batch.index)})  # fmt: skip

    def _recombined(self, batch: pd.DataFrame, rule: Together, broken: Mask) -> pd.DataFrame:
        """Replace strange combinations by known ones with the same first value, as often as in training."""
        known = combination(self.schema, rule.columns)
        if known is None:
            return batch
        counts = np.array(known.counts, dtype=np.float64)
        firsts = pd.Series([row[0] for row in known.rows], dtype=object).map(key).to_numpy()
        drawn = np.zeros(int(broken.sum()), dtype=np.int64)
        asked = batch.loc[broken, rule.columns[0]].astype(object).map(key).to_numpy()
        for first in pd.unique(asked):
            alike = np.flatnonzero(firsts == first) if (firsts == first).any() else np.arange(len(counts))
            here = asked == first
            drawn[here] = self.rng.choice(alike, int(here.sum()), p=counts[alike] / counts[alike].sum())
        for at, name in enumerate(rule.columns):
            column = batch[name].astype(object).copy()
            column[broken] = pd.Series([known.rows[i][at] for i in drawn], dtype=object, index=column.index[broken])
            batch = batch.assign(**{name: column.astype(batch[name].dtype)})
        return batch

    def _repeats(self, batch: pd.DataFrame, rule: Unique, wrong: Mask) -> Mask:
        """Return which rows repeat one that was kept before."""
        seen = self.seen[rule.text]
        cells = batch[list(rule.columns)]
        keys = pd.util.hash_pandas_object(cells, index=False).tolist()
        repeats = wrong.copy()
        for at in np.flatnonzero(~wrong & cells.notna().all(axis=1).to_numpy()).tolist():
            repeats[at] = keys[at] in seen
            seen.add(keys[at])
        return repeats


def seconds(table: pd.DataFrame, names: Sequence[str], schema: Schema) -> dict[str, values.Floats]:
    """Return columns as numbers (N,), dates all in seconds so that days and moments compare."""
    found = {}
    for name in names:
        column = schema.column(name)
        if column.kind == "boolean":
            found[name] = table[name].to_numpy(dtype=np.float64, na_value=np.nan)
            continue
        numbers = values.numbers(table[name], column) + values.offset(column)
        found[name] = numbers * values.DAY if column.kind == "datetime" and column.decimals is None else numbers
    return found


def combination(schema: Schema, columns: tuple[str, ...]) -> Combination | None:
    """Return the known combinations of these columns."""
    return next((one for one in schema.combinations if one.columns == columns), None)


def numbered(table: pd.DataFrame, known: Combination) -> NDArray[np.int64]:
    """Return the number of each row's combination (N,), -1 if it is not known."""
    index = {tuple(map(key, row)): number for number, row in enumerate(known.rows)}
    cells = zip(*(table[name].astype(object).map(key).tolist() for name in known.columns), strict=True)
    return np.array([index.get(row, -1) for row in cells], dtype=np.int64)


def key(value: Any) -> Any:
    """Return a cell as something that is equal to itself and fits JSON: missing is None, a date its text."""
    if pd.isna(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _combination(rule: Together, table: pd.DataFrame, least: int) -> Combination:
    cells = pd.DataFrame({name: table[name].astype(object).map(key) for name in rule.columns})
    counts = cells.groupby(list(rule.columns), dropna=False, sort=False).size()
    counts = counts[counts >= least]
    if counts.empty:
        raise SchemaError(f"constraint {rule.text}: no combination stands in {least} training rows; lower `rare_min`")
    rows = [key if isinstance(key, tuple) else (key,) for key in counts.index]
    plain = tuple(tuple(None if pd.isna(cell) else _plain(cell) for cell in row) for row in rows)
    return Combination(rule.columns, plain, tuple(int(count) for count in counts))


def _plain(cell: Any) -> Any:
    return cell.item() if hasattr(cell, "item") else cell


def _listed(text: str) -> Rule:
    given: Mapping[str, Any] = json.loads(text)
    kinds: Mapping[str, type[Unique] | type[Together]] = {"unique": Unique, "together": Together}
    if len(given) != 1 or next(iter(given)) not in kinds:
        raise ParamsError(
            f"{text}: expected `unique: [...]` or `together: [...]`{nearest(next(iter(given), ''), set(kinds))}"
        )
    ((kind, names),) = given.items()
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ParamsError(f"{text}: expected a list of column names")
    return kinds[kind](text, tuple(names))


def _check_columns(rule: Rule, schema: Schema) -> None:
    for name in rule.columns:
        if name not in schema.names:
            why = "is an identifier or left out" if name in schema.order else "is no column"
            raise SchemaError(f"constraint {rule.text!r}: {name!r} {why}{nearest(name, set(schema.order))}")
        if isinstance(rule, Order | Formula) and not _counts(schema.column(name)):
            raise SchemaError(f"constraint {rule.text!r}: {name!r} holds no numbers or dates")


def _counts(column: Column) -> bool:
    """Return whether the column can stand in arithmetic: numbers, dates, and truth values that are 0 and 1."""
    words = pd.api.types.is_string_dtype(pd.api.types.pandas_dtype(column.dtype))
    return column.kind in NUMERIC or (column.kind == "boolean" and not words)


def _with_ends(rule: Order, schema: Schema) -> Schema:
    """Return the schema with the ends that the rule states for a column alone, such as `0 <= age`."""
    ends: dict[tuple[str, str], float] = {}
    for left, sign, right in zip(rule.parts, rule.signs, rule.parts[1:], strict=False):
        rising = sign.__name__.startswith("Lt")
        low, high = (left, right) if rising else (right, left)
        if low.constant and high.column is not None:
            ends[high.column, "minimum"] = float(low.evaluate({}))
        if high.constant and low.column is not None:
            ends[low.column, "maximum"] = float(high.evaluate({}))
    columns = tuple(
        _ended(column, {end: v for (name, end), v in ends.items() if name == column.name}) for column in schema
    )
    return replace(schema, columns=columns)


def _ended(column: Column, ends: Mapping[str, float]) -> Column:
    if not ends or column.kind not in ("continuous", "integer"):
        return column
    low, high = ends.get("minimum", column.limits[0]), ends.get("maximum", column.limits[1])
    return inference.limited(replace(column, limits=(low, high)))
