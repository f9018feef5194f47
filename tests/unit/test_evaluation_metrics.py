"""Metrics: every scale always has a score, hand-computed examples, and what each is for."""

import doctest
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import roc_auc_score

from synthtrail.data.schema import Column, Schema, infer
from synthtrail.evaluation import (
    canvas,
    expectations,
    features,
    fidelity,
    images,
    metric,
    nearest,
    privacy,
    registry,
    utility,
)
from synthtrail.evaluation.features import MOST_PLACES, Features
from synthtrail.evaluation.metric import Metric, Reading, Scale, Score, UnmeasurableError, generator


def iris() -> pd.DataFrame:
    table: pd.DataFrame = load_iris(as_frame=True).frame
    return table.assign(target=pd.Series([f"kind {i}" for i in table["target"]], dtype="str"))


def parts(table: pd.DataFrame, seed: int, *sizes: float) -> list[pd.DataFrame]:
    order = np.random.default_rng(seed).permutation(len(table))
    ends = (np.cumsum(sizes) * len(table)).astype(int)
    return [table.iloc[chosen].reset_index(drop=True) for chosen in np.split(order, ends)[: len(sizes)]]


def scores(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, target: str | None, seed: int = 0
) -> dict[str, Score]:
    schema = infer(train, target)
    return {
        score.name: score
        for one in registry.for_table(schema).values()
        for score in one.compute(train, holdout, synthetic, schema, generator(seed, one.name))
    }


def shuffled(table: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({name: table[name].to_numpy()[rng.permutation(len(table))] for name in table}).astype(
        table.dtypes.to_dict()
    )


@pytest.mark.parametrize(
    "module",
    [metric, features, nearest, fidelity, utility, privacy, expectations, images, canvas],
    ids=lambda m: m.__name__,
)
def test_the_examples_in_the_documentation_are_true(module: object) -> None:
    """Every docstring example of the module gives what it says."""
    names = {"np": np, "Reading": Reading, **vars(module)}
    result = doctest.testmod(module, extraglobs=names)  # type: ignore[arg-type]
    assert result.failed == 0


def odd_tables() -> dict[str, pd.DataFrame]:
    """Tables on which metrics are prone to give NaN, or nothing."""
    rng = np.random.default_rng(0)
    n = 60
    plain = pd.DataFrame({"x": rng.normal(size=n), "y": pd.Series(rng.choice(["a", "b"], n), dtype="str")})
    gaps = np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
    return {
        "constant column": plain.assign(c=1.0),
        "constant category": plain.assign(c=pd.Series(["k"] * n, dtype="str")),
        "empty column": plain.assign(c=np.nan),
        "missing values": plain.assign(c=gaps),
        "one column": plain[["y"]],
        "one class": plain.assign(y=pd.Series(["a"] * n, dtype="str")),
        "dates": plain.assign(d=pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 90, n), "D")),
        "same rows": plain.iloc[[0] * n].reset_index(drop=True),
        "few rows": plain.iloc[:9],
        "two rows": plain.iloc[:2],
        "numeric target": plain.assign(y=rng.normal(size=n)),
    }


@pytest.mark.parametrize("name", list(odd_tables()))
@pytest.mark.parametrize("target", ["y", None])
def test_no_score_vanishes(name: str, target: str | None) -> None:
    """Each declared scale has a score on every table: a finite value, or none and the reason in words."""
    table = odd_tables()[name]
    found = scores(table, table, table.copy(), target)
    declared = {s.name for m in registry.for_table(infer(table, target)).values() for s in m.scales}
    assert set(found) == declared
    for score in found.values():
        assert (score.value is None and len(score.note) > 10) or np.isfinite(score.value or 0.0)


def test_a_metric_that_breaks_its_declaration_is_an_error() -> None:
    """A measurement that leaves a scale out raises; one that says why it cannot measure gives a note."""
    scale = Scale("s", "S", "higher", "0", "1")

    def refuses(*_: object) -> dict[str, Reading]:
        raise UnmeasurableError("no rows")

    metric_of_none: Metric[int, None] = Metric("m", "fidelity", (scale,), refuses)
    score = metric_of_none.compute(1, 1, 1, None, generator(0, "m"))[0]
    assert (score.value, score.note) == (None, "no rows")
    with pytest.raises(RuntimeError, match="metric m"):
        replace(metric_of_none, measure=lambda *_: {}).compute(1, 1, 1, None, generator(0, "m"))


def test_shapes_are_the_hand_computed_ones() -> None:
    """KS and TV similarity of small samples; missing values do not count; nothing in common is 0."""
    gap = np.nan
    assert fidelity.shape_of_numbers(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, gap, 3, 9])) == 0.75
    assert fidelity.shape_of_numbers(np.array([1.0, 2.0]), np.array([5.0, 6.0])) == 0
    assert fidelity.shape_of_numbers(np.array([gap]), np.array([1.0])) == 0
    assert fidelity.shape_of_numbers(np.array([gap]), np.array([gap])) == 1
    assert fidelity.shape_of_codes(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])) == pytest.approx(0.75)
    assert fidelity.shape_of_codes(np.array([0, 0]), np.array([-1, -1])) == 0


def test_pair_trends_are_the_hand_computed_ones() -> None:
    """Opposite correlations score 0; a two-way table with half its mass moved scores 0.5; unknown categories count."""
    table = pd.DataFrame({"a": [0.0, 1, 2], "b": [0.0, 1, 2]})
    turned = table.assign(b=[2.0, 1, 0])
    schema = infer(table)
    assert fidelity.pair_trends(table, turned, schema)[("a", "b")] == pytest.approx(0)
    pairs = pd.DataFrame({"a": pd.Series(list("uuvv"), dtype="str"), "b": pd.Series(list("uuvv"), dtype="str")})
    moved = pairs.assign(b=pd.Series(list("uvvu"), dtype="str"))
    assert fidelity.pair_trends(pairs, moved, infer(pairs))[("a", "b")] == pytest.approx(0.5)
    odd = pairs.assign(b=pd.Series(list("zzzz"), dtype="str"))
    assert fidelity.pair_trends(pairs, odd, infer(pairs))[("a", "b")] == 0


def test_a_number_beside_a_category_is_binned_over_the_real_range() -> None:
    """Values beyond the real range fall into bins of their own; the greatest real value is inside."""
    table = pd.DataFrame({"x": [0.0, 10.0], "k": pd.Series(["a", "a"], dtype="str")})
    schema = infer(table)
    assert fidelity.pair_trends(table, table.assign(x=[0.5, 9.5]), schema)[("x", "k")] == 1
    assert fidelity.pair_trends(table, table.assign(x=[-0.5, 10.5]), schema)[("x", "k")] == 0


def test_shuffled_columns_keep_their_shapes_and_lose_their_trends() -> None:
    """Independent columns are told from joint ones: shapes stay exactly 1, trends, utility and detection fall."""
    train, holdout = parts(iris(), 0, 0.8, 0.2)
    same, mixed = scores(train, holdout, train, "target"), scores(train, holdout, shuffled(train), "target")
    assert mixed["shapes"].value == same["shapes"].value == same["trends"].value == 1
    assert (mixed["trends"].value or 1) < 0.75
    assert (mixed["utility_ratio"].value or 1) < 0.7


def test_detection_rises_for_shuffled_columns_and_not_for_copies() -> None:
    """A discriminator tells mixed-up rows from real ones, but not copies of the holdout, since twins share a fold."""
    train, holdout = parts(pd.concat([iris()] * 3), 0, 0.4, 0.6)
    copied, mixed = scores(train, holdout, holdout, "target"), scores(train, holdout, shuffled(train), "target")
    assert (copied["detection_auc"].value or 1) < 0.6
    assert (mixed["detection_auc"].value or 0) > 0.85


def test_folds_keep_equal_rows_together() -> None:
    """No row has its twin on the other side of a split, and both kinds are on both sides."""
    rng = np.random.default_rng(0)
    groups, kind = rng.integers(0, 30, 200), rng.integers(0, 2, 200)
    pairs = fidelity.folds(kind, groups, rng)
    assert len(pairs) == fidelity.FOLDS
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(200))
    assert all(not set(groups[fit]) & set(groups[test]) for fit, test in pairs)


def test_the_same_model_is_compared_on_both_sides() -> None:
    """The ratio is that of the model that is better on real rows, even where the other one's ratio is higher."""
    train, holdout = parts(iris(), 1, 0.8, 0.2)
    synthetic = train.assign(target=np.where(np.arange(len(train)) % 3 == 0, "kind 0", train["target"]))
    found = scores(train, holdout, synthetic.astype({"target": "str"}), "target")
    real, made = found["trtr_balanced_accuracy"], found["tstr_balanced_accuracy"]
    best = max(real.detail, key=lambda model: real.detail[model])
    assert real.value == real.detail[best]
    assert made.value == made.detail[best]
    assert found["utility_ratio"].value == pytest.approx(made.detail[best] / real.detail[best])


def test_synthetic_rows_of_one_class_are_a_guess() -> None:
    """Collapsed to one of three classes, a third of each is right by recall and the area is that of guessing."""
    train, holdout = parts(iris(), 0, 0.8, 0.2)
    found = scores(train, holdout, train.assign(target=pd.Series(["kind 0"] * len(train), dtype="str")), "target")
    assert found["tstr_balanced_accuracy"].value == pytest.approx(1 / 3)
    assert found["tstr_auroc"].value == 0.5


def test_auroc_agrees_with_scikit_learn() -> None:
    """One against the rest, mean over classes, ties counted half."""
    rng = np.random.default_rng(0)
    labels, odds = rng.integers(0, 3, 90), rng.integers(1, 5, (90, 3)).astype(float)
    shares = odds / odds.sum(axis=1, keepdims=True)
    assert utility.auroc(labels, shares) == pytest.approx(roc_auc_score(labels, shares, multi_class="ovr"))


def test_a_numeric_target_is_regressed() -> None:
    """R² of both sides; real rows copied have a ratio of exactly 1."""
    train, holdout = parts(iris().drop(columns="target"), 0, 0.8, 0.2)
    found = scores(train, holdout, train.copy(), "petal width (cm)")
    assert found["utility_ratio"].value == 1
    assert (found["trtr_r2"].value or 0) > 0.8


def test_copies_are_at_distance_zero() -> None:
    """The fast search rounds, but finds a copy far from the origin at 0; no point is its own neighbour."""
    points = np.random.default_rng(0).normal(1e3, 1e-2, (500, 8))
    distance, index = nearest.nearest(points[::-1], points)
    assert (distance == 0).all()
    assert (index == np.arange(500)[::-1]).all()
    apart, other = nearest.nearest(points, points, among_themselves=True)
    assert (apart > 0).all()
    assert (other != np.arange(500)).all()


def test_rows_far_from_all_prove_no_leak_and_copies_do() -> None:
    """Noise that all lies nearest to one training row is one witness; a tenth of jittered training rows are many."""
    rng = np.random.default_rng(0)
    members, others = rng.normal(size=(200, 5)), rng.normal(size=(200, 5))
    far = members[:1] * 50 + rng.normal(size=(100, 5)) * 0.01
    share, lower = privacy.closer_to_train(members, others, far, rng)
    assert share == 1.0
    assert lower < 0.5
    share, lower = privacy.closer_to_train(members, others, members + rng.normal(size=(200, 5)) * 0.01, rng)
    assert lower > 0.5


def test_the_attack_p_value_is_that_of_all_orders() -> None:
    """With 3 members and 2 non-members, the share of the 120 orders with at least as many hits is the p-value."""
    for members in permutations([1.0, 2.0, 3.0, 4.0, 5.0], 3):
        others = [x for x in (1.0, 2.0, 3.0, 4.0, 5.0) if x not in members]
        hits = sum(x < min(others) for x in members)
        orders = [sum(x < min(o[3:]) for x in o[:3]) >= hits for o in permutations([1.0, 2.0, 3.0, 4.0, 5.0])]
        assert privacy.attack(np.array(members), np.array(others)).p == pytest.approx(np.mean(orders))


def test_rows_are_equal_where_every_value_is() -> None:
    """Missing values equal each other; a different value in any column makes another row."""
    table = pd.DataFrame({"x": [1.0, np.nan, np.nan, 1.0], "k": pd.Series(["a", None, None, "b"], dtype="str")})
    number = features.rows(table, infer(table))
    assert number[1] == number[2]
    assert len(set(number)) == 3


def test_each_metric_and_each_seed_has_numbers_of_its_own() -> None:
    """Generators differ by seed and by name, so that a metric more or less changes no other; equal ones are equal."""
    drawn = {(seed, name): generator(seed, name).random() for seed in (0, 1) for name in ("a", "b")}
    assert len(set(drawn.values())) == 4
    assert generator(1, "b").random() == drawn[(1, "b")]


def test_the_same_seed_gives_the_same_scores() -> None:
    """Every value, note and part is the same again, and no global generator is touched."""
    train, holdout = parts(iris(), 0, 0.8, 0.2)
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    first, again = (scores(train, holdout, shuffled(train), "target", seed=7) for _ in range(2))
    assert first == again
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


def test_even_edges_are_numpys_and_more() -> None:
    """The same edges, also where all values are one; and edges for numbers too near to each other for numpy."""
    values = np.random.default_rng(0).normal(size=99)
    for one in (values, np.ones(3), np.array([0.0])):
        assert features.even_edges(one, 10).tolist() == np.histogram_bin_edges(one, 10).tolist()
    assert len(features.even_edges(4e15 + np.arange(5.0), 20)) == 21


def test_a_column_of_many_levels_takes_few_columns() -> None:
    """50,000 categories would need gigabytes; unlike ones still lie 1 apart, missing ones in a place of their own."""
    table = pd.DataFrame({"code": pd.Series([*(f"{i:05}" for i in range(50_000)), None], dtype="str")})
    column = Column("code", "category", "str", tuple(table["code"][:-1]), missing_rate=0.1)
    dense = Features.fit(table, Schema((column,))).dense(table)
    assert dense.shape == (50_001, MOST_PLACES + 1)
    assert np.allclose((dense**2).sum(1), 0.5)
    assert np.linalg.norm(dense[0] - dense[1]) == pytest.approx(1)
    assert dense[-1].argmax() == MOST_PLACES
    assert dense[:-1, MOST_PLACES].sum() == 0
