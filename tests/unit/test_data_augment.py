"""Plain augmentation does what it says to each image, from its seed alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from synthtrail.data.augment import NOTHING, SIGNS, TISSUE, Augmentation, augment, augmented, to_batch

FAR = 1e-3


def random(seed: int = 1) -> torch.Generator:
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def corner(count: int = 64) -> Tensor:
    """Return images (count, 1, 32, 32) that are dark but for a bright square left of the middle."""
    batch = torch.full((count, 1, 32, 32), 0.2)
    batch[:, :, 12:20, 4:12] = 0.8
    return batch


@pytest.mark.parametrize("how", [SIGNS, TISSUE, NOTHING], ids=["signs", "tissue", "nothing"])
def test_a_batch_keeps_its_form_and_range(how: Augmentation) -> None:
    """Shape, type and the range 0 to 1 stay, grey or colour, and the same seed gives the same."""
    for channels in (1, 3):
        batch = torch.rand(5, channels, 28, 28, generator=random())
        first, again, other = (augment(batch, how, random(seed)) for seed in (3, 3, 4))
        assert first.shape == batch.shape
        assert first.dtype == torch.float32
        assert 0 <= float(first.min()) <= float(first.max()) <= 1
        assert torch.equal(first, again)
        assert torch.equal(first, other) == (how == NOTHING)


def test_turning_by_half_a_turn_at_most_reaches_every_side() -> None:
    """The bright square's centre goes around the middle at its own distance."""
    turned = augment(corner(), replace(NOTHING, rotation=180.0), random())[:, 0] > 0.5
    at = torch.stack([torch.nonzero(one).float().mean(0) - 15.5 for one in turned])
    assert torch.allclose(at.norm(dim=1), torch.full((len(at),), 8.0), atol=0.7)
    assert (at[:, 1] > 4).any()
    assert (at[:, 1] < -4).any()
    assert (at[:, 0] > 4).any()


def test_scale_changes_the_size_by_as_much_as_said() -> None:
    """The bright area is between (1 - scale)^2 and (1 + scale)^2 of what it was, and uses the range."""
    areas = (augment(corner(200), replace(NOTHING, scale=0.3), random())[:, 0] > 0.5).sum((1, 2)) / 64
    assert 0.42 < float(areas.min()) < 0.65
    assert 1.45 < float(areas.max()) < 1.82


def test_shift_moves_without_turning() -> None:
    """Ten per cent of 32 pixels is three pixels either way."""
    moved = augment(corner(200), replace(NOTHING, shift=0.1), random())[:, 0]
    rows = (moved * torch.arange(32.0)[None, :, None]).sum((1, 2)) / moved.sum((1, 2))
    still = (corner(1)[0, 0] * torch.arange(32.0)[:, None]).sum() / corner(1).sum()
    assert float((rows - still).abs().max()) < 3.3
    assert float((rows - still).std()) > 0.3


def test_light_moves_every_pixel_of_an_image_alike() -> None:
    """Brightness and contrast are an affine map of the brightness: the order of pixels stays."""
    lit = augment(corner(100), replace(NOTHING, light=0.15), random())
    dark, bright = lit[:, 0, 0, 0], lit[:, 0, 15, 8]
    assert bool((bright > dark).all())
    assert float(dark.max() - dark.min()) > 0.1
    assert torch.allclose(lit[:, 0, 12:20, 4:12].std((1, 2)), torch.zeros(100), atol=FAR)


def test_noise_and_occlusion_have_the_size_asked_for() -> None:
    """Noise has at most the spread given; the square hides at most its share of the picture, and not always."""
    grey = torch.full((300, 1, 32, 32), 0.5)
    spread = augment(grey, replace(NOTHING, noise=0.1), random()).std((1, 2, 3))
    assert 0.09 < float(spread.max()) < 0.11
    hidden = (augment(grey, replace(NOTHING, occlusion=0.5), random()) != 0.5).float().mean((1, 2, 3))
    assert 0.2 < float(hidden.max()) < 0.27
    assert float(hidden.min()) < 0.01


def test_an_augmented_set_uses_each_image_equally_often_with_its_own_label() -> None:
    """Twice as many as there were: every original twice, each still of its class."""
    pixels = np.repeat(np.array([0, 100, 200], np.uint8)[:, None, None, None], 16, axis=1).repeat(16, 2)
    made, labels = augmented(pixels, ["a", "b", "c"], 6, replace(NOTHING, light=0.05), 0)
    assert sorted(labels.tolist()) == ["a", "a", "b", "b", "c", "c"]
    truth = {"a": 0, "b": 100, "c": 200}
    for image, label in zip(made, labels, strict=True):
        assert abs(float(image.mean()) - truth[str(label)]) < 16
    assert np.array_equal(made, augmented(pixels, ["a", "b", "c"], 6, replace(NOTHING, light=0.05), 0)[0])


def test_the_batch_of_pixels_is_channels_first_in_0_to_1() -> None:
    """255 is 1, and a channel stays a channel."""
    pixels = np.zeros((2, 4, 5, 3), np.uint8)
    pixels[..., 1] = 255
    batch = to_batch(pixels)
    assert batch.shape == (2, 3, 4, 5)
    assert batch.amax((0, 2, 3)).tolist() == [0.0, 1.0, 0.0]
