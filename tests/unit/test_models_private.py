"""Differential privacy: the budget is counted right, the noise is what was promised, and an attack finds no more.

The audit fits a model many times on two neighbouring tables and asks how well a threshold tells them apart: what an
(epsilon, delta) mechanism allows bounds that, so the attack's rates bound epsilon from below (Jagielski et al. 2020,
arXiv 2006.07709). It must stay under the promise, and must see through noise that is ten times too small.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, chisquare

from synthtrail.data import constraints
from synthtrail.data.asked import Asked
from synthtrail.data.codec import TableCodec
from synthtrail.data.columns import Column, Identifier, Schema
from synthtrail.data.schema import check, infer
from synthtrail.models import dp_noise, private_counts, private_estimate, private_rounds, registry
from synthtrail.models.dp_accounting import choice_epsilon, delta_of, epsilon_of, gaussian_variance, rho_of
from synthtrail.models.errors import ModelError
from synthtrail.models.private_domain import public_codec, public_schema
from synthtrail.models.private_estimate import joint
from synthtrail.models.private_rounds import Rounds, Size, roughly
from synthtrail.models.private_tree import PrivateTree
from synthtrail.models.synthesizer import Training
from synthtrail.params import ParamsError
from tests.unit.test_data_schema import mixed

QUIET = Training(seed=0, progress=False)
Floats = NDArray[np.float64]
noisy = private_counts.noisy


def fitted(data: pd.DataFrame, schema: Schema, settings: Mapping[str, Any] | None = None) -> PrivateTree:
    """Return a private model of the table."""
    model = PrivateTree(settings or {})
    model.fit(data, TableCodec.fit(data, schema), QUIET)
    return model


@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-9), (1.0, 1e-6), (4.0, 1e-5), (10.0, 1e-3)])
def test_the_budget_converts_there_and_back(epsilon: float, delta: float) -> None:
    """The rho of a guarantee gives that guarantee again, never a worse one."""
    rho = rho_of(epsilon, delta)
    assert epsilon * (1 - 1e-6) < epsilon_of(rho, delta) <= epsilon * (1 + 1e-9)
    assert delta_of(rho, epsilon) <= delta


@pytest.mark.parametrize("rho", [0.001, 0.02, 0.5])
def test_the_conversion_bounds_the_gaussian_mechanism(rho: float) -> None:
    """Its exact delta (Balle, Wang 2018, arXiv 1805.06530) is below the told one, but not by a factor of thirty."""
    mu = math.sqrt(2 * rho)

    def below(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    epsilon = epsilon_of(rho, 1e-6)
    exact = below(mu / 2 - epsilon / mu) - math.exp(epsilon) * below(-mu / 2 - epsilon / mu)
    assert 1e-6 / 30 < exact <= 1e-6


def test_what_is_rounded_is_rounded_to_the_safe_side() -> None:
    """Variances grow and choices get less of the budget; what is spent in all stays within it."""
    for rho in (1e-7, 0.00123, 0.3, 40.0):
        assert gaussian_variance(rho) >= Fraction(1) / (2 * Fraction(rho))
        assert choice_epsilon(rho) ** 2 / 8 <= Fraction(rho)
    assert sum(private_counts.SHARES.values()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("variance", [Fraction(1, 3), Fraction(9)])
def test_the_noise_is_the_discrete_gaussian(variance: Fraction) -> None:
    """4,000 draws agree with its probabilities (chi-square; wrong once in a million)."""
    drawn = np.array(dp_noise.discrete_gaussian(variance, 4000))
    reach = round(2 * math.sqrt(variance))
    values = np.arange(-50, 51)
    weights = np.exp(-(values**2) / (2 * float(variance)))
    shown = np.clip(values, -reach, reach)
    expected = np.array([weights[shown == v].sum() for v in range(-reach, reach + 1)]) / weights.sum() * len(drawn)
    found = np.array([(np.clip(drawn, -reach, reach) == v).sum() for v in range(-reach, reach + 1)])
    assert chisquare(found, expected).pvalue > 1e-6


def test_the_choice_is_the_exponential_mechanism() -> None:
    """4,000 choices agree with exp(epsilon / 2 * score) (chi-square; wrong once in a million)."""
    scores, epsilon = [0, -3, 2, 2], Fraction(3, 4)
    found = np.bincount([dp_noise.exponential_choice(scores, epsilon) for _ in range(4000)], minlength=4)
    weights = np.exp(float(epsilon) / 2 * np.array(scores))
    assert chisquare(found, weights / weights.sum() * 4000).pvalue > 1e-6


def test_no_variance_is_no_privacy() -> None:
    """Noise without a spread is refused, not drawn."""
    with pytest.raises(ValueError, match="a variance of 0 gives no privacy"):
        dp_noise.discrete_gaussian(Fraction(0), 1)


# The audit

FLAGS = tuple(Column(name, "boolean", "str", ("no", "yes")) for name in ("ill", "rich", "tall"))
TABLE = pd.DataFrame({column.name: ["no"] * 30 for column in FLAGS}, dtype="str")
CANARY = pd.DataFrame({column.name: ["yes"] for column in FLAGS}, dtype="str")
RHO = rho_of(1.0, 1e-6)
FITS = 200  # of each table, one half to choose the threshold


def seen(data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> float:
    """Return what the attacker makes of one fit: the likelihood ratio of the canary's cell in every noisy count.

    This is more than the model holds. The canary's values stand in the last cell, or are merged with the others' there.
    """
    counts: list[private_counts.Noisy] = []

    def spied(*given: Any) -> private_counts.Noisy:
        counts.append(noisy(*given))
        return counts[-1]

    monkeypatch.setattr(private_counts, "noisy", spied)
    private_counts.Counter(public_codec(Schema(FLAGS)), data, rho=RHO, bins=2).tree()
    assert len(counts) == 3 + 3 + 2  # columns, pairs with the target, edges
    return float(sum(count.counts.flat[-1] / count.deviation**2 for count in counts))


def found_epsilon(without: Floats, having: Floats) -> float:
    """Return the lower bound of epsilon that the attack proves, wrong once in a hundred; without delta."""
    half = len(without) // 2
    cuts = np.unique(np.concatenate([without[:half], having[:half]]))
    best = max(cuts, key=lambda cut: _bound((having[:half] > cut).sum(), (without[:half] > cut).sum(), half))
    return _bound((having[half:] > best).sum(), (without[half:] > best).sum(), len(without) - half)


def _bound(hits: int, alarms: int, n: int) -> float:
    low = beta.ppf(0.005, hits, n - hits + 1) if hits else 0.0
    high = beta.ppf(0.995, alarms + 1, n - alarms) if alarms < n else 1.0
    return math.log(max(low - 1e-6, 1e-9) / high)


def audit(monkeypatch: pytest.MonkeyPatch) -> float:
    """Return what the attack proves of the models of two neighbouring tables."""
    monkeypatch.setattr(private_estimate, "ROUNDS", 0)  # what comes after the noise takes time and tells nothing more
    both = pd.concat([TABLE, CANARY], ignore_index=True)
    return found_epsilon(*(np.array([seen(data, monkeypatch) for _ in range(FITS)]) for data in (TABLE, both)))


def test_an_attack_stays_under_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the noise as it is, no threshold proves more than epsilon."""
    assert audit(monkeypatch) <= 1.0


def test_the_attack_sees_noise_that_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a twentieth of the noise, the same attack proves that it is too little (with a tenth, not every time)."""
    monkeypatch.setattr(private_counts, "gaussian_variance", lambda rho: gaussian_variance(rho) / 400)
    assert audit(monkeypatch) > 1.0


# What the model holds


def test_the_model_knows_the_schema_and_noisy_counts_alone(tmp_path: Path) -> None:
    """Two tables with one public schema differ in the files by nothing but weights and the noisy shares of classes."""
    data = mixed(300)
    schema = infer(data, "outcome")
    other = data.sample(frac=1, replace=True, random_state=1).reset_index(drop=True)
    told = []
    for name, rows, rate in (("a", data, 0.1), ("b", other, 0.4)):
        known = replace(schema, columns=tuple(replace(c, missing_rate=c.missing_rate and rate) for c in schema))
        fitted(rows, known, {"bins": 4, "components": 50}).save(tmp_path / name)
        told.append(json.loads((tmp_path / name / "model.json").read_text()))
    priors = [one.pop("prior") for one in told]
    for one in told:
        del one["facts"]["audit"], one["privacy"]["audit"]  # of rows of nobody
    assert told[0] == told[1]
    assert priors[0] != priors[1]


def test_no_measured_share_stays_in_the_schema() -> None:
    """Shares of missing values and of distinct identifiers, and how numbers lie, are left out; ranges are public."""
    column = Column("pay", "integer", "Int64", (), 0, 10, missing_rate=0.123, shape="heavy-tailed")
    safe = public_schema(Schema((column,), None, (Identifier("key", 0, "str", "#", 0.91, 0.07),)))
    assert (safe.columns[0].missing_rate, safe.columns[0].shape, safe.columns[0].maximum) == (0.5, "", 10)
    assert (safe.identifiers[0].distinct, safe.identifiers[0].missing_rate) == (1.0, 0.0)


def test_combinations_of_rows_are_refused() -> None:
    """A rule that lists what stands together in real rows would leave the budget."""
    data = mixed(100)
    rules = constraints.written([{"together": ["town", "grade"]}], "constraints")
    schema = constraints.bound(rules, infer(data, "outcome"), data, least=1)
    with pytest.raises(ModelError, match=r"the constraint `together: \[town, grade\]` lists combinations of real rows"):
        fitted(data, schema)


def test_the_guarantee_is_told(tmp_path: Path) -> None:
    """Epsilon, delta, neighbours, mechanism, and what is covered and what not stand in the model's file."""
    data = mixed(50)
    fitted(data, infer(data, "outcome"), {"epsilon": 2.0, "delta": 1e-5}).save(tmp_path)
    told = json.loads((tmp_path / "model.json").read_text())["privacy"]
    assert (told["epsilon"], told["delta"]) == (2.0, 1e-5)
    assert sorted(told) == [
        *("audit", "covered", "declared_public", "delta", "epsilon", "mechanism", "neighbours", "not_covered")
    ]
    assert registry.load(tmp_path).privacy == told
    assert registry.create("cart", {}).privacy == {}


@pytest.mark.parametrize("settings", [{"epsilon": 0.0}, {"delta": 0.0}, {"delta": 1.0}])
def test_no_guarantee_is_refused(settings: Mapping[str, float]) -> None:
    """Epsilon 0 and a delta that promises nothing are said to be none."""
    with pytest.raises(
        ParamsError, match=r"model\.(epsilon: expected a number above 0|delta: expected a number between)"
    ):
        PrivateTree(settings)


# Tables of every kind


@pytest.mark.parametrize("rows", [1, 12])
def test_tables_smaller_than_the_noise_give_rows_that_conform(rows: int) -> None:
    """What cannot be learnt is drawn as if nothing were known, and nothing breaks."""
    schema = infer(mixed(80), "outcome")
    model = fitted(mixed(80).head(rows), schema)
    assert check(next(model.sample(50)), schema) == []


def test_one_column_is_a_table_too() -> None:
    """With and without a target, a table of one column can be learnt."""
    data = mixed(200)[["outcome"]]
    for target in (None, "outcome"):
        schema = infer(data, target)
        assert check(next(fitted(data, schema).sample(50)), schema) == []


def test_counts_stay_small_for_many_levels_and_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """3,000 levels, 100 classes, 1,000 columns: a count has at most `MOST_CELLS` cells, pairs at most `MOST_PAIRS`."""
    monkeypatch.setattr(private_counts, "MOST_CELLS", 2**12)
    rng = np.random.default_rng(0)
    texts = {
        "many": pd.Series(rng.integers(0, 3000, 4000)).map("v{}".format).astype("str"),
        "target": pd.Series(rng.integers(0, 100, 4000)).map("c{}".format).astype("str"),
    }
    data = pd.DataFrame(texts | {f"n{i}": rng.normal(size=4000) for i in range(3)})
    schema = infer(data, "target", {"many": Asked("category")})
    model = fitted(data, schema, {"bins": 1000, "epsilon": 4.0, "pairs": "tree"})
    assert max(table.size for table in model.tables.values()) <= private_counts.MOST_CELLS
    assert check(next(model.sample(200)), schema) == []
    rounds = counted(data, schema, Size(10**9, steps=1), bins=1000)
    assert max(one.noisy.counts.size for one in rounds.taken) <= private_counts.MOST_CELLS
    assert rounds.mixture.weights.numel() * sum(rounds.sizes[i] for i in rounds.others) <= private_rounds.MOST_WEIGHTS
    assert len(private_counts.candidates(list(range(1000)))) <= private_counts.MOST_PAIRS
    assert {j for _, j in private_counts.candidates(list(range(1000)))} == set(range(1, 1000))


def test_what_depends_on_each_other_is_kept() -> None:
    """Of 20,000 rows the tree finds the pair that belongs together, and classes keep their numbers."""
    rng = np.random.default_rng(0)
    size = rng.normal(170, 10, 20_000).round(1)
    data = pd.DataFrame({"size": size, "odd": rng.normal(size=20_000), "reach": (size * 1.1).round(1)})
    data["tall"] = np.where(size > 175, "yes", "no")
    made = next(fitted(data, infer(data, "tall")).sample(20_000))
    assert np.corrcoef(made["size"], made["reach"])[0, 1] > 0.9
    assert abs((made["tall"] == "yes").mean() - (data["tall"] == "yes").mean()) < 0.02
    assert (made.loc[made["tall"] == "yes", "size"] > 172).mean() > 0.95


def test_a_fixed_model_gives_the_same_rows() -> None:
    """Fits differ, sampling does not."""
    data = mixed(300)
    schema = infer(data, "outcome")
    one, other = (fitted(data, schema, {"components": 50}) for _ in range(2))
    assert next(one.sample(50, seed=3)).equals(next(one.sample(50, seed=3)))
    assert one.prior.tolist() != other.prior.tolist()


def counted(data: pd.DataFrame, schema: Schema, size: Size, *, rho: float = RHO, bins: int = 8) -> Rounds:
    """Return counts taken in rounds, with the mixture fitted to them."""
    rounds = Rounds(public_codec(schema), data, rho=rho, bins=bins, size=size)
    rounds.fitted()
    return rounds


def test_rounds_spend_the_budget_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """All counts and choices of a fit add up to rho, but for what is rounded to the safe side."""
    spent: list[float] = []

    def counts(true: Any, rho: float) -> private_counts.Noisy:
        spent.append(rho)
        return noisy(true, rho)

    def chosen(scores: list[int], epsilon: Fraction) -> int:
        spent.append(float(epsilon**2 / 8))
        return dp_noise.exponential_choice(scores, epsilon)

    for module in (private_counts, private_rounds):
        monkeypatch.setattr(module, "noisy", counts)
    monkeypatch.setattr(private_rounds, "exponential_choice", chosen)
    data = mixed(200)
    counted(data, infer(data, "outcome"), Size(20, steps=2))
    assert 0.999 * RHO < sum(spent) <= RHO * (1 + 1e-12)


def test_one_row_changes_every_score_by_one_at_most() -> None:
    """The exponential mechanism's promise holds for scores of tables with and without a row."""
    data = mixed(200)
    schema = infer(data, "outcome")
    rounds = counted(data, schema, Size(20, steps=2))
    free = rounds._candidates()
    before = rounds._gains(free)
    rounds._coarse, rounds._target = rounds._coarse[1:], rounds._target[1:]
    away = np.abs(np.array(rounds._gains(free)) - before)
    assert away.max() == 1


def test_without_noise_the_mixture_has_the_pairs() -> None:
    """With next to no noise, three columns of which each pair depends on each other come back, and the class too."""
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 3, (2, 4000))
    data = pd.DataFrame({"one": one, "other": other, "sum": one + other, "y": np.where(one * other > 1, "a", "b")})
    schema = infer(data, "y")
    rounds = counted(data, schema, Size(200, steps=300), rho=1e4)
    for columns in ((0, 1), (0, 2), (1, 2)):
        maps = tuple(np.arange(rounds.sizes[i]) for i in columns)
        away = np.abs(next(rounds.mixture.counts([(columns, maps)])) - rounds._rough(columns, maps))
        assert away.sum() / len(data) < 0.02


def test_rough_codes_keep_order_and_missing() -> None:
    """Numbers are merged with neighbours, missing stays alone, and no more codes come out than were asked for."""
    rng = np.random.default_rng(0)
    for most in (4, 8, 16):
        weight = rng.exponential(size=33)
        to = roughly(weight, most, ordered=True, missing=True)
        assert (np.diff(to) >= 0).all()
        assert 2 <= to.max() + 1 <= most
        assert (to == to[-1]).sum() == 1
        assert roughly(weight, most, ordered=False, missing=False).max() + 1 == most


def test_a_tree_can_be_asked_for(tmp_path: Path) -> None:
    """With `pairs: tree` pairs are joined by a tree, which loads and draws as well."""
    data = mixed(200)
    schema = infer(data, "outcome")
    model = fitted(data, schema, {"pairs": "tree"})
    model.save(tmp_path)
    assert next(registry.load(tmp_path).sample(30, seed=1)).equals(next(model.sample(30, seed=1)))
    assert len(model.parents) == len(schema.columns) - 1


def test_joint_finds_the_table_behind_contradicting_margins() -> None:
    """Margins with noise are reconciled to a table near the truth, each by the trust that it deserves."""
    truth = np.array([[[10.0, 20.0], [30.0, 40.0]]])
    exact, wrong = (truth, 1.0, (0, 1, 2)), (np.array([[50.0, 50.0]]), 100.0, (0, 1))
    assert np.abs(joint([exact, wrong], (1, 2, 2)) * 100 - truth).max() < 0.5
