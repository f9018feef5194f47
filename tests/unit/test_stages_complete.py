"""`synthtrail complete`: gaps filled or columns drawn anew, told of as derived data, and never judged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from synthtrail.cli.main import main
from synthtrail.custody import canonical, record
from synthtrail.custody.transitions import after
from synthtrail.data import constraints
from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.data.tabular import read_table
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from synthtrail.stages import complete, more
from synthtrail.stages.complete import Task, plan_of
from synthtrail.stages.context import Context, StageError
from synthtrail.stages.layout import Layout
from synthtrail.stages.rebuild import check
from synthtrail.stages.recipe import Recipe
from synthtrail.storage.files import write_json

RULES = ("a <= b", "total = a + b")


def ward(rows: int = 300) -> pd.DataFrame:
    """Return rows that keep the rules, with a column that is not learnt."""
    rng = np.random.default_rng(0)
    a, age = rng.integers(0, 60, rows), rng.integers(18, 90, rows)
    b = a + rng.integers(0, 30, rows)
    ill = pd.Series(np.where(age > 60, "yes", "no"), dtype="str")
    return pd.DataFrame({"age": age, "a": a, "b": b, "total": a + b, "ill": ill})


@pytest.fixture(scope="module")
def model() -> Any:
    """A network after a few steps."""
    data = ward()
    schema = constraints.bound(RULES, infer(data, "ill"), data, least=1)
    found = registry.create("masked", {"steps": 30, "check_every": 30, "width": 32})
    found.fit(data, TableCodec.fit(data, schema, 10), Training(0, progress=False))
    return found


@pytest.fixture
def place(tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a public run, in which records are written and nothing is signed."""
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "src", "pipelines"):
        (tmp_path / name).symlink_to(Path(__file__).resolve().parents[2] / name)
    block = {"source": "ward.csv", "licence": "l", "legal_basis": "b", "retention": "P1Y", "class": "public"}
    Path("params.yaml").write_text(yaml.safe_dump({"experiments": {"ward": block}}), encoding="utf-8")
    model.save(Layout("ward").model)
    plan: Any = {"class": "public", "modality": "tabular", "seed": 0, "count": None, "conditions": {}}
    write_json(Layout("ward").plan("generate"), plan)
    monkeypatch.setattr("synthtrail.lineage.spool", lambda *_: None)
    monkeypatch.setattr("synthtrail.storage.disposed.refuse", lambda *_: None)
    return tmp_path


def completed(task: Task) -> tuple[pd.DataFrame, dict[str, Any], dict[str, int]]:
    """Carry out the task without signing; return the rows, the record and what is told."""
    layout = Layout(task.name)
    write_json(layout.plan("preprocess"), plan_of(task))
    told = complete.complete(Context.begin(task.name, "preprocess"), task)
    value = canonical.decode(layout.record("preprocess").read_bytes())
    return read_table(layout.base / "completed/table.parquet"), dict(value), told  # type: ignore[arg-type]


def test_gaps_are_filled_and_the_record_says_that_cells_are_real(place: Path) -> None:
    """Rules hold, given cells stay, columns that are not learnt pass, lacking ones come; the event is `derived`."""
    del place
    rng = np.random.default_rng(1)
    holes = ward().mask(rng.random((300, 5)) < 0.25).drop(columns="ill").assign(who=[f"P{n}" for n in range(300)])
    holes.to_csv("gaps.csv", index=False)
    rows, value, told = completed(Task("ward", "full", Path("gaps.csv"), public=True))
    assert list(rows.columns) == ["age", "a", "b", "total", "who", "ill"]
    for name in ("age", "a", "b", "total"):
        there = holes[name].notna()
        assert rows[name][there].astype(int).tolist() == holes[name][there].astype(int).tolist()
    assert rows["who"].tolist() == holes["who"].tolist()
    assert int(rows.isna().any(axis=1).sum()) == told["unsolved"]
    whole = rows.dropna()
    assert ((whole["a"] <= whole["b"]) & (whole["total"] == whole["a"] + whole["b"])).all()
    found = record.parse(value)
    assert (found.event, found.stage, value["class"]) == ("derived", "preprocess", "public")
    facts = {pair["name"]: pair["value"] for pair in value["facts"]}
    assert facts["partially_synthetic"] == "true"
    assert int(facts["cells.drawn"]) == told["drawn"] > 500
    assert [part.path for part in found.inputs] == ["data/ward/model"]
    assert json.loads(Path("data/ward/more/full/completed/about.json").read_bytes())["partially_synthetic"]


def test_columns_are_drawn_anew_and_others_stay(place: Path) -> None:
    """Partially synthetic data: the named columns lose their values, rules hold, all else is as it was."""
    del place
    ward().to_csv("ward.csv", index=False)
    rows, _, told = completed(Task("ward", "shared", Path("ward.csv"), ("age", "b", "total"), public=True))
    assert told["drawn"] == 900
    assert rows["a"].tolist() == ward()["a"].tolist()
    assert (rows["age"] == ward()["age"]).mean() < 0.3
    assert ((rows["a"] <= rows["b"]) & (rows["total"] == rows["a"] + rows["b"])).all()


@pytest.mark.parametrize(
    ("run", "public", "wanted"),
    [("public", True, "public"), ("public", False, "confidential"), ("confidential", True, "confidential")],
)
def test_the_class_is_the_stricter_of_model_and_rows(place: Path, run: str, public: bool, wanted: str) -> None:
    """Rows are confidential unless somebody says that they are not, and what the model says counts anyway."""
    del place
    plan: Any = {"class": run, "modality": "tabular", "seed": 0, "count": None, "conditions": {}}
    write_json(Layout("ward").plan("generate"), plan)
    assert plan_of(Task("ward", "x", Path("gaps.csv"), public=public))["class"] == wanted


def test_what_was_completed_cannot_be_judged_approved_or_rebuilt(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No plan of `validate` exists for it, its state allows no approval, and its label is no other artifact's."""
    del place
    ward().to_csv("ward.csv", index=False)
    _, value, _ = completed(Task("ward", "shared", Path("ward.csv"), ("age",), public=True))
    with pytest.raises(FileNotFoundError):
        Context.begin("ward.shared", "validate")
    assert after("approved", state="made") is None
    assert after("transfer-offered", state="made") is None
    monkeypatch.setattr(more, "check_finished", lambda *_: None)
    with pytest.raises(StageError, match="names completed rows"):
        more.make_more(more.Order("ward", "shared", 5), print)
    with pytest.raises(StageError, match="completed from rows that are not kept here"):
        check(Recipe(0, record.parse(value), {}, ()), strict=False)


def test_a_model_that_cannot_complete_says_so(place: Path) -> None:
    """One line, with what to train instead."""
    del place
    data = ward()
    cart = registry.create("cart", {})
    cart.fit(data, TableCodec.fit(data, infer(data, "ill"), 5), Training(0, progress=False))
    cart.save(Layout("ward").model)
    with pytest.raises(StageError, match="cart draws whole rows and cannot complete given ones; train"):
        completed(Task("ward", "x", Path("ward.csv")))


def test_a_rule_that_nothing_keeps_is_refused_when_columns_are_drawn(place: Path) -> None:
    """Real values must not stay in a column that was to be drawn anew."""
    del place
    ward().assign(total=100_000).to_csv("ward.csv", index=False)
    with pytest.raises(Exception, match="keep breaking a rule of the schema whatever is drawn for a"):
        completed(Task("ward", "x", Path("ward.csv"), ("a",), public=True))


def test_the_command_says_in_one_line_what_is_wrong(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An experiment that is not on, a file that is not there, a run that is not finished."""
    del place
    assert main(["complete", "wart", "gaps.csv"]) == 2
    assert "no experiment 'wart' is on (did you mean 'ward'?)" in capsys.readouterr().err
    assert main(["complete", "ward", "gaps.csv"]) == 2
    assert "ward: no finished run here" in capsys.readouterr().err
