"""Generators of images: every size and colour, classes drawn as said, definitions kept, the smoke profiles run."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from synthtrail import params
from synthtrail.cli.enable import changed as overlaid
from synthtrail.data.image import Images, ImageSet
from synthtrail.models import diffaugment, precision, registry
from synthtrail.models.devices import digest
from synthtrail.models.errors import ConditionError, ModelError
from synthtrail.models.image_layers import Plan, settle
from synthtrail.models.image_objective import ImageObjective, chances
from synthtrail.models.image_vae_network import packed, unpacked
from synthtrail.models.objective import generator_for
from synthtrail.models.plain_dcgan import PlainDcgan
from synthtrail.models.projection_gan import ProjectionGan
from synthtrail.params import ParamsError
from tests.imports import ROOT
from tests.unit.test_models_synthesizers import QUIET

SMALL: dict[str, dict[str, Any]] = {
    "plain_dcgan": {"steps": 1, "batch": 8, "width": 8, "noise": 4},
    "projection_gan": {"steps": 1, "batch": 8, "width": 8, "noise": 4},
    "image_vae": {"steps": 1, "batch": 8, "width": 8, "latent": 4},
    "latent_gan": {
        "steps": 1,
        "code_steps": 1,
        "label_steps": 1,
        "batch": 8,
        "width": 8,
        "critic_width": 8,
        "latent": 4,
    },
}
every_generator = pytest.mark.parametrize("name", sorted(SMALL))
PROFILES = sorted(path.stem for path in (ROOT / "catalog/smoke").glob("*.yaml"))


def pictures(count: int, height: int, width: int, channels: int = 1, classes: int = 2) -> ImageSet:
    """Return pictures of noise around a shade of their class."""
    rng = np.random.default_rng(count)
    kinds = np.arange(count) % classes
    shade = (kinds * 200 // max(1, classes - 1))[:, None, None, None]
    pixels = (shade + rng.integers(0, 50, (count, height, width, channels))).astype(np.uint8)
    return ImageSet(pixels, kinds.astype(str).astype(object), tuple(map(str, range(count))))


def trained(name: str, data: ImageSet, **settings: Any) -> Any:
    """Return a model that was trained on the pictures."""
    model: Any = registry.create(name, {**SMALL[name], **settings})
    model.fit(data, Images().fit_codec(data, Images().infer(data)), QUIET)
    return model


@every_generator
@pytest.mark.parametrize(("height", "width", "channels"), [(28, 28, 1), (50, 37, 3), (96, 128, 1)])
def test_every_size_and_colour_comes_out_as_it_went_in(name: str, height: int, width: int, channels: int) -> None:
    """From 28 to 128 pixels a side, powers of two or not, square or not, grey or RGB."""
    model = trained(name, pictures(4, height, width, channels), width=2, batch=2)
    assert next(iter(model.sample(2))).pixels.shape == (2, height, width, channels)


@pytest.mark.parametrize("name", ["projection_gan", "latent_gan", "image_vae"])
def test_a_class_is_learnt_as_its_shade(name: str) -> None:
    """After some seconds black pictures come out black and white ones white: classes and colours are those given."""
    rates: dict[str, dict[str, Any]] = {
        "projection_gan": {"rate": 0.002, "critic_rate": 0.002},
        "latent_gan": {"code_steps": 150},
        "image_vae": {"rate": 0.005, "ema": 0.9},
    }
    model = trained(name, pictures(64, 8, 8), steps=150, batch=16, **rates[name])
    dark, light = (next(iter(model.sample(50, {"target": kind}))).pixels.mean() for kind in "01")
    assert dark < 75
    assert light > 165


@every_generator
def test_an_image_does_not_depend_on_its_batch(name: str) -> None:
    """The generator that is kept normalises by statistics that stand, so each image is made alone."""
    model = trained(name, pictures(40, 12, 12), steps=12)
    model.labeller = None  # where there is one, it picks from many, each of which is made alone too
    classes = torch.tensor([0, 1] * 20)
    with torch.no_grad():
        whole = model.draw(classes, generator_for(0, 0), 0).pixels
        network = model.network if name == "image_vae" else model.generator
        inputs = torch.randn(40, 5 if name == "latent_gan" else 4, generator=generator_for(0, 0))
        alone = network.decode(inputs[:1], classes[:1]).sigmoid() * 2 - 1 if name == "image_vae" else network(
            inputs[:1], classes[:1]
        )  # fmt: skip
    assert np.abs(model.codec.decode(alone.numpy(), np.array([0])).pixels.astype(int) - whole[0]).max() <= 1


def test_settled_statistics_are_those_of_what_passes_through() -> None:
    """Mean and variance of the inputs, exactly, whatever was there before."""

    class Norm(nn.Module):
        """One normalisation."""

        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(2)

        def forward(self, noise: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
            """Return what is normalised."""
            del classes
            made: torch.Tensor = self.norm(noise)
            return made

    network, random = Norm(), generator_for(0, 0)
    parts = [torch.randn(50, 2, 3, 3, generator=random) * 3 + 1 for _ in range(4)]
    network(parts[0], parts[0])
    settle(network, ((part, part) for part in parts))
    mean, variance = (getattr(network.norm, f"running_{kind}") for kind in ("mean", "var"))
    assert torch.allclose(mean, torch.stack([p.mean((0, 2, 3)) for p in parts]).mean(0), atol=1e-5)
    assert torch.allclose(variance, torch.stack([p.var((0, 2, 3)) for p in parts]).mean(0), atol=1e-4)
    assert not network.training


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.1), (0.5, 0.25), (1.0, 0.5)])
def test_rare_classes_are_drawn_as_often_as_balance_says(balance: float, share: float) -> None:
    """Of 900 and 100 images: as they occur, by the root of their number, or evenly; every image of a class alike."""
    classes = torch.tensor([0] * 900 + [1] * 100)
    objective = ImageObjective(nn.Linear(1, 1), nn.Linear(1, 1), classes[:, None], classes, noise=1, balance=balance)
    drawn = torch.cat([objective.pick(1000, generator_for(0, step)) for step in range(40)])
    assert abs(float((classes[drawn] == 1).float().mean()) - share) < 0.01
    each = torch.bincount(drawn[classes[drawn] == 1] - 900, minlength=100).double()
    assert each.min() > 0
    assert each.std() / each.mean() < 4 / (40_000 * share / 100) ** 0.5
    assert float(chances(classes, balance)[-1]) == 1.0


def test_augmentation_passes_gradients_and_leaves_out_what_is_not_asked_for() -> None:
    """All images, some, or none are changed; a gradient reaches pixels; the same seed changes in the same way."""
    images = torch.rand(200, 3, 28, 28, generator=generator_for(0, 0)) * 2 - 1
    assert diffaugment.changed(images, 0.0, generator_for(0, 1)) is images
    same = (diffaugment.changed(images, 0.3, generator_for(0, 1)) == images).flatten(1).all(1)
    assert 0.55 < float(same.float().mean()) < 0.85
    leaf = images.clone().requires_grad_(True)
    diffaugment.changed(leaf, 1.0, generator_for(0, 1)).sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert float((leaf.grad != 0).float().mean()) > 0.4
    twice = [diffaugment.changed(images, 1.0, generator_for(0, 2)) for _ in range(2)]
    assert torch.equal(*twice)


def test_translation_moves_by_whole_pixels() -> None:
    """A single white pixel stays one, or leaves; over many images it moves at most an eighth, both ways."""
    images = torch.zeros(300, 1, 16, 16)
    images[:, :, 8, 8] = 1
    moved = diffaugment.translation(images, generator_for(0, 0))
    assert moved.sum() == 300
    _, _, row, column = moved.nonzero().T
    for place in (row, column):
        assert (int(place.min()), int(place.max())) == (6, 10)


def test_cutout_hides_a_square_of_half_the_side() -> None:
    """At most 8 x 8 of 16 x 16, and at a border less."""
    hidden = (diffaugment.cutout(torch.ones(300, 1, 16, 16), generator_for(0, 0)) == 0).flatten(1).sum(1)
    assert int(hidden.max()) == 64
    assert 0 < int(hidden.min()) < 40


def test_the_two_definitions_of_the_dcgan_are_kept() -> None:
    """Layers, features, normalisation, loss and optimiser are those of the sources, for 64x64x3 and for 28x28x1."""
    lesions = untrained(PlainDcgan({"labels": "ignored", "noise": 100, "width": 64, "batch": 64}), 64, 3)
    shapes = [tuple(m.weight.shape) for m in lesions.generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert shapes == [(100, 512, 4, 4), (512, 256, 4, 4), (256, 128, 4, 4), (128, 64, 4, 4), (64, 3, 4, 4)]
    downs = [tuple(m.weight.shape) for m in lesions.critic.modules() if isinstance(m, nn.Conv2d)]
    assert downs == [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4)]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in lesions.critic.modules()) == 3
    assert lesions.critic.judge[0].weight.shape == (1, 512 * 4 * 4)
    assert any(isinstance(m, nn.ReLU) for m in lesions.generator.modules())
    digits = untrained(PlainDcgan({}), 28, 1)
    shapes = [tuple(m.weight.shape) for m in digits.generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert shapes == [(64 + 2, 256, 7, 7), (256, 128, 4, 4), (128, 1, 4, 4)]
    assert [m.out_features for m in digits.critic.modules() if isinstance(m, nn.Linear)] == [128, 512, 1]
    spread = torch.cat([m.weight.flatten() for m in digits.critic.modules() if isinstance(m, nn.Linear)]).detach().std()
    assert 0.019 < float(spread) < 0.021
    plan = PlainDcgan({}).schedule()
    assert (plan.rate_critic, plan.rate_generator, plan.betas, plan.ema) == (0.0002, 0.0002, (0.5, 0.999), 0.0)
    assert plan.rate(0) == plan.rate(plan.steps - 1) == 1


def untrained(model: Any, side: int, channels: int) -> Any:
    """Return a model's objective on two pictures."""
    data = pictures(2, side, side, channels)
    model.codec = Images().fit_codec(data, Images().infer(data))
    return model.fresh(*model.learn_facts(data), 0, model.schedule())


def test_a_dcgan_that_ignores_labels_gives_shares_and_refuses_classes() -> None:
    """Its labels come as often as in training and cannot be asked for."""
    data = pictures(40, 8, 8, classes=4)
    model = trained("plain_dcgan", data, labels="ignored")
    labels = next(iter(model.sample(400))).labels
    assert {kind: abs(np.mean(labels == kind) - 0.25) < 0.1 for kind in "0123"} == dict.fromkeys("0123", True)
    with pytest.raises(ConditionError, match="this model knows no classes"):
        model.sample(4, {"target": "1"})
    with pytest.raises(ParamsError, match=r"model\.labels: 'ignore' is none of used, ignored \(did you mean"):
        registry.create("plain_dcgan", {"labels": "ignore"})


def test_images_too_small_for_a_dcgan_are_refused() -> None:
    """One line says how many pixels it takes."""
    with pytest.raises(ModelError, match="plain_dcgan wants 8 pixels a side or more, these are 5 x 6"):
        trained("plain_dcgan", pictures(4, 5, 6))


def test_images_are_held_as_bytes() -> None:
    """A quarter of the memory of numbers, for training and for the processes beside it."""
    objective = untrained(ProjectionGan(SMALL["projection_gan"]), 28, 3)
    assert objective.rows.dtype == torch.uint8
    assert float(objective.real(torch.tensor([0, 1])).max()) <= 1.0


def test_rows_of_bytes_come_apart_as_they_were_put_together() -> None:
    """Pixels and class numbers, beyond 256 too."""
    pixels, classes = torch.arange(48, dtype=torch.uint8).view(4, 3, 2, 2), torch.tensor([0, 255, 256, 700])
    images, back = unpacked(packed(pixels, classes), 3, Plan(2, 2, 0))
    assert torch.equal((images * 255).round().to(torch.uint8), pixels)
    assert torch.equal(back, classes)


def test_a_private_autoencoder_tells_its_terms_and_holds_the_decoder_alone(tmp_path: Path) -> None:
    """Epsilon is kept by noise that grows as it shrinks; two fits with one seed differ; no encoder is saved."""
    data = pictures(60, 8, 8)
    model = trained("image_vae", data, steps=3, epsilon=5.0, delta=1e-5)
    other = trained("image_vae", data, steps=3, epsilon=0.5, delta=1e-5)
    assert (model.privacy["epsilon"], model.privacy["delta"]) == (5.0, 1e-5)
    assert "differ by one image" in model.privacy["neighbours"]
    assert other.facts["noise"] > 2 * model.facts["noise"]
    again = trained("image_vae", data, steps=3, epsilon=5.0, delta=1e-5)
    assert not torch.equal(again.state()["first.weight"], model.state()["first.weight"])
    assert not any(name.startswith(("downs", "code")) for name in model.state())
    model.save(tmp_path)
    assert registry.load(tmp_path).privacy == model.privacy
    assert trained("image_vae", data).privacy == {}
    with pytest.raises(ParamsError, match=r"model\.epsilon: expected a number above 0"):
        registry.create("image_vae", {"epsilon": 0.0})


def test_bfloat16_is_for_devices_that_gain_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU needs AMX tiles; instructions without them were measured to lose."""
    cpu = torch.device("cpu")
    for told, expected in (({"avx512_bf16": True, "amx_bf16": False}, False), ({"amx_bf16": True}, True), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda told=told: told)
        assert precision.halved(cpu) is expected


def test_training_in_bfloat16_keeps_weights_and_losses_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only forward passes are halved; images come out whole."""
    monkeypatch.setattr(precision, "halved", lambda device: True)
    objective = untrained(ProjectionGan({**SMALL["projection_gan"], "augment": 1.0}), 12, 1)
    judged = objective.critic_loss(8, generator_for(0, 0))
    assert judged.loss.dtype == torch.float32
    judged.loss.backward()
    assert {p.grad.dtype for p in objective.critic.parameters()} == {torch.float32}
    assert objective.fake(4, generator_for(0, 0))[0].dtype == torch.float32
    assert next(iter(trained("projection_gan", pictures(12, 12, 12)).sample(3))).pixels.shape == (3, 12, 12, 1)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two processes want two cores")
@pytest.mark.parametrize("name", ["plain_dcgan", "projection_gan"])
def test_two_processes_train_one_model(name: str) -> None:
    """Each normalises its own half batch; weights and settled statistics agree, which `fit` checks by their digest."""
    data = pictures(40, 8, 8)
    codec = Images().fit_codec(data, Images().infer(data))
    states = []
    for devices in (2, 1):
        model: Any = registry.create(name, {**SMALL[name], "steps": 6})
        model.fit(data, codec, replace(QUIET, devices=devices))
        states.append(digest(model.generator.state_dict()))
    assert states[0] != states[1]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_smoke_profile_of_each_experiment_runs(profile: str, tmp_path: Path) -> None:
    """On made-up pictures of the experiment's size, colour and number of classes: trained, saved, drawn, checked."""
    block = yaml.safe_load((ROOT / f"catalog/{profile}.yaml").read_text(encoding="utf-8"))
    experiment = params.parse(
        profile, overlaid(block, yaml.safe_load((ROOT / f"catalog/smoke/{profile}.yaml").read_text(encoding="utf-8")))
    )
    how = block.get("image", {})
    side = how.get("size", 28)
    data = pictures(70, side, side, 3 if how.get("colour") == "rgb" else 1, classes=7)
    model: Any = registry.create(experiment.model.name, experiment.model.settings)
    codec = Images().fit_codec(data, Images().infer(data))
    model.fit(data, codec, replace(QUIET, seed=experiment.seed))
    model.save(tmp_path)
    made = list(registry.load(tmp_path).sample(30, seed=1))
    assert sum(len(batch) for batch in made) == 30
    assert Images().check(made[0], codec.schema) == []


def test_there_is_a_smoke_profile_for_each_downloaded_set_of_images() -> None:
    """Named as the experiments are, which say so in their first lines."""
    assert {"fashion_mnist_gan", "ham10000_gan", "mnist_gan"} <= set(PROFILES)
    for profile in PROFILES:
        text = (ROOT / f"catalog/{profile}.yaml").read_text(encoding="utf-8")
        assert re.search(rf"synthtrail enable {profile} --smoke", text)
