"""Training survives: damaged checkpoints are refused, divergence and collapse set it back, samples change nothing."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.models import callbacks, guards, registry, stopping, training
from synthtrail.models.callbacks import shown_steps
from synthtrail.models.errors import ModelError, TrainingError
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
from tests.unit.test_models_tables import related

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


@pytest.mark.parametrize("name", sorted(set(registry.SYNTHESIZERS) - {"relational"}))
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
    assert again.kept["10-12"] == b"picture"
    assert set(again.kept) == {"10-12", "layers-000010.json", "layers-000012.json"}
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
    """After three attempts, the later ones from further back, there is one clear error."""
    said: list[str] = []
    with pytest.raises(
        TrainingError, match=r"^training is diverging \(critic loss 1e\+06\) at step 10, at lower rates"
    ):
        toy("divergence", 99, said)
    assert [line.split("; ")[-1] for line in said] == [
        "back to step 10, at 0.5 of the rate",
        "back to step 5, at 0.125 of the rate",
        "back to step 5, at 0.03125 of the rate",
    ]


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


def provoked(name: str, **settings: float) -> tuple[list[str], Recorder]:
    """Train on a small table with settings that no game survives; return what was said, and the curves."""
    data = related(300)
    said: list[str] = []
    seen = Recorder()
    plan = Training(0, seen, log_every=100, progress=False, tell=said.append)
    model = registry.create(name, {"steps": 300, "batch": 32, "width": 32, **settings})
    model.fit(data, TableCodec.fit(data, infer(data, "ill"), 10), plan)
    assert model.restarts == tuple(said)
    return said, seen


def test_a_provoked_collapse_is_set_back() -> None:
    """A rate far too high makes a real generator lose categories: it is found, told, and answered by lower rates."""
    said, seen = provoked("wgan_gp", rate=0.2, critic_rate=0.0001, stages=4)
    assert said
    assert all("collapsed (" in line and "back to step" in line for line in said)
    assert said[0].endswith("at 0.5 of the rate")
    last = seen.figures[-1][1]
    assert last["entropy"] > guards.LEAST_ENTROPY
    assert last["lost"] <= guards.MOST_LOST


@pytest.mark.parametrize("name", ["cgan", "gan", "wgan_gp"])
def test_a_healthy_training_is_left_alone(name: str) -> None:
    """With the usual settings nothing is set back, and categories stay about as mixed as the real ones."""
    said, seen = provoked(name)
    assert said == []
    assert [0.7 < figures["entropy"] < 1.4 for _, figures in seen.figures[1:]] == [True] * 2


@pytest.mark.parametrize(("share", "lost", "entropy"), [(0.5, 0.0, 1.0), (1.0, 0.5, 0.0), (0.99, 0.5, 0.08)])
def test_vanished_categories_are_counted(share: float, lost: float, entropy: float) -> None:
    """A category with a fraction of its share is lost; entropy falls with it, though every row differs in numbers."""
    found = Words(share)
    health = guards.categories(found, 200, generator_for(0, 1))
    assert health == pytest.approx((entropy, lost), abs=0.06)
    assert bool(Health(0.0, 1.0, 1.0, *health).collapsed(600, 600)) == (lost > 0)


class Words(Toy):
    """Rows of a number and one of two words; the real ones have both alike, the generated ones the first by `share`."""

    choices = ((1, 3),)

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.register_buffer("rows", self.spoken(200, 0.5, generator_for(0, 0)), persistent=False)

    def spoken(self, size: int, share: float, random: torch.Generator) -> Tensor:
        """Return rows of which `share` have the first word."""
        first = (torch.arange(size) < share * size).float()
        return torch.cat([torch.randn(size, 1, generator=random), first[:, None], 1 - first[:, None]], 1)

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated rows."""
        return self.spoken(size, self.share, random)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", ["cgan", "gan", "wgan_gp"])
def test_training_stops_when_it_has_stopped_paying(name: str, tmp_path: Path) -> None:
    """Rows are held back, the best weights kept, the stop told; a kill in between changes no byte."""
    data = rows_for(name)
    settings = {**SMALL, "steps": 400, "rate": 0.02, "patience": 2}

    def made(plan: Training) -> Any:
        model: Any = registry.create(name, settings)
        model.fit(data, codec_for(name, data), plan)
        return model

    said: list[str] = []
    seen = Recorder()
    whole = made(replace(QUIET, tell=said.append, curves=seen, log_every=5))
    (told,) = [line for line in said if line.startswith("stopped at step")]
    (steps,) = whole.facts["steps"]
    assert f"since step {steps}, which is kept" in told
    checks = {step: figures["held_distance"] for step, figures in seen.figures if "held_distance" in figures}
    assert min(checks, key=lambda step: checks[step]) == steps == max(checks) - 10
    whole.save(tmp_path / "whole")
    states = tmp_path / "states"
    with pytest.raises(InterruptedError):
        made(replace(QUIET, tell=said.append, checkpoints=states, curves=Breaker(max(checks) - 1), log_every=1))
    made(replace(QUIET, tell=said.append, checkpoints=states)).save(tmp_path / "resumed")
    assert said[-2].startswith("resumed from step")
    assert folder_bytes(tmp_path / "resumed") == folder_bytes(tmp_path / "whole")


def test_the_distance_of_rows() -> None:
    """About 0 for rows of one kind, more the farther apart two kinds are, not a number for what is not finite."""
    first, second = (torch.randn(500, 3, generator=generator_for(0, number)) for number in (1, 2))
    assert abs(stopping.distance(first, second)) < 0.02
    assert 0.1 < stopping.distance(first + 0.5, second) < stopping.distance(first + 1, second)
    assert math.isnan(stopping.distance(first * math.inf, second))


@pytest.mark.parametrize("rows", [1, 2, 30, 50_000])
def test_rows_are_parted_once(rows: int) -> None:
    """Every row is learnt from or held back, never both; a single one is both, since there is no other."""
    numbers = torch.arange(rows)[:, None]
    learnt, classes, held = stopping.parted(numbers, numbers[:, 0], 0)
    both = torch.cat([learnt, held]).flatten().tolist()
    assert sorted(both) == (list(range(rows)) if rows > 1 else [0, 0])
    assert classes.tolist() == learnt.flatten().tolist()
    assert len(held) == {1: 1, 2: 1, 30: 15, 50_000: 1000}[rows]


@pytest.mark.parametrize("name", ["cgan", "gan", "wgan_gp", "dcgan", "mlp_gan"])
def test_a_finished_model_can_be_trained_on(name: str, tmp_path: Path) -> None:
    """It goes on from its weights, says how long it was trained, keeps its codec, and gives the same bytes again."""
    fitted(name).save(tmp_path / "first")
    for folder in ("more", "again"):
        model: Any = registry.load(tmp_path / "first")
        model.more(rows_for(name), replace(QUIET, seed=3), steps=7)
        model.save(tmp_path / folder)
    assert folder_bytes(tmp_path / "more") == folder_bytes(tmp_path / "again")
    assert folder_bytes(tmp_path / "more") != folder_bytes(tmp_path / "first")
    told = [json.loads((tmp_path / folder / "model.json").read_bytes()) for folder in ("first", "more")]
    assert [one["facts"]["steps"] for one in told] == [[12], [12, 7]]
    assert told[0]["codec"] == told[1]["codec"]
    assert len(next(iter(registry.load(tmp_path / "more").sample(5)))) == 5


def test_training_on_starts_where_training_ended(tmp_path: Path) -> None:
    """At a rate of next to nothing the weights stay; the critic's own steps have no part in them."""
    data = rows_for("cgan")
    model: Any = registry.create("cgan", {**SMALL, "rate": 1e-9})
    model.fit(data, codec_for("cgan", data), QUIET)
    model.generator.layers[0].weight.data += 1.0
    before = {name: value.clone() for name, value in model.state().items()}
    model.more(data, replace(QUIET, seed=5), steps=3)
    assert all(torch.allclose(value, before[name], atol=1e-5) for name, value in model.state().items())


@pytest.mark.parametrize(("steps", "devices", "said"), [(0, 1, "at least one"), (5, 2, "by one device")])
def test_what_cannot_be_trained_on_is_said(steps: int, devices: int, said: str) -> None:
    """One line, and the model is as it was."""
    model: Any = fitted("cgan")
    before = {name: value.clone() for name, value in model.state().items()}
    with pytest.raises(ModelError, match=said):
        model.more(rows_for("cgan"), replace(QUIET, devices=devices), steps=steps)
    assert all(torch.equal(value, before[name]) for name, value in model.state().items())
