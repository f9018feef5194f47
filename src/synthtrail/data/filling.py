"""Gaps filled so that the rules of the schema hold: drawn, mended where they follow from other cells, or drawn again.

    done = fill(rows, open_cells, schema, draw, seed=0)
    done.rows, done.filled, done.again, done.unsolved

`draw(rows, open_cells, seed)` returns the rows with the open cells (N, C) drawn. A given cell is never changed. So a
rule that given cells alone break is not ours to mend: such rows are counted (`broken`). A formula's own column is
worked out where it is open, or else another open one by which it is a straight line; a combination is completed from
those known; what still breaks a rule is drawn again, up to `ROUNDS` times. Rows for which that finds nothing get the
open cells of the rule emptied again (`unsolved`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import constraints, values
from synthtrail.data.columns import NUMERIC, Schema
from synthtrail.data.constraints import Formula, Rule, Together

Cells = NDArray[np.bool_]
Rows = NDArray[np.int64]
Draw = Callable[[pd.DataFrame, Cells, int], pd.DataFrame]
ROUNDS = 40


@dataclass(frozen=True)
class Done:
    """What came out: the rows, which cells (N, C) were drawn, and how many rows were drawn again, mended, unsolved or
    broken by what was given.
    """

    rows: pd.DataFrame
    filled: Cells
    again: int
    mended: int
    unsolved: int
    broken: int


def fill(rows: pd.DataFrame, open_cells: Cells, schema: Schema, draw: Draw, seed: int) -> Done:
    """Return the rows with the open cells drawn by the rules."""
    rules = [constraints.parse(text) for text in schema.constraints]
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 94])))
    drawn = draw(rows, open_cells, seed)
    whole, mended = mend(drawn, open_cells, schema, rules, rng)
    again = 0
    for number in range(1, ROUNDS + 1):
        wrong = np.flatnonzero(breaking(whole, open_cells, schema, rules))
        if not len(wrong):
            break
        again += len(wrong)
        fresh = draw(rows.iloc[wrong], open_cells[wrong], _seed(seed, number))
        fresh, count = mend(fresh, open_cells[wrong], schema, rules, rng)
        mended += count
        whole = replaced(whole, wrong, fresh)
    unsolved = breaking(whole, open_cells, schema, rules)
    left = open_cells & ~_emptied(whole, unsolved, open_cells, schema, rules)
    for at, name in enumerate(schema.names):
        whole[name] = whole[name].mask(open_cells[:, at] & ~left[:, at])
    return Done(whole, left, again, mended, int(unsolved.sum()), int(_broken(whole, schema, rules).sum()))


def breaking(table: pd.DataFrame, open_cells: Cells, schema: Schema, rules: Sequence[Rule]) -> Cells:
    """Return which rows (N,) break a rule in which one of their open cells has a part."""
    found = np.zeros(len(table), dtype=bool)
    for rule in rules:
        found |= rule.broken(table, schema) & open_cells[:, _places(rule, schema)].any(1)
    return found


def mend(
    table: pd.DataFrame, open_cells: Cells, schema: Schema, rules: Sequence[Rule], rng: np.random.Generator
) -> tuple[pd.DataFrame, int]:
    """Return the rows with open cells that follow from others set to what they must be, and in how many rows."""
    changed = np.zeros(len(table), dtype=bool)
    for rule in sorted(rules, key=lambda rule: isinstance(rule, Formula)):
        wrong = rule.broken(table, schema) & open_cells[:, _places(rule, schema)].any(1)
        if isinstance(rule, Formula):
            own = open_cells[:, schema.names.index(rule.column)]
            table = _worked_out(table, rule, wrong & own, schema) if (wrong & own).any() else table
            table = _solved(table, rule, wrong & ~own, open_cells, schema) if (wrong & ~own).any() else table
        elif isinstance(rule, Together):
            table = _combined(table, rule, wrong, open_cells, schema, rng) if wrong.any() else table
        else:
            continue
        changed |= wrong
    return table, int(changed.sum())


def _worked_out(table: pd.DataFrame, rule: Formula, wrong: Cells, schema: Schema) -> pd.DataFrame:
    column = schema.column(rule.column)
    found = np.nan_to_num(np.where(wrong, rule.wanted(table, schema), 0.0), posinf=0.0, neginf=0.0)
    wanted = values.restore(found, column).set_axis(table.index)
    return table.assign(**{rule.column: table[rule.column].where(~wrong, wanted.astype(table[rule.column].dtype))})


def _solved(table: pd.DataFrame, rule: Formula, wrong: Cells, open_cells: Cells, schema: Schema) -> pd.DataFrame:
    """Work out an open column on the right side of a formula whose left side is given, where it is a straight line."""
    for name in rule.expression.columns:
        here = wrong & open_cells[:, schema.names.index(name)]
        column = schema.column(name)
        if not here.any() or column.kind not in NUMERIC:
            continue
        known = constraints.seconds(table, rule.columns, schema)
        at = [np.asarray(rule.expression.evaluate({**known, name: np.full(len(table), x)})) for x in (0.0, 1.0, 2.0)]
        slope = at[1] - at[0]
        with np.errstate(all="ignore"):
            found = (known[rule.column] - at[0]) / slope
        here &= np.isfinite(found) & np.isclose(at[2] - at[1], slope)
        scale = values.DAY if column.kind == "datetime" and column.decimals is None else 1.0
        numbers = np.where(here, found / scale - values.offset(column), 0.0)
        wanted = values.restore(numbers, column).set_axis(table.index)
        table = table.assign(**{name: table[name].where(~here, wanted.astype(table[name].dtype))})
        wrong = wrong & ~here
    return table


def _combined(
    table: pd.DataFrame, rule: Together, wrong: Cells, open_cells: Cells, schema: Schema, rng: np.random.Generator
) -> pd.DataFrame:
    """Complete strange combinations to known ones that agree with the cells that are given, as often as in training."""
    known = constraints.combination(schema, rule.columns)
    if known is None:
        return table
    cells = [list(table[name].astype(object)) for name in rule.columns]
    open_here, weights = open_cells[:, _places(rule, schema)], np.array(known.counts, dtype=np.float64)
    for row in np.flatnonzero(wrong).tolist():
        fits = np.array([_agrees(known.rows[i], cells, row, open_here[row]) for i in range(len(weights))])
        if fits.any():
            chosen = known.rows[int(rng.choice(len(weights), p=weights * fits / (weights * fits).sum()))]
            for at in np.flatnonzero(open_here[row]).tolist():
                cells[at][row] = chosen[at]
    made = {
        name: pd.Series(column, table.index, dtype=object).astype(table[name].dtype)
        for name, column in zip(rule.columns, cells, strict=True)
    }
    return table.assign(**made)


def _agrees(known: Sequence[object], cells: Sequence[Sequence[object]], row: int, free: Cells) -> bool:
    return all(free[at] or constraints.key(cells[at][row]) == known[at] for at in range(len(known)))


def _emptied(table: pd.DataFrame, unsolved: Cells, open_cells: Cells, schema: Schema, rules: Sequence[Rule]) -> Cells:
    """Return the cells (N, C) of unsolved rows that have to be empty: the open ones of rules that they break."""
    found = np.zeros(open_cells.shape, dtype=bool)
    for rule in rules if unsolved.any() else ():
        wrong, places = rule.broken(table, schema) & unsolved, _places(rule, schema)
        found[:, places] |= wrong[:, None]
    return found & open_cells


def _broken(table: pd.DataFrame, schema: Schema, rules: Sequence[Rule]) -> Cells:
    found = np.zeros(len(table), dtype=bool)
    for rule in rules:
        found |= rule.broken(table, schema)
    return found


def replaced(table: pd.DataFrame, at: Rows, fresh: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the rows numbered `at` replaced."""
    made = {}
    for name in table.columns:
        column = table[name].copy()
        column.iloc[at] = fresh[name].astype(column.dtype).to_numpy() if column.dtype == object else fresh[name].array
        made[name] = column
    return pd.DataFrame(made, index=table.index)


def _places(rule: Rule, schema: Schema) -> list[int]:
    return [schema.names.index(name) for name in rule.columns]


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number, 95]).generate_state(1)[0])
