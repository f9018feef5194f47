"""Do synthetic subjects give away who was in the training data? A subject with all rows counts as one record.

A subject is laid out as one vector: of each table the mean of its rows (`features`, as learnt: spans, no dates) and how
many there are. On these vectors run the attack, the distances and the gate of `privacy`; a **copy** is a subject all of
whose rows equal those of a training subject.

*Runs.* A generator may hand on no subject whole and yet repeat what happened to one: so each `RUN` rows that follow one
another below a parent are looked up, by their levels alone, among the training subjects' runs. Fresh real subjects
repeat runs too (standard orders); their share stands beside.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.columns import Column
from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.unrolled import Flat, unroll
from synthtrail.evaluation import privacy
from synthtrail.evaluation.features import Features, codes, is_number, rows
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flats = Mapping[str, Flat]

RUN = 5  # rows


def measure(
    train: Relations, holdout: Relations, synthetic: Relations, schema: RelationalSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the readings of `privacy` for subjects."""
    sides = [unroll(side, schema) for side in (train, holdout, synthetic)]
    scales = {name: Features.fit(sides[0][name].rows, table) for name, table in schema.learned.items() if table.columns}
    members, others, made = (vectors(side, scales, schema, sides[0]) for side in sides)
    kept = [_some(len(side), rng) for side in (members, others)]
    return privacy.readings(members[kept[0]], others[kept[1]], made, identities(sides, schema), rng)


def vectors(flats: Flats, scales: Mapping[str, Features], schema: RelationalSchema, train: Flats) -> Floats:
    """Return a vector for each subject (N, D)."""
    subjects = len(flats[schema.root])
    parts = []
    for name, flat in flats.items():
        counts = np.bincount(flat.root, minlength=subjects).astype(np.float64)
        seen = np.bincount(train[name].root, minlength=len(train[schema.root]))
        if name != schema.root:
            parts.append(((counts - seen.mean()) / (seen.std() or 1.0))[:, None])
        if name in scales:
            dense = scales[name].dense(flat.rows)
            summed = np.zeros((subjects, dense.shape[1]))
            np.add.at(summed, flat.root, dense)
            parts.append(summed / np.maximum(counts, 1)[:, None])
    return np.hstack(parts)


def identities(sides: list[dict[str, Flat]], schema: RelationalSchema) -> tuple[Ints, Ints, Ints]:
    """Return a number for each subject of each side: those of equal rows, in the same order, have equal numbers."""
    sizes = [len(side[schema.root]) for side in sides]
    starts = np.cumsum([0, *sizes])
    told: list[list[int]] = [[] for _ in range(starts[-1])]
    for at, name in enumerate(schema.told):
        if not schema.learned[name].columns:
            continue
        both = pd.concat([side[name].rows.astype(object) for side in sides], ignore_index=True)
        owner = np.concatenate([side[name].root + start for side, start in zip(sides, starts, strict=False)])
        for subject, row in zip(owner.tolist(), rows(both, schema.learned[name]).tolist(), strict=True):
            told[subject] += [at, row]
    known: dict[tuple[int, ...], int] = {}
    found = np.array([known.setdefault(tuple(one), len(known)) for one in told], dtype=np.int64)
    first, second, third = np.split(found, starts[1:-1])
    return first, second, third


def measure_runs(
    train: Relations, holdout: Relations, synthetic: Relations, schema: RelationalSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the share of runs that stand in a training subject, of synthetic and of fresh real ones."""
    del rng
    sides = [unroll(side, schema) for side in (train, holdout, synthetic)]
    made, fresh = {}, {}
    for link in schema.links:
        levels = [
            column for column in schema.learned[link.name] if not is_number(column) and len(column.categories) > 1
        ]
        if link.parent is None or not levels:
            continue
        seen, held, own = _numbered([_levels(side[link.name], levels) for side in sides], [s[link.name] for s in sides])
        if len(held) and len(own) and len(seen):
            made[link.name] = float(np.isin(own, seen).mean())
            fresh[link.name] = float(np.isin(held, seen).mean())
    if not made:
        raise UnmeasurableError(f"no table has {RUN} rows with levels below one parent on every side")
    least = max(made, key=lambda name: made[name] - fresh[name])
    note = f"in {least}, the table where most is repeated beyond the real share"
    return {"runs_copied": Reading(made[least], note, made), "runs_copied_holdout": Reading(fresh[least], note, fresh)}


def _levels(flat: Flat, levels: list[Column]) -> Ints:
    return np.column_stack([codes(flat.rows[column.name], column) for column in levels])


def _numbered(sides: list[Ints], flats: list[Flat]) -> list[Ints]:
    """Return a number for each run of rows below one parent; equal runs of all sides have equal numbers."""
    starts = np.cumsum([0, *map(len, sides)])
    whole = np.concatenate(sides)
    single = np.unique(whole, axis=0, return_inverse=True)[1].reshape(-1)
    windows = []
    for flat, start in zip(flats, starts, strict=False):
        last = np.flatnonzero(flat.place >= RUN - 1)
        windows.append(np.column_stack([single[start + last - back] for back in range(RUN)]))
    numbers = np.unique(np.concatenate(windows), axis=0, return_inverse=True)[1].reshape(-1)
    return np.split(numbers, np.cumsum([len(one) for one in windows])[:-1])


def _some(count: int, rng: np.random.Generator) -> Ints:
    return np.sort(rng.permutation(count)[: privacy.MOST_REAL])


RUNS = (
    Scale(
        "runs_copied", f"Runs of {RUN} rows that stand in a training subject", "lower", "1: all", "the holdout's own"
    ),
    Scale("runs_copied_holdout", "The same, of fresh real subjects", "middle", "1: all", "a given of the data"),
)
SUBJECTS = tuple(replace(scale, title=scale.title.replace("row", "subject")) for scale in privacy.SCALES)
METRICS: tuple[Metric[Relations, RelationalSchema], ...] = (
    Metric("privacy", "privacy", SUBJECTS, measure),
    Metric("runs", "privacy", RUNS, measure_runs),
)
