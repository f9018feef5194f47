"""A table of one's own comes back out as it went in: types, ranges, categories, gaps, order; and nothing else does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from synthtrail import params
from synthtrail.cli.main import main
from synthtrail.data import inference, release, split
from synthtrail.data.codec import TableCodec
from synthtrail.data.constraints import broken_rows
from synthtrail.data.schema import Schema, check, infer
from synthtrail.data.tabular import Tabular
from synthtrail.stages.plan import plans
from synthtrail.stages.tables import Part, groups_of, learn, read_source
from tests import tables
from tests.imports import ROOT
from tests.tables import OWN, Own

SHARED = ROOT.parent / "shared" / "data"
REAL: dict[str, tuple[str, dict[str, Any]]] = {
    "adult": ("adult/adult.data", {"read": {"header": False}, "target": "column_15"}),
    "support2": ("support2/support2.csv", {"target": "hospdead"}),
    "titanic": ("titanic/train.csv", {"target": "Survived", "drop": ["Name", "Ticket"]}),
    "patients": ("mimic3_demo/PATIENTS.csv.gz", {}),
    "admissions": ("mimic3_demo/ADMISSIONS.csv.gz", {"drop": ["diagnosis"]}),
    "diagnoses": ("mimic3_demo/DIAGNOSES_ICD.csv.gz", {}),
    "prescriptions": ("mimic3_demo/PRESCRIPTIONS.csv.gz", {}),
    "lanl": ("lanl/train_excerpt.csv.gz", {}),
}


def asked(source: Path, **block: Any) -> params.Experiment:
    """Return an experiment on a file, confidential unless `block` says otherwise."""
    least = {"licence": "internal", "legal_basis": "consent", "retention": "P1Y", "source": str(source)}
    return params.parse("own", least | block)


def prepared(experiment: params.Experiment) -> tuple[pd.DataFrame, Part]:
    """Return the table that `ingest` keeps, and what `preprocess` learns of its training rows."""
    source, schema = read_source(experiment)
    assert isinstance(source.data, pd.DataFrame)
    assert schema is not None
    parts = split.split(len(source.data), 0.2, 0, Tabular().labels(source.data, experiment.target))
    train, holdout = Tabular().take(source.data, parts.train), Tabular().take(source.data, parts.holdout)
    kept = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    return source.data, learn(train, holdout, kept, plans(experiment)["preprocess"])


def released(part: Part) -> pd.DataFrame:
    """Return the training rows through codec, rules and identifiers: what a perfect model would release."""
    codec = TableCodec.from_json(json.loads(json.dumps(TableCodec.fit(part.train, part.schema, 20).to_json())))
    codes = codec.encode(part.train)
    halves = np.array_split(codes, 2)
    batches = [codec.decode(half, np.random.default_rng(number)) for number, half in enumerate(halves)]
    keep = release.keeper(codec.schema, seed=0)
    rows = list(release.completed([batch if keep is None else keep(batch) for batch in batches], codec.schema, seed=0))
    made: pd.DataFrame = pd.concat(rows, ignore_index=True)
    return made


def holds(real: pd.DataFrame, part: Part, made: pd.DataFrame) -> None:
    """Assert that the released rows are of the real table's make."""
    assert check(made, part.schema) == []
    assert list(made.columns) == list(real.columns)
    for name in real.columns:
        types = {str(real[name].dtype), str(made[name].dtype)}
        assert len(types) == 1 or types == {"int64", "Int64"}, name
    assert not any(broken_rows(made, part.schema).values())
    for column in part.schema:
        series = made[column.name]
        rate = 1.0 if column.missing_rate == 1 else part.train[column.name].isna().mean()
        assert series.isna().mean() == pytest.approx(rate, abs=0.05), column.name
        at = list(made.columns).index(column.name)
        if series.nunique() == real[column.name].nunique() > 1:
            found = inference.classify(series, at, is_target=True)
            assert found == inference.classify(real[column.name], at, is_target=True), column.name


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.name)
def test_a_table_comes_back_as_it_went_in(own: Own, tmp_path: Path) -> None:
    """Columns, order, types, ranges, categories, missing rates and rules, whatever the file looks like."""
    real, part = prepared(asked(own.write(tmp_path), **own.block))
    made = released(part)
    holds(real, part, made)
    Tabular().write(tmp_path, "a", [made])
    pd.testing.assert_frame_equal(Tabular().read(tmp_path, "a"), made)


@pytest.mark.parametrize("name", REAL)
def test_real_tables_come_back_as_they_went_in(name: str) -> None:
    """Likewise for tables from the field."""
    path, block = REAL[name]
    if not (SHARED / path).exists():
        pytest.skip(f"{SHARED / path} is not there")
    real, part = prepared(asked(SHARED / path, **block))
    holds(real, part, released(part))


def test_what_files_write_is_understood(tmp_path: Path) -> None:
    """Decimal commas, thousands, dates, booleans and code pages mean what they say."""
    source, schema = read_source(asked(OWN[0].write(tmp_path)))
    assert schema is not None
    assert source.detected == {"encoding": "cp1252", "delimiter": ";", "decimal": ","}
    table = source.data
    assert isinstance(table, pd.DataFrame)
    assert table["Gehalt"].round(2).tolist() == np.round(tables.rng().lognormal(7, 1, tables.ROWS), 2).tolist()
    assert table["Geburtstag"].tolist()[0] == pd.Timestamp("1930-01-01")
    assert schema.column("Raucher").kind == "boolean"
    assert schema.column("Raucher").categories == ("ja", "nein")
    assert (schema.column("Geburtstag").format, schema.column("Gehalt").format) == ("%d.%m.%Y", ",2f")


def test_missing_values_are_told_from_words(tmp_path: Path) -> None:
    """Several spellings of missing in one column; None among texts and an empty text in Parquet are values."""
    files = {own.name: own for own in OWN}
    gaps = read_source(asked(files["gaps"].write(tmp_path)))[0].data
    assert isinstance(gaps, pd.DataFrame)
    assert gaps.isna().sum().to_dict() == {"number": 30, "empty": 120, "text": 0, "constant": 0, "dash": 120}
    typed = read_source(asked(files["typed"].write(tmp_path)))[0].data
    assert isinstance(typed, pd.DataFrame)
    assert typed["blank"].isna().sum() == 12
    assert (typed["blank"] == "").sum() == 72


def test_what_a_program_exports_is_understood(tmp_path: Path) -> None:
    """Amounts, clocks of twelve hours, keys written as decimals, columns and rows without anything in them."""
    amounts = next(own for own in OWN if own.name == "amounts")
    table, part = prepared(asked(amounts.write(tmp_path)))
    assert table["pay"].tolist()[:2] == [900.0, 937.5]
    assert [part.schema.column(name).kind for name in ("pay", "share", "fee", "clock", "seen")] == [
        "continuous", "continuous", "integer", "time", "datetime",
    ]  # fmt: skip
    assert [key.name for key in part.schema.identifiers] == ["person_id"]
    ward = next(own for own in OWN if own.name == "ward")
    source, schema = read_source(asked(ward.write(tmp_path), **ward.block))
    assert schema is not None
    assert (schema.names, [key.name for key in schema.identifiers]) == (("Aufnahme", "Gewicht", "Stufe"), ["Fallnr"])
    assert source.detected["empty_rows"] == "2"


def test_the_rows_of_a_person_stay_together(tmp_path: Path) -> None:
    """No person is in both parts; what one person's many rows have is rare; ids are never learnt."""
    rows = "".join(
        f"P{i // 6:03},{9999 if i < 6 else 20 + i % 50},{'odd' if i < 6 else 'ab'[i % 2]}\n" for i in range(240)
    )
    path = tmp_path / "own.csv"
    path.write_text(f"patient,age,kind\n{rows}", encoding="utf-8")
    experiment = asked(path, group="patient")
    source, schema = read_source(experiment)
    assert isinstance(source.data, pd.DataFrame)
    assert schema is not None
    groups = groups_of(source.data, "patient")
    parts = split.split(240, 0.2, 0, np.array(["x", "y"] * 120), groups)  # in every group both equally often
    assert len(parts.holdout) == 48
    train, holdout = source.data.iloc[parts.train], source.data.iloc[parts.holdout]
    assert not set(train["patient"]) & set(holdout["patient"])
    part = learn(source.data, holdout, schema, plans(experiment)["preprocess"])
    assert [key.name for key in part.schema.identifiers] == ["patient"]
    assert part.schema.column("kind").categories == ("a", "b", "other")
    assert part.schema.column("age").maximum == 69
    alone = groups_of(pd.DataFrame({"patient": ["a", None, "a", None]}), "patient")
    assert alone is not None
    assert alone[0] == alone[2]
    assert len(set(alone.tolist())) == 3


def test_identifiers_are_made_anew_in_their_pattern(tmp_path: Path) -> None:
    """No real key comes out but by chance, every made one is new, and both look alike."""
    own = next(own for own in OWN if own.name == "codes")
    real, part = prepared(asked(own.write(tmp_path), **own.block))
    made = released(part)
    assert [key.name for key in part.schema.identifiers] == ["patient_id"]
    assert made["patient_id"].str.fullmatch(r"P\d{5}").all()
    assert made["patient_id"].is_unique
    assert len(set(made["patient_id"]) & set(real["patient_id"])) < 5
    assert "patient_id" not in part.schema.names


def test_many_levels_cost_few_codes_and_keep_their_shares(tmp_path: Path) -> None:
    """A column of thousands of categories has at most 256 codes, and the rare ones still come."""
    table = tables.levels(60_000, 20_000)
    part = prepared(asked(tables.parquet(table)(tmp_path), **{"class": "public"}))[1]
    codec = TableCodec.fit(part.train, part.schema, 20)
    assert codec.cardinalities[0] == 256
    made = codec.decode(codec.encode(part.train), np.random.default_rng(0))["code"]
    assert made.nunique() > 12_000
    common = list(codec.columns[0].values)
    assert made.isin(common).sum() == part.train["code"].isin(common).sum()


def test_heavy_tails_keep_their_size() -> None:
    """Within the outermost bin, numbers are spread by their logarithm: the mean of a Pareto sample survives."""
    table = pd.DataFrame({"x": np.random.default_rng(1).pareto(1.5, 5_000) * 10})
    part = Part(table, table, infer(table), 0)
    made = released(part)["x"]
    assert part.schema.column("x").shape == "heavy-tailed"
    assert made.mean() == pytest.approx(table["x"].mean(), rel=0.25)


@pytest.mark.parametrize("data_class", ["public", "confidential"])
def test_what_few_rows_have_stays_out_of_a_confidential_codec(tmp_path: Path, data_class: str) -> None:
    """Rare levels and extremes stand in the codec of a public source, and not in that of a confidential one."""
    rng = np.random.default_rng(2)
    table = pd.DataFrame(
        {
            "town": ["Zanzibar", "Ulm", "Bonn"] + ["Ulm", "Bonn"] * 100,
            "pay": [987_654.25, *np.round(rng.normal(3000, 400, 202), 2)],
            "born": pd.Timestamp("1950-01-01") + pd.to_timedelta([-9999, *rng.integers(0, 9000, 202)], "D"),
            "age": [113, *rng.integers(18, 90, 202)],
        }
    )
    experiment = asked(tables.parquet(table)(tmp_path), **{"class": data_class})
    schema = read_source(experiment)[1]
    assert schema is not None
    part = learn(table, table.iloc[:9], schema, plans(experiment)["preprocess"])
    text = json.dumps(TableCodec.fit(part.train, part.schema, 20).to_json())
    found = [secret in text for secret in ("Zanzibar", "987654.25", "1922-08-17", "113")]
    assert found == [data_class == "public"] * 4
    assert ("other" in part.schema.column("town").categories) == (data_class == "confidential")
    assert part.merged == (1 if data_class == "confidential" else 0)
    assert (part.holdout["town"] == "Zanzibar").any() == (data_class == "public")


def test_rules_are_kept_and_counted(tmp_path: Path) -> None:
    """Shuffled columns break every rule; what comes out breaks none, and it is counted how."""
    own = next(own for own in OWN if own.name == "rules")
    _, part = prepared(asked(own.write(tmp_path), **own.block))
    rng = np.random.default_rng(0)
    shuffled = pd.DataFrame({name: rng.permutation(part.train[name].to_numpy()) for name in part.train})
    assert all(broken_rows(shuffled, part.schema)[rule] for rule in ("total = rent + food", "admitted <= discharged"))
    keep = release.keeper(part.schema, seed=0)
    assert keep is not None
    kept = keep(shuffled.astype(part.train.dtypes))
    assert not any(broken_rows(kept, part.schema).values())
    assert keep.dropped == len(shuffled) - len(kept) > 0
    assert keep.mended > 50
    assert set(zip(kept["city"], kept["country"], strict=True)) <= {("Ulm", "DE"), ("Bonn", "DE"), ("Lyon", "FR")}


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        ({"columns": {"digit": "integer"}}, ("digit", "integer", "int64")),
        ({"columns": {"digit": "continuous"}}, ("digit", "continuous", "float64")),
        ({"columns": {"digit": "category"}}, ("digit", "category", "str")),
        ({"columns": {"digit": {"kind": "integer", "minimum": 0, "maximum": 9}}}, ("digit", "integer", "int64")),
        ({"columns": {"letter": "category"}}, ("letter", "category", "str")),
    ],
)
def test_a_person_can_say_what_a_column_is(tmp_path: Path, block: dict[str, Any], kind: tuple[str, str, str]) -> None:
    """`columns` in params.yaml decides, and the table takes that type."""
    source, schema = read_source(asked(next(o for o in OWN if o.name == "booleans").write(tmp_path), **block))
    assert schema is not None
    assert isinstance(source.data, pd.DataFrame)
    column = schema.column(kind[0])
    assert (column.name, column.kind, column.dtype) == kind
    assert str(source.data[kind[0]].dtype) == kind[2]


def test_the_command_shows_a_schema_that_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `synthtrail schema --yaml` prints is accepted in params.yaml and changes nothing."""
    path = next(own for own in OWN if own.name == "german").write(tmp_path)
    assert main(["schema", str(path), "--yaml"]) == 0
    said = yaml.safe_load(capsys.readouterr().out)
    assert said["columns"] == {
        "Gehalt": "continuous", "Straße": "category", "Geburtstag": "datetime", "Raucher": "boolean"
    }  # fmt: skip
    assert read_source(asked(path, **said))[1] == read_source(asked(path))[1]
    assert main(["schema", str(path)]) == 0
    assert "written %d.%m.%Y" in capsys.readouterr().out


def test_the_command_names_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns that cannot be released are named, and the lines to paste leave them out."""
    path = tmp_path / "own.csv"
    lines = [f"{'x' * (i % 9)} {i * i} said {chr(97 + i % 26)},{i % 7}" for i in range(90)]
    path.write_text("\n".join(["note,dose", *lines, ""]), encoding="utf-8")
    assert main(["schema", str(path), "--yaml"]) == 0
    out, err = capsys.readouterr()
    assert yaml.safe_load(out) == {"columns": {"dose": "integer"}, "drop": ["note"]}
    assert "'note' (90 different texts in 90 rows)" in err
