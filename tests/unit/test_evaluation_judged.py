"""What networks make of images, on the diagnostics page: right answers on made-up images, and nothing confidential."""

import base64
import re

import numpy as np
import pytest
from numpy.typing import NDArray

from synthtrail.data.image import Images, ImageSet
from synthtrail.evaluation import domain, judged
from synthtrail.evaluation.attention import attention, overlaid
from synthtrail.evaluation.classifier import Classifier, Settings, fit
from synthtrail.evaluation.judged import Sides
from synthtrail.evaluation.pictures import png, tiled

SIDE = 16


def spots(count: int, seed: int) -> tuple[ImageSet, NDArray[np.int64]]:
    """Return noise, half of it with a checked spot of 5 pixels somewhere, and the spot's middle (N, 2)."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(90, 130, (count, SIDE, SIDE, 1), dtype=np.uint8)
    labels = np.where(np.arange(count) % 2 == 0, "spot", "none").astype(object)
    places = rng.integers(0, SIDE - 5, (count, 2))
    for image, label, (top, left) in zip(pixels[..., 0], labels, places, strict=True):
        if label == "spot":
            image[top : top + 5, left : left + 5] = 255 * (np.indices((5, 5)).sum(0) % 2)
    return ImageSet(pixels, labels, tuple(map(str, range(count)))), places + 2


TRAIN, _ = spots(200, 0)
HELD, PLACES = spots(120, 1)
MADE, _ = spots(160, 2)
SCHEMA = Images().infer(TRAIN)


@pytest.fixture(scope="module")
def judge() -> Classifier:
    """Return a classifier that knows spots."""
    return fit(TRAIN.pixels, TRAIN.labels, seed=0, settings=Settings(steps=60, batch=32, width=8))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps suffice for these."""
    monkeypatch.setattr(domain, "STEPS", (40, 40))


def test_attention_lies_where_the_spot_is(judge: Classifier) -> None:
    """The warmest place is on or next to the spot in nearly every image; images without one are looked at elsewhere."""
    rows = np.flatnonzero(HELD.labels == "spot")
    heat = attention(judge, HELD.pixels[rows], ["spot"] * len(rows))
    assert heat.shape == (len(rows), SIDE, SIDE)
    assert heat.max() == 1.0
    assert heat.min() >= 0.0
    warmest = np.stack(np.unravel_index(heat.reshape(len(rows), -1).argmax(1), (SIDE, SIDE)), 1)
    near = np.abs(warmest - PLACES[rows]).max(1) <= 4
    assert near.mean() > 0.8


def test_attention_is_the_textbook_one(judge: Classifier) -> None:
    """A single image: gradient means weight the maps, negatives are cut, the maximum is 1."""
    import torch  # noqa: PLC0415

    maps = judge.network.maps(judge.scaled(HELD.pixels[:1])).requires_grad_(True)
    judge.network.head(maps)[0, judge.classes.index("spot")].backward()  # type: ignore[no-untyped-call]
    assert maps.grad is not None
    weighted = sum(maps.grad[0, k].mean() * maps[0, k] for k in range(maps.shape[1]))
    coarse = torch.relu(torch.as_tensor(weighted)).detach()
    large = torch.nn.functional.interpolate(coarse[None, None], size=(SIDE, SIDE), mode="bilinear")[0, 0]
    found = attention(judge, HELD.pixels[:1], ["spot"])[0]
    assert found == pytest.approx((large / large.max()).numpy(), abs=1e-5)


def test_a_strange_class_is_refused_and_the_overlay_keeps_cold_places(judge: Classifier) -> None:
    """Only known classes can be asked about; where nothing is warm the image stays as it is, in grey."""
    with pytest.raises(ValueError, match="'stain' is none of"):
        attention(judge, HELD.pixels[:1], ["stain"])
    heat = np.zeros((1, SIDE, SIDE), np.float32)
    heat[0, 0, 0] = 1
    mixed = overlaid(HELD.pixels[:1], heat)
    assert (mixed[0, 1:] == HELD.pixels[0, 1:].repeat(3, 2)).all()
    assert mixed[0, 0, 0, 0] > mixed[0, 0, 0, 2]


def test_the_page_tells_all_four(judge: Classifier) -> None:
    """Confusion, mistakes, discriminator and attention are there; what is alike is not told apart."""
    del judge
    found = judged.sections(Sides(TRAIN, HELD, MADE, private=False), SCHEMA)
    for name, title in judged.SECTIONS.items():
        assert f'<section id="{name}"><h2>{title}' in found
    share = float(re.findall(r"right about ([0-9.]+)%", found)[0])
    assert 25 < share < 75
    assert "real, judged synthetic" in found
    assert "Grad-CAM on real (holdout) images" in found


def test_what_is_another_kind_of_image_is_told_apart() -> None:
    """Synthetic images without texture are all found out; shuffled labels fill the mistakes."""
    flat = ImageSet(np.full_like(MADE.pixels, 110), MADE.labels, MADE.names)
    found = judged.discriminator(Sides(TRAIN, HELD, flat, private=False))
    assert float(re.findall(r"right about ([0-9.]+)%", found)[0]) > 95
    shuffled = ImageSet(MADE.pixels, np.random.default_rng(0).permutation(MADE.labels), MADE.names)
    taught = fit(shuffled.pixels, shuffled.labels, seed=0, settings=Settings(steps=40, batch=32, width=8))
    told = judged.mistakes(Sides(TRAIN, HELD, shuffled, private=False), taught)
    assert "taken for" in told
    assert int(re.findall(r"(\d+) of 120 holdout images", told)[0]) > 20


def test_of_a_confidential_source_no_real_image_is_shown() -> None:
    """None of the page's pictures holds a real image, and small counts of real ones are left out."""
    held = ImageSet(HELD.pixels.copy(), HELD.labels, HELD.names)
    held.pixels[:, 0, 0] = 7  # a mark that no synthetic image has
    found = judged.sections(Sides(TRAIN, held, MADE, private=True), SCHEMA)
    assert "not shown: the source is confidential" in found
    assert "Grad-CAM on real" not in found
    assert "holdout images are taken" not in found
    shown = judged.sections(Sides(TRAIN, held, MADE, private=False), SCHEMA)
    assert marked(shown)
    assert not marked(found)


def marked(html: str) -> bool:
    """Tell whether some picture of the page has images whose first pixel is 7."""
    import io  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    for data in re.findall(r"data:image/png;base64,([^\"]+)", html):
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            pixels = np.asarray(picture.convert("L"))
        if (pixels[1 :: SIDE + 1, 1 :: SIDE + 1] == 7).any():
            return True
    return False


def test_small_and_single_class_sets_have_what_can_be_told() -> None:
    """One class: real against synthetic alone; three images: nothing."""
    one = Images().take(MADE, np.flatnonzero(MADE.labels == "spot"))
    assert '<section id="confusion"' not in judged.sections(Sides(TRAIN, HELD, one, private=False), SCHEMA)
    assert judged.sections(Sides(TRAIN, HELD, Images().take(MADE, np.arange(3)), private=False), SCHEMA) == ""


def test_tiles_lie_side_by_side_with_white_between() -> None:
    """Each image at its place; what is missing in the last row is white; PNG is read back the same."""
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    sheet = tiled(images, 3)
    assert sheet.shape == (7, 10, 3)
    assert sheet[4, 4].tolist() == [4, 4, 4]
    assert sheet[4, 7].tolist() == [255, 255, 255]
    assert png(sheet).startswith(b"\x89PNG")
