"""Pass, review or refuse: one verdict from the scores, with every reason in plain words.

    refuse   something is wrong beyond doubt: a leak, a utility below the least that was asked for, columns that differ
    review   a person must decide: too few rows to establish a bound, a figure past its mark, a broken rule
    pass     everything that was asked for was measured and holds

The thresholds, by name (`params.yaml` gives the first two, the rest are the project's; `None` switches one off):

    utility_min     least value of the score that `utility_score` names (as it stands `utility_ratio`, TSTR over TRTR in
                    balanced accuracy or R², same model on both sides); below it: refuse
    accuracy_min    least accuracy on the real holdout when trained on synthetic rows only; below it: refuse
    quality_min     least mean of column shapes and pair trends; below it: review
    distinct_min    least share of synthetic images that are unlike every other one; below it: refuse
    mia_tpr_max     the gate: greatest upper 95 % bound of the attack's true-positive rate at 0.1 % false positives;
                    too few rows to establish it: review; above it: review, or refuse if significantly so
    leak_p          a leak is significant if its chance without one is below this
    mia_auc_max     greatest lower 99.9 % bound of the attack's area under the ROC curve; above it: refuse
    closer_max      greatest lower 99.9 % bound of the share nearer to training than to holdout rows; above it: refuse
    multiplied      if a class was enlarged so many times or more (see `within`), relations that were invented within a
                    class, and enlarged classes too small to check, ask for review
    gap_max         greatest gap between groups of the columns named by `sensitive`, selection and odds, beyond that of
                    real data (see `fairness`): the whole interval above it: refuse; partly: review

Nothing measured is no pass: without a score the verdict is refuse; a threshold whose score is missing asks for review.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from synthtrail.evaluation.expectations import words
from synthtrail.evaluation.metric import Score

Level = Literal["pass", "review", "refuse"]

STRUCTURE = frozenset({"expect_table_columns_to_match_ordered_list", "expect_column_values_to_be_of_type"})


@dataclass(frozen=True)
class Thresholds:
    """The marks that decide; see the module docstring."""

    utility_min: float | None = None
    accuracy_min: float | None = None
    utility_score: str = "utility_ratio"
    quality_min: float | None = 0.75
    distinct_min: float | None = 0.9
    mia_tpr_max: float = 0.005
    leak_p: float = 0.001
    mia_auc_max: float = 0.55
    closer_max: float = 0.55
    multiplied: float = 1.5
    gap_max: float | None = None


@dataclass(frozen=True)
class Reason:
    """One finding that bears on the verdict."""

    level: Level
    text: str


@dataclass(frozen=True)
class Verdict:
    """The level, which is the worst of the reasons', and the reasons, worst first."""

    level: Level
    reasons: tuple[Reason, ...]


def decide(scores: Sequence[Score], thresholds: Thresholds, expectations: Mapping[str, Any]) -> Verdict:
    """Return the verdict on `scores` and on the result of the expectation suite."""
    known = {score.name: score for score in scores}
    if not any(score.value is not None for score in scores):
        return Verdict("refuse", (Reason("refuse", "Nothing could be measured."),))
    found = [*_leaks(known, thresholds), *_gate(known, thresholds), *_least(known, thresholds)]
    found += [*_rebalanced(known, thresholds), *_unfair(scores, thresholds), *_rules(expectations)]
    order: tuple[Level, ...] = ("refuse", "review", "pass")
    ranked = sorted(found, key=lambda reason: order.index(reason.level))
    return Verdict(ranked[0].level, tuple(ranked))


def _leaks(known: Mapping[str, Score], marks: Thresholds) -> Iterator[Reason]:
    share, p = _value(known, "copies"), _value(known, "copies_p")
    if share is not None and p is not None and p < marks.leak_p:
        own = _value(known, "copies_holdout") or 0.0
        yield Reason(
            "refuse", f"{share:.1%} of the synthetic rows equal a training row; of fresh real rows {own:.1%} do."
        )
    auc = _value(known, "mia_auc_lower")
    if auc is not None and auc > marks.mia_auc_max:
        yield Reason(
            "refuse",
            f"Training rows can be recognised: area under the curve at least {auc:.2f}, where 0.5 is guessing.",
        )
    closer = _value(known, "closer_lower")
    if closer is not None and closer > marks.closer_max:
        yield Reason(
            "refuse", f"At least {closer:.0%} of the synthetic rows lie nearer to training than to fresh real rows."
        )


def _gate(known: Mapping[str, Score], marks: Thresholds) -> Iterator[Reason]:
    score = known.get("mia_tpr_upper")
    tpr, p = _value(known, "mia_tpr"), _value(known, "mia_p")
    if score is None or score.value is None or tpr is None or p is None:
        why = score.note if score else "not among the metrics"
        yield Reason("review", f"The privacy gate could not be measured: {why}.")
    elif p < marks.leak_p and tpr > marks.mia_tpr_max:
        yield Reason(
            "refuse",
            f"An attack finds {tpr:.1%} of the training rows while accusing at most 0.1% of others: far beyond chance.",
        )
    elif score.note:
        yield Reason("review", f"Too few rows to establish privacy: {score.note}. This attack found no sign of a leak.")
    elif score.value > marks.mia_tpr_max:
        yield Reason(
            "review",
            f"Up to {score.value:.2%} of training rows may be found at 0.1% false alarms, not {marks.mia_tpr_max:.1%}.",
        )
    else:
        yield Reason(
            "pass", f"At most {score.value:.2%} of training rows can be found at 0.1% false alarms (95% bound)."
        )


def _least(known: Mapping[str, Score], marks: Thresholds) -> Iterator[Reason]:
    wanted: tuple[tuple[str, float | None, Level], ...] = (
        (marks.utility_score, marks.utility_min, "refuse"),
        ("tstr_accuracy", marks.accuracy_min, "refuse"),
        ("quality", marks.quality_min if "quality" in known else None, "review"),
        ("distinct", marks.distinct_min if "distinct" in known else None, "refuse"),
    )
    for name, least, level in wanted:
        if least is not None:
            yield _at_least(known.get(name), name, least, level)


def _rebalanced(known: Mapping[str, Score], marks: Thresholds) -> Iterator[Reason]:
    times = _value(known, "multiplied")
    if times is None or times < marks.multiplied:
        return
    if _value(known, "thin"):
        yield Reason("review", f"A class was enlarged that has too few training rows to check: {known['thin'].note}.")
    if pairs := _value(known, "invented"):
        told = f"{pairs:g} relation{'s' if pairs > 1 else ''} between columns within a class that training rows lack"
        yield Reason("review", f"Classes were enlarged, and show {told}: {known['invented'].note}.")


def _unfair(scores: Sequence[Score], marks: Thresholds) -> Iterator[Reason]:
    """Judge each gap between groups by the interval of its excess over that of real data."""
    most = marks.gap_max
    values = {score.name: score.value for score in scores}
    for score in scores if most is not None else ():
        if score.aspect != "fairness" or not score.name.endswith("_excess") or most is None:
            continue
        low, high = values.get(f"{score.name}_low"), values.get(f"{score.name}_high")
        if score.value is None or low is None or high is None:
            yield Reason("review", f"{score.scale.title} was to be at most {most:g}, but could not be measured.")
            continue
        level: Level = "refuse" if low > most else "pass" if high <= most else "review"
        told = f"{score.value:.3f} ({low:.3f} to {high:.3f}); at most {most:g} was asked for"
        yield Reason(level, f"{score.scale.title} is {told}.")


def _at_least(score: Score | None, name: str, least: float, level: Level) -> Reason:
    if score is None:
        return Reason("review", f"{name} was to be at least {least:g}, but is not among the scores of these data.")
    if score.value is None:
        return Reason(
            "review", f"{score.scale.title} was to be at least {least:g}, but could not be measured: {score.note}."
        )
    if score.value < least:
        return Reason(level, f"{score.scale.title} is {score.value:.3f}; at least {least:g} was asked for.")
    return Reason("pass", f"{score.scale.title} is {score.value:.3f}; at least {least:g} was asked for.")


def _rules(expectations: Mapping[str, Any]) -> Iterator[Reason]:
    results, total = expectations.get("results", ()), expectations.get("evaluated", 0)
    broken = [result for result in results if not result["success"]]
    if not results:
        yield Reason("review", "No expectation was checked.")
    elif not broken:
        yield Reason("pass", f"All {total} expectations hold.")
    else:
        level: Level = "refuse" if any(result["type"] in STRUCTURE for result in broken) else "review"
        named = "; ".join(f"{result['column'] or 'table'}: {words(result)}" for result in broken[:3])
        more = f"; and {len(broken) - 3} more" if len(broken) > 3 else ""
        yield Reason(level, f"{len(broken)} of {total} expectations do not hold ({named}{more}).")


def _value(known: Mapping[str, Score], name: str) -> float | None:
    return known[name].value if name in known else None
