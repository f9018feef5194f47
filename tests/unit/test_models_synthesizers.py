"""Every synthesizer keeps the contract: same bytes for a seed, conforming rows, conditions met, errors of one line."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from synthtrail.data.codec import TableCodec
from synthtrail.data.conditions import parse as wanted_rows
from synthtrail.data.image import ImageCodec, Images, ImageSet
from synthtrail.data.registry import MODALITIES
from synthtrail.models import callbacks, likelihood, registry, training
from synthtrail.models.errors import ConditionError, ModelError, ModelFileError, TrainingError
from synthtrail.models.synthesizer import Conditions, Synthesizer, Training
from synthtrail.params import ParamsError
from synthtrail.stages.draw import Draw
from synthtrail.stages.generate import directed, sieves_for
from tests.unit.test_data_image import noise
from tests.unit.test_data_schema import mixed

# What makes related tables takes no single table: tests/unit/test_relations.py holds it to the same claims.
NAMES = sorted(set(registry.SYNTHESIZERS) - {"relational"})
SMALL: Mapping[str, Any] = {"steps": 12, "batch": 8, "width": 16, "noise": 4}
OTHERS: Mapping[str, Mapping[str, Any]] = {
    "bootstrap": {},
    "cart": {"least": 5},
    "gaussian": {},
    "image_vae": {"steps": 12, "batch": 8, "width": 8, "latent": 3, "check_every": 4},
    "independent": {},
    "latent_gan": {"steps": 12, "code_steps": 12, "batch": 8, "width": 8, "critic_width": 8, "latent": 3},
    "masked": {"steps": 12, "batch": 8, "width": 16, "check_every": 4},
    "mixture": {"components": 3},
    "private_masked": {"steps": 12, "batch": 8, "width": 16, "bins": 4, "epsilon": 100.0},
    "private_tree": {"bins": 4, "components": 50, "epsilon": 100.0},  # of 80 rows, less leaves nothing but noise
    "private_vae": {"steps": 12, "batch": 8, "width": 16, "latent": 3, "bins": 4, "epsilon": 100.0},
    "real_rows": {},
    "smote": {},
    "vae": {"steps": 12, "batch": 8, "width": 16, "latent": 3, "check_every": 4},
}
QUIET = Training(seed=0, progress=False)
Rows = pd.DataFrame | ImageSet
TARGETS = {"tabular": "outcome", "image": "label"}
every_synthesizer = pytest.mark.parametrize("name", NAMES)
UNCONDITIONAL = {"gan"}
every_conditional = pytest.mark.parametrize("name", sorted(set(NAMES) - UNCONDITIONAL))
SCORES = {"latent_gan", "projection_gan", "wgan_gp"}  # whose critic gives no probabilities
COUNTED = {  # which learn in one go, without steps
    *("bootstrap", "cart", "gaussian", "independent", "mixture", "private_tree", "real_rows", "smote"),
}
STARTED = {"mixture"}  # of these, what is learnt depends on a random start
PRIVATE = {"private_masked", "private_tree", "private_vae"}  # whose noise no seed gives
every_gan = pytest.mark.parametrize("name", sorted(set(NAMES) - set(OTHERS)))
every_network = pytest.mark.parametrize("name", sorted(set(NAMES) - COUNTED - PRIVATE))
every_reproducible = pytest.mark.parametrize("name", sorted(set(NAMES) - PRIVATE))


def small(name: str) -> Mapping[str, Any]:
    """Return the settings of a fit that takes next to no time."""
    return OTHERS.get(name, SMALL)


def rows_for(name: str) -> Rows:
    """Return training rows of the synthesizer's modality."""
    return mixed(80) if registry.find(name).modality == "tabular" else noise(60)


def codec_for(name: str, data: Rows, target: str | None = "") -> TableCodec | ImageCodec:
    """Return a codec fitted on `data`."""
    modality = MODALITIES[registry.find(name).modality]
    schema = modality.infer(data, TARGETS[modality.name] if target == "" else target)
    codec: TableCodec | ImageCodec = modality.fit_codec(data, schema, bins=5)
    return codec


def fitted(name: str, seed: int = 0, plan: Training = QUIET) -> Synthesizer[Any, Any]:
    """Return a synthesizer after a few steps."""
    data = rows_for(name)
    model = registry.create(name, small(name))
    model.fit(data, codec_for(name, data), replace(plan, seed=seed))
    return model


@pytest.fixture(scope="module")
def models() -> dict[str, Synthesizer[Any, Any]]:
    """One fitted synthesizer of each name, for the tests that only sample."""
    return {name: fitted(name) for name in NAMES}


def labels_of(batches: list[Rows]) -> list[str]:
    """Return the classes of all sampled rows."""
    parts = [batch.labels if isinstance(batch, ImageSet) else batch["outcome"] for batch in batches]
    return [str(label) for part in parts for label in part]


def same(left: Rows, right: Rows) -> bool:
    """Say whether two batches are equal."""
    if isinstance(left, pd.DataFrame) or isinstance(right, pd.DataFrame):
        return isinstance(left, pd.DataFrame) and isinstance(right, pd.DataFrame) and left.equals(right)
    return np.array_equal(left.pixels, right.pixels) and left.labels.tolist() == right.labels.tolist()


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@every_reproducible
def test_the_same_seed_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    """Two fits with one seed agree to the byte, with another they do not, unless nothing is random in what is learnt.

    Torch's own state has no part in it.
    """
    torch.manual_seed(1)
    fitted(name, 0).save(tmp_path / "a")
    torch.manual_seed(2)
    fitted(name, 0).save(tmp_path / "b")
    fitted(name, 1).save(tmp_path / "c")
    a, b, c = (folder_bytes(tmp_path / letter) for letter in "abc")
    assert a == b
    assert (a["weights.safetensors"] == c["weights.safetensors"]) == (name in COUNTED - STARTED)
    assert sorted(a) == ["model.json", "weights.safetensors"]


@every_synthesizer
def test_a_loaded_model_samples_the_same(name: str, models: dict[str, Synthesizer[Any, Any]], tmp_path: Path) -> None:
    """Saving loses nothing, and samples depend on the seed alone."""
    models[name].save(tmp_path)
    loaded = registry.load(tmp_path)
    first, again, other = (next(iter(loaded.sample(20, seed=seed))) for seed in (5, 5, 6))
    assert same(first, next(iter(models[name].sample(20, seed=5))))
    assert same(first, again)
    assert not same(first, other)


@every_synthesizer
def test_samples_conform_to_the_schema(name: str, models: dict[str, Synthesizer[Any, Any]]) -> None:
    """Even a hardly trained model makes rows of the right types, ranges and categories."""
    modality, codec = MODALITIES[models[name].modality], codec_for(name, rows_for(name))
    for batch in models[name].sample(50, seed=0):
        assert modality.check(batch, codec.schema) == []


@every_synthesizer
def test_rows_come_in_batches(
    name: str, models: dict[str, Synthesizer[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long sample is never held whole: batches are bounded and together as many as asked."""
    monkeypatch.setattr(registry.find(name), "batch", 7)
    sizes = [len(batch) for batch in models[name].sample(20, seed=0)]
    assert sizes == [7, 7, 6]
    first, second = list(models[name].sample(14, seed=0))
    assert not same(first, second)


@every_conditional
def test_conditions_are_met(
    name: str, models: dict[str, Synthesizer[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One class, or exact counts over several batches, by the word target or the column's name."""
    monkeypatch.setattr(registry.find(name), "batch", 7)
    one, two = sorted(set(labels_of([rows_for(name)])))[:2]
    assert labels_of(list(models[name].sample(9, {"target": two}))) == [two] * 9
    column = TARGETS[models[name].modality]
    found = labels_of(list(models[name].sample(20, {column: {one: 17, two: 3}}, seed=1)))
    assert (found.count(one), found.count(two)) == (17, 3)
    assert found != sorted(found)


@pytest.mark.parametrize("name", sorted(set(NAMES) - UNCONDITIONAL - PRIVATE))
def test_without_conditions_classes_are_as_in_training(name: str, models: dict[str, Synthesizer[Any, Any]]) -> None:
    """Classes of 500 rows have the training shares within four standard errors."""
    real, made = labels_of([rows_for(name)]), labels_of(list(models[name].sample(500, seed=0)))
    for label in set(real):
        share = real.count(label) / len(real)
        assert abs(made.count(label) / 500 - share) < 4 * (share * (1 - share) / 500) ** 0.5


@pytest.mark.parametrize("name", [name for name in NAMES if registry.find(name).modality == "tabular"])
def test_conditions_on_any_columns_are_met(name: str, models: dict[str, Synthesizer[Any, Any]]) -> None:
    """Ranges and categories of any columns, by the model itself or by drawing again, and with a class."""
    modality, model = MODALITIES["tabular"], models[name]
    asked: dict[str, Any] = {"age": "20..90", "town": ["Ulm", "Aalen"], "moment": {"min": "2020-02-01"}}
    wanted = wanted_rows(asked | ({} if name in UNCONDITIONAL else {"target": "yes"}), model.codec.schema)
    sieves = sieves_for(None, wanted, modality)
    drawing = Draw(directed(model, wanted), wanted, count=60, seed=2, sieves=sieves, modality=modality)
    rows = pd.concat(list(drawing.batches()), ignore_index=True)
    assert len(rows) == 60
    assert rows["age"].between(20, 90).all()
    assert rows["town"].isin(["Ulm", "Aalen"]).all()
    assert (rows["moment"] >= pd.Timestamp("2020-02-01", tz="UTC")).all()
    assert name in UNCONDITIONAL or set(rows["outcome"]) == {"yes"}
    assert 0 < float(str(drawing.facts()["met"])) <= 1


@every_conditional
@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"target": "yess"}, "has no class 'yess'"),
        ({"target": {"1": 2}}, "has no class '1'|add up to 2, not to 9; correct one of them"),
        ({"colour": "red"}, "conditions on colour: only on the target, "),
    ],
)
def test_conditions_that_cannot_be_met_are_refused(
    name: str, conditions: Conditions, message: str, models: dict[str, Synthesizer[Any, Any]]
) -> None:
    """The error comes at once, not with the first batch."""
    with pytest.raises(ConditionError, match=message):
        models[name].sample(9, conditions)


@every_synthesizer
def test_nothing_is_nothing_to_sample(name: str, models: dict[str, Synthesizer[Any, Any]]) -> None:
    """No rows are not asked for."""
    with pytest.raises(ModelError, match="0 rows cannot be generated"):
        models[name].sample(0)


@every_synthesizer
def test_files_carry_their_salt(name: str, models: dict[str, Synthesizer[Any, Any]], tmp_path: Path) -> None:
    """Each file has its own salt inside, and the model loads with it."""
    models[name].save(tmp_path, salts=lambda file: file.encode())
    with safe_open(tmp_path / "weights.safetensors", "pt") as weights:
        assert weights.metadata() == {"salt": b"weights.safetensors".hex()}
    assert json.loads((tmp_path / "model.json").read_text())["salt"] == b"model.json".hex()
    assert same(next(iter(registry.load(tmp_path).sample(5))), next(iter(models[name].sample(5))))


@every_network
def test_an_interrupted_fit_ends_with_the_same_bytes(
    name: str, models: dict[str, Synthesizer[Any, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken up at an epoch's end, training says so and goes on as if nothing had been; another fit does not."""
    for loop in (training, likelihood):
        monkeypatch.setattr(loop, "EPOCH", 5)
    monkeypatch.setattr(callbacks, "PAUSE", 0.0)
    states, whole, said = tmp_path / "states", Recorder(), list[str]()
    fitted(name, plan=replace(QUIET, curves=whole, log_every=1)).save(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        fitted(name, plan=replace(QUIET, checkpoints=states, curves=Breaker(11), log_every=1))
    assert sorted(path.suffix for path in states.iterdir()) == [".json", ".safetensors"]
    fitted(name, 1, replace(QUIET, checkpoints=states, tell=said.append))
    assert said == []
    seen = Recorder()
    plan = replace(QUIET, checkpoints=states, curves=seen, log_every=1, tell=said.append)
    fitted(name, plan=plan).save(tmp_path / "resumed")
    assert said == ["resumed from step 10 of 12"]
    assert seen.figures == whole.figures
    assert folder_bytes(tmp_path / "resumed") == folder_bytes(tmp_path / "whole")
    assert list(states.iterdir()) == []


class Recorder:
    """Curves that remember."""

    def __init__(self) -> None:
        self.figures: list[tuple[int, Mapping[str, float]]] = []

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Remember."""
        self.figures.append((step, figures))


class Breaker:
    """Curves that interrupt training at a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Interrupt."""
        if step == self.at:
            raise InterruptedError


@every_gan
def test_curves_are_logged_at_the_interval_and_the_end(name: str) -> None:
    """Losses, judgements and norms come as finite numbers at every fifth step and the last."""
    seen = Recorder()
    fitted(name, plan=replace(QUIET, curves=seen, log_every=5))
    assert [step for step, _ in seen.figures] == [5, 10, 12]
    kind = "d_score_" if name in SCORES else "d_"
    for step, figures in seen.figures:
        assert set(figures) == {
            *("d_loss", "g_loss", f"{kind}real", f"{kind}fake"),
            *("d_gradient_norm", "g_gradient_norm", "d_weight_norm", "g_weight_norm"),
            *(("variety",) if step == 12 else ()),
            *(("entropy", "lost") if step == 12 and registry.find(name).modality == "tabular" else ()),
        }
        assert np.isfinite(list(figures.values())).all()
        if name not in SCORES:
            assert 0 < figures["d_real"] < 1


def test_the_network_of_one_loss_logs_it() -> None:
    """Its loss and gradient come at the interval and the end, and with each check the loss on the rows held back."""
    seen = Recorder()
    fitted("masked", plan=replace(QUIET, curves=seen, log_every=5))
    assert [(step, sorted(figures)) for step, figures in seen.figures] == [
        (5, ["gradient_norm", "loss"]),
        (10, ["gradient_norm", "loss"]),
        (12, ["gradient_norm", "held_loss", "loss"]),
    ]


class Album:
    """Samples that are kept."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, int]] = []

    def draw(self, step: int, steps: int, data: Rows) -> Mapping[str, bytes]:
        """Remember the step if there is something to see."""
        assert len(data) > 0
        self.shown.append((step, steps))
        return {}

    def keep(self, files: Mapping[str, bytes]) -> None:
        """Nothing was kept."""


@every_synthesizer
def test_something_is_logged_and_shown(name: str) -> None:
    """Each fit leaves at least a figure and a sample, the last of them at its end."""
    seen, album = Recorder(), Album()
    fitted(name, plan=replace(QUIET, curves=seen, samples=album))
    assert seen.figures
    assert album.shown[-1] == ((1, 1) if name in COUNTED else (12, 12))


def test_a_network_that_learns_no_more_stops() -> None:
    """After `patience` checks without a better one, training ends before its steps do, with the best weights."""
    data, seen, album = rows_for("masked"), Recorder(), Album()
    model = registry.create("masked", {**small("masked"), "steps": 400, "rate": 0.0, "patience": 3})
    model.fit(data, codec_for("masked", data), replace(QUIET, curves=seen, samples=album, log_every=4))
    assert [step for step, _ in seen.figures] == [4, 8, 12, 16]
    assert album.shown == [(10, 400), (16, 400)]


@every_gan
def test_training_that_leaves_the_finite_numbers_ends(name: str) -> None:
    """A rate that breaks everything at lower rates too ends in one clear error and not in a model of NaN."""
    data, said = rows_for(name), list[str]()
    model = registry.create(name, {**SMALL, "rate": 1e30})
    with pytest.raises(TrainingError, match=r"^training is not finite \(.*\) at step 12, .*; lower model\.rate"):
        model.fit(data, codec_for(name, data), replace(QUIET, tell=said.append))
    assert len(said) == training.RESTARTS


@pytest.mark.parametrize("name", sorted(set(OTHERS)))
def test_several_devices_are_refused(name: str) -> None:
    """What learns on one device says so."""
    data = rows_for(name)
    with pytest.raises(ModelError, match=f"{name} learns on one device; set `devices: 1`"):
        registry.create(name, small(name)).fit(data, codec_for(name, data), replace(QUIET, devices=2))


def test_a_loss_that_is_not_finite_ends_training() -> None:
    """A rate that breaks everything ends in one clear error."""
    data = rows_for("masked")
    model = registry.create("masked", {**small("masked"), "rate": 1e30})
    with pytest.raises(TrainingError, match=r"^training is not finite at step \d+ \(.*\); lower model\.rate"):
        model.fit(data, codec_for("masked", data), replace(QUIET, log_every=1))


@every_reproducible
def test_the_model_holds_no_row(name: str, models: dict[str, Synthesizer[Any, Any]], tmp_path: Path) -> None:
    """No rare number of a training row can be read out of the model's description, the ranges' ends apart."""
    models[name].save(tmp_path)
    told = set(_numbers(json.loads((tmp_path / "model.json").read_text())))
    data = rows_for(name)
    if isinstance(data, ImageSet):
        assert len(told) < 50
        return
    for column in ("price", "raw"):
        values = data[column].dropna()
        rare = values[values.map(values.value_counts()) < 5]
        assert not told & (set(rare) - {values.min(), values.max()})


def _numbers(value: object) -> list[float]:
    if isinstance(value, Mapping):
        return [number for item in value.values() for number in _numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [value] if isinstance(value, int | float) else []


@every_synthesizer
def test_unknown_settings_name_the_nearest(name: str) -> None:
    """A mistyped key, a text for a number and a negative number are refused before anything runs."""
    if name in COUNTED:
        with pytest.raises(ParamsError, match="unknown key 'stpes'"):
            registry.create(name, {"stpes": 10})
        return
    with pytest.raises(ParamsError, match=r"unknown key 'stpes' \(did you mean 'steps'\?\)"):
        registry.create(name, {"stpes": 10})
    with pytest.raises(ParamsError, match=r"model\.rate: expected a number"):
        registry.create(name, {"rate": "1e-3"})
    with pytest.raises(ParamsError, match=r"model\.steps: expected a number"):
        registry.create(name, {"steps": 0})


@every_synthesizer
def test_a_damaged_folder_is_refused(name: str, models: dict[str, Synthesizer[Any, Any]], tmp_path: Path) -> None:
    """Weights of another shape, cut off, or absent are said to be no model."""
    models[name].save(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ModelFileError, match=f"not a {name} model"):
        registry.load(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ModelFileError, match=r"not a model \(KeyError\); train it first"):
        registry.load(tmp_path)


def test_sampling_starts_without_lightning(models: dict[str, Synthesizer[Any, Any]], tmp_path: Path) -> None:
    """Lightning's 3.5 seconds of start-up are paid by training alone, and scikit-learn's by ingest alone."""
    for name in NAMES:
        models[name].save(tmp_path / name)
    code = (
        "import sys, pathlib; from synthtrail.models import registry; "
        "[next(iter(registry.load(pathlib.Path(folder)).sample(3))) for folder in sys.argv[1:]]; "
        "sys.exit('lightning' in sys.modules or 'sklearn' in sys.modules)"
    )
    folders = [str(tmp_path / name) for name in NAMES]
    assert subprocess.run([sys.executable, "-c", code, *folders], check=False).returncode == 0


@pytest.mark.parametrize("name", ["cgan", "gan", "wgan_gp", *sorted(set(OTHERS) - {"image_vae", "latent_gan"})])
@pytest.mark.parametrize("target", [None, "raw"])
def test_tables_without_classes_can_be_learnt(name: str, target: str | None) -> None:
    """Without a target, or with a number as target, rows conform and conditions are refused."""
    data = mixed(60)
    codec = codec_for(name, data, target)
    model = registry.create(name, small(name))
    model.fit(data, codec, QUIET)
    assert MODALITIES["tabular"].check(next(iter(model.sample(30))), codec.schema) == []
    with pytest.raises(ConditionError, match="this model knows no classes: generate without conditions"):
        model.sample(30, {"target": "yes"})


def test_an_unconditional_model_says_so(models: dict[str, Synthesizer[Any, Any]]) -> None:
    """It learns classes as a column, so all of them occur, and cannot be asked for one."""
    assert set(labels_of(list(models["gan"].sample(500)))) == set(labels_of([rows_for("gan")]))
    with pytest.raises(ConditionError, match="this model knows no classes: generate without conditions"):
        models["gan"].sample(9, {"target": "yes"})


@pytest.mark.parametrize(("height", "width", "channels"), [(5, 5, 1), (4, 9, 3), (28, 28, 1)])
def test_mlp_gan_takes_every_shape(height: int, width: int, channels: int) -> None:
    """Square or not, grey or in colour, images come out as they went in."""
    pixels = np.zeros((6, height, width, channels), np.uint8)
    data = ImageSet(pixels, np.array(["a", "b"] * 3, object), tuple("abcdef"))
    model = registry.create("mlp_gan", {**SMALL, "steps": 1})
    model.fit(data, Images().fit_codec(data, Images().infer(data)), QUIET)
    assert next(iter(model.sample(2))).pixels.shape == (2, height, width, channels)


@pytest.mark.parametrize("size", [5, 12, 28])
def test_dcgan_takes_other_square_sizes(size: int) -> None:
    """Odd and even sizes, and colour, come out as they went in; other shapes are refused."""
    pixels = np.zeros((6, size, size, 3), np.uint8)
    data = ImageSet(pixels, np.array(["a", "b"] * 3, object), tuple("abcdef"))
    codec = Images().fit_codec(data, Images().infer(data))
    model = registry.create("dcgan", {**SMALL, "steps": 1})
    model.fit(data, codec, QUIET)
    assert next(iter(model.sample(2))).pixels.shape == (2, size, size, 3)
    wide = ImageSet(np.zeros((2, 4, 8, 1), np.uint8), np.array(["a", "b"], object), ("a", "b"))
    with pytest.raises(ModelError, match="dcgan wants square images, these are 4 x 8"):
        model.fit(wide, Images().fit_codec(wide, Images().infer(wide)), QUIET)


def test_an_unknown_synthesizer_names_the_nearest() -> None:
    """A mistyped name is corrected, not guessed."""
    with pytest.raises(ParamsError, match=r"no synthesizer 'wgan_pg' \(did you mean 'wgan_gp'\?\)"):
        registry.create("wgan_pg", {})
