"""Networks that judge images: useful ones, collapsed ones, wrong labels, and distances whose answer is known."""

from collections.abc import Mapping

import numpy as np
import pytest

from synthtrail.data.image import Images, ImageSchema, ImageSet
from synthtrail.evaluation import domain
from synthtrail.evaluation.classifier import Results, Settings, fit
from synthtrail.evaluation.metric import Reading, Score, UnmeasurableError, generator

CLASSES = np.array(["across", "down", "ring"], dtype=object)


def shapes(count: int, seed: int, side: int = 12) -> ImageSet:
    """Return noisy images of a bar across, a bar down, or a ring, at a place of their own."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (count, side, side, 1), dtype=np.uint8)
    labels = rng.choice(CLASSES, count)
    grid = np.arange(side)
    for image, label in zip(pixels[..., 0], labels, strict=True):
        at = int(rng.integers(1, side - 3))
        if label == "ring":
            away = np.hypot(grid[:, None] - rng.uniform(4, side - 5), grid[None, :] - rng.uniform(4, side - 5))
            image[np.abs(away - 3) < 1] += 150
        else:
            (image if label == "across" else image.T)[at : at + 2] += 150
    return ImageSet(pixels, labels, tuple(map(str, range(count))))


TRAIN, HOLDOUT, FRESH = shapes(300, 0), shapes(200, 1), shapes(300, 2)
SCHEMA: ImageSchema = Images().infer(TRAIN)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds and few steps suffice for these."""
    monkeypatch.setattr(domain, "SEEDS", 2)
    monkeypatch.setattr(domain, "STEPS", (30, 30))


def measured(synthetic: ImageSet, name: str, train: ImageSet = TRAIN) -> Mapping[str, Score]:
    """Return the scores of one metric."""
    metric = next(one for one in domain.METRICS if one.name == name)
    found = metric.compute(train, HOLDOUT, synthetic, SCHEMA, generator(0, metric.name))
    return {score.name: score for score in found}


def value(found: Mapping[str, Score], name: str) -> float:
    """Return a score that was measured."""
    number = found[name].value
    assert number is not None, found[name].note
    return number


def test_fresh_images_teach_as_much_as_the_training_images() -> None:
    """Every way to train ends near 1; each says its seeds, its classes' recalls, and how it was augmented."""
    found = measured(FRESH, "network_utility")
    for name in ("real", "synthetic", "both", "augmented", "hybrid"):
        assert value(found, f"network_{name}") > 0.85
        assert set(found[f"network_{name}"].detail) == set(CLASSES)
        assert "2 seeds" in found[f"network_{name}"].note
    assert "augmented as" in found["network_hybrid"].note
    assert value(found, "network_recall_min") == pytest.approx(min(found["network_synthetic"].detail.values()))


def test_shuffled_labels_show_in_utility() -> None:
    """Right images with wrong labels teach nothing, and spoil what real images teach."""
    wrong = ImageSet(FRESH.pixels, np.random.default_rng(0).permutation(FRESH.labels), FRESH.names)
    found = measured(wrong, "network_utility")
    assert value(found, "network_synthetic") < 0.55
    assert value(found, "network_real") > 0.85


def test_a_lost_class_shows_in_its_recall() -> None:
    """Without rings in the synthetic images, rings are never recognised."""
    kept = np.flatnonzero(FRESH.labels != "ring")
    found = measured(Images().take(FRESH, kept), "network_utility")
    assert value(found, "network_recall_min") == 0
    assert found["network_recall_min"].note == "class ring"
    assert value(found, "network_synthetic") < 0.7


def test_fresh_images_reach_the_floor_and_collapsed_ones_do_not() -> None:
    """Real against real is the floor; one image a class, repeated, has lost recall and coverage; noise is far."""
    fresh = measured(FRESH, "network_fidelity")
    assert value(fresh, "frechet_domain") < 3 * value(fresh, "frechet_domain_real")
    assert min(value(fresh, f"{name}_{where}") for name in domain.HALL for where in ("domain", "pixels")) > 0.7
    first = [int(np.flatnonzero(FRESH.labels == name)[0]) for name in CLASSES]
    collapsed = measured(Images().take(FRESH, np.resize(first, 300)), "network_fidelity")
    assert value(collapsed, "frechet_domain") > 2 * value(fresh, "frechet_domain")
    assert (
        max(value(collapsed, f"{name}_{where}") for name in ("recall", "coverage") for where in ("domain", "pixels"))
        < 0.4
    )
    noise = np.random.default_rng(0).integers(0, 256, FRESH.pixels.shape, dtype=np.uint8)
    far = measured(ImageSet(noise, FRESH.labels, FRESH.names), "network_fidelity")
    assert value(far, "kernel_domain") > 10 * max(value(fresh, "kernel_domain"), 0.01)
    assert value(far, "precision_pixels") < 0.1


def test_the_kernel_distance_is_the_textbook_one() -> None:
    """Equal to the double sums that define the unbiased estimate."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(6, 3)), rng.normal(0.5, 1, (5, 3))

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 3 + 1) ** 3)

    within = sum(k(a, b) for i, a in enumerate(one) for j, b in enumerate(one) if i != j) / 30
    without = sum(k(a, b) for i, a in enumerate(other) for j, b in enumerate(other) if i != j) / 20
    between = sum(k(a, b) for a in one for b in other) / 30
    assert domain.kernel(one, other) == pytest.approx(within + without - 2 * between)


def test_distances_do_not_change_with_the_scale_of_the_features() -> None:
    """Features a thousand times as large give the same distances."""
    judge = fit(TRAIN.pixels, TRAIN.labels, seed=0, settings=Settings(steps=5, batch=16, width=4))
    before = domain.distances(judge, HOLDOUT.pixels, FRESH.pixels[:200])
    judge.network.narrow[2].weight.mul_(1000)  # type: ignore[operator]
    judge.network.narrow[2].bias.mul_(1000)  # type: ignore[operator]
    after = domain.distances(judge, HOLDOUT.pixels, FRESH.pixels[:200])
    assert after == pytest.approx(before, rel=1e-3)


def test_the_augmentation_that_spoils_the_classes_is_not_chosen() -> None:
    """Bars across and bars down are each other's turned images, so turning by any angle is out."""
    name, _ = domain.suited(shapes(400, 5), Settings(steps=60, batch=32, width=8), 0)
    assert name == "signs"


def test_few_images_are_not_measured_and_say_why() -> None:
    """Fewer than twelve a side: no score vanishes, each has its reason."""
    few = Images().take(FRESH, np.arange(5))
    found = measured(few, "network_fidelity")
    assert all(score.value is None and "needs at least 12" in score.note for score in found.values())
    one = ImageSchema(12, 12, 1, ("ring",))
    with pytest.raises(UnmeasurableError, match="single class"):
        domain.measure_utility(TRAIN, HOLDOUT, FRESH, one, np.random.default_rng(0))


def test_a_reading_is_the_mean_over_seeds_with_its_range() -> None:
    """Recalls are averaged class by class."""
    first = Results(("a", "b"), np.array([[4, 0], [2, 2]]))
    second = Results(("a", "b"), np.array([[2, 2], [0, 4]]))
    assert domain.reading([first, second]) == Reading(0.75, "2 seeds: 0.750 to 0.750", {"a": 0.75, "b": 0.75})
