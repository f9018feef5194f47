"""Where synthetic rows lie: the definitions computed the slow way, and what each figure is for."""

import doctest

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from synthtrail.data.schema import infer
from synthtrail.evaluation import manifold, nearest
from synthtrail.evaluation.metric import generator

Floats = NDArray[np.float64]


def slow(real: Floats, made: Floats, k: int) -> dict[str, float]:
    """The four figures from all distances, as their papers write them."""

    def apart(one: Floats, other: Floats) -> Floats:
        return np.asarray(np.linalg.norm(one[:, None] - other[None], axis=2))

    reach_real = np.sort(apart(real, real), axis=1)[:, k]
    reach_made = np.sort(apart(made, made), axis=1)[:, k]
    between = apart(real, made)
    inside = between <= reach_real[:, None]
    return {
        "precision": float(inside.any(axis=0).mean()),
        "recall": float((between <= reach_made[None, :]).any(axis=1).mean()),
        "density": float(inside.sum(axis=0).mean() / k),
        "coverage": float(inside.any(axis=1).mean()),
    }


def test_the_examples_in_the_documentation_are_true() -> None:
    """Every docstring example gives what it says."""
    for module in (manifold, nearest):
        assert doctest.testmod(module, extraglobs={"np": np, **vars(module)}).failed == 0


def test_the_figures_are_those_of_the_definitions() -> None:
    """Two clouds of 150 and 120 points in four dimensions, k = 3."""
    rng = np.random.default_rng(0)
    real, made = rng.normal(size=(150, 4)), rng.normal(0.5, 1.3, size=(120, 4))
    assert manifold.balls(real, made, 3) == pytest.approx(slow(real, made, 3))


def test_a_fresh_sample_reaches_what_can_be_reached() -> None:
    """Rows of the same distribution: all near 1, and beta-recall near one half."""
    rng = np.random.default_rng(1)
    real, made = rng.normal(size=(2, 1500, 3))
    found = manifold.balls(real, made)
    assert min(found.values()) > 0.9
    assert manifold.alpha_precision(real, made) > 0.95
    assert manifold.beta_recall(real, made) == pytest.approx(0.5, abs=0.04)


def test_a_mode_left_out_costs_recall_and_strays_cost_precision() -> None:
    """Half of the real rows have no synthetic row near; then half of the synthetic rows lie where nobody is."""
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + 30
    missing = manifold.balls(np.vstack([left, right]), rng.normal(size=(800, 2)))
    assert missing["precision"] > 0.95
    assert missing["recall"] < 0.55
    assert missing["coverage"] < 0.55
    strays = manifold.balls(left, np.vstack([rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + 30]))
    assert strays["precision"] < 0.55
    assert strays["recall"] > 0.9


def test_rows_crowded_in_the_middle_cost_alpha_precision() -> None:
    """Every synthetic row is typical, and none rare: precision stays, the layers do not."""
    rng = np.random.default_rng(3)
    real = rng.normal(size=(800, 3))
    crowd = rng.normal(size=(800, 3)) * 0.3
    assert manifold.balls(real, crowd)["precision"] > 0.99
    assert manifold.alpha_precision(real, crowd) < 0.3


def test_few_rows_are_said_and_not_measured() -> None:
    """With five rows a side there are no five neighbours; every scale says so."""
    table = pd.DataFrame({"x": np.arange(30.0), "y": np.arange(30) % 3})
    (metric,) = manifold.METRICS
    scores = metric.compute(table, table[:5], table, infer(table), generator(0, "manifold"))
    assert [score.value for score in scores] == [None] * 6
    assert "more than 5" in scores[0].note


def test_distances_to_several_points_are_in_order_and_exclude_oneself() -> None:
    """Against all distances sorted; twins are at distance 0; fewer points give fewer columns."""
    rng = np.random.default_rng(4)
    points = rng.normal(size=(200, 5))
    points[7] = points[3]
    whole = np.sort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)
    assert nearest.several(points, points, 4, among_themselves=True) == pytest.approx(whole[:, 1:5], abs=1e-6)
    assert nearest.several(points, points, 2, among_themselves=True)[7, 0] == pytest.approx(0, abs=1e-6)
    assert nearest.several(points[:3], points[:2], 5).shape == (3, 2)
    assert nearest.several(points[:1], points[:1], 3, among_themselves=True).shape == (1, 0)
