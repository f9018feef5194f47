"""Related tables through the whole pipeline: a small confidential hospital, from files to the ledger and out again."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from tests import hospital
from tests.pipeline.checkout import Checkout, create

STAGES = ("ingest", "preprocess", "train", "generate", "validate")
DATA = "data/hospital"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The experiment built, judged and signed."""
    block = {
        "source": "drop/hospital",
        "modality": "relational",
        "licence": "internal use only",
        "legal_basis": "GDPR art. 9(2)(j), protocol 17",
        "retention": "P2Y",
        "tables": hospital.TABLES,
        "generate": {"count": 50},
    }
    checkout = create(tmp_path_factory.mktemp("hospital"), {"hospital": block})
    tables = hospital.frames()
    tables["stays"].loc[3, "ward"] = "Zanzibar wing"
    hospital.write(checkout.root / "drop/hospital", tables)
    for stage in STAGES:
        checkout.run(sys.executable, f"pipelines/{stage}.py", "hospital")
    checkout.run(sys.executable, "pipelines/sign.py")
    return checkout


def record(checkout: Checkout, stage: str) -> dict[str, Any]:
    """Return a record's facts by name."""
    value = json.loads((checkout.root / f"data/records/hospital/{stage}.json").read_bytes())
    return {fact["name"]: fact["value"] for fact in value["facts"]}


def test_what_was_made_hangs_together(made: Checkout) -> None:
    """Fifty patients with their stays and drugs; every key leads to its parent."""
    tables = {name: pd.read_parquet(made.root / DATA / f"synthetic/{name}.parquet") for name in hospital.TABLES}
    assert len(tables["patients"]) == 50
    assert set(tables["stays"]["patient_id"]) <= set(tables["patients"]["patient_id"])
    assert set(tables["drugs"]["stay_id"]) <= set(tables["stays"]["stay_id"])
    real = hospital.frames()
    assert [list(tables[name].columns) for name in real] == [list(table.columns) for table in real.values()]


def test_records_count_every_table_and_tell_no_value(made: Checkout) -> None:
    """Rows of each table stand in the records; a rare ward stands in no file that leaves the data."""
    rows = {name: len(table) for name, table in hospital.frames().items()}
    assert {name: int(record(made, "ingest")[f"rows.{name}"]) for name in rows} == rows
    told = record(made, "preprocess")
    assert int(told["train_rows.stays"]) + int(told["holdout_rows.stays"]) == rows["stays"]
    assert "repairs.left out" in record(made, "generate")
    kept = [made.root / DATA / name for name in ("split", "model", "synthetic", "report", "samples")]
    files = [path for folder in kept for path in folder.rglob("*") if path.is_file()]
    for path in [
        *files,
        *(made.root / "data/records").rglob("*.json"),
        made.root / "catalog/expectations/hospital.json",
    ]:
        assert b"Zanzibar" not in path.read_bytes(), path


def test_files_are_salted_each_by_itself(made: Checkout) -> None:
    """No two files of a part carry the same salt, and none goes without."""
    salts = []
    for name in hospital.TABLES:
        metadata = pq.read_schema(made.root / DATA / f"synthetic/{name}.parquet").metadata
        salts.append(metadata[b"synthtrail.salt"])
    salts.append(json.loads((made.root / DATA / "synthetic/links.json").read_bytes())["salt"].encode())
    assert len(set(salts)) == 4


def test_the_report_says_what_few_subjects_leave_open(made: Checkout) -> None:
    """Keys and orders hold, floors stand beside figures, and the verdict is a person's."""
    report = json.loads((made.root / DATA / "report/report.json").read_bytes())
    scores = {score["name"]: score["value"] for score in report["scores"]}
    assert scores["foreign_keys"] == scores["keys_unique"] == scores["order_kept"] == 1
    assert {"children_floor", "timing_floor", "transitions_floor", "across_floor"} <= set(scores)
    texts = [reason["text"] for reason in report["verdict"]["reasons"]]
    assert any(text.startswith("Only 16 fresh real subjects") for text in texts)
    assert report["verdict"]["level"] == "review"
    assert sorted(report["figures"]) == ["children", "timing", "transitions"]
    page = (made.root / DATA / "diagnostics.html").read_text(encoding="utf-8")
    assert all(f'<section id="table-{name}"' in page for name in hospital.TABLES)


def test_it_is_signed_and_goes_out_as_csv(made: Checkout, tmp_path: Path) -> None:
    """Five events are in the ledger; a table is exported spelt as the source was, and can be read again as one."""
    assert [
        event for event in made.events() if event in ("acquired", "derived", "trained", "generated", "validated")
    ] == [*("acquired", "derived", "trained", "generated", "validated")]
    output = tmp_path / "stays.csv"
    made.synthtrail("export", f"{DATA}/synthetic", "--to", "csv", "--part", "stays", "-o", str(output))
    stays = pd.read_csv(output, dtype=str)
    assert stays["admitted"].str.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:00").all()
    done = made.synthtrail("export", f"{DATA}/synthetic", "--to", "csv", "-o", str(tmp_path / "all.csv"), code=2)
    assert "holds drugs, patients, stays; choose one with --part" in done.stderr


def test_a_folder_of_tables_is_added_by_command(made: Checkout) -> None:
    """`new` finds keys, parents and orders; `schema` shows them."""
    stated = ["--licence", "own", "--legal-basis", "own", "--retention", "P1Y"]
    made.synthtrail("new", "again", "--source", "drop/hospital", *stated)
    added = yaml.safe_load((made.root / "params.yaml").read_text(encoding="utf-8"))["experiments"]["again"]
    assert added["tables"] == hospital.TABLES
    assert added["modality"] == "relational"
    shown = made.synthtrail("schema", "again").stdout
    assert "drugs: 369 rows, key none, each of one of stays" in shown
