"""Are groups treated alike by a model that learnt from synthetic rows, as far as they are by one that learnt from real
ones?

The columns that tell groups apart are named in `params.yaml`: `validate: {sensitive: [sex]}`. The same boosted trees
learn from the training rows and from the synthetic rows, and decide for the real holdout. For each column, over its
groups:

    selection gap   greatest difference in how often a class is decided for (demographic parity)
    odds gap        greatest difference in true-positive or false-positive rate (equalised odds; Hardt, Price, Srebro
                    2016, arXiv 1610.02413)
    excess          that of the model trained on synthetic rows less that of the one trained on real rows; the interval
                    is the middle 95 % of `DRAWS` bootstrap samples of the holdout, the same for both models
    share gap       greatest difference between a group's share of the synthetic and of the training rows

With several classes each stands against the rest, and the worst counts. A number tells three groups apart, by the
thirds of the training rows. Groups of fewer than `LEAST` holdout rows, and rates over fewer than `LEAST_RATE`, are left
out: their rates say little, and could tell of single persons.

    >>> decided = np.array([[[[1, 1], [1, 1]], [[1, 1], [0, 2]]]])     # (1, groups, truth, decision), rows counted
    >>> rates(decided, least=1)[:, 0, :, 1].tolist()                   # selection, true and false positives
    [[0.5, 0.75], [0.5, 1.0], [0.5, 0.5]]
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.schema import Column, Schema
from synthtrail.evaluation import utility
from synthtrail.evaluation.features import is_number, read
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST = 30  # holdout rows of a group
LEAST_RATE = 10  # rows behind a rate
DRAWS = 500
MOST_GROUPS = 20
THIRDS = ("lower third", "middle third", "upper third")
KINDS = {"selection": "Selection rate", "odds": "True- or false-positive rate"}


@dataclass(frozen=True)
class Groups:
    """The groups of one column: names, and the group of each holdout row (M,), -1 where it is left out."""

    names: tuple[str, ...]
    of: Ints
    left_out: int


def metrics(sensitive: Sequence[str]) -> list[Metric[pd.DataFrame, Schema]]:
    """Return the metric of each column that tells groups apart."""
    return [_metric(name) for name in sensitive]


def prefix(column: str) -> str:
    """Return what the names of a column's scores begin with.

    >>> prefix("marital status")
    'fair_marital_status'
    """
    return f"fair_{re.sub(r'[^0-9A-Za-z_.-]+', '_', column)}"


def _metric(column: str) -> Metric[pd.DataFrame, Schema]:
    start = prefix(column)

    def measure(
        train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, rng: np.random.Generator
    ) -> Mapping[str, Reading]:
        found = compare(train, holdout, synthetic, schema, column, rng)
        return {f"{start}_{name}": reading for name, reading in found.items()}

    return Metric(start, "fairness", _scales(start, column), measure)


def _scales(start: str, column: str) -> tuple[Scale, ...]:
    of = f"between groups of {column}"
    scales = []
    for kind, title in KINDS.items():
        scales += [
            Scale(f"{start}_{kind}_gap", f"{title} {of}, greatest gap, trained on synthetic", "lower", "1", "0: alike"),
            Scale(f"{start}_{kind}_gap_real", f"{title} {of}, greatest gap, trained on real", "lower", "1", "0: alike"),
            Scale(f"{start}_{kind}_excess", f"{title} {of}: gap beyond that of real data", "lower", "1", "0: no more"),
            Scale(f"{start}_{kind}_excess_low", "… at least (95 % interval)", "lower", "1", "0"),
            Scale(f"{start}_{kind}_excess_high", "… at most (95 % interval)", "lower", "1", "0"),
        ]
    share = Scale(f"{start}_share_gap", f"Share of a group of {column}, greatest change", "lower", "1", "0: as real")
    return (*scales, share)


def compare(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    column: str,
    rng: np.random.Generator,
) -> dict[str, Reading]:
    """Return the readings of one column; `UnmeasurableError` says in words why there are none."""
    if column not in schema.names:
        raise UnmeasurableError(f"the column {column!r} is not among those that are learnt")
    if column == schema.target or not utility.classifies(schema):
        raise UnmeasurableError(
            "groups are compared by decisions on a target of classes, and there is none beside them"
        )
    decisions = utility.decisions(train, holdout, {"real": train, "synthetic": synthetic}, schema, rng)
    sensitive = schema.column(column)
    groups = _groups(train, decisions.asked, sensitive)
    if len(groups.names) < 2:
        raise UnmeasurableError(f"fewer than two groups of {column!r} have {LEAST} holdout rows")
    real, made = _tables(decisions, groups, rng)
    readings = _readings(real, made) | _detailed(real, made, groups)
    return readings | {"share_gap": _shares(train, synthetic, sensitive)}


def _tables(decisions: utility.Decisions, groups: Groups, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return how many rows of each group and class were given each class (1 + DRAWS, G, K, K), for real and synthetic.

    First as they are, then in bootstrap samples: to draw rows is to draw how many fall into each cell.
    """
    kept, classes, count = groups.of >= 0, decisions.classes, len(groups.names)
    shape = (count, classes, classes, classes)
    cells = (
        groups.of[kept],
        decisions.truth[kept],
        decisions.chosen["real"][kept],
        decisions.chosen["synthetic"][kept],
    )
    rows = np.bincount(np.ravel_multi_index(cells, shape), minlength=int(np.prod(shape)))
    drawn = rng.multinomial(rows.sum(), rows / rows.sum(), DRAWS)
    tables = np.vstack([rows, drawn]).reshape(-1, *shape).astype(np.float64)
    return tables.sum(4), tables.sum(3)


def _groups(train: pd.DataFrame, holdout: pd.DataFrame, column: Column) -> Groups:
    numbers = _group_numbers(train, holdout, column)
    names = THIRDS if is_number(column) else tuple(str(value) for value in column.categories)
    counts = np.bincount(numbers[numbers >= 0], minlength=len(names))
    large = [int(at) for at in np.argsort(-counts, kind="stable") if counts[at] >= LEAST][:MOST_GROUPS]
    places = np.full(len(names) + 1, -1)
    places[large] = np.arange(len(large))
    return Groups(tuple(names[at] for at in large), places[numbers], int((counts > 0).sum()) - len(large))


def _group_numbers(train: pd.DataFrame, table: pd.DataFrame, column: Column) -> Ints:
    """Return the group of each row (N,), -1 where it is unknown."""
    values = read(table, column)
    if is_number(column):
        ends = np.nanquantile(read(train, column), [1 / 3, 2 / 3])
        return np.where(np.isnan(values), -1, np.searchsorted(ends, values, side="right")).astype(np.int64)
    return np.where(np.isnan(values), -1, np.nan_to_num(values)).astype(np.int64)


def rates(decided: Floats, least: float = LEAST_RATE) -> Floats:
    """Return selection, true- and false-positive rate (3, S, G, K) by group and class.

    `decided` (S, G, K, K) counts rows by group, true class and decision; a rate over fewer than `least` rows is NaN.
    """
    every = decided.sum((2, 3))[..., None]
    chosen, true = decided.sum(2), decided.sum(3)
    hits = np.diagonal(decided, axis1=2, axis2=3)
    parts = ((chosen, every), (hits, true), (chosen - hits, every - true))
    return np.stack([np.where(among >= least, of / np.maximum(among, 1), np.nan) for of, among in parts])


def gaps(decided: Floats) -> dict[str, Floats]:
    """Return for each kind of gap the greatest over classes (S,), NaN where no two groups have a rate."""
    found = rates(decided)
    known = (~np.isnan(found)).sum(2) >= 2
    most = np.where(np.isnan(found), -np.inf, found).max(2)
    least = np.where(np.isnan(found), np.inf, found).min(2)
    spread = np.where(known, most - least, -np.inf)
    greatest = {"selection": spread[0].max(1), "odds": spread[1:].max((0, 2))}
    return {kind: np.where(np.isinf(values), np.nan, values) for kind, values in greatest.items()}


def _detailed(real: Floats, made: Floats, groups: Groups) -> dict[str, Reading]:
    """Return the selection gaps with each group's rate of the last class as their detail."""
    left = f"; {groups.left_out} groups of fewer than {LEAST} holdout rows are left out" if groups.left_out else ""
    found = {}
    for name, decided in (("selection_gap", made), ("selection_gap_real", real)):
        rate = rates(decided[:1])[0, 0, :, -1]
        detail = {group: float(value) for group, value in zip(groups.names, rate, strict=True)}
        found[name] = Reading(float(gaps(decided[:1])["selection"][0]), f"boosted trees{left}", detail)
    return found


def _readings(real: Floats, made: Floats) -> dict[str, Reading]:
    theirs, ours = gaps(real), gaps(made)
    readings: dict[str, Reading] = {}
    for kind in KINDS:
        excess = ours[kind] - theirs[kind]
        low, high = _interval(excess[1:])
        readings[f"{kind}_gap"] = Reading(float(ours[kind][0]), "boosted trees")
        readings[f"{kind}_gap_real"] = Reading(float(theirs[kind][0]), "boosted trees")
        readings[f"{kind}_excess"] = Reading(float(excess[0]), f"95 % interval {low:.3f} to {high:.3f}")
        readings[f"{kind}_excess_low"], readings[f"{kind}_excess_high"] = Reading(low), Reading(high)
    return readings


def _interval(excess: Floats) -> tuple[float, float]:
    known = excess[~np.isnan(excess)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _shares(train: pd.DataFrame, synthetic: pd.DataFrame, column: Column) -> Reading:
    count = len(THIRDS) if is_number(column) else len(column.categories)
    shares = []
    for table in (train, synthetic):
        numbers = _group_numbers(train, table, column)
        known = np.bincount(numbers[numbers >= 0], minlength=count)
        shares.append(known / max(1, known.sum()))
    return Reading(float(np.abs(shares[0] - shares[1]).max()))
