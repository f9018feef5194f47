"""How small a leak does the privacy gate catch, and how often does it cry wolf?

    python benchmarks/tables.py --gate

Half of Adult's training rows are the members, its holdout rows the non-members. A base generator, which learnt from
the other half, makes as many rows as there are members; then members are planted among them, jittered, and the gate of
a user's report looks at all. A leak is caught if the gate does not pass: the upper bound of the attack's true-positive
rate is above .005, so that the verdict is `review` or `refuse`; `refused` counts those beyond doubt alone.

    jitter     numbers get normal noise of this share of their standard deviation, on their grid; a share of the
               categories is drawn anew from the column
    clean      nothing planted, and the base learnt from rows that are neither members nor non-members: every alarm is
               false. As members and non-members are then alike, the chance of one is known exactly (`false_alarm`)

A repetition draws which members leak, their jitter, and which 5,000 of each kind the gate looks at. Distances to the
base's own rows are found once; planted rows can only come nearer.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track
from scipy.stats import beta, nhypergeom

from synthtrail.data.codec import TableCodec
from synthtrail.evaluation import privacy
from synthtrail.evaluation.features import Features, is_number
from synthtrail.evaluation.nearest import several
from synthtrail.evaluation.verdict import Thresholds
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from synthtrail.storage.files import write_text
from tabular.data import Part, divided

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BASES = ("independent", "cart")
LEAKS = (0.003, 0.01, 0.03)
POOLS, REPEATS, CLEAN = 10, 10, 30  # draws of the rows looked at, of planted rows for each; draws with nothing planted
SPLIT = 0  # the attack was designed on split 1
SURE = 0.9  # the power that is asked for


@dataclass(frozen=True)
class Jitter:
    """How planted rows are changed: noise of numbers in standard deviations, share of categories drawn anew."""

    name: str
    noise: float
    redrawn: float


JITTERS = (Jitter("light", 0.02, 0.0), Jitter("medium", 0.1, 0.0), Jitter("heavy", 0.1, 0.1))


@dataclass(frozen=True)
class Caught:
    """How often the gate did not pass, of how many repetitions, and how often it refused."""

    base: str
    jitter: str
    leak: float
    caught: int
    refused: int
    of: int

    @property
    def power(self) -> tuple[float, float, float]:
        """The share caught with its 95 % bounds (Clopper-Pearson)."""
        return share(self.caught, self.of)


@dataclass(frozen=True)
class Pool:
    """The rows that the gate looks at, members first, their distances to the nearest others and to the base's own."""

    members: Ints
    rows: Floats
    to_real: Floats
    to_base: Floats


def study(path: Path, ends: float | None) -> int:
    """Run what is not in `path` yet, a line a base; stop before a base when the time is over."""
    kept = {str(line["base"]): line for line in read(path)}
    for base in (*BASES, "clean"):
        if base in kept or (ends is not None and time.monotonic() > ends):
            continue
        found = list(of_clean() if base == "clean" else of_base(base))
        kept[base] = {"base": base, "found": [asdict(one) for one in found]}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "".join(json.dumps(kept[name], sort_keys=True) + "\n" for name in sorted(kept)))
        for one in found:
            print(f"{one.base:12} {one.jitter:7} {one.leak:6.1%}  caught {one.caught}/{one.of}  refused {one.refused}")
    print(f"clean, exactly: {false_alarm(privacy.MOST_REAL, privacy.MOST_REAL):.4f}", file=sys.stderr)
    return 0


def read(path: Path) -> list[dict[str, object]]:
    """Return the kept lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def results(path: Path) -> list[Caught]:
    """Return everything found so far."""
    lines: list[dict[str, list[dict[str, object]]]] = read(path)  # type: ignore[assignment]
    return [Caught(**one) for line in lines for one in line["found"]]  # type: ignore[arg-type]


def smallest(found: list[Caught], base: str, jitter: str) -> float | None:
    """Return the smallest leak from which on every larger one is caught with the power asked for."""
    ordered = sorted((one for one in found if (one.base, one.jitter) == (base, jitter)), key=lambda one: -one.leak)
    least = None
    for one in ordered:
        if one.power[0] < SURE:
            break
        least = one.leak
    return least


def share(count: int, of: int) -> tuple[float, float, float]:
    """Return count / of with its 95 % bounds.

    >>> [round(value, 3) for value in share(9, 10)]
    [0.9, 0.555, 0.997]
    """
    low = 0.0 if count == 0 else float(beta.ppf(0.025, count, of - count + 1))
    high = 1.0 if count == of else float(beta.ppf(0.975, count + 1, of - count))
    return count / of, low, high


def false_alarm(members: int, others: int) -> float:
    """Return the chance that the gate does not pass although members and non-members are alike.

    The members below the lowest ratio of the non-members but k follow a negative hypergeometric distribution, whatever
    the distances are.

    >>> round(false_alarm(5000, 5000), 3)
    0.008
    """
    allowed = int(privacy.FALSE_POSITIVES * others)
    most = max(
        (hits for hits in range(members) if beta.ppf(privacy.LEVEL, hits + 1, members - hits) <= privacy.GATE),
        default=-1,
    )
    return float(nhypergeom(members + others, members, allowed + 1).sf(most))


def of_base(base: str) -> Iterator[Caught]:
    """Yield what is caught of leaks into rows of one generator that learnt from other rows."""
    learnt, part = halves()
    made = rows_of(base, learnt)
    features = Features.fit(part.train, part.schema)
    made_rows = features.dense(made)
    caught, refused = Counter[tuple[str, float]](), Counter[tuple[str, float]]()
    for number in track(range(POOLS), base, disable=not sys.stderr.isatty()):
        rng = np.random.default_rng([number, 11])
        pool = pool_of(part, features, made_rows, rng)
        for jitter, leak, _ in product(JITTERS, LEAKS, range(REPEATS)):
            planted = features.dense(jittered(part, round(leak * len(made)), jitter, rng))
            sounds, refuses = looked_at(pool, planted)
            caught[jitter.name, leak] += sounds
            refused[jitter.name, leak] += refuses
    for jitter, leak in product(JITTERS, LEAKS):
        key = (jitter.name, leak)
        yield Caught(base, jitter.name, leak, caught[key], refused[key], POOLS * REPEATS)


def of_clean() -> Iterator[Caught]:
    """Yield the false alarms on generators that learnt from other rows; one training, many draws of who is a member."""
    learnt, part = halves()
    both = pd.concat([part.train, part.holdout], ignore_index=True)
    features = Features.fit(both, part.schema)
    matrix = features.dense(both)
    for base in BASES:
        near = several(matrix, features.dense(rows_of(base, learnt)), privacy.NEIGHBOURS)
        rng = np.random.default_rng(12)
        alarms = [clean_alarm(matrix, near, rng) for _ in range(CLEAN)]
        yield Caught("clean", base, 0.0, sum(a for a, _ in alarms), sum(r for _, r in alarms), len(alarms))


def clean_alarm(rows: Floats, near: Floats, rng: np.random.Generator) -> tuple[bool, bool]:
    """Return whether the gate sounds, or refuses, for members and non-members drawn at random from the same rows."""
    size = privacy.MOST_REAL
    some = rng.permutation(len(rows))[: 2 * size]
    to_real = several(rows[some], rows[some], privacy.NEIGHBOURS, among_themselves=True)
    return decided(privacy.suspicion(near[some], to_real), size)


def halves() -> tuple[Part, Part]:
    """Return what a base generator learns from, and the members and non-members, who are other people."""
    part = divided("adult", SPLIT)
    order = np.random.default_rng(12).permutation(len(part.train))
    learnt, rest = (part.train.iloc[some].reset_index(drop=True) for some in np.array_split(order, 2))
    return replace(part, train=learnt), replace(part, train=rest)


def rows_of(base: str, part: Part) -> pd.DataFrame:
    """Return as many rows as training rows, made by a generator of the registry."""
    model = registry.create(base, {})
    model.fit(part.train, TableCodec.fit(part.train, part.schema, 100), Training(0, progress=False))
    made: pd.DataFrame = pd.concat(list(model.sample(len(part.train), seed=0)), ignore_index=True)
    return made


def pool_of(part: Part, features: Features, made: Floats, rng: np.random.Generator) -> Pool:
    """Draw the rows that the gate looks at, and find their distances."""
    members = rng.permutation(len(part.train))[: privacy.MOST_REAL]
    others = rng.permutation(len(part.holdout))[: privacy.MOST_REAL]
    rows = np.vstack([features.dense(part.train.iloc[members]), features.dense(part.holdout.iloc[others])])
    to_real = several(rows, rows, privacy.NEIGHBOURS, among_themselves=True)
    return Pool(members, rows, to_real, several(rows, made, privacy.NEIGHBOURS))


def jittered(part: Part, count: int, jitter: Jitter, rng: np.random.Generator) -> pd.DataFrame:
    """Return `count` members, changed as the jitter says."""
    train = part.train
    chosen = train.iloc[rng.permutation(len(train))[:count]].reset_index(drop=True)
    changed = {}
    for column in part.schema:
        values = chosen[column.name]
        if is_number(column):
            moved = values + rng.normal(size=count) * jitter.noise * float(train[column.name].std())
            changed[column.name] = moved.round() if column.kind == "integer" else moved
        else:
            fresh = train[column.name].to_numpy()[rng.integers(len(train), size=count)]
            changed[column.name] = values.where(rng.random(count) >= jitter.redrawn, pd.Series(fresh))
    return pd.DataFrame(changed)


def looked_at(pool: Pool, planted: Floats) -> tuple[bool, bool]:
    """Return whether the gate sounds, or refuses, when `planted` rows (P, D) lie among the base's."""
    to_planted = several(pool.rows, planted, privacy.NEIGHBOURS)
    near = np.sort(np.hstack([pool.to_base, to_planted]), axis=1)[:, : privacy.NEIGHBOURS]
    return decided(privacy.suspicion(near, pool.to_real), len(pool.members))


def decided(found: Floats, members: int) -> tuple[bool, bool]:
    """Return whether the gate does not pass, and whether it refuses, from suspicions (N,) with the members' first."""
    told = privacy.attack(found[:members], found[members:])
    marks = Thresholds()
    return told.upper > marks.mia_tpr_max, told.p < marks.leak_p and told.tpr > marks.mia_tpr_max
