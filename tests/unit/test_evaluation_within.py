"""The guard of re-balancing: a relation that real rows do not have is found, clean rows are left in peace."""

import numpy as np
import pandas as pd
import pytest

from synthtrail.data.schema import Schema, infer
from synthtrail.evaluation import within
from synthtrail.evaluation.metric import Score, generator
from synthtrail.evaluation.verdict import Thresholds, decide

NAMES = ("invented", "class_shapes", "multiplied", "thin")


def patients(rows: int, seed: int, ill: float = 0.1) -> pd.DataFrame:
    """Return a table whose columns are related among the healthy and not among the ill."""
    rng = np.random.default_rng(seed)
    sick = rng.random(rows) < ill
    age = rng.normal(50, 10, rows)
    pressure = np.where(sick, rng.normal(150, 10, rows), 80 + age + rng.normal(0, 5, rows))
    ward = np.where(rng.random(rows) < 0.3, "east", "west")
    return pd.DataFrame(
        {
            "age": age.round(1),
            "pressure": pressure.round(1),
            "ward": ward,
            "weight": rng.normal(70, 9, rows).round(1),
            "outcome": np.where(sick, "ill", "well"),
        }
    )


@pytest.fixture(scope="module")
def train() -> pd.DataFrame:
    """Training rows, about 200 of them ill."""
    return patients(2000, 0)


@pytest.fixture(scope="module")
def schema(train: pd.DataFrame) -> Schema:
    """Their schema."""
    return infer(train, "outcome")


def scores(train: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, seed: int = 0) -> dict[str, Score]:
    """Return the scores by name."""
    (metric,) = within.METRICS
    found = metric.compute(train, train[:0], synthetic, schema, generator(seed, metric.name))
    assert tuple(score.name for score in found) == NAMES
    return {score.name: score for score in found}


def reasons(found: dict[str, Score]) -> list[str]:
    """Return what the verdict says of re-balancing."""
    verdict = decide(list(found.values()), Thresholds(quality_min=None), {})
    return [reason.text for reason in verdict.reasons if reason.level == "review" and "class" in reason.text]


@pytest.mark.parametrize("seed", range(5))
def test_clean_rows_are_left_in_peace(train: pd.DataFrame, schema: Schema, seed: int) -> None:
    """Fresh rows of the same kind, the rare class five times as frequent: nothing is invented, shapes stay."""
    found = scores(train, patients(1500, 100 + seed, ill=0.5), schema, seed)
    assert found["invented"].value == 0
    assert (found["class_shapes"].value or 0) < 0.03
    assert (found["multiplied"].value or 0) == pytest.approx(5, rel=0.25)
    assert found["thin"].value == 0
    assert reasons(found) == []


@pytest.mark.parametrize("how", ["numbers", "number and category", "sign"])
def test_an_invented_relation_is_found(train: pd.DataFrame, schema: Schema, how: str) -> None:
    """Planted in one class alone, in one pair, and named."""
    made = patients(1500, 7, ill=0.5)
    ill = made["outcome"] == "ill"
    if how == "numbers":
        made.loc[ill, "weight"] = (made.loc[ill, "age"] + 20).round(1)
    elif how == "sign":
        made.loc[~ill, "pressure"] = (180 - made.loc[~ill, "age"]).round(1)
    else:
        made.loc[ill, "ward"] = np.where(made.loc[ill, "weight"] > 75, "east", "west")
    pair = {"numbers": "ill: age and weight", "sign": "well: age and pressure"}.get(how, "ill: ward and weight")
    found = scores(train, made, schema)
    assert pair in found["invented"].detail
    assert pair in found["invented"].note
    assert any(pair in text for text in reasons(found))


def test_the_relation_of_another_class_is_no_excuse(train: pd.DataFrame, schema: Schema) -> None:
    """Rows of the rare class made like those of the frequent one show what only that one has."""
    made = patients(1500, 8, ill=0.0).assign(outcome=np.where(np.arange(1500) % 2, "ill", "well"))
    found = scores(train, made, schema)
    assert "ill: age and pressure" in found["invented"].detail
    assert (found["class_shapes"].value or 0) > 0.1


def test_a_class_of_few_rows_is_called_thin(schema: Schema) -> None:
    """A dozen rows multiplied to hundreds cannot be checked, which is said with both numbers."""
    rows = patients(3000, 3)
    few = pd.concat([rows[rows["outcome"] == "well"], rows[rows["outcome"] == "ill"][:12]])
    found = scores(few, patients(800, 4, ill=0.5), schema)
    assert found["thin"].value == 1
    assert "training rows" in found["thin"].note
    assert "from 12 training rows" in found["thin"].note
    assert any("from 12 training rows" in text for text in reasons(found))


def test_what_was_not_rebalanced_is_not_reviewed(train: pd.DataFrame, schema: Schema) -> None:
    """The verdict asks only where classes were enlarged; the figures stand in the report all the same."""
    made = patients(1500, 9)
    made["weight"] = (made["age"] + 20).round(1)
    found = scores(train, made, schema)
    assert (found["invented"].value or 0) > 0
    assert reasons(found) == []


def test_without_classes_nothing_is_measured() -> None:
    """A target of numbers has no classes: every score says so."""
    rows = patients(200, 0)
    found = scores(rows, rows, infer(rows, "weight"))
    assert {score.value for score in found.values()} == {None}
    assert all("classes" in score.note for score in found.values())


def test_a_column_that_is_hardly_ever_there_is_compared_without_complaint() -> None:
    """Of a handful of values a part may have one or none: no warning of a division reaches anybody."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=400), "ill": np.where(rng.random(400) < 0.5, "yes", "no")})
    table["rare"] = table["x"].mask(rng.random(400) < 0.98)
    found = scores(table, table.sample(frac=1, random_state=0), infer(table, "ill"))
    assert found["class_shapes"].value is not None
