"""Schedules and draws depend on step numbers alone; labels come out as asked; WGAN-GP's layout is exact."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.models import labels
from synthtrail.models.cascade import choose
from synthtrail.models.objective import Schedule, generator_for
from synthtrail.models.one_hot import Layout, gumbel, numbers_of_codes, ranks_of_codes
from synthtrail.models.threads import threads

SIZES = [2, 3, 3, 2, 1]


def test_rates_fall_over_steps() -> None:
    """Constant for half of the steps, then linear down to a hundredth."""
    schedule = Schedule(steps=100, batch=1, rate_generator=1.0, rate_critic=1.0)
    rates = [schedule.rate(step) for step in (0, 50, 75, 100)]
    assert rates == pytest.approx([1.0, 1.0, 0.51, 0.01])


def test_noise_is_a_function_of_seed_and_step() -> None:
    """The same pair gives the same noise, any other pair another."""
    drawn = {
        (seed, step): float(torch.rand(1, generator=generator_for(seed, step)))
        for seed in range(20)
        for step in range(20)
    }
    assert len(set(drawn.values())) == 400
    assert drawn[3, 4] == float(torch.rand(1, generator=generator_for(3, 4)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=5).filter(any), st.integers(1, 11), st.integers(0, 99))
def test_exact_counts_are_exact(counts: list[int], size: int, seed: int) -> None:
    """Whatever the batch size, every class has its count and no batch is too long."""
    prior = np.full(len(counts), 1 / len(counts))
    batches = list(labels.draw(sum(counts), prior, np.array(counts), seed, size))
    assert np.bincount(np.concatenate(batches), minlength=len(counts)).tolist() == counts
    assert max(map(len, batches)) <= size


def test_one_hot_rows_and_codes() -> None:
    """Codes lie side by side; choices never leave their column's own codes."""
    layout = Layout((2, 3, 1), target=None)
    rows = layout.one_hot(torch.tensor([[1, 2, 0]]))
    assert rows.tolist() == [[0, 1, 0, 0, 1, 1]]
    assert layout.codes(rows).tolist() == [[1, 2, 0]]


def test_choices_are_one_hot_with_gradients() -> None:
    """Forward they are exact choices of a column's own codes, backward they are the softmax at the temperature."""
    logits = torch.zeros(500, 11, requires_grad=True)
    drawn = gumbel(torch.empty(500, 11), generator_for(0, 0))
    rows = choose(logits, drawn, 0.5, SIZES)
    assert set(rows.detach().flatten().tolist()) == {0.0, 1.0}
    assert rows.sum(1).tolist() == [5.0] * 500
    assert (rows.sum(0) > 0).all()
    weights = torch.randn(500, 11, generator=generator_for(0, 2))
    (gradient,) = torch.autograd.grad((rows * weights).sum(), logits)
    free = drawn.clone().requires_grad_(True)
    same = torch.cat([part.softmax(1) for part in torch.split(free / 0.5, SIZES, 1)], 1)
    (expected,) = torch.autograd.grad((same * weights).sum(), free)
    assert torch.allclose(gradient, expected, atol=1e-5)


def test_threads_are_given_back() -> None:
    """The number of threads is the caller's again after an error too."""
    before = torch.get_num_threads()

    def fail() -> None:
        with threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_num_threads() == before


def test_the_critic_sees_the_numbers_that_codes_stand_for() -> None:
    """Numeric columns are told as standardised numbers, a missing one as their mean; categories are not."""
    table = pd.DataFrame({"town": ["a", "b"] * 10, "size": [1.0, 1.0, 3.0, 3.0] * 4 + [np.nan] * 4})
    codec = TableCodec.fit(table, infer(table), bins=4)
    numbers = numbers_of_codes(codec, torch.from_numpy(codec.encode(table)))
    assert codec.cardinalities == (2, 3)
    assert numbers.tolist() == [[0], [0], [-1], [1], [0]]


def test_ranks_follow_the_numbers_and_leave_out_the_rest() -> None:
    """Codes of a numeric column are ranked by what they stand for; categories and missing values have no rank."""
    table = pd.DataFrame({"town": ["a", "b"] * 10, "size": [1.0] * 5 + [2.0, 3.0] + [9.0] * 5 + [np.nan] * 8})
    codec = TableCodec.fit(table, infer(table), bins=4)
    centres = codec.centres(1)
    assert centres is not None
    assert centres[:2].tolist() == [1.0, 9.0]
    assert 1 < centres[2] < 9
    ranks, ranked = ranks_of_codes(codec)
    assert ranks.flatten().tolist() == pytest.approx([0, 0, -(3**0.5), 3**0.5, 0, 0], abs=1e-6)
    assert ranked.flatten().tolist() == [0, 0, 1, 1, 1, 0]
    assert codec.centres(0) is None
