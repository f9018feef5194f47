"""The controls: what each draws, and that those made of real rows are for judging only."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from synthtrail.custody import record
from synthtrail.custody.events import STAGE_EVENT
from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.models import registry
from synthtrail.models.errors import ConditionError, ModelError
from synthtrail.models.mixture_em import Rules, choose, fit
from synthtrail.models.smote import majority, nearest
from synthtrail.models.synthesizer import Training
from synthtrail.stages.context import Context
from synthtrail.stages.found import Found
from synthtrail.stages.generate import generate
from synthtrail.stages.sign import check_releasable
from synthtrail.stages.train import train
from synthtrail.storage.files import write_json
from tests.unit.test_data_schema import mixed
from tests.unit.test_models_tables import related

QUIET = Training(seed=0, progress=False)
every_judging_one = pytest.mark.parametrize("name", sorted(registry.JUDGING_ONLY))


def rows_of(name: str, data: pd.DataFrame, target: str, n: int, **settings: float) -> pd.DataFrame:
    """Return `n` rows of a synthesizer fitted on `data`."""
    model = registry.create(name, settings)
    model.fit(data, TableCodec.fit(data, infer(data, target), 20), QUIET)
    found: pd.DataFrame = pd.concat(list(model.sample(n, seed=1)), ignore_index=True)
    return found


def keys(table: pd.DataFrame) -> list[int]:
    """Return a number for each row, equal for equal rows."""
    found: list[int] = pd.util.hash_pandas_object(table, index=False).tolist()
    return found


def test_real_rows_are_the_training_rows_in_another_order() -> None:
    """To the last digit, each once; twice as many are each twice, and half as many no row twice."""
    data = mixed(120)
    for n in (60, 120, 240):
        made = keys(rows_of("real_rows", data, "outcome", n))
        assert set(made) <= set(keys(data))
        assert max(made.count(key) for key in made) == max(1, n // 120)
        assert made[:120] != keys(data)


def test_a_class_that_is_asked_for_is_dealt_before_it_repeats() -> None:
    """Rows of the rarer class come once each, then again."""
    data = related(40)
    model = registry.create("real_rows", {})
    model.fit(data, TableCodec.fit(data, infer(data, "ill"), 5), QUIET)
    ill = int((data["ill"] == "yes").sum())
    made = keys(next(model.sample(2 * ill, {"target": "yes"}, seed=3)))
    assert sorted(made[:ill]) == sorted(made[ill:]) == sorted(keys(data[data["ill"] == "yes"]))
    assert made[:ill] != made[ill:]


def test_bootstrap_draws_with_replacement() -> None:
    """All rows are real, and about 63 % of the real ones come."""
    data = mixed(400)
    made = set(keys(rows_of("bootstrap", data, "outcome", 400)))
    assert made <= set(keys(data))
    assert 0.55 < len(made) / 400 < 0.71


def test_a_class_without_rows_is_refused() -> None:
    """One line, and no crash in the middle of a batch."""
    data = related(40)
    codec = TableCodec.fit(data, infer(data, "ill"), 5)
    model = registry.create("bootstrap", {})
    model.fit(data[data["ill"] == "yes"], codec, QUIET)
    with pytest.raises(ConditionError, match="no training row is of class"):
        list(model.sample(3, {"target": "no"}))


def test_smote_makes_rows_between_neighbours_of_one_class() -> None:
    """Numbers lie inside the class's own range and are mostly new; categories are those of neighbours; gaps stay."""
    rng = np.random.default_rng(0)
    size = np.concatenate([rng.normal(5, 1, 300), rng.normal(-5, 1, 300)])
    data = pd.DataFrame({"size": size, "depth": size * 2, "ill": ["yes"] * 300 + ["no"] * 300})
    data.loc[::3, "depth"] = np.nan
    made = rows_of("smote", data, "ill", 600)
    for kind, rows in made.groupby("ill"):
        real = data[data["ill"] == kind]
        assert rows["size"].between(real["size"].min(), real["size"].max()).all()
    both = made.dropna()
    assert np.allclose(both["depth"], both["size"] * 2, atol=0.5)  # a line between two points of a line stays on it
    assert abs(made["depth"].isna().mean() - 1 / 3) < 0.06
    assert not set(keys(both)) & set(keys(data))


def test_distances_are_those_of_smote_nc() -> None:
    """A category in which two rows differ adds the median deviation, squared; a lone row is its own neighbour."""
    numbers = np.array([[0.0], [1.0], [1.2], [5.0]])  # deviation 1.9, so a category outweighs small differences
    choices = np.array([[0], [1], [0], [0]], dtype=np.int32)
    assert nearest(numbers, choices, 2).tolist() == [[2, 1], [2, 0], [0, 1], [2, 1]]
    assert nearest(numbers[:2], choices[:2], 3).tolist() == [[1, 1, 1], [0, 0, 0]]
    assert nearest(numbers[:1], choices[:1], 2).tolist() == [[0, 0]]


def test_the_most_frequent_neighbour_wins_and_the_nearest_of_a_tie() -> None:
    """NaN is no vote, and stays where the row has it."""
    around = np.array([[1.0, 2, 2], [3, 1, 2], [np.nan, 4, 4], [1, 1, 1]])
    assert np.allclose(majority(around, np.array([0.0, 0, 0, np.nan])), [2, 3, 4, np.nan], equal_nan=True)


def test_smote_takes_a_part_of_many_rows_and_says_so() -> None:
    """Time grows with the square of the rows."""
    data = related(300)
    model = registry.create("smote", {"rows": 100})
    model.fit(data, TableCodec.fit(data, infer(data, "ill"), 5), QUIET)
    assert model.facts == {"rows": 100}  # type: ignore[attr-defined]
    assert len(next(model.sample(250))) == 250


def test_a_mixture_finds_the_kinds_of_rows() -> None:
    """Three kinds of rows in four columns are found again, with their weights; more kinds do not help."""
    rng = np.random.default_rng(0)
    kinds = rng.choice(3, 3000, p=[0.5, 0.3, 0.2])
    noise = rng.integers(0, 3, (3000, 4))
    codes = torch.from_numpy(np.where(rng.random((3000, 4)) < 0.9, kinds[:, None], noise))
    found = choose(codes[:2500], codes[2500:], (3,) * 4, (1, 2, 3, 6), Rules(), 0)
    assert np.allclose(sorted(found.weights.tolist()), [0.2, 0.3, 0.5], atol=0.04)
    one = fit(codes[:2500], codes[2500:], (3,) * 4, 1, Rules(), rng)
    assert found.score > one.score + 0.5


def test_a_mixture_has_no_component_of_a_few_rows() -> None:
    """Of 100 rows at most ten kinds of ten rows are left."""
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.integers(0, 4, (100, 3)))
    found = fit(codes, codes, (4, 4, 4), 50, Rules(smoothing=0.1, least=10), rng)
    assert 1 <= len(found.weights) <= 10


def test_a_mixture_learns_dependence() -> None:
    """Class, number and word go together, which independent columns do not show."""
    made = rows_of("mixture", related(3000), "ill", 2000)
    assert ((made["size"] > 0) == (made["ill"] == "yes")).mean() > 0.9


@every_judging_one
def test_what_holds_real_rows_is_refused_before_it_is_trained(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage ends with one line, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    plan: Any = {"class": "public", "modality": "tabular", "seed": 0, "devices": 1}
    write_json(Path("data/x/plan/train.json"), plan | {"model": {"name": name, "settings": {}}})
    with pytest.raises(ModelError, match=f"^{name} is a control for judging only: .*released here"):
        train(Context.begin("x", "train"))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["train.json"]


@every_judging_one
def test_nothing_is_generated_with_a_model_of_real_rows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if such a model was put where the stage looks for one."""
    monkeypatch.chdir(tmp_path)
    data = related(40)
    model = registry.create(name, {})
    model.fit(data, TableCodec.fit(data, infer(data, "ill"), 5), QUIET)
    model.save(Path("data/x/model"))
    plan: Any = {"class": "public", "modality": "tabular", "seed": 0, "count": 5, "conditions": {}}
    write_json(Path("data/x/plan/generate.json"), plan)
    with pytest.raises(ModelError, match=f"^{name} is a control for judging only"):
        generate(Context.begin("x", "generate"))
    assert not Path("data/x/synthetic").exists()


@every_judging_one
def test_a_record_of_such_a_model_is_not_signed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the model's record nor one of rows made with it; so nothing of it can be approved or released."""
    monkeypatch.chdir(tmp_path)
    write_json(Path("data/x/model/model.json"), {"synthesizer": name})
    for stage, params in (("train", [{"name": "model.name", "value": name}]), ("generate", [])):
        with pytest.raises(ModelError, match=f"^{name} is a control for judging only"):
            check_releasable([found(stage, params)])
    write_json(Path("data/x/model/model.json"), {"synthesizer": "cart"})
    check_releasable([found("generate", []), found("train", [{"name": "model.name", "value": "cart"}])])


def found(stage: str, params: list[dict[str, str]]) -> Found:
    """Return a record with these parameters."""
    model: Any = {"kind": "folder", "path": "data/x/model", "sha256": "0" * 64, "size": 1, "files": 2}
    inputs = [model] if stage == "generate" else []
    lists: Any = {"views": [], "inputs": inputs, "tools": [], "privacy": [], "facts": [], "params": params}
    subject = {"kind": "file", "path": "data/x", "sha256": "0" * 64, "size": 1}
    told = {"v": 1, "experiment": "x", "stage": stage, "event": STAGE_EVENT[stage], "subjects": [subject], "seed": 0}
    value: Any = told | lists | {"code": {"sha256": "0" * 64, "files": 1}, "class": "public"}
    return Found(record.parse(value), {})
