"""Rebuild as proof, and more from a finished run: in a copy of a checkout after a real repro."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from synthtrail.custody import canonical, digest
from tests.pipeline.checkout import SMALL, Checkout

SUBJECTS = ("split", "model", "report")  # raw and synthetic: test_confidential
TABLE = "data/iris/synthetic/table.parquet"
RECORD = "data/records/iris/generate.json"
PLAN = "data/iris/plan/generate.json"


@pytest.fixture(scope="module")
def rebuilt(made: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the checkout in which only the ledger grows."""
    return made.copy(tmp_path_factory.mktemp("rebuilt"))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_stage_comes_out_byte_for_byte(rebuilt: Checkout, subject: str) -> None:
    """The rebuild is told and logged as identical, and leaves the workspace and its tracked runs alone."""
    before = files(rebuilt.root / "data"), files(rebuilt.root / "mlruns")
    told = rebuilt.synthtrail("reproduce", f"data/iris/{subject}").stdout
    assert "identical, byte for byte\nlogged as entry" in told
    assert (files(rebuilt.root / "data"), files(rebuilt.root / "mlruns")) == before


def test_a_changed_byte_here_is_no_fault_of_the_artifact(checkout: Checkout) -> None:
    """What was logged comes out again; that the copy here is another is told, and the exit code is 1."""
    flip(checkout.root / TABLE)
    told = checkout.synthtrail("reproduce", "data/iris/synthetic", code=1).stdout
    assert "identical, byte for byte" in told
    assert "what lies in the workspace is not the artifact that was logged" in told


def test_a_signed_lie_about_the_seed_is_found_and_explained(checkout: Checkout) -> None:
    """Drawn with another seed than the record says: the columns that differ are named, and the event says different."""
    honest = (checkout.root / PLAN).read_bytes()
    change(checkout.root / PLAN, seed=99)
    checkout.run(sys.executable, "pipelines/generate.py", "iris")
    write(checkout.root / PLAN, honest)
    lie(checkout, seed=0)
    told = checkout.synthtrail("reproduce", "data/iris/synthetic", code=1).stdout
    assert "DIFFERENT" in told
    assert "table.parquet: 5 of 5 columns differ: sepal_length_cm" in told
    entries = checkout.entries()
    assert (entries[-1]["event"], entries[-1]["outcome"]) == ("reproduced", "different")
    assert "columns differ" in checkout.synthtrail("show", str(len(entries) - 1)).stdout


def test_inputs_and_code_are_found_where_they_are_kept(checkout: Checkout) -> None:
    """A model that is gone comes from DVC's cache, changed code from git; without the cache, one line says so."""
    shutil.rmtree(checkout.root / "data/iris/model")
    path = checkout.root / "src/synthtrail/stages/draw.py"
    path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    told = checkout.synthtrail("reproduce", "data/iris/synthetic").stdout
    assert "with git commit" in told
    assert "identical" in told
    shutil.rmtree(checkout.root / ".dvc/cache")
    done = checkout.synthtrail("reproduce", "data/iris/synthetic", code=2)
    assert "data/iris/model with the digest" in done.stderr
    assert "neither in the workspace nor in DVC's cache" in done.stderr
    assert checkout.events()[-1] == "reproduced"  # of the first one; nothing was logged about the second


def test_more_is_an_artifact_of_its_own(rebuilt: Checkout) -> None:
    """It meets its conditions, is signed at once, verifies, can be rebuilt, and no repro touches it."""
    rebuilt.synthtrail("generate", "iris", "--condition", "target=setosa:30,virginica:20", "--label", "two")
    last = rebuilt.entries()[-1]
    assert (last["event"], last["slot"]) == ("generated", "iris.two/generate")
    record = json.loads((rebuilt.root / "data/records/iris.two/generate.json").read_bytes())
    facts = {pair["name"]: pair["value"] for pair in record["facts"]}
    behind = {"behind.setosa": "40", "behind.virginica": "40", "thin": facts["thin"]}
    assert facts == {"items": "50", "classes.setosa": "30", "classes.virginica": "20"} | behind
    assert "'setosa': 30 from 40 training rows" in facts["thin"]
    before = files(rebuilt.root / "data/iris/more")
    rebuilt.dvc("repro")
    assert files(rebuilt.root / "data/iris/more") == before
    rebuilt.synthtrail("reproduce", "data/iris/more/two/synthetic")
    report = json.loads(rebuilt.synthtrail("verify", "--json").stdout)
    states = {item["path"]: item["state"] for item in report["artifacts"]}
    assert (report["ok"], states["data/iris/more/two/synthetic"]) == (True, "ok")
    assert [entry["outcome"] for entry in rebuilt.entries() if entry["event"] == "reproduced"].count("different") == 0


def test_a_model_trained_on_is_an_artifact_of_its_own(rebuilt: Checkout) -> None:
    """Its ancestor is an input of its record; rows come from it if asked; both can be rebuilt; no repro touches it."""
    rebuilt.synthtrail("train", "iris", "--more", "20", "--label", "long")
    last = rebuilt.entries()[-1]
    assert (last["event"], last["slot"]) == ("trained", "iris.long/train")
    record = json.loads((rebuilt.root / "data/records/iris.long/train.json").read_bytes())
    ancestor = digest.artifact(rebuilt.root / "data/iris/model").sha256
    inputs = {item["path"]: item["sha256"] for item in record["inputs"]}
    assert sorted(inputs) == ["data/iris/model", "data/iris/split"]
    assert inputs["data/iris/model"] == ancestor
    model = json.loads((rebuilt.root / "data/iris/more/long/model/model.json").read_bytes())
    assert model["facts"]["steps"] == [SMALL["steps"], 20]
    rebuilt.synthtrail("generate", "iris", "--from", "long", "--count", "30", "--label", "longrows")
    made = json.loads((rebuilt.root / "data/records/iris.longrows/generate.json").read_bytes())
    assert [item["path"] for item in made["inputs"]] == ["data/iris/more/long/model"]
    before = files(rebuilt.root / "data/iris/more")
    rebuilt.dvc("repro")
    assert files(rebuilt.root / "data/iris/more") == before
    told = rebuilt.synthtrail("explain", "data/iris/more/longrows/synthetic").stdout
    assert told.count("trained") >= 2
    for path in ("long/model", "longrows/synthetic"):
        assert "identical" in rebuilt.synthtrail("reproduce", f"data/iris/more/{path}").stdout
    assert json.loads(rebuilt.synthtrail("verify", "--json").stdout)["ok"] is True
    done = rebuilt.synthtrail("train", "iris", "--more", "30", "--label", "long", code=2)
    assert "'long' is taken by another order of iris" in done.stderr


def test_more_is_refused_with_one_line_and_nothing_left(rebuilt: Checkout) -> None:
    """An unknown class, a label that is no name: ledger and workspace stay as they are."""
    before = files(rebuilt.root)
    for arguments, said in (
        (("--count", "5", "--condition", "target=setosaa"), "did you mean 'setosa'?"),
        (("--count", "5", "--label", "../up"), "a label is lower-case letters"),
    ):
        done = rebuilt.synthtrail("generate", "iris", *arguments, code=2)
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert files(rebuilt.root) == before


def files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below `folder`."""
    found = digest.parse_manifest(digest.manifest(folder))
    return {name: sha256 for name, sha256 in found.items() if not name.startswith(".lock")}


def flip(path: Path) -> None:
    """Change one bit in the middle of a file, which DVC may have made read-only or linked to its cache."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    write(path, bytes(data))


def write(path: Path, data: bytes) -> None:
    """Replace a file."""
    path.unlink()
    path.write_bytes(data)


def change(path: Path, **values: Any) -> None:
    """Change keys of a JSON file."""
    write(path, json.dumps(json.loads(path.read_bytes()) | values).encode())


def lie(checkout: Checkout, **said: Any) -> None:
    """Sign a record that states what lies in the workspace, and `said`, whatever really happened."""
    record = json.loads((checkout.root / RECORD).read_bytes()) | said
    for item in (*record["subjects"], *record["views"]):
        found = digest.artifact(checkout.root / item["path"])
        item |= {"sha256": found.sha256, "size": found.size}
    write(checkout.root / RECORD, canonical.encode(record))
    checkout.run(sys.executable, "pipelines/sign.py")
