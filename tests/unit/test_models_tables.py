"""What the synthesizers of tables learn: dependence between columns, gaps completed, levels and rows of any number."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.models import registry
from synthtrail.models.digits import Digits
from synthtrail.models.masked import Masked, MaskedSettings, plan
from synthtrail.models.synthesizer import Training
from tests.unit.test_data_schema import mixed

QUIET = Training(seed=0, progress=False)


def related(rows: int) -> pd.DataFrame:
    """Return a table in which the class decides the number, and the number the word."""
    rng = np.random.default_rng(0)
    ill = rng.random(rows) < 0.5
    size = np.where(ill, rng.normal(5, 1, rows), rng.normal(-5, 1, rows)).round(2)
    word = np.where(size > 5, "high", np.where(size < -5, "low", "middle"))
    return pd.DataFrame({"word": word, "size": size, "ill": np.where(ill, "yes", "no")})


def kept(table: pd.DataFrame) -> float:
    """Return the share of rows in which word and class agree with the number, but for a tenth beside the borders."""
    size, word = table["size"], table["word"]
    wanted = np.where(size > 5, "high", np.where(size < -5, "low", "middle"))
    near = (size.abs() - 5).abs() < 0.2
    return float((((word == wanted) | near) & ((size > 0) == (table["ill"] == "yes"))).mean())


@pytest.mark.parametrize(
    ("name", "settings", "least"),
    [("cart", {}, 0.95), ("masked", {"steps": 300, "check_every": 100}, 0.9), ("private_tree", {"epsilon": 5.0}, 0.85)],
)
def test_dependence_is_learnt(name: str, settings: dict[str, float], least: float) -> None:
    """Rows keep what holds between columns, which independent ones do not."""
    data = related(3000)
    codec = TableCodec.fit(data, infer(data, "ill"), 20)
    model, control = registry.create(name, settings), registry.create("independent", {})
    for one in (model, control):
        one.fit(data, codec, QUIET)
    assert kept(next(model.sample(2000))) > least
    assert kept(next(control.sample(2000))) < 0.5


def masked(data: pd.DataFrame, steps: int = 30) -> Masked:
    """Return a network after some steps."""
    model = Masked({"steps": steps, "check_every": steps, "width": 64})
    model.fit(data, TableCodec.fit(data, infer(data, "ill" if "ill" in data else "outcome"), 20), QUIET)
    return model


def test_gaps_are_filled_and_nothing_else_changes() -> None:
    """Rows with gaps anywhere come back whole, in their order and types; what was there is the same."""
    data = mixed(80).drop(columns="never")
    gaps = data.assign(price=data["price"].where(data.index % 2 == 0), raw=data["raw"].where(data.index % 3 == 0))
    gaps = gaps.iloc[::-1]
    full = masked(data).complete(gaps, seed=1)
    assert not full.isna().any().any()
    assert full.index.equals(gaps.index)
    assert all(full[name][gaps[name].notna()].equals(gaps[name].dropna()) for name in gaps)
    assert full.dtypes.equals(gaps.dtypes)
    assert full.equals(masked(data).complete(gaps, seed=1))


def test_gaps_are_filled_given_the_rest() -> None:
    """A number is drawn by the class and the word that stand beside the gap."""
    model, data = masked(related(3000), 300), related(500)
    full = model.complete(data.assign(size=np.nan))
    assert kept(full) > 0.85


def test_settings_left_open_follow_from_the_rows() -> None:
    """The rule of the documentation: two sizes, 60 passes, 1,500 to 8,000 steps; what is given stays."""
    open_ones = MaskedSettings()
    assert [plan(rows, open_ones).steps for rows in (100, 20_000, 1_000_000)] == [1500, 2344, 8000]
    assert (plan(9_999, open_ones).batch, plan(10_000, open_ones).width) == (256, 256)
    assert plan(100, replace(open_ones, steps=7, ema=0.5)).steps == 7


def test_leaves_grow_with_the_table() -> None:
    """30 rows a leaf, 50 from 10,000 rows on, or as asked."""
    data = related(200)
    codec = TableCodec.fit(data, infer(data, "ill"), 5)
    found = []
    for rows, settings in ((data, {}), (pd.concat([data] * 50), {}), (data, {"least": 7})):
        model = registry.create("cart", settings)
        model.fit(rows.reset_index(drop=True), codec, QUIET)
        found.append(model.facts["least"])  # type: ignore[attr-defined]
        trees = model.trees.values()  # type: ignore[attr-defined]
        assert all((tree.last - tree.first).min() >= found[-1] for tree in trees)
    assert found == [30, 50, 7]


def test_digits_never_make_a_code_that_is_not_there() -> None:
    """Of 1,000 codes in two digits, no pair beyond the last is allowed, in whichever order the digits are drawn."""
    digits = Digits((1000,))
    assert digits.sizes == (32, 32)
    drawn, hidden = torch.tensor([[31, 0]]), torch.tensor([[False, True]])
    assert (digits.forbidden(drawn, hidden, 1) == 0).sum() == 1000 - 31 * 32
    assert (digits.forbidden(drawn, hidden, 1, [0]) == 0).sum() == 999 - 31 * 32
    codes = torch.arange(1000)[:, None]
    assert digits.join(digits.split(codes)).equal(codes)


@pytest.mark.parametrize(("rows", "own"), [(900, 0), (1100, 3)])
def test_exact_amounts_get_codes_where_bins_are_full(rows: int, own: int) -> None:
    """Below 100 rows a bin an amount needs a bin's worth of rows; from there on a 50th, and never under five."""
    rng = np.random.default_rng(0)
    amounts = np.repeat([7688.0, 15024.0, 99999.0], 6)
    data = pd.DataFrame({"gain": np.concatenate([amounts, rng.uniform(0, 5000, rows - len(amounts))])})
    assert len(TableCodec.fit(data, infer(data), 10).columns[0].values) == own


def test_codes_of_exact_amounts_are_bounded() -> None:
    """Of many amounts shared by some rows, the heaviest ten for each bin have codes of their own."""
    data = pd.DataFrame({"gain": np.concatenate([np.repeat(np.arange(300) * 1.37, 50), np.linspace(0, 500, 9001)])})
    assert len(TableCodec.fit(data, infer(data), 10).columns[0].values) == 100
