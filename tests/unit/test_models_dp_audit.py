"""The audit beside every promise: what it proves is true, it sees mechanisms that are broken, and people are told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthtrail.cli.main import main
from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.models import dp_training, private_counts, registry
from synthtrail.models.dp_accounting import gaussian_variance
from synthtrail.models.dp_audit import Audit, audit, chance, coins, proven
from synthtrail.models.dp_random import Secret
from synthtrail.models.errors import ModelError
from synthtrail.models.private_terms import in_words
from synthtrail.models.synthesizer import Training
from tests.unit.test_data_schema import mixed

QUIET = Training(seed=0, progress=False)
NETWORK = {"steps": 12, "batch": 8, "width": 16, "bins": 4}
SETTINGS: dict[str, dict[str, Any]] = {
    "private_masked": NETWORK,
    "private_tree": {"bins": 4, "components": 50},
    "private_vae": NETWORK,
}
gaussians = Secret.gaussians


def fitted(name: str, **settings: Any) -> Any:
    """Return a private model of a small table."""
    model = registry.create(name, {**SETTINGS[name], **settings})
    data = mixed(80)
    model.fit(data, TableCodec.fit(data, infer(data, "outcome"), 5), QUIET)
    return model


# What is proven is true


def test_the_chance_is_a_coins_where_nothing_is_left_to_delta() -> None:
    """Without delta, so many right guesses are as likely as heads of the coin; delta adds, the more the canaries."""
    rng = np.random.default_rng(0)
    heads = (rng.random((20_000, 50)) < 1 / (1 + np.exp(-1.0))).sum(1)
    for right in (30, 40, 45):
        assert chance(right, 50, 1000, 1.0, 0.0) == pytest.approx((heads >= right).mean(), abs=0.015)
    less, more = (chance(48, 50, canaries, 1.0, 1e-6) for canaries in (100, 10_000))
    assert chance(48, 50, 1000, 1.0, 0.0) < less < more
    assert chance(0, 50, 1000, 1.0, 1e-6) == 1.0


def test_a_mechanism_at_its_limit_is_hardly_ever_accused() -> None:
    """Randomised response at epsilon 1 is as bad as a promise of 1 allows: 5 % of audits at most say more."""
    rng, more = np.random.default_rng(0), 0
    for _ in range(150):
        inside = coins(1000, rng)
        told = rng.random(1000) < 1 / (1 + np.exp(-1.0))
        scores = np.where(told, inside, ~inside) + rng.random(1000) / 1000
        more += proven(scores, inside, 0.0) > 1.0
    assert more / 150 < 0.05 + 2.6 * (0.05 * 0.95 / 150) ** 0.5


def test_what_leaks_is_seen() -> None:
    """Canaries that are all recognised prove an epsilon of several; ones that are not prove nothing."""
    rng = np.random.default_rng(0)
    inside = coins(1000, rng)
    plain = inside.astype(np.float64)
    assert proven(plain, inside, 1e-6) > 4
    assert proven(plain + 4 * rng.normal(size=1000), inside, 1e-6) < 1
    assert proven(rng.normal(size=1000), inside, 1e-6) < 0.5
    with pytest.raises(ModelError, match=r"the audit proves an epsilon of at least [3-5]\.\d\d, above the 1 promised"):
        audit([(plain, inside)], 1.0, 1e-6)


def test_findings_are_told_in_words() -> None:
    """The sentence of model file, record and report."""
    assert in_words(Audit(0.1234, 0.95, 1000, 119, 200).to_json()) == (
        "an attack on 1,000 planted canaries proves an epsilon of at least 0.12 (95% sure; 119 of 200 guesses right); "
        "what it cannot prove it does not exclude"
    )


# Broken mechanisms


@pytest.mark.parametrize("name", ["private_masked", "private_vae"])
def test_training_without_noise_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit of the same fit proves more than was promised, and there is no model."""
    monkeypatch.setattr(Secret, "gaussians", lambda _, count: np.zeros(count))
    with pytest.raises(ModelError, match=r"the audit proves an epsilon of at least \d\.\d\d, above the 1 promised"):
        fitted(name)


def test_training_with_too_little_noise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fortieth of the noise is seen as well (a tenth, not every time)."""
    monkeypatch.setattr(Secret, "gaussians", lambda secret, count: gaussians(secret, count) / 40)
    with pytest.raises(ModelError, match="above the 1 promised"):
        fitted("private_masked")


def test_gradients_that_are_not_clipped_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that count for more than was counted with are seen."""
    monkeypatch.setattr(dp_training, "SAFE", 50.0)
    with pytest.raises(ModelError, match="above the 1 promised"):
        fitted("private_masked")


def test_counts_without_noise_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a twentieth of its noise, `private_tree` gives no model."""
    monkeypatch.setattr(private_counts, "gaussian_variance", lambda rho: gaussian_variance(rho) / 400)
    with pytest.raises(ModelError, match="above the 1 promised"):
        fitted("private_tree")


# What people see


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_promise_has_its_audit(name: str, tmp_path: Path) -> None:
    """It stands among the terms, says less than was promised, and can be had again from the loaded model."""
    model = fitted(name, epsilon=2.0)
    assert "proves an epsilon of at least" in model.privacy["audit"]
    assert 0 <= model.facts["audit"]["epsilon"] <= 2.0
    model.save(tmp_path)
    loaded: Any = registry.load(tmp_path)
    assert loaded.privacy == model.privacy
    assert loaded.audited().epsilon <= 2.0


def test_the_command_shows_promise_audit_and_membership(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the promise stand what an attack on the mechanism proves and what one on the rows finds."""
    monkeypatch.chdir(tmp_path)
    fitted("private_tree").save(Path("data/ward/model"))
    assert main(["privacy", "ward"]) == 0
    assert "not judged yet" in capsys.readouterr().out
    Path("data/ward/metrics.json").write_text(json.dumps({"mia_tpr": 0.001, "mia_auc": 0.5, "shapes": 0.9}))
    assert main(["privacy", "ward", "--again", "1"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "promised: epsilon 1, delta 1e-06",
        "  audit: an attack on",
        "audit again: an attack",
        "0.5000  members",
    ):
        assert part in shown
    assert "shapes" not in shown
    monkeypatch.setattr(private_counts, "gaussian_variance", lambda rho: gaussian_variance(rho) / 400)
    assert main(["privacy", "ward", "--again", "1"]) == 1
    assert "above the 1 promised" in capsys.readouterr().out


def test_the_command_says_that_nothing_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model without differential privacy has no mechanism to audit, and one that is not there no terms."""
    monkeypatch.chdir(tmp_path)
    data = mixed(80)
    model = registry.create("independent", {})
    model.fit(data, TableCodec.fit(data, infer(data, "outcome"), 5), QUIET)
    model.save(Path("data/ward/model"))
    assert main(["privacy", "ward"]) == 0
    assert "no differential privacy: nothing is promised" in capsys.readouterr().out
    assert main(["privacy", "ward", "--again", "1"]) == 2
    assert "nothing to audit" in capsys.readouterr().err
    assert main(["privacy", "clinic"]) == 2
    assert "no model of 'clinic' here" in capsys.readouterr().err
