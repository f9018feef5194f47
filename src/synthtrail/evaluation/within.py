"""Within each class: has generation invented a relation between columns, and how many real rows stand behind a class?

Asked for exact counts, a generator makes a rare class as often as is wanted, and whatever is odd about its few real
rows, or about what was learnt of them, is multiplied. So each class is compared by itself, synthetic with training
rows, and the measure is how much real rows of the class differ among themselves:

1. The class's training rows are divided at random into two halves, `SPLITS` times; as many synthetic rows are drawn.
2. Each column becomes numbers: a number its rank among the training rows, a category an indicator of each of its most
   frequent levels. Between every two columns, r is the correlation of greatest size between their numbers.
3. Half against half gives the noise: the greatest difference of r over all pairs, in all but one of twenty splits.
4. Half against synthetic: a pair is *invented* if its r is stronger, or of the other sign, in the synthetic rows by
   more than noise and `MARGIN` together, in the median over the splits.

    r among training rows of the class   .05    noise .21
    r among its synthetic rows           .62    invented, since .57 > .21 + .10

Column shapes are treated alike: the mean distance of the columns' distributions (see `fidelity`), less its noise.
A class of fewer than `FEW` training rows cannot be checked. How often a class is *multiplied* is its share among
synthetic over its share among training rows; 1 for every class if nothing was re-balanced.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.schema import Column, Schema
from synthtrail.evaluation import fidelity
from synthtrail.evaluation.features import codes, is_number, read
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError
from synthtrail.evaluation.utility import classifies

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SPLITS = 20
MARGIN = 0.1  # of a correlation
FEW = 50  # training rows of a class, below which it cannot be checked
MOST = 2_000  # rows a side
LEVELS = 4  # of a category that get an indicator
MULTIPLIED = 1.5  # from which on a class counts as re-balanced

SCALES = (
    Scale("invented", "Relations invented within a class", "lower", "many: what it shows is not so", "0: none found"),
    Scale("class_shapes", "Column shapes within a class, beyond noise", "lower", "1: nothing alike", "0: as real rows"),
    Scale("multiplied", "How often the most enlarged class is multiplied", "lower", "many times: few rows behind it",
          "1: as often as in training"),
    Scale("thin", "Enlarged classes too small to be checked", "lower", "many", "0: none"),
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """One class: its name, its training rows and its synthetic rows."""

    name: str
    real: pd.DataFrame
    made: pd.DataFrame
    times: float

    @property
    def told(self) -> str:
        """How many rows stand behind how many."""
        return f"{self.name!r}: {len(self.made):,} synthetic from {len(self.real):,} training rows"


@dataclass(frozen=True)
class Views:
    """What is compared of rows: numbers of all columns (N, F), and the column (F,) that each belongs to."""

    numbers: Floats
    owner: Ints


def measure(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the readings of the module docstring."""
    del holdout
    if schema.target is None or not classifies(schema):
        raise UnmeasurableError("the target has no classes, so nothing can be compared within one")
    groups = list(divided(train, synthetic, schema.column(schema.target)))
    others = [column for column in schema if column.name != schema.target]
    enlarged = [group for group in groups if group.times >= MULTIPLIED]
    thin = [group for group in enlarged if len(group.real) < FEW]
    checked = [group for group in groups if min(len(group.real), len(group.made)) >= FEW]
    pairs, shapes = dict[str, float](), dict[str, float]()
    for group in checked:
        pairs |= {f"{group.name}: {pair}": size for pair, size in invented(group, others, rng).items()}
        shapes[group.name] = excess(group, others, rng)
    times = {group.name: group.times for group in groups}
    return {
        "invented": _counted(pairs, checked),
        "class_shapes": _worst(shapes),
        "multiplied": Reading(max(times.values(), default=1.0), "; ".join(g.told for g in enlarged), times),
        "thin": Reading(float(len(thin)), "; ".join(group.told for group in thin)),
    }


def divided(train: pd.DataFrame, synthetic: pd.DataFrame, target: Column) -> Iterator[Group]:
    """Yield every class of which both sides have rows."""
    real, made = codes(train[target.name], target), codes(synthetic[target.name], target)
    for code, name in enumerate(target.categories):
        behind, there = real == code, made == code
        if behind.any() and there.any():
            yield Group(str(name), train[behind], synthetic[there], float(there.mean() / behind.mean()))


def invented(group: Group, columns: list[Column], rng: np.random.Generator) -> dict[str, float]:
    """Return by how much more than noise each invented pair's correlation is stronger, by the names of the columns."""
    if len(columns) < 2:
        return {}
    views = [views_of(side, group.real, columns) for side in (group.real, group.made)]
    floor, stronger = [], []
    for one, other, made in halves(len(group.real), len(group.made), rng):
        first, second = (relations(Views(views[0].numbers[at], views[0].owner)) for at in (one, other))
        found = relations(Views(views[1].numbers[made], views[1].owner))
        floor.append(np.abs(first - second).max())
        stronger.append(np.where((np.abs(found) > np.abs(first)) | (found * first < 0), np.abs(found - first), 0.0))
    noise = float(np.sort(floor)[-max(1, SPLITS // 20)])
    beyond = np.triu(np.median(stronger, axis=0), 1) - noise
    return {
        f"{columns[one].name} and {columns[other].name}": float(beyond[one, other])
        for one, other in zip(*np.nonzero(beyond > MARGIN), strict=True)
    }


def excess(group: Group, columns: list[Column], rng: np.random.Generator) -> float:
    """Return the mean distance of the columns' distributions from the training rows' beyond their noise, at least 0."""
    sides = [comparable(group, column) for column in columns]
    noise, found = [], []
    for one, other, made in halves(len(group.real), len(group.made), rng):
        noise.append(np.mean([1 - alike(real[one], real[other]) for alike, real, _ in sides]))
        found.append(np.mean([1 - alike(real[one], drawn[made]) for alike, real, drawn in sides]))
    return max(0.0, float(np.mean(found) - np.mean(noise)))


def comparable(group: Group, column: Column) -> tuple[Callable[[Any, Any], float], Any, Any]:
    """Return how a column's two samples are compared, and its values (N,) in the training and the synthetic rows."""
    if is_number(column):
        return _alike_numbers, read(group.real, column), read(group.made, column)
    alike = partial(_alike_but_for, len(column.categories))
    return alike, codes(group.real[column.name], column), codes(group.made[column.name], column)


def _alike_numbers(one: Floats, other: Floats) -> float:
    with np.errstate(divide="ignore"):  # scipy's p-value, which nobody asks for, divides by nothing for single values
        return fidelity.shape_of_numbers(one, other)


def _alike_but_for(missing: int, one: Ints, other: Ints) -> float:
    return fidelity.shape_of_codes(one[one != missing], other[other != missing])


def halves(real: int, made: int, rng: np.random.Generator) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield rows of the one half and the other half, and as many synthetic ones, `SPLITS` times."""
    size = min(real // 2, made, MOST)
    for _ in range(SPLITS):
        order = rng.permutation(real)
        yield order[:size], order[size : 2 * size], rng.permutation(made)[:size]


def views_of(side: pd.DataFrame, real: pd.DataFrame, columns: list[Column]) -> Views:
    """Return the numbers of one side's rows; ranks and levels are those of the `real` rows."""
    parts = [_ranks(side, real, column) if is_number(column) else _levels(side, real, column) for column in columns]
    owner = np.repeat(np.arange(len(columns)), [part.shape[1] for part in parts])
    return Views(np.hstack(parts), owner)


def relations(views: Views) -> Floats:
    """Return for each two columns the correlation of greatest size between their numbers, (C, C)."""
    centred = views.numbers - views.numbers.mean(0)
    spread = np.sqrt((centred**2).sum(0))
    scaled = centred / np.where(spread > 1e-9, spread, np.inf)
    r = scaled.T @ scaled
    starts = np.flatnonzero(np.diff(views.owner, prepend=-1))
    low = np.minimum.reduceat(np.minimum.reduceat(r, starts, 0), starts, 1)
    high = np.maximum.reduceat(np.maximum.reduceat(r, starts, 0), starts, 1)
    return np.asarray(np.where(-low > high, low, high))


def _ranks(side: pd.DataFrame, real: pd.DataFrame, column: Column) -> Floats:
    """Return ranks from 0 to 1 (N, 1), missing ones in the middle."""
    known = np.sort(read(real, column))
    known = known[~np.isnan(known)]
    values = read(side, column)
    places = np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")
    ranks = np.where(np.isnan(values), 0.5, places / max(1, 2 * len(known)))
    return np.asarray(ranks[:, None], dtype=np.float64)


def _levels(side: pd.DataFrame, real: pd.DataFrame, column: Column) -> Floats:
    """Return an indicator for each of the most frequent levels (N, at most LEVELS), a missing value being one."""
    counts = np.bincount(codes(real[column.name], column), minlength=1)
    first = np.argsort(-counts, kind="stable")[:LEVELS]
    return np.asarray(codes(side[column.name], column)[:, None] == first[None, :], dtype=np.float64)


def _counted(pairs: Mapping[str, float], checked: list[Group]) -> Reading:
    if not checked:
        return Reading(None, f"no class has {FEW} training rows and as many synthetic ones")
    worst = sorted(pairs, key=lambda pair: -pairs[pair])[:3]
    return Reading(float(len(pairs)), "; ".join(worst), pairs)


def _worst(shapes: Mapping[str, float]) -> Reading:
    if not shapes:
        return Reading(None, f"no class has {FEW} training rows and as many synthetic ones")
    name = max(shapes, key=lambda each: shapes[each])
    return Reading(shapes[name], f"most in class {name!r}", shapes)


METRICS: tuple[Metric[pd.DataFrame, Schema], ...] = (Metric("within_classes", "fidelity", SCALES, measure),)
