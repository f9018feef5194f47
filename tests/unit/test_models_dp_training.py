"""Differentially private training: the budget, the secret draws, each row's clipped gradient, and what is told."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from opacus.accountants import PRVAccountant
from scipy.integrate import quad
from scipy.stats import binom, kstest, norm
from torch import Tensor

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.models import callbacks, likelihood, registry
from synthtrail.models.dp_random import Secret
from synthtrail.models.dp_sgd import ORDERS, Cost, epsilon_of, noise_for
from synthtrail.models.dp_training import RowGradients, RowLosses
from synthtrail.models.errors import ModelError
from synthtrail.models.private_network import PrivateNetwork
from synthtrail.models.private_settings import COUNTS
from synthtrail.models.synthesizer import Training
from synthtrail.params import ParamsError
from tests.unit.test_data_schema import mixed
from tests.unit.test_models_synthesizers import Breaker, Recorder

QUIET = Training(seed=0, progress=False)
SMALL: Mapping[str, Any] = {"steps": 12, "batch": 8, "width": 16, "bins": 4, "epsilon": 10.0}
every_network = pytest.mark.parametrize("name", ["private_masked", "private_vae"])


def fitted(name: str, plan: Training = QUIET, **settings: Any) -> PrivateNetwork[Any]:
    """Return a network after some steps."""
    model: Any = registry.create(name, {**SMALL, **settings})
    data = mixed(80)
    model.fit(data, TableCodec.fit(data, infer(data, "outcome"), 5), plan)
    found: PrivateNetwork[Any] = model
    return found


def objective(name: str, rows: int = 12) -> RowLosses:
    """Return what a network with weights that are nowhere 0 is trained on."""
    model = fitted(name, steps=1)
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)) * 0.3)
    rng = np.random.default_rng(0)
    found: RowLosses = model.objective(torch.from_numpy(np.stack([rng.integers(0, k, rows) for k in model.sizes], 1)))
    found.train()
    return found


# The budget


@pytest.mark.parametrize("order", [2, 8, 32])
def test_a_steps_divergence_is_that_of_the_integral(order: int) -> None:
    """At one order, the accountant's step agrees with the integral over both densities, done by quadrature."""
    rate, noise, delta = 0.05, 2.0, 1e-6

    def moment(x: float) -> float:
        ratio = 1 - rate + rate * np.exp((2 * x - 1) / (2 * noise**2))
        return float(norm.pdf(x, scale=noise) * ratio**order)

    divergence = np.log(quad(moment, -40, 80, limit=400, points=[0, order])[0]) / (order - 1)
    alone = [n for n, one in enumerate(ORDERS) if one == order]
    assert len(alone) == 1
    steps = 300
    told = epsilon_of(noise, delta, Cost(rate, steps))
    by_hand = steps * divergence - (np.log(delta) + np.log(order)) / (order - 1) + np.log((order - 1) / order)
    assert told <= by_hand + 1e-9  # the accountant takes the best order
    assert order != 8 or by_hand < told * 1.5  # and this one is not far from it


def test_the_told_epsilon_is_an_upper_bound_and_not_a_loose_one() -> None:
    """The numerical composition of privacy losses (Opacus' second accountant) gives less, but not much less."""
    accountant = PRVAccountant()
    accountant.history = [(2.0, 0.05, 300)]
    tight, told = accountant.get_epsilon(1e-6), epsilon_of(2.0, 1e-6, Cost(0.05, 300))
    assert tight < told < 1.25 * tight


def test_counts_are_paid_from_the_same_budget() -> None:
    """What was spent on counts leaves less for the steps, and steps without rows cost nothing but them."""
    assert noise_for(1.0, 1e-6, Cost(0.1, 100, 0.01)) > noise_for(1.0, 1e-6, Cost(0.1, 100))
    assert epsilon_of(1.0, 1e-6, Cost(0.1, 0, 0.01)) == pytest.approx(epsilon_of(1.0, 1e-6, Cost(0.0, 10, 0.01)))
    assert 0 < COUNTS < 1
    with pytest.raises(ModelError, match=r"no noise keeps epsilon 1e-05 at delta 1e-06; take a larger"):
        noise_for(1e-5, 1e-6, Cost(1.0, 10_000))


# Secret draws


def test_the_noise_is_normal() -> None:
    """20,000 draws agree with the normal distribution (wrong once in a million), and no two streams are alike."""
    one, other = Secret().gaussians(20_000), Secret().gaussians(20_000)
    assert kstest(one, "norm").pvalue > 1e-6
    assert not np.isclose(one, other).any() or abs(np.corrcoef(one, other)[0, 1]) < 0.05
    assert abs(np.corrcoef(one[:10_000], one[10_000:])[0, 1]) < 0.05


def test_every_row_is_picked_by_a_coin_of_its_own() -> None:
    """How often a row is picked, and how many are, is binomial; one row says nothing of the next."""
    secret, steps, rows, rate = Secret(), 2000, 50, 0.1
    picks = np.zeros((steps, rows), dtype=bool)
    for step in range(steps):
        picks[step, secret.picked(rows, rate)] = True
    chances = [2 * min(binom.cdf(n, steps, rate), binom.sf(n - 1, steps, rate)) for n in picks.sum(0)]
    assert min(chances) > 1e-6
    assert abs(picks.sum(1).var() - rows * rate * (1 - rate)) < 0.6
    assert abs(np.corrcoef(picks[:, 0], picks[:, 1])[0, 1]) < 0.12


def test_a_key_is_renewed_before_its_counter_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """No block of the keystream comes twice."""
    monkeypatch.setattr("synthtrail.models.dp_random.LIMIT", 64)
    secret = Secret()
    assert len({int(word) for _ in range(20) for word in secret.words(8)}) == 160


# Gradients


@every_network
def test_each_row_is_clipped_by_its_own_length(name: str) -> None:
    """Lengths and clipped sums agree with one pass for each row, for every layer that the networks have."""
    task = objective(name)
    rows, weights = task.rows, [w for w in task.network.parameters() if w.requires_grad]

    def losses() -> Tensor:
        return task.losses(rows, torch.Generator().manual_seed(3))

    single = [torch.autograd.grad(losses()[n], weights) for n in range(len(rows))]
    lengths = torch.stack([torch.cat([part.flatten() for part in parts]).norm() for parts in single])
    clip = float(lengths.median())
    share = (clip / lengths).clamp(max=1.0)
    expected = [sum(share[n] * parts[at] for n, parts in enumerate(single)) for at in range(len(weights))]
    gradients = RowGradients(task.network, clip)
    torch.testing.assert_close(gradients.lengths(losses), lengths, rtol=1e-3, atol=1e-5)
    for found, wanted in zip(gradients.clipped(losses), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


@every_network
def test_a_rows_loss_depends_on_no_other_row(name: str) -> None:
    """The gradient of one row's loss is the same whatever stands beside it, given what is drawn for it."""
    task = objective(name)
    task.network.eval()
    whole = task.losses(task.rows, torch.Generator().manual_seed(3))
    other = task.rows.clone()
    other[1:] = task.rows[0]
    assert torch.allclose(whole[0], task.losses(other, torch.Generator().manual_seed(3))[0], atol=1e-6)


@every_network
def test_steps_without_rows_are_noise_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If chance picks nobody, a step is still taken; all values stay finite and rows conform."""
    monkeypatch.setattr(Secret, "picked", lambda *_: np.zeros(0, dtype=np.int64))
    monkeypatch.setattr(PrivateNetwork, "audited", unaudited)
    model = fitted(name)
    assert len(next(model.sample(20))) == 20
    assert all(bool(value.isfinite().all()) for value in model.network.state_dict().values())


# What is told


def test_no_loss_of_real_rows_is_told() -> None:
    """The curves hold the epsilon spent so far and nothing else; at the end it is what was promised."""
    seen = Recorder()
    fitted("private_masked", replace(QUIET, curves=seen, log_every=4))
    assert [(step, sorted(figures)) for step, figures in seen.figures] == [(n, ["epsilon"]) for n in (4, 8, 12)]
    spent = [figures["epsilon"] for _, figures in seen.figures]
    assert sorted(spent) == spent
    assert 9.9 < spent[-1] <= 10.0


def test_a_killed_training_goes_on_with_noise_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes up the steps that are done, and never ends with the same bytes."""
    monkeypatch.setattr(likelihood, "EPOCH", 5)
    monkeypatch.setattr(callbacks, "PAUSE", 0.0)
    said, plan = list[str](), replace(QUIET, checkpoints=tmp_path, log_every=1)
    monkeypatch.setattr("synthtrail.models.private_counts.discrete_gaussian", lambda _, n: [0] * n)  # the same codes
    with pytest.raises(InterruptedError):
        fitted("private_masked", replace(plan, curves=Breaker(11)))
    seen = Recorder()
    model = fitted("private_masked", replace(plan, curves=seen, tell=said.append))
    assert said == ["resumed from step 10 of 12"]
    assert [step for step, _ in seen.figures] == list(range(1, 13))
    other = fitted("private_masked")
    assert any(not torch.equal(a, b) for a, b in zip(model.state().values(), other.state().values(), strict=True))


@every_network
def test_the_model_holds_public_facts_and_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables with one public schema differ in the files by weights and noisy shares of classes alone."""
    monkeypatch.setattr(PrivateNetwork, "audited", unaudited)
    data = mixed(80)
    schema, told = infer(data, "outcome"), []
    for part, rows in (("a", data), ("b", data.sample(frac=1, replace=True, random_state=1).reset_index(drop=True))):
        model = registry.create(name, SMALL)
        model.fit(rows, TableCodec.fit(data, schema), QUIET)
        model.save(tmp_path / part)
        told.append(json.loads((tmp_path / part / "model.json").read_text()))
    assert told[0].pop("prior") != told[1].pop("prior")
    assert told[0] == told[1]


@every_network
def test_the_guarantee_is_told_in_words(name: str) -> None:
    """Epsilon, delta, neighbours, how often rows were picked, the clipping, the noise, and the audit."""
    model = fitted(name, epsilon=4.0, delta=1e-5)
    told, facts = model.privacy, model.facts
    assert (told["epsilon"], told["delta"]) == (4.0, 1e-5)
    for part in ("clipped to length 1", f"deviation {facts['noise']:g} times", "in 12 steps", "with probability 0.1"):
        assert part in str(told["mechanism"])
    assert "floating point" in str(told["not_covered"])
    assert "proves an epsilon of at least" in str(told["audit"])
    cost = Cost(facts["chance"], facts["steps"], COUNTS)
    assert facts["noise"] >= noise_for(4.0, 1e-5, replace(cost, rho=0.0))


@pytest.mark.parametrize("settings", [{"epsilon": 0.0}, {"delta": 0.0}, {"delta": 1.0}])
@every_network
def test_no_guarantee_is_refused(name: str, settings: Mapping[str, float]) -> None:
    """Epsilon 0 and a delta that promises nothing are said to be none."""
    with pytest.raises(ParamsError, match=r"model\.(epsilon: expected a number above 0|delta: expected a number betw)"):
        registry.create(name, settings)


def test_gaps_are_filled_under_the_guarantee() -> None:
    """Rows with gaps come back whole, and what was there is the same."""
    data = mixed(80).drop(columns="never")
    model: Any = registry.create("private_masked", SMALL)
    model.fit(data, TableCodec.fit(data, infer(data, "outcome"), 5), QUIET)
    gaps = data.assign(price=data["price"].where(data.index % 2 == 0))
    full = model.complete(gaps, seed=1)
    assert full["price"].notna().all()
    assert full["price"][gaps["price"].notna()].equals(gaps["price"].dropna())
    assert full.equals(model.complete(gaps, seed=1))


class Nothing:
    """An audit that was left out to save time."""

    def to_json(self) -> None:
        """Return that there was none."""


def unaudited(_: Any) -> Nothing:
    """Audit nothing."""
    return Nothing()
