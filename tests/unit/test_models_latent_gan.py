"""The GAN that begins as a decoder: the law of its codes, a decoder that knows no class, two trainings that resume."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from synthtrail.models import callbacks, image_turns, latent_mixture, likelihood, registry, training
from synthtrail.models.image_texture import Texture
from synthtrail.models.latent_gan import FaithfulObjective, LatentGan
from synthtrail.models.latent_mixture import LatentMixture, fit
from synthtrail.models.latent_network import LatentGenerator
from synthtrail.models.objective import generator_for
from synthtrail.models.synthesizer import NoSamples
from tests.unit.test_models_images import pictures, trained
from tests.unit.test_models_synthesizers import OTHERS, QUIET, codec_for, fitted, folder_bytes, rows_for


def clouds(*places: tuple[int, float]) -> Tensor:
    """Return codes (N, 3): for each place so many around it, their first two numbers depending on each other."""
    random = generator_for(7, 0)
    mixing = torch.tensor([[1.0, 0.9, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 0.5]])
    return torch.cat([torch.randn(count, 3, generator=random) @ mixing + place for count, place in places])


def drawn(law: LatentMixture, classes: Tensor) -> Tensor:
    """Return codes drawn from a law."""
    codes: Tensor = law(torch.randn(len(classes), 4, generator=generator_for(1, 1)), classes)
    return codes


def test_codes_are_drawn_from_the_law_of_their_class() -> None:
    """Means, covariances and the shares of parts come back, each class by itself."""
    codes, classes = clouds((4000, 0.0), (2000, 8.0), (1500, -5.0)), torch.tensor([0] * 6000 + [1] * 1500)
    law = fit(codes, classes, labels=2, parts=2, seed=0)
    made = drawn(law, classes)
    assert abs(float((made[:6000, 0] > 4).float().mean()) - 1 / 3) < 0.02
    for part, real in ((made[:6000][made[:6000, 0] > 4], codes[4000:6000]), (made[6000:], codes[6000:])):
        assert torch.allclose(part.mean(0), real.mean(0), atol=0.15)
        assert torch.allclose(torch.cov(part.T), torch.cov(real.T), atol=0.15)


def test_no_part_stands_for_a_few_images() -> None:
    """A handful of codes far away get no normal of their own, a small class has one part, an absent one that of all."""
    far = latent_mixture.FEWEST - 1
    codes = clouds((800, 0.0), (far, 60.0), (5, 3.0))
    law = fit(codes, torch.tensor([0] * (800 + far) + [2] * 5), labels=3, parts=6, seed=0)
    held = law.weights[0] * (800 + far)
    assert held[held > 0].min() >= latent_mixture.FEWEST
    assert law.weights[2].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert torch.allclose((law.weights[1, :, None] * law.means[1]).sum(0), codes[:800].mean(0), atol=0.2)
    assert bool(drawn(law, torch.tensor([0, 1, 2])).isfinite().all())


def test_codes_that_are_all_alike_have_a_law() -> None:
    """Of one image again and again the mixture is a point with room around it, and no error."""
    law = fit(torch.ones(400, 3), torch.zeros(400, dtype=torch.int64), labels=1, parts=4, seed=0)
    assert torch.allclose(drawn(law, torch.zeros(50, dtype=torch.int64)).mean(0), torch.ones(3), atol=0.1)


def test_the_decoder_is_not_told_the_class() -> None:
    """Where two classes have one law, the same noise gives the same image whichever is asked for."""
    model = trained("latent_gan", pictures(24, 12, 12))
    generator: LatentGenerator = model.generator
    for name in ("weights", "means", "factors"):
        law = getattr(generator.mixture, name)
        law[1] = law[0]
    noise = torch.randn(6, 5, generator=generator_for(0, 0))
    with torch.no_grad():
        assert torch.equal(*(generator(noise, torch.full((6,), label)) for label in (0, 1)))


def test_reconstruction_counts_as_much_as_fidelity_says() -> None:
    """With codes remembered the generator's loss is the critic's plus fidelity times what reconstructions lose."""
    data = pictures(24, 12, 12)
    model: Any = LatentGan({"width": 8, "critic_width": 8, "latent": 4, "steps": 1, "code_steps": 1})
    model.codec = codec_for("latent_gan", data)
    rows, classes = model.learn_facts(data)
    objective = model.fresh(rows, classes, 0, model.schedule())
    assert isinstance(objective, FaithfulObjective)
    objective.critic.eval()  # whose spectral norms would move with each look
    alone = objective.generator_loss(8, generator_for(0, 3))
    objective.remember(torch.zeros(1, 24, 4), 2.0, 0.0)
    random = generator_for(0, 3)
    judged = super(FaithfulObjective, objective).generator_loss(8, random)
    lost = objective.unlike(8, random)
    assert torch.allclose(alone, judged, atol=1e-4)
    assert torch.allclose(objective.generator_loss(8, generator_for(0, 3)), judged + 2 * lost, atol=1e-4)
    assert float(lost.detach()) > 0


def test_the_encoder_is_not_released(tmp_path: Path) -> None:
    """What has seen every image is thrown away; kept are the decoder and the law."""
    fitted("latent_gan").save(tmp_path)
    with safe_open(tmp_path / "weights.safetensors", framework="pt") as file:
        assert {name.split(".")[0] for name in file.keys()} == {"decoder", "mixture"}  # noqa: SIM118


class Second:
    """Curves that remember, and interrupt the second training at a step."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.figures: list[tuple[int, Mapping[str, float]]] = []

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Remember; interrupt."""
        if step == self.at and "d_loss" in figures:
            raise InterruptedError
        self.figures.append((step, figures))


def test_a_kill_in_the_second_training_does_not_repeat_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken up where it was; model and curves are those of a fit that nothing stopped."""
    for loop in (training, likelihood):
        monkeypatch.setattr(loop, "EPOCH", 5)
    monkeypatch.setattr(callbacks, "PAUSE", 0.0)
    states, whole, seen, said = tmp_path / "states", Second(), Second(), list[str]()
    fitted("latent_gan", plan=replace(QUIET, curves=whole, log_every=4)).save(tmp_path / "whole")
    assert {name.split("_")[0] for _, figures in whole.figures for name in figures} >= {"code", "d", "g"}
    with pytest.raises(InterruptedError):
        fitted("latent_gan", plan=replace(QUIET, checkpoints=states, curves=Second(8), log_every=4))

    def again(*_: Any, **__: Any) -> None:
        raise AssertionError("the autoencoder was trained again")

    monkeypatch.setattr(likelihood, "maximise", again)
    plan = replace(QUIET, checkpoints=states, curves=seen, log_every=4, tell=said.append)
    fitted("latent_gan", plan=plan).save(tmp_path / "resumed")
    assert said == ["resumed from step 5 of 12"]
    assert seen.figures == whole.figures
    assert folder_bytes(tmp_path / "resumed") == folder_bytes(tmp_path / "whole")
    assert list(states.iterdir()) == []


def test_a_model_that_is_trained_on_learns_from_the_critic_alone() -> None:
    """There are no codes any more; the law stays as it was."""
    data = rows_for("latent_gan")
    model: Any = registry.create("latent_gan", OTHERS["latent_gan"])
    model.fit(data, codec_for("latent_gan", data), QUIET)
    law, decoder = model.generator.mixture.means.clone(), model.generator.decoder.last.weight.clone()
    model.more(data, QUIET, 3)
    assert model.facts["steps"] == [12, 3]
    assert torch.equal(model.generator.mixture.means, law)
    assert not torch.equal(model.generator.decoder.last.weight, decoder)


def test_large_images_go_without_a_gan(tmp_path: Path) -> None:
    """Above 40 pixels the decoder is taken as it is, said as 0 steps; one sample is shown, and the file loads."""
    data = pictures(12, 44, 44)
    samples: list[int] = []

    class Seen(NoSamples):
        def draw(self, step: int, steps: int, data: Any) -> Mapping[str, bytes]:
            samples.append(len(data))
            return super().draw(step, steps, data)

    model: Any = LatentGan({"width": 8, "critic_width": 8, "latent": 4, "code_steps": 2, "label_steps": 2, "batch": 4})
    model.fit(data, codec_for("latent_gan", data), replace(QUIET, samples=Seen()))
    assert model.facts["steps"] == [0]
    assert len(samples) == 1
    model.save(tmp_path)
    loaded: Any = registry.load(tmp_path)
    assert (next(iter(loaded.sample(5, seed=1))).pixels == next(iter(model.sample(5, seed=1))).pixels).all()
    assert float(loaded.generator.texture.share) == 1.0
    loaded.more(data, QUIET, 1)
    assert float(loaded.generator.texture.share) == 0.0  # a critic has sharpened it


def grained(count: int) -> tuple[Tensor, Tensor]:
    """Return noise (N, 3, 32, 32) that is smooth along rows, alike in two channels, and louder with the code."""
    random = generator_for(8, 0)
    base = torch.randn(count, 3, 32, 32, generator=random)
    base[:, 1] = base[:, 0]
    smooth = (base + base.roll(1, 3)) / 2**0.5
    codes = torch.randn(count, 2, generator=random)
    return smooth * 0.05 * (0.5 * codes[:, :1, None, None]).exp(), codes


def test_what_is_left_out_comes_back_as_noise_of_the_same_kind() -> None:
    """Strength by the code, correlation of neighbours and of channels, place by place."""
    left_out, codes = grained(600)
    texture = Texture(3, 32, 32, 2)
    texture.fit(left_out, codes)
    at = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).repeat(200, 1)
    made = texture(torch.zeros(400, 3, 32, 32), at, generator_for(9, 0))
    quiet, loud = made[::2], made[1::2]
    assert float(quiet.std()) == pytest.approx(0.05 * math.exp(-0.5), rel=0.05)
    assert float(loud.std()) == pytest.approx(0.05 * math.exp(0.5), rel=0.05)

    def together(one: Tensor, other: Tensor) -> float:
        return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])

    assert together(loud[:, 0], loud[:, 1]) > 0.99
    assert abs(together(loud[:, 0], loud[:, 2])) < 0.05
    assert together(loud[..., 1:], loud[..., :-1]) == pytest.approx(0.5, abs=0.05)
    assert abs(together(loud[:, :, 1:], loud[:, :, :-1])) < 0.05


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 10)])
def test_what_has_no_up_is_learnt_in_all_ways(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes are taken of each way, reconstructed as that way, and the critic sees all of them."""
    data = pictures(24, height, width)
    ways = image_turns.ways(height, width)
    seen: list[Tensor] = []
    fitted_law = latent_mixture.fit

    def law(codes: Tensor, classes: Tensor, **how: Any) -> LatentMixture:
        seen.extend((codes, classes))
        assert how["copies"] == ways
        return fitted_law(codes, classes, **how)

    monkeypatch.setattr(latent_mixture, "fit", law)
    trained("latent_gan", data, orientation="any", steps=2)
    assert [len(one) for one in seen] == [24 * ways, 24 * ways]
    images = torch.arange(3 * height * width).reshape(3, 1, height, width)
    lain = {tuple(image_turns.turned(images, torch.full((3,), way)).flatten().tolist()) for way in range(ways)}
    assert len(lain) == ways


def test_copies_of_codes_count_as_their_images() -> None:
    """Codes that each stand there eight times get no more parts, and are drawn to those of all as much as alone."""
    codes, classes = clouds((400, 0.0), (200, 8.0), (30, 3.0)), torch.tensor([0] * 600 + [1] * 30)
    once = fit(codes, classes, labels=2, parts=20, seed=0)
    often = fit(codes.repeat(8, 1), classes.repeat(8), labels=2, parts=20, seed=0, copies=8)
    for law in (once, often):
        assert 2 <= int((law.weights[0] > 0).sum()) <= 600 // latent_mixture.EACH
    assert torch.allclose(once.factors[1, 0], often.factors[1, 0], atol=0.01)
    apart = fit(codes.repeat(8, 1), classes.repeat(8), labels=2, parts=20, seed=0)  # as if they were so many images
    assert int((apart.weights[0] > 0).sum()) > 600 // latent_mixture.EACH
    assert not torch.allclose(once.factors[1, 0], apart.factors[1, 0], atol=0.01)
