"""Are synthetic tables related as the real ones are? Numbers of children, time, what follows what, what goes with what.

    children        1 - the Kolmogorov-Smirnov distance of the number of rows below each parent, none included
    timing          the same of spans: to the first row, between rows, within a row
    transitions     1 - the total variation distance of (level before, level), the 20 most frequent ones
    across          pair trends (`fidelity`) of a parent's column and a child's
    shapes, trends  as `fidelity` defines them, of the learnt columns of each table (`synthtrail.data.unrolled`)

Figures of small sets hang on chance, so each is taken of as many synthetic subjects as there are holdout subjects
(`DRAWS` draws), against the training subjects, and stands beside its **floor**: the same figure for as many real
subjects, drawn from all of them (`SPLITS` times), against the other real ones. A generator at its floor cannot be told
from fresh real subjects by this figure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.columns import Column, Schema
from synthtrail.data.relations import Relations, joined, taken
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.unrolled import Flat, unroll
from synthtrail.evaluation import fidelity, relation_structure
from synthtrail.evaluation.features import codes, is_number
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError

Ints = NDArray[np.int64]
Sides = tuple[Relations, Relations, Relations]
Parts = dict[str, float]
Compare = Callable[["Sample", "Sample", RelationalSchema], Parts]

DRAWS, SPLITS = 3, 5
FEW = 50  # holdout subjects; of fewer, a figure's floor is wide
MOST = 20_000  # rows of the largest table that are looked at on each side
TOP = 20  # levels that transitions tell apart
SAME = "1: as in the real"


@dataclass(frozen=True)
class Sample:
    """Some subjects, unrolled: the rows of each table that are theirs, as learnt, and of which row each is a child."""

    flats: Mapping[str, Flat]
    rows: Mapping[str, Ints]

    def frame(self, name: str) -> pd.DataFrame:
        """Return the learnt rows of a table."""
        return self.flats[name].rows.iloc[self.rows[name]]

    def above(self, name: str, parent: str) -> pd.DataFrame:
        """Return for each row of a table the learnt row of its parent."""
        return self.flats[parent].rows.iloc[self.flats[name].parent[self.rows[name]]]


def sample(flats: Mapping[str, Flat], subjects: Ints) -> Sample:
    """Return the rows of these subjects, by their row numbers."""
    chosen = np.zeros(1 + max(int(flat.root.max(initial=0)) for flat in flats.values()), dtype=bool)
    chosen[subjects] = True
    return Sample(flats, {name: np.flatnonzero(chosen[flat.root]) for name, flat in flats.items()})


def beside_floor(
    name: str,
    compare: Compare,
    train: Relations,
    holdout: Relations,
    synthetic: Relations,
    schema: RelationalSchema,
    rng: np.random.Generator,
) -> dict[str, Reading]:
    """Return the reading `name`, and its floor as `<name>_floor` (module docstring)."""
    train, holdout, synthetic = (_some(side, rng) for side in (train, holdout, synthetic))
    size = min(len(holdout), len(synthetic))
    if not size or len(train) + len(holdout) - size < 1:
        raise UnmeasurableError("needs a subject of each side")
    real, made = unroll(joined([train, holdout]), schema), unroll(synthetic, schema)
    every = np.arange(len(train) + len(holdout))
    seen = sample(real, every[: len(train)])
    found = _mean([compare(seen, sample(made, rng.permutation(len(synthetic))[:size]), schema) for _ in range(DRAWS)])
    if not found:
        raise UnmeasurableError("no column of these tables can be compared in this way")
    orders = [rng.permutation(every) for _ in range(SPLITS)]
    splits = [compare(sample(real, order[size:]), sample(real, order[:size]), schema) for order in orders]
    floors = [float(np.mean(list(one.values()))) for one in splits]
    few = f"{size} subjects at a time" + (
        "; a difference below the floor's own spread shows nothing" if size < FEW else ""
    )
    spread = f"from {min(floors):.3f} to {max(floors):.3f} in {SPLITS} splits of the real subjects"
    return {
        name: Reading(float(np.mean(list(found.values()))), few, found),
        f"{name}_floor": Reading(float(np.mean(floors)), spread, _mean(splits)),
    }


def shapes(real: Sample, made: Sample, schema: RelationalSchema) -> Parts:
    """Return the similarity of every learnt column."""
    return {
        f"{name}.{column.name}": fidelity.shape(real.frame(name), made.frame(name), column)
        for name, table in schema.learned.items()
        for column in table
        if column.missing_rate < 1
    }


def trends(real: Sample, made: Sample, schema: RelationalSchema) -> Parts:
    """Return the mean similarity of the pairs of columns of each table."""
    found = {}
    for name, table in schema.learned.items():
        pairs = fidelity.pair_trends(real.frame(name), made.frame(name), table)
        if pairs:
            found[name] = float(np.mean(list(pairs.values())))
    return found


def across(real: Sample, made: Sample, schema: RelationalSchema) -> Parts:
    """Return the mean similarity of the pairs of a parent's and a child's column, for each child table."""
    found = {}
    for link in schema.links:
        if link.parent is None:
            continue
        upper = tuple(_renamed(column, link.parent) for column in schema.learned[link.parent])
        lower = tuple(schema.learned[link.name])
        both = [
            pd.concat(
                [
                    _prefixed(side.above(link.name, link.parent), link.parent),
                    side.frame(link.name).reset_index(drop=True),
                ],
                axis=1,
            )
            for side in (real, made)
        ]
        pairs = fidelity.pair_trends(both[0], both[1], Schema((*upper, *lower)), product(upper, lower))
        if pairs:
            found[f"{link.name} of {link.parent}"] = float(np.mean(list(pairs.values())))
    return found


def children(real: Sample, made: Sample, schema: RelationalSchema) -> Parts:
    """Return the similarity of the number of rows below each parent, for each child table."""
    return {
        f"{child} of {name}": fidelity.shape_of_numbers(_counts(real, name, column), _counts(made, name, column))
        for name, telling in schema.told.items()
        for child, column in telling.counts.items()
    }


def timing(real: Sample, made: Sample, schema: RelationalSchema) -> Parts:
    """Return the similarity of every span."""
    found = {}
    for name, telling in schema.told.items():
        for moment in telling.moments:
            column = schema.learned[name].column(moment.learned)
            if moment.unit and moment.base and column.missing_rate < 1:
                found[f"{name}.{moment.learned}"] = fidelity.shape(real.frame(name), made.frame(name), column)
    return found


def transitions(real: Sample, made: Sample, schema: RelationalSchema) -> Parts:
    """Return the similarity of what follows what, for every column of levels of a table in order."""
    found = {}
    for link in schema.links:
        if link.order is None:
            continue
        for column in schema.learned[link.name]:
            if not is_number(column) and len(column.categories) > 1:
                top = _top(real.frame(link.name)[column.name], column)
                sides = [_bigrams(side, link.name, column, top) for side in (real, made)]
                found[f"{link.name}.{column.name}"] = fidelity.shape_of_codes(*sides)
    return found


def _some(data: Relations, rng: np.random.Generator) -> Relations:
    largest = max(data.rows.values())
    if largest <= MOST:
        return data
    return taken(data, np.sort(rng.permutation(len(data))[: max(1, len(data) * MOST // largest)]))


def _mean(parts: list[Parts]) -> Parts:
    return {
        name: float(np.mean([part[name] for part in parts if name in part])) for name in (parts[0] if parts else {})
    }


def _counts(side: Sample, name: str, column: str) -> NDArray[np.float64]:
    return side.frame(name)[column].to_numpy(dtype=np.float64)


def _prefixed(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return rows.add_prefix(f"{name}.").reset_index(drop=True)


def _renamed(column: Column, name: str) -> Column:
    return Column(**{**vars(column), "name": f"{name}.{column.name}"})


def _top(series: "pd.Series[Any]", column: Column) -> Ints:
    """Return the place of each code among the most frequent levels (K + 1,), `TOP` for the others and for missing."""
    found = codes(series, column)
    counts = np.bincount(found[found >= 0], minlength=len(column.categories) + 1)[:-1]
    place = np.full(len(column.categories) + 1, TOP)
    first = np.argsort(-counts, kind="stable")[:TOP]
    place[first] = np.arange(len(first))
    return place


def _bigrams(side: Sample, name: str, column: Column, top: Ints) -> Ints:
    """Return a number for each row with one before it (M,): which level came before, and which it has."""
    flat, rows = side.flats[name], side.rows[name]
    later = rows[flat.place[rows] > 0]
    found = codes(flat.rows[column.name], column)
    place = np.where(found < 0, TOP, top[found])
    return place[later - 1] * (TOP + 1) + place[later]


def _scales(name: str, title: str, worst: str, best: str = SAME) -> tuple[Scale, Scale]:
    return (
        Scale(name, title, "higher", worst, best),
        Scale(f"{name}_floor", "The same, fresh real subjects", "higher", worst, "a given of the data"),
    )


def measure_quality(
    train: Relations, holdout: Relations, synthetic: Relations, schema: RelationalSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return shapes and trends of every table, their mean, and the floors."""
    sides = (train, holdout, synthetic, schema, rng)
    found = beside_floor("shapes", shapes, *sides) | beside_floor("trends", trends, *sides)
    for end in ("", "_floor"):
        both = [found[f"{name}{end}"].value or 0.0 for name in ("shapes", "trends")]
        found[f"quality{end}"] = Reading(float(np.mean(both)))
    return found


QUALITY = (
    *_scales("shapes", "Column shapes", "0: no value in common"),
    *_scales("trends", "Pair trends within tables", "0: every pair contradicts"),
    *_scales("quality", "Quality, the mean of shapes and trends", "0: nothing alike"),
)
COMPARED: tuple[tuple[str, Compare, tuple[Scale, Scale]], ...] = (
    ("children", children, _scales("children", "Numbers of children", "0: no number in common")),
    ("timing", timing, _scales("timing", "Spans between moments", "0: no span in common")),
    ("transitions", transitions, _scales("transitions", "What follows what", "0: no pair in common")),
    ("across", across, _scales("across", "Pair trends from parent to child", "0: every pair contradicts")),
)
METRICS: tuple[Metric[Relations, RelationalSchema], ...] = (
    *relation_structure.METRICS,
    *(Metric(name, "fidelity", scales, partial(beside_floor, name, compare)) for name, compare, scales in COMPARED),
    Metric("quality", "fidelity", QUALITY, measure_quality),
)
