"""Released images keep the distances that held-out images keep, class by class, and drawing always ends."""

import numpy as np
import pytest
from numpy.typing import NDArray

from synthtrail.evaluation import crowding, privacy
from synthtrail.evaluation.crowding import GRID, Crowd, Quota, Quotas, Strangers
from synthtrail.evaluation.distinct import Reference, Sieve
from synthtrail.evaluation.nearest import nearest
from synthtrail.evaluation.pixels import small

Floats = NDArray[np.float64]


def noise(count: int, seed: int) -> NDArray[np.uint8]:
    """Return images (count, 8, 8, 1) of one law."""
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def leaning(pixels: NDArray[np.uint8], seed: int, share: float = 0.5) -> NDArray[np.uint8]:
    """Return images between one of the training images and noise: nearer to it than strangers, and no near copies."""
    rng = np.random.default_rng(seed)
    towards = TRAIN[rng.integers(0, len(TRAIN), len(pixels))]
    return np.round(share * towards + (1 - share) * pixels).astype(np.uint8)


TRAIN, HOLDOUT = noise(400, 0), noise(300, 1)
REFERENCE = Reference.of(TRAIN, HOLDOUT)


def apart(pixels: NDArray[np.uint8]) -> Floats:
    """Return the distances of images to the nearest training image."""
    return nearest(small(pixels), small(TRAIN))[0]


def held_to(made: Floats, held: Floats) -> bool:
    """Tell whether a set keeps the held-out images' distances at each share that counts, but for one image."""
    marks = [np.quantile(held, share) for share in GRID if share * len(held) >= crowding.FEW]
    return all((made <= mark).sum() <= (held <= mark).mean() * len(made) + 1 for mark in marks)


def test_what_is_planted_nearer_is_held_to_the_held_out_images_own_distances() -> None:
    """Of images of which half lean towards training images, as many are dropped as brings the set to the quantiles."""
    drawn = np.concatenate([noise(600, 2), leaning(noise(600, 3), 4)])[np.random.default_rng(5).permutation(1_200)]
    sieve = Sieve(REFERENCE)
    kept = np.concatenate([sieve.passed(drawn[at : at + 100]) for at in range(0, 1_200, 100)])
    assert not held_to(apart(drawn), apart(HOLDOUT))
    assert held_to(apart(drawn[kept]), apart(HOLDOUT))
    assert 400 < kept.sum() < 900
    assert 300 < sieve.facts()["over_quota"] + sieve.facts()["near_lonely"] + sieve.facts()["near_copies"] < 800
    for count in (100, 300):  # the set is held at every moment, so whoever stops early has the same promise
        assert held_to(apart(drawn[kept][:count]), apart(HOLDOUT))


def test_hardly_anything_of_the_held_out_images_own_law_is_dropped() -> None:
    """A generator without fault loses a few in a hundred, some of them to the marks of the nearest hundredth."""
    held, made = (np.random.default_rng(seed).normal(10, 1, count) for seed, count in ((0, 500_000), (1, 5_000)))
    quota = Quota(held)
    assert np.mean([quota.takes(distance) for distance in made.tolist()]) > 0.96
    sieve = Sieve(REFERENCE)
    assert sieve.passed(noise(1_500, 6)).mean() > 0.85  # marks of 300 images, themselves a sample


def test_a_model_that_has_nothing_farther_away_is_let_through_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After PATIENCE images of which too few were taken the quota is given up; what then comes through is counted."""
    monkeypatch.setattr(crowding, "PATIENCE", 100)
    sieve = Sieve(Reference(REFERENCE.train, -1.0, -1.0, Strangers(REFERENCE.strangers.distances)))
    kept = [int(sieve.passed(leaning(noise(50, seed), seed)).sum()) for seed in range(10, 16)]
    assert sum(kept[:2]) < 10
    assert kept[2:] == [50, 50, 50, 50]
    assert sieve.facts()["quota_given_up"] == 200
    assert sieve.facts()["let_through"] == 0


def test_a_quota_that_drops_a_third_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than three in four may be dropped for ever."""
    monkeypatch.setattr(crowding, "PATIENCE", 100)
    quota = Quota(np.arange(1.0, 101.0))
    taken = [quota.takes(distance) for distance in np.tile([20.0, 60.0, 80.0], 400).tolist()]
    assert 0.7 < np.mean(taken) < 0.9
    assert quota.given_up == 0


def test_the_same_images_in_the_same_batches_are_kept_again() -> None:
    """What is kept follows from what is drawn."""
    drawn = np.concatenate([noise(200, 2), leaning(noise(200, 3), 4)])
    first, second = (Sieve(Reference.of(TRAIN, HOLDOUT)).passed(drawn) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_each_class_is_held_to_its_own() -> None:
    """What is usual for a crowded class is too near for a lonely one; a class that strangers lack is not held."""
    held = np.concatenate([np.linspace(1, 2, 100), np.linspace(5, 9, 100), [3.0] * 4])
    classes = np.repeat(["crowded", "lonely", "rare"], [100, 100, 4])
    quotas = Quotas(Strangers.of(held, classes, -1.0))
    made = np.full(90, 1.6)
    names = np.repeat(np.array(["crowded", "lonely", "rare", "unheard"], object), [30, 20, 20, 20])
    taken = quotas.taken(made, names)
    assert taken[:30].all()
    assert taken[30:50].sum() <= 1
    assert taken[50:].all()
    assert quotas.given_up == 0


def test_without_classes_on_either_side_all_images_are_one_class() -> None:
    """Held-out images of unknown classes, or drawn ones, are compared with all."""
    held = np.linspace(5, 9, 100)
    for strangers, names in (
        (Strangers.of(held, None, -1.0), np.array(["a"] * 20, object)),
        (Strangers.of(held, np.array(["a"] * 100), -1.0), None),
    ):
        assert Quotas(strangers).taken(np.full(20, 1.0), names).sum() <= 1


def test_held_out_images_that_equal_training_images_do_not_starve_the_rest() -> None:
    """Where half of the strangers are at distance 0, half of what is released may be; where they tie, as many."""
    quota = Quota(np.repeat([0.0, 1.0], 50))
    assert quota.marks == [0.0] * (len(quota.marks) - 1) + [0.5]
    taken = [quota.takes(distance) for distance in [0.0, 1.0] * 50]
    assert all(taken)
    tied = Quota(np.full(100, 2.0))
    assert all(tied.takes(2.0) for _ in range(100))


def test_a_hit_on_a_lonely_training_image_counts_for_more() -> None:
    """At one distance, what lies by an outlying training image is nearer than what lies in a crowd."""
    crowd = np.random.default_rng(0).normal(0, 1, (300, 5)).astype(np.float32)
    train = np.concatenate([crowd, np.full((1, 5), 9.0, np.float32)])
    known = Crowd.of(train)
    step = np.array([0.5, 0, 0, 0, 0], np.float32)
    in_crowd, by_outlier = known.nearness(np.stack([train[0] + step, train[-1] + step]))
    assert by_outlier < 0.5 * in_crowd
    strangers = known.nearness(np.random.default_rng(1).normal(0, 1, (200, 5)).astype(np.float32))
    assert by_outlier < np.percentile(strangers, 1) < np.median(strangers)


def test_the_sieve_drops_what_would_give_an_outlier_away() -> None:
    """An image that leans towards an outlying training image is dropped, though it is no near copy."""
    outlier = np.full((1, 8, 8, 1), 255, np.uint8)
    reference = Reference.of(np.concatenate([TRAIN, outlier]), HOLDOUT, np.array(["a"] * 300))
    hit = np.round(0.8 * outlier + 0.2 * noise(1, 8)).astype(np.uint8)
    assert apart(hit)[0] > reference.held or not reference.near_copies(small(hit)).any()
    sieve = Sieve(reference)
    assert sieve.passed(np.concatenate([hit, noise(3, 9)]), np.array(["a"] * 4, object)).tolist()[0] is False
    assert sieve.facts()["near_lonely"] == 1


@pytest.mark.parametrize("count", [0, 1, 3, 4, 30])
def test_few_images_set_few_limits(count: int) -> None:
    """With tens of images and none at all the sieve works; without held-out ones nothing is held to them."""
    train, held = noise(count, 0), noise(count, 1)
    marks, whole = Sieve(Reference.marks(train, held)), Sieve(Reference.of(train, held))
    assert whole.passed(noise(40, 2)).sum() >= marks.passed(noise(40, 2)).sum() - 8
    alone = Sieve(Reference.of(train, held[:0]))
    alone.passed(noise(40, 2))
    assert alone.facts()["over_quota"] == alone.facts()["near_lonely"] == alone.facts()["near_copies"] == 0


def test_equal_training_images_are_no_crowd_to_divide_by() -> None:
    """Where all training images are one, distances stay finite numbers."""
    train = np.repeat(noise(1, 0), 10, axis=0)
    found = Crowd.of(small(train)).nearness(small(noise(5, 1)))
    assert np.isfinite(found).all()
    assert (found > 0).all()


def test_nearness_is_on_the_scale_of_the_attack() -> None:
    """Its numbers are said again there; were the attack's changed, this mark would have to follow."""
    assert (crowding.NEIGHBOURS, crowding.ROOM, crowding.CREDIT) == (privacy.NEIGHBOURS, privacy.ROOM, privacy.CREDIT)
