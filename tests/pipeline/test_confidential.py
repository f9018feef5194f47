"""A table of one's own, confidential by default: what leaves the data, and what does not."""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from synthtrail.data.tabular import read_table
from tests.pipeline.checkout import SMALL, Checkout, create

SECRET = "Zanzibar fever"  # stands in one column of one row
STAGES = ("ingest", "preprocess", "train", "generate")


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Two experiments on one confidential CSV file, up to `generate`."""
    block: dict[str, Any] = {
        "source": "drop/ward.csv",
        "target": "outcome",
        "licence": "internal use only",
        "legal_basis": "GDPR art. 9(2)(j), protocol 17",
        "retention": "P2Y",
        "model": {"name": "wgan_gp", **SMALL},
    }
    checkout = create(tmp_path_factory.mktemp("ward"), {"ward": block, "copy": block})
    (checkout.root / "drop").mkdir()
    (checkout.root / "drop/ward.csv").write_text(table(), encoding="utf-8")
    for name in ("ward", "copy"):
        for stage in STAGES:
            checkout.run(sys.executable, f"pipelines/{stage}.py", name)
    return checkout


def table() -> str:
    """Return 60 rows of patients as CSV."""
    rows = [f"{20 + n % 50},{'mf'[n % 2]},{'flu' if n else SECRET},{'home' if n % 3 else 'ward'}" for n in range(60)]
    return "\n".join(["age,sex,diagnosis,outcome", *rows]) + "\n"


def test_the_same_content_has_another_digest_in_each_slot(ward: Checkout) -> None:
    """Every file is salted, so nobody can confirm a guess of its content by its digest."""
    for stage_folder in ("raw", "split", "model", "synthetic"):
        for path in (ward.root / "data/ward" / stage_folder).rglob("*"):
            if path.is_file():
                other = ward.root / "data/copy" / path.relative_to(ward.root / "data/ward")
                assert path.read_bytes() != other.read_bytes(), path.name


def test_running_again_gives_the_same_bytes(ward: Checkout) -> None:
    """The salt is kept, not drawn anew, or DVC and the ledger would take every run for another artifact."""
    before = digests(ward.root / "data/ward/raw")
    ward.run(sys.executable, "pipelines/ingest.py", "ward")
    assert digests(ward.root / "data/ward/raw") == before


def test_the_record_tells_nothing_of_the_source(ward: Checkout) -> None:
    """No digest of the source's own bytes is stated, and no value of a row."""
    source = hashlib.sha256((ward.root / "drop/ward.csv").read_bytes()).hexdigest()
    for path in (ward.root / "data/records").rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert source not in text
        assert SECRET not in text
        assert json.loads(text)["class"] == "confidential"


def test_git_keeps_the_structure_of_the_expectations_only(ward: Checkout) -> None:
    """Neither categories nor bounds of a confidential table stand in the suite that git keeps."""
    text = (ward.root / "catalog/expectations/ward.json").read_text(encoding="utf-8")
    assert "diagnosis" in text
    assert SECRET not in text
    assert "flu" not in text
    assert '"max_value":' not in text


def test_a_rare_level_and_an_extreme_stay_out_of_what_is_released(ward: Checkout) -> None:
    """One row's diagnosis and the oldest patient's age stand neither in the model's settings nor in the rows made."""
    settings = json.loads((ward.root / "data/ward/model/model.json").read_bytes())
    assert SECRET not in json.dumps(settings)
    ages = next(column for column in settings["codec"]["schema"]["columns"] if column["name"] == "age")
    assert 69 > ages["maximum"] > 40
    made = read_table(ward.root / "data/ward/synthetic/table.parquet")
    assert SECRET not in set(made["diagnosis"])
    facts = json.loads((ward.root / "data/records/ward/preprocess.json").read_bytes())["facts"]
    assert {"name": "rare_cells_merged", "value": "1"} in [{**fact, "value": str(fact["value"])} for fact in facts]


def test_salt_keys_are_outside_the_checkout_and_private(ward: Checkout) -> None:
    """Whoever has the repository has no salt key."""
    keys = list(ward.root.parent.rglob("*.salt"))
    assert len(keys) == 2 * len(STAGES)
    assert not any(ward.root in key.parents for key in keys)
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_a_salted_artifact_is_rebuilt_with_its_own_salt_or_not_at_all(ward: Checkout, tmp_path: Path) -> None:
    """The key store gives the salt, so every byte comes out again; without the key, one line says what is missing."""
    checkout = ward.copy(tmp_path / "copy")
    checkout.run(sys.executable, "pipelines/sign.py")
    for subject in ("raw", "synthetic"):
        told = checkout.synthtrail("reproduce", f"data/ward/{subject}").stdout
        assert "identical, byte for byte" in told
    keys = next(checkout.root.parent.rglob("salts/ward/generate"))
    shutil.rmtree(keys)
    done = checkout.synthtrail("reproduce", "data/ward/synthetic", code=2)
    assert "the key store has no salt key for ward/generate" in done.stderr
    assert not keys.exists()  # none was minted in its place
    assert SECRET not in done.stderr + told


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in `folder`."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_pages_show_aggregates_only(ward: Checkout) -> None:
    """The diagnosis of one row, and the category that hides it, stand on no page and in no figure; pages are salted."""
    base = ward.root / "data/ward"
    if not (base / "diagnostics.html").exists():
        ward.run(sys.executable, "pipelines/validate.py", "ward")
    pages = [base / "diagnostics.html", base / "report/report.html"]
    for path in (*pages, *(base / "figures").glob("*.svg")):
        text = path.read_text(encoding="utf-8")
        assert SECRET not in text, path.name
        assert path.suffix == ".svg" or "<!-- salt " in text
    assert "of its real records only groups of at least five" in pages[0].read_text(encoding="utf-8")
