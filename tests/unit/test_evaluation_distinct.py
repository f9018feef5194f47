"""Near-duplicates are told by the real images' own distances, and a drawing leaves none of them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from synthtrail.evaluation import distinct
from synthtrail.evaluation.distinct import Reference, Sieve, shares


def noise(count: int, seed: int) -> NDArray[np.uint8]:
    """Return images (count, 8, 8, 1) of which any two are far apart."""
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def touched(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images that differ from these by two levels at most: what a network that learnt by heart gives."""
    return np.clip(pixels.astype(int) + np.random.default_rng(9).integers(-2, 3, pixels.shape), 0, 255).astype(np.uint8)


TRAIN, HOLDOUT = noise(400, 0), noise(200, 1)
REFERENCE = Reference.marks(TRAIN, HOLDOUT)  # what else the sieve asks: test_evaluation_crowding


def told(sieve: Sieve) -> dict[str, int]:
    """Return what was dropped, without what was not."""
    return {name: count for name, count in sieve.facts().items() if count}


def test_the_marks_are_the_real_images_own_first_percentiles() -> None:
    """One in a hundred real images is nearer to its neighbour than the mark."""
    flat = TRAIN.reshape(400, -1) / 255
    apart = np.sqrt(((flat[:, None] - flat[None]) ** 2).sum(2))
    apart[np.arange(400), np.arange(400)] = np.inf
    assert REFERENCE.own == pytest.approx(np.percentile(apart.min(1), 1), abs=1e-5)
    assert shares(REFERENCE, TRAIN)[0] == pytest.approx(0.99, abs=0.006)
    assert shares(REFERENCE, HOLDOUT)[1] == pytest.approx(0.01, abs=0.006)


def test_what_was_learnt_by_heart_is_dropped_and_counted() -> None:
    """Of a batch that is half near copies, the fresh half stays."""
    sieve = Sieve(REFERENCE)
    kept = sieve.passed(np.concatenate([touched(TRAIN[:20]), noise(20, 5)]))
    assert kept.tolist() == [False] * 20 + [True] * 20
    assert told(sieve) == {"near_copies": 20}


def test_of_near_duplicates_the_first_stays() -> None:
    """Within a batch and across batches; and what is kept has no near-duplicate left."""
    one = noise(30, 6)
    sieve = Sieve(REFERENCE)
    first = sieve.passed(np.concatenate([one[:10], touched(one[:10]), one[10:20]]))
    assert first.tolist() == [True] * 10 + [False] * 10 + [True] * 10
    second = sieve.passed(np.concatenate([touched(one[10:20]), one[20:30]]))
    assert second.tolist() == [False] * 10 + [True] * 10
    assert sieve.facts()["near_duplicates"] == 20
    assert shares(REFERENCE, one) == (1.0, 0.0)


def test_the_order_of_batches_does_not_matter_to_what_is_left() -> None:
    """Whatever is passed in whatever pieces, no two that were kept are near-duplicates."""
    rng = np.random.default_rng(3)
    drawn = np.concatenate([noise(200, 7), touched(noise(200, 7))])[rng.permutation(400)]
    for size in (1, 7, 400):
        sieve = Sieve(REFERENCE)
        kept = np.concatenate([sieve.passed(drawn[at : at + size]) for at in range(0, 400, size)])
        assert 190 <= kept.sum() <= 200  # of any noise, one in a hundred is nearer than the mark
        assert shares(REFERENCE, drawn[kept])[0] == 1.0


def test_real_duplicates_do_not_excuse_copies() -> None:
    """Where real images repeat, the marks are 0: exact copies are dropped still, other images are not."""
    twice = np.concatenate([TRAIN, TRAIN])
    reference = Reference.marks(twice, TRAIN)
    assert (reference.own, reference.held) == (0.0, 0.0)
    kept = Sieve(reference).passed(np.concatenate([TRAIN[:5], noise(5, 8), noise(5, 8)]))
    assert kept.tolist() == [False] * 5 + [True] * 5 + [False] * 5


def test_a_collapsed_model_is_let_through_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """After PATIENCE images with next to none kept, all pass, so that the report can show and refuse it."""
    monkeypatch.setattr(distinct, "PATIENCE", 100)
    sieve = Sieve(REFERENCE)
    one = np.repeat(noise(1, 5), 50, axis=0)
    assert [int(sieve.passed(one).sum()) for _ in range(4)] == [1, 0, 50, 50]
    assert told(sieve) == {"near_duplicates": 99, "let_through": 100}


def test_memory_grows_with_what_is_kept_alone() -> None:
    """The store doubles; it never holds what was dropped."""
    sieve = Sieve(REFERENCE)
    for seed in range(20, 30):
        sieve.passed(noise(50, seed))
        sieve.passed(noise(50, seed))
    assert 460 <= sieve._count <= 500
    assert len(sieve._kept) < 1_100


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_no_real_image_sets_no_mark(count: int) -> None:
    """Without a pair of real images nothing is too near, but for the one training image itself."""
    reference = Reference.of(TRAIN[:count], HOLDOUT[:0])
    assert reference.own == -1.0
    assert Sieve(reference).passed(noise(3, 0)).all()
