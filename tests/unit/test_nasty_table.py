"""One table with every kind of column, gap and rule, through three sorts of generators: what is released keeps it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthtrail.data import conditions, constraints, release
from synthtrail.data import schema as schemas
from synthtrail.data.errors import DataError
from synthtrail.data.registry import MODALITIES
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from synthtrail.params import parse
from synthtrail.stages.draw import Draw
from synthtrail.stages.generate import sieves_for
from synthtrail.stages.tables import Part, learn, read_source

ROWS = 900
RULES: list[Any] = [
    "0 <= share <= 1",
    "admitted <= discharged",
    "total = rent + food",
    "bmi = weight / (height * height)",
    {"unique": ["bed", "admitted"]},
    {"together": ["city", "country"]},
]
SETTINGS: dict[str, dict[str, Any]] = {
    "cart": {},
    "masked": {"steps": 120, "check_every": 60, "width": 64},
    "wgan_gp": {"steps": 60, "batch": 64, "width": 32},
}


def nasty(rows: int = ROWS) -> pd.DataFrame:
    """Return the table as texts and numbers, as a CSV file has them."""
    rng = np.random.default_rng(0)
    admitted = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 700, rows), unit="D")
    height, rent = rng.normal(1.7, 0.1, rows).round(2), np.exp(rng.normal(6, 0.5, rows)).round(2)
    weight, food = rng.normal(75, 12, rows).round(1), rng.integers(0, 400, rows).astype(float)
    city = rng.choice(["Ulm", "Aalen", "Lyon", "Nice"], rows)
    table = {
        "key": [f"P-{1000 + n}" for n in range(rows)],
        "age": rng.integers(18, 95, rows),
        "share": rng.beta(0.4, 0.4, rows).round(3),
        "income": (1000 / rng.random(rows) ** 1.5).round(2),  # heavy tail
        "claims": np.where(rng.random(rows) < 0.7, 0.0, np.exp(rng.normal(5, 1, rows)).round(2)),  # mass at zero
        "code": [f"{n:05d}" for n in (rng.pareto(0.6, rows) * 40).astype(int) % 3000],  # hundreds of levels, many rare
        "smoker": rng.choice(["ja", "nein"], rows),
        "admitted": admitted.strftime("%d.%m.%Y"),
        "discharged": (admitted + pd.to_timedelta(rng.integers(0, 20, rows), unit="D")).strftime("%d.%m.%Y"),
        "seen": [f"{n // 60:02d}:{n % 60:02d}" for n in rng.integers(0, 1440, rows)],
        "bed": rng.permutation(rows) % 450,
        "city": city,
        "country": np.where(np.isin(city, ["Ulm", "Aalen"]), "de", "fr"),
        "rent": rent,
        "food": food,
        "total": (rent + food).round(2),
        "height": height,
        "weight": weight,
        "bmi": (weight / height**2).round(3),
        "never": [None] * rows,
        "note": [f"patient {n} said that it is {rng.integers(10**6)} better" for n in range(rows)],
        "ill": rng.choice(["yes", "no"], rows),
    }
    found = pd.DataFrame(table).drop_duplicates(["bed", "admitted"]).reset_index(drop=True)
    for name in ("age", "income", "code", "smoker", "seen", "weight"):
        found[name] = found[name].astype(object).mask(rng.random(len(found)) < 0.08)
    found["bmi"] = found["bmi"].mask(found["weight"].isna())
    return found


def block(path: Path, **more: Any) -> Any:
    """Return the experiment."""
    told: dict[str, Any] = {
        "source": str(path),
        "licence": "l",
        "legal_basis": "b",
        "retention": "P1Y",
        "target": "ill",
    }
    return parse("ward", told | {"constraints": RULES, "drop": ["note"], "rare_min": 8} | more)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Part:
    """The training part as `preprocess` makes it, for a confidential source."""
    path = tmp_path_factory.mktemp("nasty") / "ward.csv"
    nasty().to_csv(path, index=False)
    source, schema = read_source(block(path))
    assert schema is not None
    data: Any = source.data
    return learn(
        data[:720], data[720:].reset_index(drop=True), schema, {"rare_min": 8, "class": "confidential", "group": None}
    )


def test_every_kind_is_told_apart(part: Part) -> None:
    """Kinds, shapes, limits and identifiers are found, and what is rare is merged."""
    kinds = {column.name: (column.kind, column.shape) for column in part.schema}
    assert kinds["income"] == ("continuous", "heavy-tailed")
    assert kinds["claims"] == ("continuous", "zero-inflated")
    assert kinds["share"] == ("continuous", "bounded")
    assert (kinds["age"][0], kinds["admitted"][0], kinds["seen"][0]) == ("integer", "datetime", "time")
    assert (kinds["smoker"][0], kinds["code"][0]) == ("boolean", "category")
    assert [key.name for key in part.schema.identifiers] == ["key"]
    codes = part.train["code"].value_counts()
    assert codes.drop("other").min() >= 8
    assert part.merged > 50


def test_free_text_is_refused_unless_it_is_dropped(tmp_path: Path) -> None:
    """One line that names the column and what to write."""
    path = tmp_path / "ward.csv"
    nasty().to_csv(path, index=False)
    with pytest.raises(DataError, match=r"free text.*'note'.*drop: \[note\]"):
        read_source(block(path, drop=[]))


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_what_is_released_keeps_schema_and_rules(name: str, part: Part) -> None:
    """Types, ranges, levels, gaps and all six kinds of rule hold in every row, and what it took is counted."""
    codec = MODALITIES["tabular"].fit_codec(part.train, part.schema, bins=20)
    model: Any = registry.create(name, SETTINGS[name])
    model.fit(part.train, codec, Training(seed=0, progress=False))
    rules, wanted = release.keeper(part.schema, 0), conditions.parse({}, part.schema)
    sieves = sieves_for(rules, wanted, MODALITIES["tabular"])
    drawing = Draw(model, wanted, count=400, seed=0, sieves=sieves, modality=MODALITIES["tabular"])
    rows: pd.DataFrame = pd.concat(list(release.completed(drawing.batches(), part.schema, 0)), ignore_index=True)
    assert len(rows) == 400
    assert schemas.check(rows, part.schema) == []
    assert set(constraints.broken_rows(rows, part.schema).values()) == {0}
    assert rules is not None
    facts: Any = drawing.facts()
    assert rules.dropped == facts["dropped"]["constraints"] > 0
    assert facts["drawn"] >= 400 + rules.dropped
    assert rules.mended > 0
    assert rows["key"].is_unique
    assert rows["key"].str.fullmatch(r"P-\d{4}").all()
    real = set(part.train["code"].dropna())
    assert set(rows["code"].dropna()) <= real
    assert rows["never"].isna().all()
    assert 0 < rows["age"].isna().mean() < 0.3
