"""Do the synthetic rows give away who was in the training data? The gate, and what stands beside it.

*Membership inference.* An attacker holds some real rows, members (training rows) and non-members (holdout rows), and
says "member" of those that lie unusually near to a synthetic row. Unusually near is relative (calibrated by difficulty:
Watson et al. 2022, arXiv 2111.08440). Beside the distance d to the nearest synthetic row stands how lonely the row is,
r: its mean distance to the 3 nearest other real rows at hand and to the 2nd and 3rd nearest synthetic rows.

    suspicion   (d + e) / (r + e) / (min(r, 2 m) + e), small where suspicious; m the median of r, e = 0.3 m

The room e keeps hits by chance from drowning leaks: where rows crowd, some real row always lies a thousandth from a
synthetic one, which a leaked row that was jittered does not. The last factor counts a near hit on a lonely row for
more, since chance seldom produces it. Both were chosen by simulation (docs/adr/0020-benchmark-of-tables.md).

What counts is how many members are found while hardly any non-member is accused (Carlini et al. 2022, arXiv
2112.03570):

    accused   those with a suspicion below that of all non-members but k; k = 0.1 % of the non-members, rounded down
    tpr       the members among them / members; upper bound one-sided, 95 %, Clopper-Pearson
    p         the chance of that many if membership made no difference: all orders of the rows equally likely, exactly

    1,000 non-members, 4,000 members: k = 1; 3 members accused: tpr .00075, upper bound .0019 <= .005: the gate passes

The bound can only be established with 1,000 non-members (for k = 1) and 598 members (for none accused to suffice).

*Copies.* Rows that equal a training row, beside the holdout's own rate of equalling one: real people can be alike.
Whether copies follow from training is asked of the real rows: are training rows reproduced more often than holdout
rows?

*Closer to train.* Share of synthetic rows that lie nearer to a training row than to a holdout row, equal numbers of
both; 0.5 if the generator has only learnt what the holdout shows as well. *DCR*: the median distance to the closest
training row, over the holdout's own. Distances show gross copying only (arXiv 2505.01524), so they stand beside the
gate.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta, fisher_exact, hypergeom, norm, rankdata

from synthtrail.data.schema import Schema
from synthtrail.evaluation.features import Features, rows
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError
from synthtrail.evaluation.nearest import nearest, several

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FALSE_POSITIVES = 0.001
LEVEL = 0.95  # of the upper bound that a release must keep
SURE = 0.999  # of the lower bounds by which a release is refused: fresh real rows must not be
GATE = 0.005
NON_MEMBERS_NEEDED = round(1 / FALSE_POSITIVES)
MEMBERS_NEEDED = math.ceil(math.log(1 - LEVEL) / math.log(1 - GATE))
MOST_REAL = (
    5_000  # members and non-members each; the synthetic rows are all looked at, since a leak may be a few of them
)
NEIGHBOURS, ROOM, CREDIT = 3, 0.3, 2.0  # of `suspicion`
MOST_MADE = 100_000  # synthetic rows whose distances are taken; exact copies are looked for among all
REPEATS = 8  # draws of as many training rows as there are holdout rows

SCALES = (
    Scale("mia_tpr_upper", "Members found at 0.1 % false alarms, upper 95 % bound", "lower", "1: all found", "0: none"),
    Scale("mia_tpr", "Members found at 0.1 % false alarms", "lower", "1: all found", "0.001: chance"),
    Scale("mia_p", "Chance of so many if nothing leaked", "higher", "0: a leak beyond doubt", "1: no sign of one"),
    Scale("mia_auc", "Membership inference, area under the ROC curve", "middle", "1: all known", "0.5: guessing"),
    Scale("mia_auc_lower", "The same, lower 99.9 % bound", "lower", "1: all known", "0.5 or less: guessing"),
    Scale("copies", "Synthetic rows that equal a training row", "lower", "1: all copied", "the holdout's own rate"),
    Scale("copies_holdout", "Holdout rows that equal a training row", "middle", "1: all", "a given of the data"),
    Scale("copies_p", "Chance of so many copies if nothing leaked", "higher", "0: copied beyond doubt", "1: no sign"),
    Scale("closer_to_train", "Synthetic rows nearer to training than to holdout", "middle", "1: all", "0.5: half"),
    Scale("closer_lower", "The same, lower 99.9 % bound", "lower", "1: all", "0.5 or less: no difference"),
    Scale("dcr_ratio", "Distance to the closest training row, over the holdout's", "middle", "0: copies", "1: as new"),
)  # fmt: skip


@dataclass(frozen=True)
class Attack:
    """What the membership attack found; see the module docstring for the words."""

    tpr: float
    upper: float
    p: float
    auc: float
    auc_lower: float


def measure(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the readings for tables; distances in the space of `Features.dense`."""
    features = Features.fit(train, schema)
    sample = [table.iloc[_some(len(table), rng)] for table in (train, holdout)]
    looked_at = synthetic
    if len(synthetic) > MOST_MADE:
        looked_at = synthetic.iloc[np.sort(rng.permutation(len(synthetic))[:MOST_MADE])]
    identity = rows([train, holdout, synthetic], schema)
    parts = np.split(identity, [len(train), len(train) + len(holdout)])
    matrices = [features.dense(table) for table in (*sample, looked_at)]
    return readings(matrices[0], matrices[1], matrices[2], (parts[0], parts[1], parts[2]), rng)


def readings(
    members: Floats, others: Floats, synthetic: Floats, identity: tuple[Ints, Ints, Ints], rng: np.random.Generator
) -> dict[str, Reading]:
    """Return every reading from encoded rows (N, D), (M, D), (S, D) and the row numbers of all three tables."""
    if min(len(members), len(others), len(synthetic)) < 2:
        raise UnmeasurableError("needs at least two rows each of training, holdout and synthetic data")
    found = attack(*calibrated(members, others, synthetic))
    closer, closer_lower = closer_to_train(members, others, synthetic, rng)
    copied, own, copies_p = copies(*identity)
    return {
        "mia_tpr_upper": Reading(found.upper, shortfall(len(members), len(others))),
        "mia_tpr": Reading(found.tpr),
        "mia_p": Reading(found.p),
        "mia_auc": Reading(found.auc),
        "mia_auc_lower": Reading(found.auc_lower),
        "copies": Reading(copied),
        "copies_holdout": Reading(own),
        "copies_p": Reading(copies_p),
        "closer_to_train": Reading(closer),
        "closer_lower": Reading(closer_lower),
        "dcr_ratio": dcr_ratio(members, others, synthetic),
    }


def shortfall(members: int, others: int) -> str:
    """Return why the gate's bound cannot be established with so many rows, or nothing if it can."""
    if members >= MEMBERS_NEEDED and others >= NON_MEMBERS_NEEDED:
        return ""
    return (
        f"to show that an attack finds at most {GATE:.1%} of the training rows at {FALSE_POSITIVES:.1%} false alarms "
        f"takes at least {NON_MEMBERS_NEEDED:,} holdout and {MEMBERS_NEEDED} training rows; "
        f"there are {others:,} and {members:,}"
    )


def calibrated(members: Floats, others: Floats, synthetic: Floats) -> tuple[Floats, Floats]:
    """Return the attack's suspicion of members (N,) and non-members (M,); the smaller, the likelier a leak.

    The real rows that it is calibrated by are both kinds together, so that it treats the kinds alike.
    """
    pool = np.vstack([members, others])
    near = several(pool, synthetic, NEIGHBOURS)
    found = suspicion(near, several(pool, pool, NEIGHBOURS, among_themselves=True))
    return found[: len(members)], found[len(members) :]


def suspicion(synthetic: Floats, real: Floats) -> Floats:
    """Return the suspicion of rows (N,) from their distances to the nearest synthetic rows (N, K) and real ones.

    >>> suspicion(np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]]), np.ones((2, 3))).round(3)
    array([0.178, 0.769])
    """
    lonely = np.hstack([real, synthetic[:, 1:]]).mean(axis=1)
    middle = float(np.median(lonely)) or float(lonely.mean()) or 1.0
    room = ROOM * middle
    near = (synthetic[:, 0] + room) / (lonely + room)
    return np.asarray(near * middle / (np.minimum(lonely, CREDIT * middle) + room))


def attack(members: Floats, others: Floats) -> Attack:
    """Return how well a small suspicion tells members (N,) from non-members (M,).

    >>> found = attack(np.array([0.1, 0.2, 0.9]), np.array([0.8, 1.0]))
    >>> round(found.tpr, 3), round(found.p, 3), round(found.auc, 3)
    (0.667, 0.3, 0.833)
    """
    n, m = len(members), len(others)
    allowed = int(FALSE_POSITIVES * m)
    hits = int((members < np.sort(others)[allowed]).sum())
    upper = 1.0 if hits == n else float(beta.ppf(LEVEL, hits + 1, n - hits))
    # Of the first hits + allowed rows in order of suspicion, at most `allowed` are non-members.
    p = float(hypergeom.cdf(allowed, n + m, m, hits + allowed))
    auc = 1.0 - float((rankdata(np.concatenate([members, others]))[:n].sum() - n * (n + 1) / 2) / (n * m))
    return Attack(hits / n, upper, p, auc, auc - float(norm.ppf(SURE)) * _auc_error(auc, n, m))


def copies(train: Ints, holdout: Ints, synthetic: Ints) -> tuple[float, float, float]:
    """Return the share of synthetic rows that equal a training row, the holdout's share, and the chance of a leak's
    lack.

    Arguments are row numbers as of `features.rows`. The chance is the greater of two one-sided Fisher tests:
    synthetic rows equal training rows no more often than holdout rows do; training rows are reproduced no more often
    than holdout rows.

    >>> copies(np.arange(4), np.array([0, 7, 8, 9]), np.array([0, 20, 21, 22]))[:2]
    (0.25, 0.25)
    """
    made, own = np.isin(synthetic, train), np.isin(holdout, train)
    again, by_chance = np.isin(train, synthetic), np.isin(holdout, synthetic)
    p = max(_more_often(made, own), _more_often(again, by_chance))
    return float(made.mean()), float(own.mean()), p


def closer_to_train(
    members: Floats, others: Floats, synthetic: Floats, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the share of synthetic rows nearer to a member than to a non-member, and its lower bound; ties count half.

    Equal numbers of both kinds, the mean over `REPEATS` draws. Rows near to the same real row are one witness and not
    many, so the error is that of clusters; and it is the one that holds if nothing leaked, each cluster falling to
    either kind by a coin. So bland images that all lie nearest to one training image prove nothing.
    """
    size = min(len(members), len(others))
    repeats = 1 if size == len(members) == len(others) or len(synthetic) * size > 5_000_000 else REPEATS
    draws = [_closer(_draw(members, size, rng), _draw(others, size, rng), synthetic) for _ in range(repeats)]
    share, error = np.mean(draws, axis=0)
    return float(share), float(share - norm.ppf(SURE) * error)


def dcr_ratio(members: Floats, others: Floats, synthetic: Floats) -> Reading:
    """Return the synthetic rows' median distance to the closest member over the non-members' own."""
    distances = [np.median(nearest(side, members)[0]) for side in (synthetic, others)]
    detail = {"synthetic": float(distances[0]), "holdout": float(distances[1])}
    if distances[1] == 0:
        return Reading(None, "most holdout rows equal a training row, so distances say nothing", detail)
    return Reading(float(distances[0] / distances[1]), "", detail)


def _some(count: int, rng: np.random.Generator) -> Ints:
    return np.sort(rng.permutation(count)[:MOST_REAL])


def _draw(points: Floats, size: int, rng: np.random.Generator) -> Floats:
    return points if len(points) == size else points[rng.choice(len(points), size, replace=False)]


def _closer(members: Floats, others: Floats, synthetic: Floats) -> tuple[float, float]:
    to_members, nearest_member = nearest(synthetic, members)
    to_others, nearest_other = nearest(synthetic, others)
    nearer = np.where(to_members < to_others, 1.0, np.where(to_members == to_others, 0.5, 0.0))
    cluster = np.where(nearer > 0, nearest_member, len(members) + nearest_other)
    sizes = np.bincount(cluster).astype(np.float64)
    return float(nearer.mean()), float(np.sqrt((sizes**2).sum()) / 2 / len(synthetic))


def _auc_error(auc: float, n: int, m: int) -> float:
    """Standard error of an area under the ROC curve (Hanley and McNeil 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n - 1) * (q1 - auc**2) + (m - 1) * (q2 - auc**2)
    return math.sqrt(max(variance, 0.0) / (n * m))


def _more_often(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    table = np.array([[one.sum(), (~one).sum()], [other.sum(), (~other).sum()]])
    return float(fisher_exact(table, alternative="greater").pvalue)


METRICS: tuple[Metric[pd.DataFrame, Schema], ...] = (Metric("privacy", "privacy", SCALES, measure, whole=True),)
