"""Fairness: gaps between groups of a model trained on synthetic rows, beyond those of one trained on real rows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthtrail.data.schema import infer
from synthtrail.evaluation import fairness
from synthtrail.evaluation.fairness import gaps, metrics, rates
from synthtrail.evaluation.metric import Score, generator
from synthtrail.evaluation.verdict import Thresholds, decide
from synthtrail.params import ParamsError, parse
from synthtrail.stages.plan import judged

HELD: dict[str, Any] = {"evaluated": 1, "results": [{"success": True, "type": "x", "column": ""}]}
BLOCK = {"source": "a.csv", "licence": "l", "legal_basis": "b", "retention": "P1Y"}


def table(rows: int, seed: int, lean: float = 0.0, third: int = 0) -> pd.DataFrame:
    """Return rows in which `skill` decides the outcome, and being of group m adds `lean` to it."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], rows).astype(object)
    sex[:third] = "x"
    skill = rng.normal(0, 1, rows)
    good = skill + lean * (sex == "m") + rng.normal(0, 0.3, rows) > 0.3
    return pd.DataFrame(
        {"sex": sex, "skill": skill, "age": rng.normal(40, 9, rows), "hired": np.where(good, "yes", "no")}
    )


def scores(train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, column: str) -> dict[str, Score]:
    """Return the scores of one column by the part of their names that tells them apart."""
    metric = metrics([column])[0]
    found = metric.compute(train, holdout, synthetic, infer(train, "hired"), generator(0, metric.name))
    start = fairness.prefix(column)
    return {score.name.removeprefix(f"{start}_"): score for score in found}


def test_rates_and_gaps_are_those_of_the_definitions() -> None:
    """By hand: group 0 is decided for 30 of 40 times, group 1 for 10 of 40, with their true and false positives."""
    decided = np.array([[[[8.0, 12], [2, 18]], [[18, 2], [12, 8]]]])
    selection, true, false = rates(decided)[:, 0, :, 1]
    assert selection.tolist() == [0.75, 0.25]
    assert true.tolist() == [0.9, 0.4]
    assert false.tolist() == [0.6, 0.1]
    assert gaps(decided)["selection"].tolist() == [0.5]
    assert gaps(decided)["odds"].tolist() == [0.5]


def test_rates_over_a_few_rows_say_nothing() -> None:
    """A group with nine positives has no true-positive rate, and then there is none to compare it with."""
    decided = np.array([[[[50.0, 50], [4, 5]], [[50, 50], [50, 50]]]])
    assert np.isnan(rates(decided)[1, 0, 0, 1])
    assert gaps(decided)["odds"].tolist() == [0.0]  # false positives alone


def test_rows_that_favour_a_group_are_found() -> None:
    """The excess is about the injected gap, its interval excludes none; clean rows have next to none."""
    train, holdout = table(4000, 1), table(2000, 2)
    biased, clean = (
        scores(train, holdout, table(4000, 3, lean=0.6), "sex"),
        scores(train, holdout, table(4000, 3), "sex"),
    )
    for kind in fairness.KINDS:
        value, low = biased[f"{kind}_excess"].value, biased[f"{kind}_excess_low"].value
        assert value is not None
        assert low is not None
        assert value > low > 0.1
        assert abs(clean[f"{kind}_excess"].value or 0) < 0.05
        assert (clean[f"{kind}_excess_high"].value or 0) < 0.1
    assert biased["selection_gap"].detail["m"] > biased["selection_gap"].detail["f"] + 0.15
    assert (clean["share_gap"].value or 0) < 0.05


def test_the_interval_holds_the_excess_of_a_larger_holdout() -> None:
    """On 20 holdouts of 500 rows, the intervals of 95 % hold what 20,000 rows show, but for a few."""
    train, made = table(3000, 1), table(3000, 3, lean=0.3)
    truth = scores(train, table(20_000, 99), made, "sex")["selection_excess"].value or 0
    found = [scores(train, table(500, seed), made, "sex") for seed in range(4, 16)]
    held = sum(
        (one["selection_excess_low"].value or 0) <= truth <= (one["selection_excess_high"].value or 0) for one in found
    )
    assert held >= 9


def test_small_groups_are_left_out_and_not_named() -> None:
    """Of a group of 20 rows nothing is shown."""
    train, holdout = table(2000, 1, third=60), table(1000, 2, third=20)
    found = scores(train, holdout, table(2000, 3, third=60), "sex")
    assert "x" not in found["selection_gap"].detail
    assert "1 groups of fewer than 30" in found["selection_gap"].note


def test_a_number_tells_thirds_apart() -> None:
    """And no value of it is shown."""
    found = scores(table(1500, 1), table(600, 2), table(1500, 3), "age")
    assert set(found["selection_gap"].detail) == set(fairness.THIRDS)


@pytest.mark.parametrize(("column", "said"), [("hired", "none beside them"), ("race", "not among those")])
def test_what_cannot_be_compared_says_why(column: str, said: str) -> None:
    """Every score is there, without a value."""
    found = scores(table(300, 1), table(200, 2), table(300, 3), column)
    assert len(found) == 11
    assert all(score.value is None and said in score.note for score in found.values())


@pytest.mark.parametrize(
    ("excess", "level"), [((0.0, -0.02, 0.02), "pass"), ((0.02, -0.01, 0.05), "review"), ((0.2, 0.1, 0.3), "refuse")]
)
def test_the_threshold_is_judged_by_the_interval(excess: tuple[float, float, float], level: str) -> None:
    """All of it below passes, all above is refused, and what is open asks for a person."""
    names = ("fair_sex_selection_excess", "fair_sex_selection_excess_low", "fair_sex_selection_excess_high")
    scale = metrics(["sex"])[0].scales
    known = {one.name: one for one in scale}
    found = [Score("fairness", known[name], value) for name, value in zip(names, excess, strict=True)]
    reasons = decide(found, Thresholds(gap_max=0.03), HELD).reasons
    assert [reason.level for reason in reasons if "Selection rate" in reason.text] == [level]
    assert not [reason for reason in decide(found, Thresholds(), HELD).reasons if "Selection rate" in reason.text]


def test_columns_are_named_in_the_experiment() -> None:
    """A list of names; without one, the plan of `validate` is as it was."""
    asked = parse("x", {**BLOCK, "validate": {"sensitive": ["sex"], "gap_max": 0.03}}).validate
    assert judged(asked)["sensitive"] == ["sex"]
    assert judged(asked)["thresholds"]["gap_max"] == 0.03
    assert "sensitive" not in judged(parse("x", BLOCK).validate)
    with pytest.raises(ParamsError, match=r"validate\.sensitive: expected a list of column names"):
        parse("x", {**BLOCK, "validate": {"sensitive": "sex"}})
