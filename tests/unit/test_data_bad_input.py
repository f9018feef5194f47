"""Bad input ends `ingest` with one clear line and an exit code, leaves nothing behind, and shows no row."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from synthtrail.stages.command import run_stage
from synthtrail.stages.ingest import ingest
from tests.imports import ROOT

SECRET = "Zanzibar"
ROWS = "".join(f"{10 + i % 37},{SECRET},{i % 2}\n" for i in range(40))
GOOD = f"age,town,ill\n{ROWS}"
PEOPLE = "name,ill\n" + "".join(f"{SECRET}-{i * i}-{'yz' * (i % 5)},{i % 2}\n" for i in range(90))
NEARLY = "x,y\n" + "".join(f"{i}.5,1\n" for i in range(99)) + f"{SECRET},1\n"
EITHER_WAY = "d,y\n" + "".join(f"{i % 12 + 1}/{i % 11 + 1}/2020,1\n" for i in range(40))


@dataclass(frozen=True)
class Bad:
    """One fault: the file's content (None: no file), what params.yaml says, and what the line must say."""

    name: str
    content: bytes | str | None
    said: str
    block: dict[str, Any] = field(default_factory=dict)
    file: str = "own.csv"


BAD = (
    Bad("no file", None, "no such file; put it there or correct `source:`"),
    Bad("empty", "", "the file is empty"),
    Bad("blank", "\n\n  \n", "the file is empty"),
    Bad("header only", "age,town\n", "a header line and no rows"),
    Bad("one row", "age,town\n1,Ulm\n", "1 rows; at least 10 are needed"),
    Bad("no header", ROWS.replace("10,", "10.5,", 1), "the first line looks like data"),
    Bad("ragged", GOOD + f"1,{SECRET}\n", "row 42 has 2 fields, the first line 3"),
    Bad("quote never closed", GOOD + f'1,"{SECRET},1\n2,x,0\n', 'is a quote (") never closed?'),
    Bad("zero bytes", GOOD.encode() + b"1,\0,1\n", "zero bytes, the first in line 42"),
    Bad("binary", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, "zero bytes"),
    Bad(
        "mixed encodings",
        (GOOD + "1,Köln,1\n").encode() + "2,Köln,1\n".encode("latin-1"),
        "mixes encodings: UTF-8, but",
    ),
    Bad("utf-16 cut off", GOOD.encode("utf-16")[:-1], "begins as utf-16, but not all of it"),
    Bad("doubled names", "age,age\n" + "1,2\n" * 20, "columns 1 and 2 have the same name, 'age'"),
    Bad("names equal but for spaces", "age, age\n" + "1,2\n" * 20, "columns 1 and 2 have the same name"),
    Bad("too many columns", ",".join(f"c{i}" for i in range(10_001)), "10,001 columns, more than the 10,000"),
    Bad("a huge field", "a,b\n" + f"{SECRET * 200_000},1\n" * 12, "more than 1,000,000"),
    Bad("no such target", GOOD, "no target column 'dose'; there are: age, town, ill", {"target": "dose"}),
    Bad("constant target", GOOD, "target 'town' has one value in all rows", {"target": "town"}),
    Bad("target with gaps", GOOD + "1,x,\n", "target 'ill' has missing values", {"target": "ill"}),
    Bad("dropped target", GOOD, "the target 'ill' is left out", {"target": "ill", "drop": ["ill"]}),
    Bad("names of people", PEOPLE, "drop: [name]"),
    Bad("nearly numbers", NEARLY, "99 numbers and 1 other texts"),
    Bad("dates either way", EITHER_WAY, "cannot be told apart"),
    Bad("infinities", "x,y\n" + "inf,1\n" + "1.5,2\n" * 20, "holds 1 infinities"),
    Bad("unknown key", GOOD, "unknown key 'colums' (did you mean 'columns'?)", {"colums": {}}),
    Bad(
        "unknown key below read",
        GOOD,
        "unknown key 'delimeter' (did you mean 'delimiter'?)",
        {"read": {"delimeter": ";"}},
    ),
    Bad("unknown encoding", GOOD, "is no encoding that is known", {"read": {"encoding": "utf-9"}}),
    Bad(
        "wrong encoding",
        GOOD.encode() + "1,Köln,1\n".encode("latin-1"),
        "not ascii at byte",
        {"read": {"encoding": "ascii"}},
    ),
    Bad("unknown kind", GOOD, "'numeric' is none of continuous, integer", {"columns": {"age": "numeric"}}),
    Bad("no such column", GOOD, "names 'agee': no such column (did you mean 'age'?)", {"columns": {"agee": "integer"}}),
    Bad("dropped and described", GOOD, "in `columns` and in `drop`", {"columns": {"age": "integer"}, "drop": ["age"]}),
    Bad("everything dropped", GOOD, "`drop` leaves no column", {"drop": ["age", "town", "ill"]}),
    Bad(
        "not of that kind",
        GOOD,
        "'town' is to be integer, but 40 of its values are not",
        {"columns": {"town": "integer"}},
    ),
    Bad(
        "not of that format",
        GOOD,
        "not every value is a date of the format",
        {"columns": {"age": {"format": "%d.%m.%Y"}}},
    ),
    Bad("beyond the limits", GOOD, "'age': 26 values beyond the maximum 20", {"columns": {"age": {"maximum": 20}}}),
    Bad("no constraint", GOOD, "expected a comparison such as", {"constraints": ["age"]}),
    Bad("code in a constraint", GOOD, "only columns, numbers", {"constraints": ["age <= __import__('os').getpid()"]}),
    Bad(
        "constraint without column", GOOD, "'agee' is no column (did you mean 'age'?)", {"constraints": ["agee <= ill"]}
    ),
    Bad("constraint on texts", GOOD, "'town' holds no numbers or dates", {"constraints": ["town <= age"]}),
    Bad("constraint that does not hold", GOOD, "40 of 40 real rows break it", {"constraints": ["age <= ill"]}),
    Bad("unknown ending", "x", "'.docx' is none of .csv, .tsv, .xlsx, .parquet, .yaml", {}, "own.docx"),
    Bad("no workbook", "x", "not a readable Excel workbook", {}, "own.xlsx"),
    Bad("no Parquet", "x", "not a readable Parquet file", {}, "own.parquet"),
    Bad("half a gzip file", b"\x1f\x8b\x08", "not a whole gzip file", {}, "own.csv.gz"),
    Bad("remarks on top", f"made by X\n\n{GOOD}", "first 2 lines are no part of the table, which has 3 columns below"),
    Bad("a name lacking", GOOD.replace("age,town,ill", "age,town"), "row 2 has 3 fields, the first line 2"),
    Bad("gzip named otherwise", b"\x1f\x8b\x08", "packed by gzip; name it `.csv.gz`"),
    Bad("Excel named otherwise", b"PK\x03\x04", "an Excel workbook or a zip; name it `.xlsx`"),
    Bad("nearly dates", "d,y\n" + "2020-02-11,1\n" * 40 + "0000-00-00,1\n", "most are like dates (9999-99-99)"),
    Bad("numbers too large", "x,y\n" + "1e150,1\n1.5,2\n" * 9, "numbers beyond 1e+100"),
    Bad(
        "a target of keys",
        "x,key\n" + "".join(f"1,k{i}\n" for i in range(40)),
        "target 'key' has another value in every row",
        {"target": "key"},
    ),
    Bad("group that is the target", GOOD, "group: 'ill' is the target too", {"target": "ill", "group": "ill"}),
    Bad("dropped group", GOOD, "group: 'town' is drop too", {"drop": ["town"], "group": "town"}),
    Bad("no such group", GOOD, "names 'towm': no such column (did you mean 'town'?)", {"group": "towm"}),
    Bad("skip", GOOD, "read.skip: expected a number between 0 and 1000", {"read": {"skip": -1}}),
    Bad("rare_min", GOOD, "rare_min: expected a number between 1 and 10000", {"rare_min": 0}),
)

TABLES = (
    ("lists", pd.DataFrame({"x": [[SECRET]] * 20}), "values of type ndarray, which cannot be learnt; `drop` it"),
    ("durations", pd.DataFrame({"x": pd.to_timedelta(np.arange(20), "h")}), "durations and periods are not supported"),
    ("bytes", pd.DataFrame({"x": [SECRET.encode()] * 20}), "values of type bytes"),
    ("no rows", pd.DataFrame({"x": [1]}).iloc[:0], "no rows; check where it comes from"),
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder to work in, with keys of its own."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "xdg"))
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    return tmp_path / "checkout"


def write_params(file: str, block: dict[str, Any]) -> None:
    least = {"source": f"drop/{file}", "licence": "internal", "legal_basis": "consent", "retention": "P1Y"}
    Path("params.yaml").write_text(yaml.safe_dump({"experiments": {"own": least | block}}), encoding="utf-8")
    Path("drop").mkdir()


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """Run `ingest`; assert that it fails in one line, shows no row and leaves nothing; return the line."""
    assert run_stage("ingest", ingest, ["own"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ingest own: ")
    assert err.count("\n") == 1
    assert SECRET not in err
    assert len(err) < 600
    assert not [path for path in Path("data").rglob("*") if path.is_file()]
    return err


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_input_is_one_line(bad: Bad, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says what is wrong, where, and what to do."""
    write_params(bad.file, bad.block)
    if bad.content is not None:
        content = bad.content.encode() if isinstance(bad.content, str) else bad.content
        (checkout / "drop" / bad.file).write_bytes(content)
    assert bad.said in refused(capsys)


@pytest.mark.parametrize(("name", "table", "said"), TABLES, ids=[name for name, _, _ in TABLES])
def test_what_cannot_be_learnt_is_one_line(
    name: str, table: pd.DataFrame, said: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Types of Parquet that no model here takes are refused by name."""
    write_params("own.parquet", {})
    table.to_parquet(checkout / "drop" / "own.parquet")
    assert said in refused(capsys), name


@pytest.mark.parametrize("bad", [BAD[0], BAD[6], BAD[24]], ids=lambda bad: bad.name)
def test_the_program_itself_ends_so(bad: Bad, checkout: Path) -> None:
    """`python pipelines/ingest.py own` exits with a code, one line on standard error, no traceback."""
    write_params(bad.file, bad.block)
    if isinstance(bad.content, str):
        (checkout / "drop" / bad.file).write_text(bad.content, encoding="utf-8")
    program = [sys.executable, str(ROOT / "pipelines/ingest.py"), "own"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 2
    assert bad.said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_failure_leaves_what_was_there(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a good run, a spoilt file changes nothing that was made before."""
    for name in ("src", "pipelines"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", checkout)
    write_params("own.csv", {"columns": {"age": "integer"}})
    (checkout / "drop/own.csv").write_text(GOOD, encoding="utf-8")
    assert run_stage("ingest", ingest, ["own"]) == 0
    before = {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}
    (checkout / "drop/own.csv").write_text(GOOD + "1\n", encoding="utf-8")
    assert run_stage("ingest", ingest, ["own"]) == 2
    capsys.readouterr()
    assert {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()} == before
