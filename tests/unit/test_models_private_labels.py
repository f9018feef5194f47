"""The target of private rows: a logistic model that agrees with counts, is not fooled twice, and gives way to pairs."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from synthtrail.data.schema import infer
from synthtrail.models import private_labels
from synthtrail.models.private_labels import Labels, filled, fit
from tests.unit.test_models_private import fitted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rows(count: int) -> dict[int, Ints]:
    """Return codes of two columns that go together."""
    rng = np.random.default_rng(1)
    one = rng.integers(0, 4, count)
    return {0: one, 2: np.where(rng.random(count) < 0.7, one, rng.integers(0, 3, count)).clip(0, 2)}


def truth(classes: int) -> Labels:
    """Return a model of these columns."""
    return Labels({0: 4, 2: 3}, np.random.default_rng(2).normal(0, 1, (8, classes)))


def counted(codes: dict[int, Ints], share: Floats) -> dict[int, Floats]:
    """Return the expected counts of each column with the target."""
    return {
        i: np.stack([np.bincount(own, column, size) for column in share.T])
        for (i, own), size in zip(codes.items(), (4, 3), strict=True)
    }


@pytest.mark.parametrize("classes", [2, 3])
def test_the_model_that_agrees_with_exact_counts_is_the_truth(classes: int) -> None:
    """Weights may be shared out in another way; what they say of every row comes back."""
    codes, model = rows(20_000), truth(classes)
    share = model.probabilities(codes)
    found = fit(codes, counted(codes, share), deviation=1.0)
    assert found is not None
    assert np.abs(found.probabilities(codes) - share).max() < 0.03


def test_noise_draws_towards_knowing_nothing() -> None:
    """With noise as large as the table classes are told as often as they occur, not by what the noise says."""
    codes, model = rows(2_000), truth(2)
    counts = {i: count + 300 for i, count in counted(codes, model.probabilities(codes)).items()}
    counts[0][1, 0] += 20_000
    loud = fit(codes, counts, deviation=20_000.0)
    assert loud is not None
    share = loud.probabilities(codes)[:, 1]
    assert share.max() - share.min() < 0.3
    sure = fit(codes, counted(codes, model.probabilities(codes)), deviation=1.0)
    assert sure is not None
    assert np.ptp(sure.probabilities(codes)[:, 1]) > 0.3


def test_the_derivative_is_that_of_the_expected_counts() -> None:
    """By small steps in each weight."""
    codes, model = rows(7_000), truth(3)  # more than are looked at together
    expected, information = model.moments(codes, 2.0)
    for flat in range(0, 24, 5):
        moved = model.weights.copy()
        moved[flat % 8, flat // 8] += 1e-2
        other, _ = Labels(model.sizes, moved).moments(codes, 2.0)
        assert np.allclose((other - expected).T.ravel() / 1e-2, information[:, flat], atol=0.02 * information.max())


def test_rows_are_those_that_got_the_class() -> None:
    """Each row asked for has its class, as often as asked; a class that never comes is left open."""
    rng, asked = np.random.default_rng(0), np.array([1, 0, 0, 1, 1, 0] * 500)
    sure = Labels({3: 2}, np.array([[9.0, -9.0], [-9.0, 9.0], [0.0, 0.0]]))
    found = filled(asked, lambda count: {3: rng.integers(0, 2, count)}, sure, rng)
    assert (found[3] == asked).all()
    never = filled(asked, lambda count: {3: np.zeros(count, dtype=np.int64)}, sure, rng)
    assert (never[3] == np.where(asked == 0, 0, -1)).all()


def test_columns_that_say_the_same_count_once() -> None:
    """Of a copied column the class is told as surely as of one, though nobody may have counted the pair."""
    rng = np.random.default_rng(3)
    one = rng.integers(0, 3, 20_000)
    data = pd.DataFrame({"one": one, "copy": one, "y": np.where(rng.random(20_000) < (one + 1) / 4, "b", "a")})
    made = next(fitted(data, infer(data, "y"), {"epsilon": 4.0, "components": 100}).sample(20_000))
    for code in range(3):
        share = (made.loc[(made["one"] == code) & (made["copy"] == code), "y"] == "b").mean()
        assert share == pytest.approx((code + 1) / 4, abs=0.05)


def test_what_only_pairs_say_stays_with_the_mixture() -> None:
    """Of a target that is the parity of two columns an additive model knows nothing, and is not used."""
    rng = np.random.default_rng(4)
    one, other = rng.integers(0, 2, (2, 20_000))
    data = pd.DataFrame({"one": one, "other": other, "y": np.where(one ^ other, "odd", "even")})
    model = fitted(data, infer(data, "y"), {"epsilon": 4.0, "components": 100})
    assert model.labels is None
    made = next(model.sample(5_000))
    assert ((made["one"] ^ made["other"] == 1) == (made["y"] == "odd")).mean() > 0.95


def test_too_many_weights_leave_the_mixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the model would be too large to be solved for there is none, nor of one class or no column."""
    codes = rows(100)
    counts = counted(codes, truth(2).probabilities(codes))
    monkeypatch.setattr(private_labels, "MOST_WEIGHTS", 15)
    assert fit(codes, counts, 1.0) is None
    assert fit(codes, {i: count[:1] for i, count in counts.items()}, 1.0) is None
    assert fit(codes, {}, 1.0) is None


def test_a_number_is_told_by_its_coarse_codes() -> None:
    """A number as target has as many classes as coarse codes, and is drawn from them."""
    rng = np.random.default_rng(5)
    one = rng.integers(0, 4, 8_000)
    data = pd.DataFrame(
        {"one": one, "two": rng.integers(0, 3, 8_000), "y": one * 10 + rng.normal(0, 1, 8_000).round(2)}
    )
    model = fitted(data, infer(data, "y"), {"epsilon": 10.0, "components": 100, "bins": 8})
    assert model.labels is not None
    made = next(model.sample(4_000))
    assert np.corrcoef(made["one"], made["y"])[0, 1] > 0.9
