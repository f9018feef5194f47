"""The verdict: leaks are refused, fresh real rows never, small tables reviewed, and the reasons are words."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris

from synthtrail.data.schema import infer
from synthtrail.evaluation import privacy
from synthtrail.evaluation.metric import Score, generator
from synthtrail.evaluation.verdict import Thresholds, Verdict, decide

HOLDS: dict[str, Any] = {"evaluated": 1, "results": [{"success": True, "type": "t", "column": None, "kwargs": {}}]}


def named(**values: float | None) -> list[Score]:
    """Scores of a sound, large table, with some values replaced."""
    sound: dict[str, float | None] = {
        "mia_tpr_upper": 0.002, "mia_tpr": 0.001, "mia_p": 0.5, "mia_auc": 0.5, "mia_auc_lower": 0.48, "copies": 0.0,
        "copies_holdout": 0.0, "copies_p": 1.0, "closer_to_train": 0.5, "closer_lower": 0.45, "dcr_ratio": 1.0,
    }  # fmt: skip
    return [Score("privacy", scale, {**sound, **values}[scale.name]) for scale in privacy.SCALES]


def table_of(name: str) -> pd.DataFrame:
    table: pd.DataFrame = {"iris": load_iris, "breast_cancer": load_breast_cancer}[name](as_frame=True).frame
    return table


def judge(train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame) -> Verdict:
    schema = infer(train)
    scores = privacy.METRICS[0].compute(train, holdout, synthetic, schema, generator(0, "privacy"))
    return decide(scores, Thresholds(), HOLDS)


def split(table: pd.DataFrame, seed: int, holdout: float) -> list[pd.DataFrame]:
    order = np.random.default_rng(seed).permutation(len(table))
    size, held = int(0.45 * len(table)), int(holdout * len(table))
    return [table.iloc[rows] for rows in np.split(order, [size, size + held])]


def test_a_sound_large_table_passes() -> None:
    """All thresholds met: pass, and the reason names the bound."""
    verdict = decide(named(), Thresholds(), HOLDS)
    assert verdict.level == "pass"
    assert "At most 0.20% of training rows" in verdict.reasons[0].text


@pytest.mark.parametrize(
    ("values", "level", "words"),
    [
        ({"copies": 0.3, "copies_p": 1e-9}, "refuse", "30.0% of the synthetic rows equal a training row"),
        ({"copies": 0.3, "copies_holdout": 0.3, "copies_p": 0.5}, "pass", "At most"),
        ({"mia_auc_lower": 0.56}, "refuse", "at least 0.56, where 0.5 is guessing"),
        ({"closer_lower": 0.7}, "refuse", "At least 70% of the synthetic rows lie nearer"),
        ({"mia_tpr": 0.02, "mia_tpr_upper": 0.03, "mia_p": 1e-6}, "refuse", "finds 2.0% of the training rows"),
        ({"mia_tpr": 0.004, "mia_tpr_upper": 0.006, "mia_p": 1e-6}, "review", "Up to 0.60% of training rows"),
        ({"mia_tpr": 0.006, "mia_tpr_upper": 0.01, "mia_p": 0.2}, "review", "Up to 1.00% of training rows"),
        ({"mia_tpr_upper": None}, "review", "privacy gate could not be measured"),
    ],
)
def test_one_fault_gives_its_level_and_its_reason(values: dict[str, float | None], level: str, words: str) -> None:
    """Each fault alone decides, and the first reason says what was found."""
    verdict = decide(named(**values), Thresholds(), HOLDS)
    assert verdict.level == level
    assert words in verdict.reasons[0].text


def test_nothing_measured_is_refused() -> None:
    """No scores, or none with a value, is no pass."""
    assert decide([], Thresholds(), HOLDS).level == "refuse"
    empty = [Score("privacy", scale, None, "no rows") for scale in privacy.SCALES]
    assert decide(empty, Thresholds(), HOLDS).level == "refuse"


def test_a_threshold_without_its_score_asks_for_review() -> None:
    """What was asked for but not measured is not passed over."""
    verdict = decide(named(), Thresholds(utility_min=0.9), HOLDS)
    assert verdict.level == "review"
    assert "utility_ratio was to be at least 0.9" in verdict.reasons[0].text


def test_the_utility_threshold_applies_to_the_score_that_is_named() -> None:
    """Below the least that was asked for: refuse; the name can be changed."""
    assert decide(named(), Thresholds(utility_min=0.9, utility_score="dcr_ratio"), HOLDS).level == "pass"
    assert decide(named(), Thresholds(utility_min=1.1, utility_score="dcr_ratio"), HOLDS).level == "refuse"


@pytest.mark.parametrize(
    ("kind", "level"),
    [("expect_column_values_to_be_between", "review"), ("expect_column_values_to_be_of_type", "refuse")],
)
def test_a_broken_rule_is_reviewed_and_a_broken_structure_refused(kind: str, level: str) -> None:
    """A value out of range is for a person to judge; a wrong type is not the table that was asked for."""
    rule = {"success": False, "type": kind, "column": "age", "kwargs": {"min_value": 1, "max_value": 2, "type_": "str"}}
    verdict = decide(named(), Thresholds(), {"evaluated": 3, "results": [rule]})
    assert verdict.level == level
    assert "1 of 3 expectations do not hold (age: " in verdict.reasons[0].text
    assert decide(named(), Thresholds(), {}).level == "review"


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
def test_copied_rows_are_refused(name: str) -> None:
    """Rows of the training data, shuffled, or blurred by a hundredth of their spread, are a leak."""
    train, holdout, _ = split(table_of(name), 0, 0.1)
    copied = judge(train, holdout, train.sample(frac=1, random_state=0))
    assert copied.level == "refuse"
    assert "equal a training row" in copied.reasons[0].text
    noise = np.random.default_rng(0).normal(0, 0.01, train.shape) * train.std().to_numpy()
    assert judge(train, holdout, train.astype(float) + noise).level == "refuse"


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
def test_fresh_real_rows_are_never_refused(name: str) -> None:
    """Over 25 draws, rows that the training never saw are reviewed (too few to establish a bound), not refused."""
    levels = {judge(*split(table_of(name), seed, 0.1)).level for seed in range(25)}
    assert levels == {"review"}


def test_a_small_table_is_told_how_many_rows_it_would_take() -> None:
    """The reason says what is needed and what there is, in words."""
    verdict = judge(*split(table_of("iris"), 0, 0.2))
    text = verdict.reasons[0].text
    assert text.startswith("Too few rows to establish privacy")
    assert "at least 1,000 holdout and 598 training rows; there are 30 and 67" in text


def test_a_large_table_can_pass_the_gate_and_a_leak_in_it_is_found() -> None:
    """With enough rows, fresh rows pass; with one training row in fifty nearly copied, the attack finds them."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(8000, 6)), columns=list("abcdef"))
    train, holdout, fresh = table[:3000], table[3000:6000], table[6000:]
    assert judge(train, holdout, fresh).level == "pass"
    leaked = pd.concat([fresh[60:], train[:60] + rng.normal(0, 0.001, (60, 6))])
    verdict = judge(train, holdout, leaked)
    assert verdict.level == "refuse"
    assert "An attack finds 1.8% of the training rows" in verdict.reasons[0].text


def test_a_generator_that_repeats_common_rows_has_not_copied() -> None:
    """In a table of few different rows, equal rows are the data's own: no leak, however many there are."""
    rng = np.random.default_rng(0)
    coin = pd.DataFrame({name: pd.Series(rng.choice(["a", "b"], 600, p=[0.8, 0.2]), dtype="str") for name in "xyz"})
    common = coin[:200].iloc[[0] * 200]
    verdict = judge(coin[:400], coin[400:], common)
    assert not any("equal a training row" in reason.text for reason in verdict.reasons)
