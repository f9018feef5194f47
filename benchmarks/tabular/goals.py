"""The goals of issue 5 for tables, each with what was measured of it and whether it is met.

A goal is met only where its interval (paired over splits, Nadeau-Bengio) says so; with the sign right but the interval
across the mark it is `not shown`; of a single split there is no more than the sign, and without one it is not measured.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tabular.data import TABLES
from tabular.intervals import Interval
from tabular.summary import Findings

GATE = 0.005
NETWORK = "vae"  # our best network: fixed, not the best of a table's outer splits, which chance would choose
SMALL_TABLES = ("breast_cancer", "diabetes", "adult_1000", "digits")
PAIRS = {"shapes": 1, "trends": 1, "useful": 1, "detection_auc": -1, "coverage": 1}  # 1: higher is better
NAMES = {"detection_auc": "detection", "useful": "TSTR"}


@dataclass(frozen=True)
class Goal:
    """One goal on one table: what was asked, what was found, and the verdict in words."""

    asked: str
    table: str
    found: str
    verdict: str


@dataclass(frozen=True)
class Race:
    """One of ours against a peer on one table: the difference and the verdict of each measure, and what both cost."""

    one: str
    other: str
    table: str
    gaps: Mapping[str, Interval]
    seconds: tuple[float | None, float | None]

    @property
    def run(self) -> bool:
        """Whether both were run on a split."""
        return any(gap.splits for gap in self.gaps.values())

    def verdict(self, measure: str) -> str:
        """Return whether the goal is met in one measure."""
        gap = self.gaps[measure]
        return judged(gap if PAIRS[measure] > 0 else turned(gap), 0.0)


def races(found: Findings) -> Iterator[Race]:
    """Yield every pair that is to be compared in all measures: the GAN, the best network, and the private generator."""
    for table in TABLES:
        yield race(found, table, "wgan_gp", "ctgan")
        yield race(found, table, "wgan_gp", "tvae")
        yield race(found, table, NETWORK, "mostly_ai")
    for one in ("private_tree", "private_vae", "private_masked"):
        yield race(found, "adult", one, "aim")


def race(found: Findings, table: str, one: str, other: str) -> Race:
    """Return one pair's differences."""
    gaps = {name: found.difference(table, one, other, measure_of(table, name)) for name in PAIRS}
    costs = (found.mean(table, one, "fit_cpu_s"), found.mean(table, other, "fit_cpu_s"))
    return Race(one, other, table, gaps, costs)


def single_goals(found: Findings) -> Iterator[Goal]:
    """Yield the goals that are no race: beside CART, on small tables, and in fairness."""
    for table in ("adult", "support2"):
        yield from beside_cart(found, table)
    for table in SMALL_TABLES:
        yield from below_two_thousand(found, table)
    yield fairness(found)


def measure_of(table: str, name: str) -> str:
    """Return the metric that a short name means on a table."""
    models = {"useful": "trees", "linear": "linear"}
    if name not in models:
        return name
    return f"{'tstr_r2' if table == 'diabetes' else 'tstr_auroc'}.{models[name]}"


def beside_cart(found: Findings, table: str) -> Iterator[Goal]:
    """Yield whether our best network keeps up with CART: TSTR within .005, detection within .03, better privacy."""
    useful = found.difference(table, NETWORK, "cart", measure_of(table, "useful"))
    detection = found.difference(table, NETWORK, "cart", "detection_auc")
    yield Goal(f"{NETWORK} against cart: TSTR within .005", table, told(useful), judged(useful, -0.005))
    yield Goal(
        f"{NETWORK} against cart: detection within .03", table, told(detection), judged(turned(detection), -0.03)
    )
    yield gate_of(found, table, NETWORK, f"{NETWORK}: the gate passes")


def below_two_thousand(found: Findings, table: str) -> Iterator[Goal]:
    """Yield whether CART's usefulness is reached on a small table, within .005, by a generator that passes the gate."""
    useful = found.difference(table, NETWORK, "cart", measure_of(table, "useful"))
    yield Goal(
        f"below 2,000 rows, {NETWORK} against cart: TSTR within .005", table, told(useful), judged(useful, -0.005)
    )
    for name in (NETWORK, "wgan_gp", "cart"):
        yield gate_of(found, table, name, f"below 2,000 rows, {name}: the gate passes")


def gate_of(found: Findings, table: str, name: str, asked: str) -> Goal:
    """Return whether the privacy gate passes over all splits together."""
    pooled = found.pooled(table, name)
    if pooled is None:
        return Goal(asked, table, "", "not measured")
    said = f"{name}: {pooled.found} of {pooled.members:,} members found, upper bound {pooled.upper:.4f}"
    if not pooled.enough:
        return Goal(asked, table, said, f"not shown: {pooled.others:,} non-members, 1,000 are needed")
    alone = ", one split" if found.runs(table, name)[0] < 2 else ""
    return Goal(asked, table, said, ("met" if pooled.upper <= GATE and not pooled.at_least else "NOT met") + alone)


def fairness(found: Findings) -> Goal:
    """Return whether the gap between the sexes stays at most .03 above that of real rows, for the private generator."""
    asked = "private_tree: gap between the sexes at most real + .03"
    sides = ("selection_gap_synthetic", "selection_gap_real")
    made, real = (found.by_split("adult", "private_tree", side) for side in sides)
    if not made:
        return Goal(asked, "adult", "", "not measured")
    gap = max(made[split] - real[split] for split in made)
    said = f"greatest of {len(made)} splits: {gap:+.3f}"
    return Goal(asked, "adult", said, "met" if gap <= 0.03 else "NOT met")


def judged(better: Interval, least: float) -> str:
    """Return the verdict on a difference that is better where higher and has to be above `least`."""
    if better.splits < 1:
        return "not measured"
    if better.splits < 2:
        return "ahead, one split" if better.mean > least else "NOT met, one split"
    if better.low > least:
        return "met"
    return "not shown" if better.mean > least else "NOT met"


def turned(gap: Interval) -> Interval:
    """Return the interval of the negative difference."""
    return Interval(-gap.mean, -gap.high, -gap.low, gap.splits)


def told(gap: Interval) -> str:
    """Return a difference in words."""
    if gap.splits == 0:
        return ""
    if gap.splits == 1:
        return f"{gap.mean:+.3f} (1 split)"
    return f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] ({gap.splits} splits)"
