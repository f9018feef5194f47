"""Conditions met by the model itself: no row thrown away, the other columns as among rows that were sorted out."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from synthtrail.data.codec import TableCodec
from synthtrail.data.conditions import parse
from synthtrail.data.narrowing import narrowed
from synthtrail.data.registry import MODALITIES
from synthtrail.data.schema import infer
from synthtrail.models import directed as directed_module
from synthtrail.models.digits import Digits
from synthtrail.models.directed import Given
from synthtrail.models.errors import ConditionError
from synthtrail.models.masked import Masked
from synthtrail.models.synthesizer import Training
from synthtrail.stages.draw import Draw
from synthtrail.stages.generate import directed, sieves_for
from tests.unit.test_models_tables import related

QUIET = Training(seed=0, progress=False)


def table(rows: int) -> pd.DataFrame:
    """Return the related columns, with gaps, a column of many codes, and one of categories with a tail."""
    rng = np.random.default_rng(1)
    data = related(rows)
    data["many"] = (data["size"] * 10 + rng.normal(0, 30, rows)).round(1)
    data["town"] = np.char.add("town ", (rng.pareto(0.7, rows) * 20).astype(int).clip(0, 700).astype(str))
    data.loc[rng.random(rows) < 0.1, "many"] = np.nan
    return data


@pytest.fixture(scope="module")
def model() -> Masked:
    """A network after some hundred steps."""
    data = table(3000)
    found = Masked({"steps": 300, "check_every": 100, "width": 64})
    found.fit(data, TableCodec.fit(data, infer(data, "ill"), 600), QUIET)
    assert max(found.network.digits.radix) > 0  # a column of two digits is among them
    return found


def drawn(model: Any, asked: dict[str, Any], count: int, *, direct: bool) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return rows that meet the conditions, and the facts of the drawing."""
    wanted = parse(asked, model.codec.schema)
    modality = MODALITIES["tabular"]
    made = directed(model, wanted) if direct else model
    drawing = Draw(made, wanted, count=count, seed=1, sieves=sieves_for(None, wanted, modality), modality=modality)
    rows: pd.DataFrame = pd.concat(list(drawing.batches()), ignore_index=True)
    return rows, drawing.facts()


@pytest.mark.parametrize(
    "asked",
    [
        {"size": "4.5..5.25"},
        {"word": "middle", "size": {"min": 3}},
        {"many": "20..60", "ill": "no"},
        {"size": {"max": 5}, "target": {"yes": 500, "no": 200}},
        {"target": ["yes"], "word": ["middle", "low"], "many": {"min": 0}},
    ],
)
def test_conditions_are_met_and_no_row_is_thrown_away(model: Masked, asked: dict[str, Any]) -> None:
    """On one column or several, of every kind, with classes asked for or not."""
    rows, facts = drawn(model, asked, 700, direct=True)
    assert len(rows) == 700
    assert facts["drawn"] == 700
    assert facts["met_by"] == "the model"
    for item in parse(asked, model.codec.schema).filters:
        assert item.keep(rows).all()


class Exact:
    """A network that knows the whole distribution of three columns, one of them in two digits."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.digits = Digits((3, 4, 9), most=4)
        self.joint = torch.from_numpy(rng.gamma(0.3, 1.0, (3, 4, 9))).reshape(3, 4, 3, 3)
        self.joint /= self.joint.sum()

    def column(self, codes: torch.Tensor, hidden: torch.Tensor, at: int) -> torch.Tensor:
        """Return the logits of one digit given those that are not hidden."""
        rows = []
        for row, away in zip(codes.tolist(), hidden.tolist(), strict=True):
            known = [slice(None) if gone else slice(value, value + 1) for value, gone in zip(row, away, strict=True)]
            known[at] = slice(None)
            rows.append(self.joint[tuple(known)].sum(dim=[i for i in range(4) if i != at]).log())
        return torch.stack(rows)


@pytest.mark.parametrize("alike", [False, True])
def test_starts_are_distributed_as_the_conditions_say(alike: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the exact conditional distribution, with a class that is given or free, a share of a code, two digits."""
    monkeypatch.setattr(directed_module, "EACH", 8)
    network, shares = Exact(), {1: torch.tensor([1.0, 0.5, 0, 0]), 2: torch.tensor([0.0, 1, 1, 0, 0.25, 0, 0, 1, 0])}
    joint = network.joint.reshape(3, 4, 9)
    weighted = (joint * shares[1].double()[None, :, None] * shares[2].double()).sum((1, 2))
    asked = torch.tensor([0] * 1000 + [1] * 400 + [2] * 600)
    classes = asked if alike else torch.multinomial(joint.sum((1, 2)), 2000, replacement=True)
    codes = torch.zeros(2000, 3, dtype=torch.int64)
    codes[:, 0] = classes
    hidden = torch.tensor([False, True, True]).repeat(2000, 1)
    given = Given(shares, alike)
    found, still = given.starts(network, codes, hidden, torch.Generator().manual_seed(1))
    assert not still.any()
    within = joint * shares[1].double()[None, :, None] * shares[2].double()
    wanted = within / (within.sum((1, 2), keepdim=True) if alike else within.sum())
    if alike:
        assert found[:, 0].equal(asked)
        wanted = wanted * torch.tensor([0.5, 0.2, 0.3])[:, None, None]
    else:
        assert given.shares[0] == pytest.approx(float(weighted.sum()), rel=0.1)
    counts = torch.zeros(3, 4, 9)
    for row in found.tolist():
        counts[tuple(row)] += 1
    assert float((counts / 2000 - wanted).abs().sum()) / 2 < 0.06  # total variation


def test_a_level_of_the_tail_can_be_asked_for(model: Masked) -> None:
    """Levels that share a code with others are drawn alone."""
    tail = model.codec.columns[model.codec.schema.names.index("town")].tail
    rows, facts = drawn(model, {"town": str(tail[3])}, 50, direct=True)
    assert set(rows["town"]) == {tail[3]}
    assert facts["dropped"]["conditions"] == 0


def test_what_cannot_be_met_is_said_at_once(model: Masked) -> None:
    """The share is named, and not a hundred thousand rows are drawn first."""
    with pytest.raises(ConditionError, match=r"^about \S+ of the rows would meet the conditions together"):
        drawn(model, {"size": {"min": 7.9}, "word": "low", "ill": ["no"]}, 10, direct=True)


def test_few_rows_are_drawn_from_many_starts(model: Masked) -> None:
    """One row at a time has the same distribution as many at once."""
    asked = {"word": "middle", "size": {"min": 3}}
    found = [drawn_seed(model, asked, seed) for seed in range(40)]
    many, _ = drawn(model, asked, 1000, direct=True)
    assert abs(np.mean(found) - many["size"].mean()) < 4 * many["size"].std() / 40**0.5


def drawn_seed(model: Any, asked: dict[str, Any], seed: int) -> float:
    """Return the number of a single row."""
    return float(next(directed(model, parse(asked, model.codec.schema)).sample(1, seed=seed))["size"].iloc[0])


@pytest.mark.parametrize("kind", ["integer", "continuous", "datetime", "heavy"])
def test_a_narrowed_codec_decodes_into_the_range(kind: str) -> None:
    """On every grid, from every code of which something is kept; the kept shares add up to the rows inside."""
    rng = np.random.default_rng(0)
    raw = {"integer": rng.integers(0, 90, 2000), "continuous": rng.normal(20, 9, 2000).round(1),
           "datetime": pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, 2000), unit="D"),
           "heavy": np.exp(rng.normal(2, 2, 2000))}[kind]  # fmt: skip
    data = pd.DataFrame({"x": raw})
    codec = TableCodec.fit(data, infer(data), 12)
    asked = {"datetime": {"min": "2020-05-03", "max": "2021-11-07"}}.get(kind, {"min": 11, "max": 33})
    wanted = parse({"x": asked}, codec.schema).filters
    narrow, kept = narrowed(codec, wanted)
    for code in np.flatnonzero(kept[0]):
        made = narrow.decode(np.full((200, 1), code), rng)
        assert wanted[0].keep(made).all()
    codes = codec.encode(data)[:, 0]
    assert kept[0][codes].mean() == pytest.approx(wanted[0].keep(data).mean(), abs=0.03)
