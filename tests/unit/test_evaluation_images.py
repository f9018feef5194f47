"""Image metrics: copies, repeats and noise are told from fresh images, and distances are what they are called."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.datasets import load_digits

from synthtrail.data.image import Images, ImageSchema, ImageSet
from synthtrail.evaluation import domain, images, pixels, registry
from synthtrail.evaluation.metric import Score, generator
from synthtrail.evaluation.verdict import Thresholds, decide


@pytest.fixture(autouse=True)
def quick_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train one network of each kind, for a moment: how well they judge is asked in `test_evaluation_domain`."""
    monkeypatch.setattr(domain, "SEEDS", 1)
    monkeypatch.setattr(domain, "STEPS", (4, 4))


def digits(start: int, stop: int) -> ImageSet:
    """Digits of a fixed shuffled order, 8 × 8, as a set of images."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))[start:stop]
    pixels = np.round(data.images[order] * 255 / 16).astype(np.uint8)[..., None]
    return ImageSet(pixels, data.target[order].astype(str).astype(object), tuple(str(i) for i in order))


TRAIN, HOLDOUT, FRESH = digits(0, 700), digits(700, 1100), digits(1100, 1797)
SCHEMA: ImageSchema = Images().infer(TRAIN)


def with_pixels(pixels: np.ndarray, like: ImageSet) -> ImageSet:
    return ImageSet(pixels.astype(np.uint8), like.labels, like.names)


def blurred(source: ImageSet) -> ImageSet:
    noise = np.random.default_rng(0).normal(0, 2, source.pixels.shape)
    return with_pixels(np.clip(source.pixels + noise, 0, 255), source)


def scores(synthetic: ImageSet, *names: str) -> dict[str, Score]:
    chosen = [registry.IMAGES[name] for name in names or registry.IMAGES]
    found = [one.compute(TRAIN, HOLDOUT, synthetic, SCHEMA, generator(0, one.name)) for one in chosen]
    return {score.name: score for group in found for score in group}


def value(found: dict[str, Score], name: str) -> float:
    measured = found[name].value
    assert measured is not None, found[name].note
    return measured


def level(found: dict[str, Score]) -> str:
    rule = {"success": True, "type": "t", "column": None, "kwargs": {}}
    return decide(list(found.values()), Thresholds(), {"evaluated": 1, "results": [rule]}).level


def test_fresh_images_are_useful_alike_and_distinct() -> None:
    """Real images that the training never saw: every score near its best end, and the verdict is review, not refuse."""
    found = scores(FRESH)
    assert value(found, "utility_ratio") > 0.97
    assert value(found, "frechet_pixels") < 2 * value(found, "frechet_pixels_holdout")
    assert min(value(found, name) for name in ("pixel_mean", "pixel_spread", "distinct")) > 0.95
    assert value(found, "near_copies") < 0.03
    assert level(found) == "review"


@pytest.mark.parametrize("copy", [lambda x: x, blurred], ids=["exact", "with noise"])
def test_copied_images_are_refused(copy: "type[ImageSet]") -> None:
    """Training images, exact or with a little noise, are near copies, and the verdict is refuse."""
    found = scores(copy(TRAIN), "privacy", "distinctness")  # type: ignore[arg-type,call-arg]
    assert value(found, "near_copies") > 0.99
    assert value(found, "mia_auc") > 0.95
    assert level(found) == "refuse"


def test_repeated_images_are_not_distinct() -> None:
    """Sixty-four images, each repeated: hardly any is distinct, and the verdict is refuse."""
    repeated = with_pixels(FRESH.pixels[np.arange(len(FRESH)) % 64], FRESH)
    found = scores(repeated, "distinctness")
    assert value(found, "distinct") == 0
    assert level({**found, **scores(repeated, "privacy")}) == "refuse"


def test_wrong_labels_cost_utility() -> None:
    """Right images with shuffled labels look alike and are useless: recall falls to guessing."""
    labels = FRESH.labels[np.random.default_rng(0).permutation(len(FRESH))]
    found = scores(ImageSet(FRESH.pixels, labels, FRESH.names), "utility")
    assert value(found, "tstr_accuracy") < 0.3
    assert value(found, "trtr_accuracy") > 0.95
    assert set(found["tstr_balanced_accuracy"].detail) == set("0123456789")


def test_one_class_only_is_a_guess() -> None:
    """Collapsed to one class: recall of a tenth, class balance as low as that class's share."""
    found = scores(ImageSet(FRESH.pixels, np.full(len(FRESH), "3", dtype=object), FRESH.names), "utility", "fidelity")
    assert value(found, "tstr_balanced_accuracy") == pytest.approx(0.1)
    assert value(found, "class_balance") == pytest.approx((TRAIN.labels == "3").mean())


def test_a_cast_of_colour_and_stretched_contrast_show() -> None:
    """Tinted images lose likeness in the tinted channel alone; images stretched one by one lose it in contrast."""
    rng = np.random.default_rng(0)
    real = rng.integers(60, 190, (300, 8, 8, 3), dtype=np.uint8)
    tinted = real.copy()
    tinted[..., 0] += 50
    found = images.colours(real[:150], tinted[150:])["colours"]
    assert found.detail["red"] == pytest.approx(1 - 50 / 255, abs=0.01)
    assert min(found.detail["green"], found.detail["blue"]) > 0.99
    low, high = real.min((1, 2, 3), keepdims=True), real.max((1, 2, 3), keepdims=True)
    stretched = ((real - low) * 255.0 / (high - low)).astype(np.uint8)
    assert images.colours(real[:150], real[150:])["contrast"].value == pytest.approx(1, abs=0.01)
    assert images.colours(real[:150], stretched[150:])["contrast"].value == pytest.approx(130 / 255, abs=0.02)


def test_images_nearer_to_training_than_the_holdout_are_told_with_an_interval() -> None:
    """Training images under light noise lie nearer beyond doubt; fresh images do not."""
    fresh, near = scores(FRESH, "distinctness"), scores(blurred(TRAIN), "distinctness")
    for name in ("nearest_ratio", "nearest_tail"):
        assert value(fresh, f"{name}_lower") < value(fresh, name) < 1.2
        assert value(fresh, f"{name}_lower") > 0.8
        assert value(near, name) < 0.5
        assert "beyond doubt" in near[name].note
        assert "beyond doubt" not in fresh[name].note


def test_noise_is_far_in_pixels() -> None:
    """Uniform noise is much farther by the Fréchet distance than the holdout is."""
    noise = np.random.default_rng(0).integers(0, 256, FRESH.pixels.shape)
    found = scores(with_pixels(noise, FRESH), "fidelity")
    assert value(found, "frechet_pixels") > 10 * value(found, "frechet_pixels_holdout")


def test_the_frechet_distance_is_the_textbook_one() -> None:
    """Equal to the formula with a matrix square root, for correlated samples of different sizes."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3)), rng.normal(1, 2, (80, 3))
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    gap = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    assert images.frechet(one, other) == pytest.approx(gap + np.trace(a + b - 2 * np.real(sqrtm(a @ b))))
    assert images.frechet(one, one) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("size", "side", "width"), [((8, 8, 1), 16, 64), ((28, 28, 1), 16, 196), ((60, 45, 3), 16, 495)]
)
def test_shrinking_takes_means_of_blocks(size: tuple[int, int, int], side: int, width: int) -> None:
    """No side is longer than asked; brightness is in [0, 1]; a flat image stays flat; small images stay as they are."""
    shrunk = pixels.shrink(np.full((2, *size), 51, np.uint8), side)
    assert shrunk.shape == (2, width)
    assert shrunk == pytest.approx(0.2)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_no_score_vanishes_for_few_images(count: int) -> None:
    """Each declared scale has a score: a number, or none with the reason."""
    few = Images().take(FRESH, np.arange(count))
    found = scores(few)
    assert set(found) == {scale.name for one in registry.IMAGES.values() for scale in one.scales}
    assert all(score.value is not None or len(score.note) > 10 for score in found.values())
