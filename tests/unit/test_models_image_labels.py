"""Networks that say which class a generated image is of: what is drawn by them, how they learn, how they are kept."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from synthtrail.data.augment import NOTHING
from synthtrail.data.image import Images, ImageSchema
from synthtrail.models import callbacks, image_colours, image_labels, latent_training, likelihood, registry
from synthtrail.models.image_labels import Labeller
from synthtrail.models.image_labels_training import train
from synthtrail.models.journal import Journal
from synthtrail.models.latent_gan import LatentGanSettings, chosen
from synthtrail.models.latent_network import lost
from synthtrail.models.objective import generator_for
from tests.unit.test_models_images import pictures, trained
from tests.unit.test_models_synthesizers import QUIET, folder_bytes

SHADES = torch.tensor([-0.8, 0.0, 0.8])


class ByShade(Labeller):
    """Knows a class by its shade, whatever was asked for."""

    def __init__(self) -> None:
        super().__init__(1, 8, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return 0 for the class of the shade and next to nothing for the others."""
        near = (images.mean((1, 2, 3))[:, None] - SHADES).abs().argmin(1)
        return torch.full((len(images), 3), -1e9).scatter(1, near[:, None], 0.0)


def at_random(classes: Tensor, random: torch.Generator) -> Tensor:
    """Return plain images (B, 1, 8, 8) of a shade that has nothing to do with the class, two in three dark."""
    at = torch.tensor([0, 0, 0, 0, 1, 2])[torch.randint(6, (len(classes),), generator=random)]
    return SHADES[at].reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8)


def test_images_are_of_the_class_that_they_are_said_to_be_of() -> None:
    """Though codes say nothing of it: each has the shade of its class, in the order in which classes were asked for."""
    classes = torch.tensor([2, 0, 1, 1, 2, 0] * 60)
    made = image_labels.drawn(ByShade(), at_random, classes, generator_for(1, 1))
    assert torch.allclose(made.mean((1, 2, 3)), SHADES[classes])


def test_a_class_that_is_never_seen_is_made_of_its_codes() -> None:
    """After so many draws in vain the images asked for are made all the same."""
    made = image_labels.drawn(
        ByShade(), lambda classes, _: torch.zeros(len(classes), 1, 8, 8), torch.tensor([1, 2, 1]), generator_for(1, 1)
    )
    assert made.shape == (3, 1, 8, 8)
    assert float(made.abs().sum()) == 0.0


def test_what_is_drawn_follows_from_the_random_state() -> None:
    """The same state gives the same images, another one others."""
    classes = torch.arange(3).repeat(20)
    fresh = image_labels.fresh(1, 8, 3, 1, seed=0).eval()

    def noise(asked: Tensor, random: torch.Generator) -> Tensor:
        return torch.randn(len(asked), 1, 8, 8, generator=random)

    with torch.no_grad():
        one, two, other = (image_labels.drawn(fresh, noise, classes, generator_for(seed, 0)) for seed in (3, 3, 4))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_a_labeller_learns_to_tell_classes_apart() -> None:
    """Taught by noise around the shades of three uneven classes, it names others right, as does each network alone."""
    data = pictures(120, 12, 12, 3, classes=3)
    rows = torch.from_numpy(data.pixels).permute(0, 3, 1, 2)
    classes = torch.from_numpy(data.labels.astype(int))
    kept = (classes != 2) | (torch.arange(120) % 4 == 0)
    labeller = image_labels.fresh(3, 12, 3, 8, seed=1)
    train(labeller, rows[kept], classes[kept], torch.arange(20), NOTHING, 40, Journal(QUIET))
    others = pictures(60, 12, 12, 3, classes=3)
    with torch.no_grad():
        images = torch.from_numpy(others.pixels).permute(0, 3, 1, 2) / 127.5 - 1
        together, single = labeller(images), [labeller.said(number, images) for number in range(image_labels.NETWORKS)]
    assert torch.allclose(together.exp().sum(1), torch.ones(60), atol=1e-4)
    for said in (together, *single):
        assert (said.argmax(1).numpy() == others.labels.astype(int)).mean() > 0.95
    assert not labeller.training


class Interrupting:
    """Curves that interrupt a training as soon as it logs what begins so."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Interrupt."""
        if step > 5 and any(name.startswith(self.prefix) for name in figures):
            raise InterruptedError


def test_a_kill_while_labels_are_learnt_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The autoencoder is not trained again, the labeller goes on, and the model is that of a fit nothing stopped."""
    monkeypatch.setattr(likelihood, "EPOCH", 5)
    monkeypatch.setattr(callbacks, "PAUSE", 0.0)
    settings = {"width": 4, "critic_width": 4, "latent": 3, "batch": 4, "code_steps": 6, "label_steps": 12}
    data, plan = pictures(12, 44, 44, 3), replace(QUIET, log_every=3)

    def fitted(**how: Any) -> Any:
        model = registry.create("latent_gan", settings)
        codec = codec_of(data)
        model.fit(data, codec, replace(plan, **how))
        return model

    fitted().save(tmp_path / "whole")
    states = tmp_path / "states"
    with pytest.raises(InterruptedError):
        fitted(checkpoints=states, curves=Interrupting("label_"))

    def again(*_: Any) -> None:
        raise AssertionError("the autoencoder was trained again")

    monkeypatch.setattr(latent_training.Coding, "_train", again)
    said = list[str]()
    fitted(checkpoints=states, tell=said.append).save(tmp_path / "resumed")
    assert said == ["resumed from step 5 of 12"]
    assert folder_bytes(tmp_path / "resumed") == folder_bytes(tmp_path / "whole")
    assert list(states.iterdir()) == []


def codec_of(data: Any) -> Any:
    """Return the codec of images."""
    return Images().fit_codec(data, Images().infer(data))


def test_a_labeller_is_kept_with_the_model_and_older_models_do_without(tmp_path: Path) -> None:
    """Saved and loaded, a model draws the same; one that was made before there were labellers is still read."""
    model = trained("latent_gan", pictures(12, 12, 12, 3), label_steps=2)
    assert model.labeller is not None
    model.save(tmp_path / "now")
    loaded = registry.load(tmp_path / "now")
    assert (next(iter(loaded.sample(9, seed=2))).pixels == next(iter(model.sample(9, seed=2))).pixels).all()
    model.labeller = None
    del model.facts["plan"]["label_steps"]
    model.save(tmp_path / "before")
    told = json.loads((tmp_path / "before/model.json").read_bytes())
    del told["settings"]["label_steps"]
    (tmp_path / "before/model.json").write_text(json.dumps(told))
    older: Any = registry.load(tmp_path / "before")
    assert older.labeller is None
    assert next(iter(older.sample(9, seed=2))).pixels.shape == (9, 12, 12, 3)


@pytest.mark.parametrize(("side", "classes", "expected"), [(64, 7, 1_700), (64, 21, 0), (64, 1, 0), (28, 10, 0)])
def test_large_images_of_a_few_classes_are_named(side: int, classes: int, expected: int) -> None:
    """Small ones get their class from the critic; of many classes too few images would be drawn of each."""
    schema = ImageSchema(side, side, 3, tuple(map(str, range(classes))))
    assert chosen(LatentGanSettings(), schema, 8_000)["label_steps"] == expected


def test_hues_count_in_a_reconstruction_and_grey_images_are_as_before() -> None:
    """What is off by a hue loses more than what is off by as much light; of grey images the cross-entropy counts."""
    light = torch.linspace(30, 220, 64)[:, None, None, None].expand(64, 3, 2, 2)
    rows = (light + torch.randn(64, 3, 2, 2, generator=generator_for(0, 0))).round().byte()
    colours = image_colours.colours_of(rows)
    image, off = torch.zeros(1, 3, 4, 4), 0.1
    hue = torch.tensor([off, -off, 0.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert float(lost(hue, image, colours)) > float(lost(torch.full_like(hue, off), image, colours)) + 0.05
    grey = torch.full((1, 1, 4, 4), 0.3)
    told = torch.nn.functional.binary_cross_entropy_with_logits(2 * grey, torch.full((1, 1, 4, 4), 0.5))
    assert torch.equal(lost(grey, torch.zeros(1, 1, 4, 4), torch.ones(1, 1)), told)
