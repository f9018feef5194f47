"""Rows given in part: read, filled by the rules, and nothing that was given ever changed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthtrail.data import constraints, filling, given
from synthtrail.data.columns import Schema
from synthtrail.data.delimited import How
from synthtrail.data.errors import SourceError
from synthtrail.data.filling import Cells, Done
from synthtrail.data.schema import infer

RULES = ("a <= b", "total = a + b", '{"together": ["city", "country"]}', '{"unique": ["a", "b"]}')


def table(rows: int = 200) -> pd.DataFrame:
    """Return rows that keep the rules."""
    rng = np.random.default_rng(0)
    a = rng.permutation(rows)
    b = a + rng.integers(0, 50, rows)
    city = rng.choice(["Ulm", "Aalen", "Lyon", "Nice"], rows)
    country = np.where(np.isin(city, ["Ulm", "Aalen"]), "de", "fr")
    return pd.DataFrame({"a": a, "b": b, "total": a + b, "city": city, "country": country, "x": rng.normal(0, 1, rows)})


def bound(data: pd.DataFrame, *rules: str) -> Schema:
    """Return the schema with rules."""
    return constraints.bound(rules, infer(data), data, least=1)


def careless(data: pd.DataFrame) -> filling.Draw:
    """Return a model that draws each cell from its column."""

    def draw(rows: pd.DataFrame, cells: Cells, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        made = {name: pd.Series(rng.choice(data[name], len(rows)), rows.index) for name in rows}
        return pd.DataFrame({name: rows[name].where(~cells[:, i], made[name]) for i, name in enumerate(rows)})

    return draw


def completed(holes: pd.DataFrame, data: pd.DataFrame, *rules: str) -> Done:
    """Fill gaps with the careless model."""
    schema = bound(data, *rules)
    rows = given.conformed(holes, schema)
    return filling.fill(rows, rows.isna().to_numpy(), schema, careless(data), seed=1)


def holes(data: pd.DataFrame, share: float = 0.25) -> pd.DataFrame:
    """Return the table with a share of its cells empty."""
    rng = np.random.default_rng(2)
    empty = rng.random(data.shape) < share
    return pd.DataFrame({name: data[name].convert_dtypes().mask(empty[:, i]) for i, name in enumerate(data)})


def test_every_rule_holds_for_what_was_filled_and_nothing_given_changes() -> None:
    """Order, formula, combination and uniqueness, over rows with any gaps."""
    data = table()
    done = completed(holes(data), data, *RULES)
    given_cells = holes(data).notna()
    for name in data:
        there = given_cells[name].to_numpy()
        assert done.rows[name][there].tolist() == data[name][there].tolist()
    schema = bound(data, *RULES)
    assert set(constraints.broken_rows(done.rows, schema).values()) == {0}
    assert (done.again, done.mended) > (0, 0)
    assert done.broken == 0
    assert done.rows.isna().any(axis=1).sum() == done.unsolved
    assert done.unsolved < 20  # such as b and total given, a drawn: next to never hit by careless draws
    assert (done.filled == (holes(data).isna() & done.rows.notna()).to_numpy()).all()


def test_rows_that_are_given_broken_stay_and_are_counted() -> None:
    """A rule that given cells break is not mended at their cost, nor does it empty them."""
    data = table()
    wrong = holes(data, 0.0)
    wrong.loc[3, ["a", "b"]] = [90, 5]
    wrong.loc[3, "x"] = None
    done = completed(wrong, data, "a <= b")
    assert (done.broken, done.unsolved) == (1, 0)
    assert (done.rows["a"].iloc[3], done.rows["b"].iloc[3]) == (90, 5)
    assert done.rows["x"].notna().all()


def test_what_cannot_be_solved_is_left_empty() -> None:
    """No city is known for such a country, so the gap stays and is told."""
    data = table().assign(country=lambda t: t["country"].where(t.index > 0, "es"))
    gaps = holes(data, 0.0)
    gaps.loc[5, ["city", "country"]] = [None, "fr"]
    schema = bound(data, '{"together": ["city", "country"]}')
    known = tuple(row for row in schema.combinations[0].rows if row[1] != "fr")
    counts = (1,) * len(known)
    narrow = Schema(schema.columns, combinations=(type(schema.combinations[0])(("city", "country"), known, counts),),
                    constraints=schema.constraints)  # fmt: skip
    rows = given.conformed(gaps, narrow)
    done = filling.fill(rows, rows.isna().to_numpy(), narrow, careless(data), seed=1)
    assert done.unsolved == 1
    assert done.rows["city"].isna().tolist() == [row == 5 for row in range(200)]


def test_a_file_is_read_as_the_model_knows_its_columns(tmp_path: Path) -> None:
    """Codes stay texts, dates keep their form, lacking columns are gaps, and others pass."""
    days = pd.date_range("2020-01-01", periods=60)
    data = pd.DataFrame(
        {"code": [f"{n % 7:03d}" for n in range(60)], "n": range(60), "day": days, "ok": [True, False] * 30}
    )
    data = data.assign(n=data["n"].astype("int64"))
    path = tmp_path / "rows.csv"
    path.write_text("day,code,who\n05.02.2020,003,Ada\n,NA,Bo\n", encoding="utf-8")
    schema = infer(data)
    schema = Schema(tuple(c if c.name != "day" else type(c)(**{**vars(c), "format": "%d.%m.%Y"}) for c in schema))
    source, read = given.read(path, schema, How())
    rows = given.conformed(read, schema)
    assert rows["code"].tolist()[0] == "003"
    assert rows.dtypes.astype(str).to_dict()["n"] == "Int64"
    assert rows.isna().to_numpy().tolist() == [[False, True, False, True], [True] * 4]
    assert given.spelling(source, schema, read)["day"]["format"] == "%d.%m.%Y"
    assert list(read.columns) == ["day", "code", "who"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"n": ["1", "x"]}, "column 'n': 1 cells are no numbers, the first in row 2"),
        ({"n": [1.5, None]}, "column 'n': 1 cells are no whole numbers, the first in row 1"),
        ({"code": ["001", "999"]}, "column 'code': 1 cells are no categories that the model knows, the first in row 2"),
    ],
)
def test_what_the_model_cannot_know_is_one_line(cells: dict[str, list[Any]], said: str) -> None:
    """Column and row are named, no cell is shown."""
    data = pd.DataFrame({"code": ["001", "002"] * 20, "n": range(40)})
    with pytest.raises(SourceError) as error:
        given.conformed(pd.DataFrame(cells), infer(data))
    assert str(error.value).startswith(said)
    assert "999" not in str(error.value)
