"""Training survives: damaged checkpoints are refused, divergence and collapse set it back, samples change nothing."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from synthtrail.models import callbacks, guards, registry, training
from synthtrail.models.callbacks import shown_steps
from synthtrail.models.errors import TrainingError
from synthtrail.models.guards import Health, nearest, variety
from synthtrail.models.objective import CriticLoss, Objective, Schedule, generator_for
from synthtrail.models.synthesizer import Training
from synthtrail.models.training import Trained, train
from tests.unit.test_models_synthesizers import (
    COUNTED,
    PRIVATE,
    QUIET,
    SMALL,
    Breaker,
    Recorder,
    codec_for,
    fitted,
    folder_bytes,
    rows_for,
)

STEPS = 12


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs of five steps, all of them saved."""
    monkeypatch.setattr(training, "EPOCH", 5)
    monkeypatch.setattr(callbacks, "PAUSE", 0.0)
    monkeypatch.setattr(guards, "SETTLED", 10)


def interrupted(states: Path) -> tuple[Path, Path]:
    """Leave a checkpoint after 10 of 12 steps in `states`; return its JSON and its tensors."""
    with pytest.raises(InterruptedError):
        fitted("cgan", plan=replace(QUIET, checkpoints=states, curves=Breaker(11), log_every=1))
    (told,), (tensors,) = states.glob("*.json"), states.glob("*.safetensors")
    return told, tensors


def torn(path: Path) -> None:
    """Cut a file off."""
    path.write_bytes(path.read_bytes()[:-20])


def flipped(path: Path) -> None:
    """Change one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def other_step(path: Path) -> None:
    """Claim another number of steps."""
    value = json.loads(path.read_text(encoding="utf-8"))
    value["state"]["step"] = 5
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("which", "damage"),
    [(0, torn), (0, other_step), (1, torn), (1, flipped), (1, Path.unlink)],
    ids=["json torn", "json changed", "tensors torn", "tensors changed", "tensors gone"],
)
def test_a_damaged_checkpoint_is_refused(which: int, damage: Any, tmp_path: Path) -> None:
    """Training says so in one line, starts anew, and ends with the same bytes."""
    damage(interrupted(tmp_path / "states")[which])
    said: list[str] = []
    seen = Recorder()
    plan = replace(QUIET, checkpoints=tmp_path / "states", curves=seen, log_every=1, tell=said.append)
    fitted("cgan", plan=plan).save(tmp_path / "anew")
    assert len(said) == 1
    assert said[0].startswith("checkpoint ")
    assert said[0].endswith("training starts anew")
    assert "\n" not in said[0]
    assert [step for step, _ in seen.figures] == list(range(1, STEPS + 1))
    fitted("cgan").save(tmp_path / "whole")
    assert folder_bytes(tmp_path / "anew") == folder_bytes(tmp_path / "whole")


@pytest.mark.usefixtures("short")
def test_another_trainings_checkpoint_is_refused(tmp_path: Path) -> None:
    """A file that was given this training's name but belongs to another is named as such."""
    states = tmp_path / "states"
    told, _ = interrupted(states)
    with pytest.raises(InterruptedError):
        fitted("cgan", 1, replace(QUIET, checkpoints=states, curves=Breaker(11), log_every=1))
    (foreign,) = set(states.glob("*.json")) - {told}
    told.write_bytes(foreign.read_bytes())
    said: list[str] = []
    fitted("cgan", plan=replace(QUIET, checkpoints=states, tell=said.append))
    assert len(said) == 1
    assert "belongs to another training" in said[0]


class Shown:
    """Samples that are remembered."""

    def __init__(self) -> None:
        self.drawn: list[tuple[int, Any]] = []
        self.kept: dict[str, bytes] = {}

    def draw(self, step: int, steps: int, data: Any) -> Mapping[str, bytes]:
        """Remember."""
        self.drawn.append((step, data))
        return {f"{step}-{steps}": b"picture"}

    def keep(self, files: Mapping[str, bytes]) -> None:
        """Remember."""
        self.kept |= files


@pytest.mark.parametrize("name", sorted(registry.SYNTHESIZERS))
def test_samples_are_shown_and_change_nothing(name: str, tmp_path: Path) -> None:
    """After steps 10 and 12, or once without steps, a sample comes; the model's bytes are those without it."""
    shown = Shown()
    fitted(name, plan=replace(QUIET, samples=shown)).save(tmp_path / "watched")
    fitted(name).save(tmp_path / "alone")
    assert name in PRIVATE or folder_bytes(tmp_path / "watched") == folder_bytes(tmp_path / "alone")
    assert [step for step, _ in shown.drawn] == ([1] if name in COUNTED else [10, 12])
    sizes = {len(data) for _, data in shown.drawn}
    assert len(sizes) == 1
    assert min(sizes) > 10


def test_samples_come_at_spaced_steps() -> None:
    """Ever rarer, and always the last."""
    assert sorted(shown_steps(5)) == [5]
    assert sorted(shown_steps(1500)) == [10, 30, 100, 300, 1000, 1500]
    assert len(shown_steps(10**6)) < 15


@pytest.mark.usefixtures("short")
def test_samples_survive_a_resume(tmp_path: Path) -> None:
    """What was shown before the kill is shown again."""
    states = tmp_path / "states"
    with pytest.raises(InterruptedError):
        fitted("cgan", plan=replace(QUIET, checkpoints=states, curves=Breaker(11), samples=Shown(), log_every=1))
    again = Shown()
    fitted("cgan", plan=replace(QUIET, checkpoints=states, samples=again, tell=list[str]().append))
    assert again.kept == {"10-12": b"picture"}
    assert [step for step, _ in again.drawn] == [12]


class Toy(Objective):
    """Two numbers a row against a linear critic, and a fault that sets in at a step and stops at a lower rate."""

    def __init__(self, fault: str = "", lasts: int = 1) -> None:
        rows = torch.randn(200, 2, generator=generator_for(0, 0))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            generator, critic = nn.Linear(2, 2), nn.Linear(2, 1)
        super().__init__(generator, critic, rows, torch.zeros(200, dtype=torch.int64))
        self.fault, self.lasts, self.losses = fault, lasts, 0

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return rows, all alike if collapsed."""
        rows: Tensor = self.generator(torch.randn(size, 2, generator=random))
        return rows * 0 + 1 if self._faulty("collapse") else rows

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return a small loss, a great one if diverging."""
        real, fake = self.critic(self.rows[self.pick(size, random)]).mean(), self.critic(self.made(size, random)).mean()
        loss = (real - fake).square() + (1e6 if self._faulty("divergence") else 0)
        return CriticLoss(loss, real.detach(), fake.detach())

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return what the critic thinks, and count the steps."""
        self.losses += 1
        judged: Tensor = self.critic(self.made(size, random))
        return judged.square().mean()

    def _faulty(self, fault: str) -> bool:
        return self.fault == fault and 12 <= self.losses < 12 + 5 * self.lasts


def toy(fault: str, lasts: int, said: list[str], seen: Recorder | None = None) -> Trained:
    """Train a toy for 30 steps."""
    plan = Training(0, seen or Recorder(), log_every=5, progress=False, tell=said.append)
    schedule = Schedule(30, 16, 0.01, 0.01, threads=1)
    return train(Toy(fault, lasts), schedule, plan, lambda _: None)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("fault", "word"), [("collapse", "collapsed (variety 0)"), ("divergence", "diverging (critic")]
)
def test_a_passing_fault_sets_training_back(fault: str, word: str) -> None:
    """Back to the last good state at half the rate; it is told, counted, and the curves have each step once."""
    said: list[str] = []
    seen = Recorder()
    trained = toy(fault, 1, said, seen)
    assert trained.restarts == tuple(said)
    assert len(said) == 1
    assert said[0].startswith(f"step 15: {word}")
    assert said[0].endswith("back to step 10, at 0.5 of the rate")
    assert [step for step, _ in seen.figures] == [5, 10, 15, 20, 25, 30]
    assert all(bool(weights.isfinite().all()) for weights in trained.weights.values())


@pytest.mark.usefixtures("short")
def test_lasting_divergence_ends_training() -> None:
    """After three attempts there is one clear error."""
    said: list[str] = []
    with pytest.raises(
        TrainingError, match=r"^training is diverging \(critic loss 1e\+06\) at step 15, at lower rates"
    ):
        toy("divergence", 99, said)
    assert [line.split("at ")[-1] for line in said] == ["0.5 of the rate", "0.25 of the rate", "0.125 of the rate"]


@pytest.mark.usefixtures("short")
def test_lasting_collapse_is_left_to_the_report() -> None:
    """Three attempts are counted; then training ends, for a heuristic must not forbid a model."""
    assert len(toy("collapse", 99, []).restarts) == training.RESTARTS


def test_a_real_generator_that_is_made_constant_is_noticed() -> None:
    """A trained network has variety; with its weights at zero it has none."""
    data = rows_for("cgan")
    model: Any = registry.create("cgan", {**SMALL, "steps": 60})
    codec = codec_for("cgan", data)
    model.fit(data, codec, QUIET)
    objective = model.objective(*model.learn_facts(data))
    assert variety(objective, 80, generator_for(0, 0)) > 0.3
    with torch.no_grad():
        for weights in model.generator.parameters():
            weights.zero_()
        model.generator.layers[-1].bias[model.generator.width :] = -99.0  # no jitter either
    assert variety(objective, 80, generator_for(0, 0)) < guards.LEAST_VARIETY


def test_what_a_check_makes_of_its_figures() -> None:
    """Limits are where the module says; fresh generators may be constant."""
    fine = Health(1.0, 2.0, 0.8)
    assert (fine.diverged(), fine.collapsed(600, 600)) == ("", "")
    assert replace(fine, critic_loss=-2e4).diverged().startswith("diverging (critic loss")
    assert replace(fine, growth=101.0).diverged() == "diverging (weights grew 1e+02 times)"
    assert replace(fine, growth=float("nan")).diverged() == "not finite (weights)"
    assert [bool(replace(fine, variety=0.01).collapsed(step, 2000)) for step in (200, 300, 400)] == [False, False, True]
    assert [bool(replace(fine, variety=0.01).collapsed(step, 300)) for step in (100, 200)] == [False, True]


def test_the_nearest_row_is_another_one() -> None:
    """Twins are at distance 0, loners at their own."""
    assert nearest(torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]])).tolist() == [0.0, 0.0, 5.0]
