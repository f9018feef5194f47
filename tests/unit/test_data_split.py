"""A split is a partition, keeps classes' shares and groups together, and depends on its seed alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthtrail.data.errors import SplitError
from synthtrail.data.split import split


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from("abc"), min_size=6, max_size=80), st.floats(0.1, 0.6), st.integers(0, 2**32 - 1))
def test_a_split_is_a_stratified_partition(letters: list[str], share: float, seed: int) -> None:
    """Every row is on one side; every label of two rows or more is on both, in its share."""
    labels = np.array(letters)
    if all(letters.count(letter) < 2 for letter in set(letters)):
        return
    parts = split(len(labels), share, seed, labels)
    assert np.array_equal(np.sort(np.concatenate([parts.train, parts.holdout])), np.arange(len(labels)))
    for letter in set(letters):
        held = int((labels[parts.holdout] == letter).sum())
        size = letters.count(letter)
        assert held == 0 if size == 1 else 1 <= held <= size - 1
        assert abs(held - size * share) <= 1


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 9), min_size=10, max_size=60), st.integers(0, 1000))
def test_groups_stay_together(numbers: list[int], seed: int) -> None:
    """No group has rows on both sides."""
    groups = np.array(numbers)
    if len(set(numbers)) < 2:
        return
    parts = split(len(groups), 0.3, seed, groups=groups)
    assert not set(groups[parts.train]) & set(groups[parts.holdout])


def test_the_seed_decides() -> None:
    """The same seed gives the same rows, another gives others; 0 is a seed."""
    first, again, other = (split(100, 0.2, seed).holdout.tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_a_known_split() -> None:
    """The stream is numpy's Philox, the same on every machine."""
    assert split(20, 0.25, 7).holdout.tolist() == split(20, 0.25, 7).holdout.tolist()
    assert len(split(20, 0.25, 7).holdout) == 5


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_that_divides_nothing_is_refused(share: float) -> None:
    """Both sides must have rows."""
    with pytest.raises(SplitError, match="is not between 0 and 1"):
        split(10, share, 0)


def test_one_group_cannot_be_divided() -> None:
    """A group is never torn to make a holdout."""
    with pytest.raises(SplitError, match="10 rows in 1 groups cannot be divided"):
        split(10, 0.2, 0, groups=np.zeros(10))
