"""Data in other forms: what is read back is what was there, and what a form cannot hold is one clear line."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from openpyxl import load_workbook

from synthtrail.cli.main import main
from synthtrail.custody import digest
from synthtrail.data.image import Images, ImageSet, encode_png, numbered
from synthtrail.data.tabular import SALT_KEY, Tabular
from synthtrail.handover.exports import rows, tables, workbook

TEXTS = ['=HYPERLINK("x")', "+1", "plain", 'with "quotes", commas\nand lines', "", None, "Größe", "-2"]
TABLE = pd.DataFrame(
    {
        "text": pd.Series(TEXTS, dtype="str"),
        "number": [1.5, 0.1, None, 1e-7, 3.0, 2.0, -1.25, 1e300],
        "whole": pd.Series([1, 2, None, 4, 5, 6, 7, 12345678901234567], dtype="Int64"),
        "flag": [True, False] * 4,
        "kind": pd.Categorical(["a", "b", None, "a", "a", "b", "b", "a"], categories=["b", "a"]),
        "day": pd.to_datetime(pd.Series(["2026-01-01", None, *["1899-05-06"] * 6])),
        "time": pd.to_datetime(["2026-01-01 12:30:00"] * 8).tz_localize("Europe/Vienna"),
    }
)
SALT = bytes(range(32))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the salted table above, in batches, as an artifact; the working directory is beside it."""
    monkeypatch.chdir(tmp_path)
    Tabular().write(Path("data/made"), "table", [TABLE[:3], TABLE[3:]], salt=SALT)
    return Path("data/made")


def export(folder: Path, form: str, output: str, *more: str) -> int:
    """Run the command."""
    return main(["export", str(folder), "--to", form, "-o", output, *more])


def test_csv_of_generated_rows_is_spelt_as_the_source_was(table: Path) -> None:
    """Dates, truth values and gaps as the text file had them; numbers that are equal."""
    spelling = {
        "day": {"format": "%-d.%-m.%Y", "absent": "."},
        "flag": {"format": "FALSE|TRUE"},
        "whole": {"absent": "-9"},
    }
    (table / "about.json").write_text(json.dumps({"spelling": spelling, "salt": "00"}), encoding="utf-8")
    assert export(table, "csv", "made.csv") == 0
    read = list(csv.DictReader(Path("made.csv").read_text(encoding="utf-8").splitlines(keepends=True)))
    assert [row["day"] for row in read[:3]] == ["1.1.2026", ".", "6.5.1899"]
    assert [row["flag"] for row in read[:2]] == ["TRUE", "FALSE"]
    assert [row["whole"] for row in read[:3]] == ["1", "2", "-9"]
    assert [float(row["number"]) for row in read if row["number"]] == TABLE["number"].dropna().tolist()


def test_csv_keeps_texts_numbers_dates_and_what_is_missing(table: Path) -> None:
    """Texts are quoted and numbers are not; whole days are dates; a missing text is not an empty one."""
    assert export(table, "csv", "made.csv") == 0
    content = Path("made.csv").read_bytes().decode("utf-8")
    assert '"",2' not in content.splitlines()[0]
    read = list(csv.reader(content.splitlines(keepends=True)))
    assert read[0] == list(TABLE.columns)
    assert [row[0] for row in read[1:]] == [text or "" for text in TEXTS]
    assert content.splitlines()[1].startswith('"=HYPERLINK(""x"")",1.5,1,true,"a",2026-01-01,2026-01-01 ')
    assert "\n,2,6,false," in content  # the missing text; the empty one stands in quotes
    assert '\n"",3,5,true,' in content
    assert [float(row[1]) for row in read[1:] if row[1]] == TABLE["number"].dropna().tolist()
    assert read[8][2] == "12345678901234567"


def test_excel_keeps_texts_as_texts_and_runs_no_formula(table: Path) -> None:
    """What looks like a formula is a text with the quote prefix; dates are dates where Excel has them."""
    assert export(table, "xlsx", "made.xlsx") == 0
    sheet = load_workbook("made.xlsx")["data"]
    read = list(sheet.iter_rows())
    assert [cell.value for cell in read[0]] == list(TABLE.columns)
    assert [row[0].value or None for row in read[1:]] == [text or None for text in TEXTS]
    assert {cell.data_type for row in read for cell in row} <= {
        "s",
        "inlineStr",
        "n",
        "b",
        "d",
    }  # "f" would be a formula
    assert [row[0].quotePrefix for row in read[1:3]] == [True, True]
    assert [row[1].value for row in read[1:]] == [None if pd.isna(x) else x for x in TABLE["number"]]
    assert read[1][5].value.date().isoformat() == "2026-01-01"
    assert read[3][5].value == "1899-05-06"
    assert read[8][2].value == "12345678901234567"
    assert read[1][6].value == "2026-01-01T12:30:00+01:00"


def test_parquet_goes_out_without_the_salt(table: Path) -> None:
    """The rows are the same, and the salt stays in the artifact."""
    assert export(table, "parquet", "made.parquet") == 0
    assert SALT_KEY in pq.read_schema(table / "table.parquet").metadata
    assert SALT_KEY not in (pq.read_schema("made.parquet").metadata or {})
    read = pq.read_table("made.parquet").to_pandas()
    assert read["number"].equals(TABLE["number"])
    assert read["kind"].tolist()[:2] == ["a", "b"]


def test_a_note_beside_the_data_names_the_artifact(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its digest stands there, and that texts look like formulas."""
    export(table, "csv", "made.csv")
    note = Path("made.csv.origin.txt").read_text(encoding="utf-8")
    assert digest.artifact(table).sha256 in note
    assert "3 texts begin like formulas" in note
    assert "3 texts begin like formulas" in capsys.readouterr().out


def test_nothing_is_written_over(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is there stays as it is."""
    Path("made.csv").write_text("mine", encoding="utf-8")
    assert export(table, "csv", "made.csv") == 2
    assert "made.csv is there already" in capsys.readouterr().err
    assert Path("made.csv").read_text(encoding="utf-8") == "mine"


def test_images_become_a_folder_for_each_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are those of the artifact, and no label leads out of the folder."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype(np.uint8)
    labels = np.array(["3", "../up", "3", "a/b", ".."], dtype=object)
    Images().write(Path("made"), "images", [ImageSet(pixels, labels, numbered(0, 5))])
    assert export(Path("made"), "png", "out") == 0
    found = {str(path.relative_to("out")): path.read_bytes() for path in Path("out").rglob("*.png")}
    assert found["3/00000000.png"] == encode_png(pixels[0])
    assert sorted(found) == [
        "%2E%2E/00000004.png",
        "%2E.%2Fup/00000001.png",
        "3/00000000.png",
        "3/00000002.png",
        "a%2Fb/00000003.png",
    ]
    assert not (tmp_path / "up").exists()
    assert export(Path("made"), "csv", "out.csv") == 2
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("folder", "form", "more", "said"),
    [
        ("data/made", "png", (), "this is a table"),
        ("data/made", "csv", ("--part", "holdout"), "holds table; choose one with --part"),
        ("data", "csv", (), "no table and no images here"),
        ("nowhere", "csv", (), "no such file or folder"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    table: Path, capsys: pytest.CaptureFixture[str], folder: str, form: str, more: tuple[str, ...], said: str
) -> None:
    """Nothing is left behind."""
    before = sorted(Path().rglob("*"))
    assert export(Path(folder), form, "out", *more) == 2
    assert said in capsys.readouterr().err
    assert sorted(Path().rglob("*")) == before


def test_excels_limits_are_told_before_a_row_is_written(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rows and more do not fit; neither do control characters, nor very long texts."""
    found = rows.find(table)
    monkeypatch.setattr(workbook, "MOST_ROWS", 8)
    with pytest.raises(rows.ExportError, match="8 rows: Excel holds 7"):
        workbook.write(found, Path("out.xlsx"))
    monkeypatch.setattr(workbook, "MOST_ROWS", 9)
    monkeypatch.setattr(workbook, "MOST_TEXT", 10)
    with pytest.raises(rows.ExportError, match="column 'text' has a text of 15 characters"):
        workbook.write(found, Path("out.xlsx"))
    Tabular().write(Path("odd"), "table", [pd.DataFrame({"x": pd.Series(["\x07"], dtype="str")})])
    with pytest.raises(rows.ExportError, match="control characters"):
        workbook.write(rows.find(Path("odd")), Path("out.xlsx"))


def test_the_same_rows_give_the_same_csv(table: Path) -> None:
    """Whatever the batches were."""
    tables.write_csv(rows.find(table), Path("one.csv"))
    Tabular().write(Path("other"), "table", [TABLE])
    tables.write_csv(rows.find(Path("other")), Path("two.csv"))
    one, two = (hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in ("one.csv", "two.csv"))
    assert one == two
