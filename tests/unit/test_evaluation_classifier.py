"""The domain classifier learns what can be learnt, knows what it does not know, and is the same every time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from synthtrail.data.augment import SIGNS
from synthtrail.evaluation.classifier import Results, Settings, fit

QUICK = Settings(steps=40, batch=32, width=4, features=16)


def squares(count: int, seed: int, side: int = 16, channels: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.object_]]:
    """Return noisy images of a bright bar, and the way it lies: across, or down."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (count, side, side, channels), dtype=np.uint8)
    labels = rng.choice(np.array(["across", "down"], dtype=object), count)
    for image, label in zip(pixels, labels, strict=True):
        at = int(rng.integers(0, side - 3))
        (image if label == "across" else image.transpose(1, 0, 2))[at : at + 3] += 150
    return pixels, labels


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (48, 3)])
def test_it_learns_what_can_be_seen(side: int, channels: int) -> None:
    """Bars across are told from bars down in unseen images, at sizes with and without halving, grey and colour."""
    known, tested = squares(200, 0, side, channels), squares(100, 1, side, channels)
    judge = fit(*known, seed=0, settings=QUICK)
    found = judge.test(*tested)
    assert found.accuracy > 0.9
    assert found.matrix.sum() == 100
    assert judge.features(tested[0]).shape == (100, 16)
    assert np.allclose(judge.probabilities(tested[0]).sum(1), 1, atol=1e-5)


def test_labels_that_mean_nothing_teach_nothing() -> None:
    """Trained on shuffled labels, it is right as often as by chance."""
    pixels, labels = squares(200, 0)
    judge = fit(pixels, np.random.default_rng(5).permutation(labels), seed=0, settings=QUICK)
    assert 0.3 < judge.test(*squares(200, 1)).balanced < 0.7


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    """Also with augmentation and balanced batches, and whatever the global generator is at."""
    pixels, labels = squares(100, 0)
    settings = Settings(steps=6, batch=16, width=4, features=16, balanced=True, augmentation=SIGNS)
    first, again, other = (fit(pixels, labels, seed=seed, settings=settings).features(pixels) for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_balanced_batches_find_the_rare_class() -> None:
    """Of a class with one image in fifty, balanced training recalls more than half."""
    pixels, labels = squares(1_000, 0)
    kept = np.flatnonzero((labels == "down") | (np.arange(1_000) % 50 == 0))
    settings = Settings(steps=40, batch=32, width=4, features=16, balanced=True)
    judge = fit(pixels[kept], labels[kept], seed=0, settings=settings)
    assert judge.test(*squares(200, 1)).recalls["across"] > 0.5


def test_one_class_is_answered_and_no_image_is_refused() -> None:
    """A single class is all it can say; nothing at all is an error that says so."""
    pixels, _ = squares(10, 0)
    judge = fit(pixels, ["only"] * 10, seed=0, settings=QUICK)
    assert set(judge.predict(pixels)) == {"only"}
    with pytest.raises(ValueError, match="no images"):
        fit(pixels[:0], [], seed=0)


def test_results_count_each_class_once() -> None:
    """Balanced accuracy is the mean of recalls over classes that occur, not the share of images."""
    found = Results(("a", "b", "c"), np.array([[8, 2, 0], [0, 1, 0], [0, 0, 0]]))
    assert found.accuracy == pytest.approx(9 / 11)
    assert found.recalls == {"a": 0.8, "b": 1.0}
    assert found.balanced == pytest.approx(0.9)


def test_a_class_that_training_did_not_have_is_always_wrong() -> None:
    """It still stands in the matrix, and in balanced accuracy."""
    pixels, labels = squares(60, 0)
    judge = fit(pixels, np.full(60, "down", dtype=object), seed=0, settings=QUICK)
    found = judge.test(pixels, labels)
    assert found.recalls == {"down": 1.0, "across": 0.0}
    assert found.balanced == 0.5


def test_images_are_scaled_by_their_channels_means_and_spreads() -> None:
    """Scaled training images have mean 0 and spread 1 in each channel; a flat channel does not blow up."""
    pixels = np.random.default_rng(0).integers(0, 200, (50, 9, 9, 3), dtype=np.uint8)
    pixels[..., 2] = 77
    judge = fit(pixels, ["x"] * 50, seed=0, settings=Settings(steps=1, batch=2, width=4, features=4))
    scaled = judge.scaled(pixels).numpy().astype(np.float64)
    assert scaled.mean((0, 2, 3)) == pytest.approx([0, 0, 0], abs=1e-4)
    assert scaled.std((0, 2, 3)) == pytest.approx([1, 1, 0], abs=1e-4)
