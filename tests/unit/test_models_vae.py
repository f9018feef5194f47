"""The autoencoder of tables: its prior is a density, its bound a bound, and settings follow from the rows."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.models.latent_prior import Prior
from synthtrail.models.synthesizer import Training
from synthtrail.models.vae import TableVae, VaeSettings, plan
from synthtrail.models.vae_objective import Bound

QUIET = Training(seed=0, progress=False)


def prior(latent: int) -> Prior:
    """Return a prior of two classes whose weights are nowhere 0."""
    torch.manual_seed(0)
    found = Prior(latent, 16, 3, 2)
    for weight in found.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    return found


def labels(count: int, at: int) -> Tensor:
    """Return `count` one-hot labels of one class."""
    return torch.eye(2)[torch.full((count,), at)]


@pytest.mark.parametrize("at", [0, 1])
def test_the_prior_is_a_density(at: int) -> None:
    """Over a fine grid of two numbers it adds up to 1, for either class."""
    side = torch.linspace(-25, 25, 700)
    grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), 2).reshape(-1, 2)
    with torch.no_grad():
        whole = prior(2).density(grid, labels(len(grid), at)).double().exp().sum() * float(side[1] - side[0]) ** 2
    assert float(whole) == pytest.approx(1, abs=0.01)


def test_a_number_depends_on_those_before_it_alone() -> None:
    """Its mixture has no gradient with respect to itself or later numbers, and one with respect to earlier ones."""
    found, codes = prior(4), torch.randn(1, 4, requires_grad=True)
    for at in range(4):
        (slope,) = torch.autograd.grad(found._parts(codes, labels(1, 0))[1][0, at].sum(), codes)
        assert bool((slope[0, at:] == 0).all())
        assert bool((slope[0, :at] != 0).all())


def test_draws_follow_the_density() -> None:
    """Over 20,000 draws, mean log-density and its integral by the grid agree: minus the entropy."""
    found, random = prior(1), torch.Generator().manual_seed(0)
    side = torch.linspace(-30, 30, 20_001)[:, None]
    with torch.no_grad():
        on_grid = found.density(side, labels(len(side), 1)).double()
        drawn = found.draw(labels(20_000, 1), random)
        mean = found.density(drawn, labels(20_000, 1)).double().mean()
    entropy = -(on_grid.exp() * on_grid).sum() * float(side[1] - side[0])
    assert float(-mean) == pytest.approx(float(entropy), abs=0.03)


def table(rows: int) -> pd.DataFrame:
    """Return two words that agree in 9 of 10 rows, and a number that follows from the class."""
    rng = np.random.default_rng(0)
    ill = rng.random(rows) < 0.3
    one = rng.integers(0, 4, rows)
    other = np.where(rng.random(rows) < 0.9, one, rng.integers(0, 4, rows))
    words = np.array(["a", "b", "c", "d"])
    return pd.DataFrame(
        {"one": words[one], "other": words[other], "size": (rng.normal(0, 1, rows) + 4 * ill).round(2), "ill": ill}
    )


def entropy(codes: NDArray[np.int64]) -> float:
    """Return the entropy of codes (N,), in nats."""
    shares = np.bincount(codes)[np.bincount(codes) > 0] / len(codes)
    return float(-(shares * np.log(shares)).sum())


def test_the_bound_lies_above_the_entropy_and_rows_keep_what_belongs_together() -> None:
    """No code tells a row in fewer nats than the rows' entropy; a trained one comes near, and draws alike."""
    data = table(3000)
    codec = TableCodec.fit(data, infer(data, "ill"), 10)
    model = TableVae({"steps": 400, "check_every": 50, "width": 64, "rate": 0.003, "dropout": 0.0})
    model.fit(data, codec, QUIET)
    codes = torch.from_numpy(codec.encode(table(2000)))
    judge = Bound(model.network, codes, codes, at=3, seed=0, warm_up=1)
    with torch.no_grad():
        bound = float(judge.judge(model.network))
    one, other, size, ill = codes.numpy().T
    least = entropy(one) + entropy(one * 10 + other) - entropy(one) + entropy(size * 2 + ill) - entropy(ill)
    assert least - 0.05 < bound < least + 0.6
    made = next(model.sample(3000))
    assert (made["one"] == made["other"]).mean() > 0.75
    assert made.loc[made["ill"], "size"].mean() - made.loc[~made["ill"], "size"].mean() > 3


def test_settings_left_open_follow_from_the_rows() -> None:
    """Three sizes; a fifth of the steps warms up; what is given stays."""
    sizes = [plan(rows, VaeSettings()) for rows in (300, 5_000, 50_000)]
    assert [(one.width, one.latent, one.batch) for one in sizes] == [(64, 8, 128), (128, 16, 256), (256, 16, 512)]
    assert [one.steps for one in sizes] == [600, 1500, 3906]
    given = plan(300, VaeSettings(steps=10, width=7, dropout=0.0, warm_up=1))
    assert (given.steps, given.width, given.dropout, given.warm_up) == (10, 7, 0.0, 1)
    assert plan(300, VaeSettings(steps=10)).warm_up == 2


@pytest.mark.parametrize("target", [None, "size", "one"])
def test_any_column_may_be_the_target_or_none(target: str | None) -> None:
    """Rows come out with a number as target, without a target, and of a table of one column."""
    data = table(200)
    for part in (data, data[[target or "one"]]):
        model = TableVae({"steps": 4, "batch": 8, "width": 16, "latent": 2})
        model.fit(part, TableCodec.fit(part, infer(part, target), 5), QUIET)
        assert next(model.sample(30)).shape == (30, len(part.columns))
