"""Columns that see one another: the tree is the best there is, draws follow what is learnt, and what belongs together
stays together.
"""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.metrics import mutual_info_score

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.models import registry, vae
from synthtrail.models.coupled_head import CoupledHead, cross_entropies
from synthtrail.models.dependence_tree import ROOT, groups, information, order, parents, spanning
from synthtrail.models.likeness import likeness
from synthtrail.models.synthesizer import Training
from synthtrail.models.vae import NEAR, TableVae

QUIET = Training(seed=0, progress=False)


def edges(tree: tuple[int, ...]) -> set[frozenset[int]]:
    """Return the pairs that a tree joins."""
    return {frozenset((at, parent)) for at, parent in enumerate(tree) if parent != ROOT}


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_joins_the_greatest_sum(seed: int) -> None:
    """As scipy's minimum spanning tree of the negative gains does; with gaps there are several trees."""
    rng = np.random.default_rng(seed)
    gain = np.triu(rng.random((9, 9)) * (rng.random((9, 9)) < 0.4), 1)
    gain += gain.T
    found = spanning(gain)
    least = minimum_spanning_tree(-gain).tocoo()
    assert edges(found) == {frozenset((int(a), int(b))) for a, b in zip(least.row, least.col, strict=True)}
    assert sorted(order(found)) == list(range(9))
    seen: set[int] = {ROOT}
    for at in order(found):
        assert found[at] in seen
        seen.add(at)


def chain(rows: int, seed: int) -> NDArray[np.int64]:
    """Return four columns: each of the first three says much of the next, the last says nothing."""
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 6, rows)
    two = np.where(rng.random(rows) < 0.7, one, rng.integers(0, 6, rows))
    three = np.where(rng.random(rows) < 0.7, two, rng.integers(0, 6, rows))
    return np.stack([three, one, rng.integers(0, 6, rows), two], axis=1)


def test_a_chain_is_found_and_chance_is_not() -> None:
    """In 200 rows already; of independent columns hardly any edge in a hundred tables."""
    assert edges(parents(chain(200, 0), (6,) * 4)) == {frozenset((1, 3)), frozenset((0, 3))}
    assert parents(chain(200, 0), (6,) * 4, without=3).count(ROOT) >= 3
    chance = [parents(np.random.default_rng(seed).integers(0, 12, (300, 8)), (12,) * 8) for seed in range(100)]
    assert sum(len(edges(tree)) for tree in chance) <= 5


def test_information_is_that_of_sklearn_less_what_chance_shows() -> None:
    """With Miller's correction, and 0 where it may be chance; rows are taken from all over the table."""
    rows = chain(500, 1)
    found = information(rows, (6,) * 4)
    told = mutual_info_score(rows[:, 0], rows[:, 3]) - 25 / 1000
    assert found[0, 3] == found[3, 0] == pytest.approx(told, abs=1e-9)
    assert found[0, 2] == found[2, 2] == 0
    late = np.concatenate([np.zeros((8_000, 4), np.int64), chain(2_000, 1)])
    assert information(late, (6,) * 4)[0, 3] > 0


def test_groups_are_neighbours_about_equally_full() -> None:
    """Of 100 codes, of which some are common; few codes stay as they are."""
    rng = np.random.default_rng(0)
    codes = rng.choice(100, 20_000, p=np.linspace(1, 3, 100) / np.linspace(1, 3, 100).sum())
    found = groups(codes, 100)
    assert bool((np.diff(found[np.argsort(codes)]) >= 0).all())
    assert np.bincount(found).size == 16
    assert np.bincount(found).max() < 2 * np.bincount(found).min()
    assert groups(codes % 7, 7).tolist() == (codes % 7).tolist()


def head(tree: tuple[int, ...]) -> CoupledHead:
    """Return a head of three columns whose weights are nowhere 0."""
    torch.manual_seed(0)
    found = CoupledHead(5, (3, 4, 2), torch.tensor([-1.0, 0, 1, 0, 0, 0, 0, 0, 0]), tree, 3)
    for weight in found.parameters():
        torch.nn.init.normal_(weight, std=0.8)
    return found


@pytest.mark.parametrize("tree", [(-1, -1, -1), (-1, 0, 1), (1, 2, -1)])
def test_draws_follow_what_training_asks_for(tree: tuple[int, ...]) -> None:
    """The share of each of the 24 rows among 60,000 draws is the product of what `beside` says of its columns."""
    found, body = head(tree), torch.randn(1, 5, generator=torch.Generator().manual_seed(1))
    rows = torch.tensor(list(product(range(3), range(4), range(2))))
    with torch.no_grad():
        chances = torch.exp(-cross_entropies(found.beside(body.expand(24, -1), rows), rows, None))
        drawn = found.draw(body.expand(60_000, -1), torch.Generator().manual_seed(2), {})
    shares = torch.bincount(drawn @ torch.tensor([8, 2, 1]), minlength=24) / 60_000
    assert float(chances.sum()) == pytest.approx(1, abs=1e-5)
    assert float((shares - chances).abs().max()) < 4 * 0.5 / 60_000**0.5


def test_a_column_is_told_its_parents_code_and_no_other() -> None:
    """Changing another column's code leaves its logits as they are."""
    found, body = head((-1, 0, -1)), torch.zeros(1, 5)
    with torch.no_grad():
        logits = [found.beside(body, torch.tensor([codes])) for codes in ([0, 0, 0], [0, 3, 1], [2, 0, 0])]
    for at in range(3):
        assert bool((logits[0][at] == logits[1][at]).all())
    assert not bool(torch.isclose(logits[0][1], logits[2][1]).all())
    assert bool((logits[0][2] == logits[2][2]).all())


def alone(codes: NDArray[np.int64], sizes: tuple[int, ...], *_: int | None) -> tuple[int, ...]:
    """Return no parent for any column, in the place of `parents`."""
    del codes
    return (ROOT,) * len(sizes)


def billed(rows: int) -> pd.DataFrame:
    """Return a ward that tells its building, and a bill that follows from the days to a few per cent."""
    rng = np.random.default_rng(0)
    ward, days = rng.integers(0, 24, rows), rng.gamma(2.0, 5.0, rows)
    building = np.array([f"building {(7 * at) % 5}" for at in range(24)])[ward]
    bill = 900 * days * rng.normal(1, 0.02, rows)
    return pd.DataFrame(
        {"ward": [f"ward {at}" for at in ward], "days": days.round(2), "building": building, "bill": bill.round(2)}
    )


def test_what_belongs_together_stays_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wards stand in their building and bills follow from days; far less so where columns do not see one another."""
    data = billed(2500)
    codec = TableCodec.fit(data, infer(data, None), 40)
    home = data.groupby("ward")["building"].first()
    right, near = [], []
    for apart in (False, True):
        if apart:
            monkeypatch.setattr(vae, "parents", alone)
        model = TableVae({"steps": 600, "width": 64})
        model.fit(data, codec, QUIET)
        made = next(model.sample(2000, seed=1))
        right.append((made["building"] == made["ward"].map(home)).mean())
        near.append((abs(made["bill"] / (900 * made["days"]) - 1) < 0.25).mean())
    assert right[0] > 0.95
    assert near[0] > 0.8
    assert right[0] - right[1] > 0.1
    assert near[0] - near[1] > 0.1


def test_what_is_given_stays_and_tells_its_children() -> None:
    """A column that is known is not drawn, and what is drawn beside it follows it."""
    found, body = head((-1, 0, -1)), torch.zeros(20_000, 5)
    given = torch.arange(20_000) % 3
    with torch.no_grad():
        drawn = found.draw(body, torch.Generator().manual_seed(0), {0: given})
        chances = found.beside(body[:3], torch.tensor([[0, 0, 0], [1, 0, 0], [2, 0, 0]]))[1].softmax(1)
    assert bool((drawn[:, 0] == given).all())
    for code in range(3):
        shares = torch.bincount(drawn[given == code, 1], minlength=4) / int((given == code).sum())
        assert float((shares - chances[code]).abs().max()) < 4 * 0.5 / 6_600**0.5


def test_the_tree_begins_where_it_is_told() -> None:
    """Column 3 of the chain has no parent, and those beside it have it."""
    assert parents(chain(500, 0), (6,) * 4, first=3) == (3, 3, ROOT, ROOT)


def test_neighbouring_codes_of_a_number_are_alike() -> None:
    """Heavy values among the bins have their place; missing is like nothing; words have no likeness."""
    found = likeness(np.array([50.0, 10.0, 30.0, np.nan]), NEAR)
    assert found is not None
    assert torch.allclose(found.sum(1), torch.ones(4))
    assert float(found[1, 2] / found[1, 1]) == pytest.approx(float(found[2, 1] / found[2, 2]))
    assert float(found[1, 0]) < float(found[1, 2])
    assert found[3].tolist() == [0, 0, 0, 1]
    assert likeness(None, NEAR) is None


def test_few_rows_tell_of_a_number_as_target() -> None:
    """Of 300 rows whose target follows from two columns, made rows keep how it follows."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, (2, 300))
    data = pd.DataFrame({"one": one.round(2), "other": other.round(2)})
    data["y"] = (2 * one - other + rng.normal(0, 0.5, 300)).round(2)
    model = TableVae({})
    model.fit(data, TableCodec.fit(data, infer(data, "y"), 20), QUIET)
    made = next(model.sample(2000, seed=1))
    ways = np.linalg.lstsq(made[["one", "other"]].to_numpy(float), made["y"].to_numpy(float), rcond=None)[0]
    assert ways == pytest.approx([2, -1], abs=0.5)


def test_a_model_saved_before_columns_had_parents_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file says nothing of parents nor of `coupling`; it makes the rows that it made."""
    monkeypatch.setattr(vae, "parents", alone)
    data = billed(300)
    model = TableVae({"steps": 5, "width": 16, "latent": 2, "batch": 16})
    model.fit(data, TableCodec.fit(data, infer(data, "building"), 10), QUIET)
    model.save(tmp_path / "model")
    described = json.loads((tmp_path / "model/model.json").read_bytes())
    assert set(described["facts"].pop("parents")) == {ROOT}
    del described["facts"]["coupling"]
    (tmp_path / "model/model.json").write_text(json.dumps(described), encoding="utf-8")
    again = registry.load(tmp_path / "model")
    assert next(again.sample(50, seed=3)).equals(next(model.sample(50, seed=3)))
