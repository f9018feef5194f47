"""Disposal in a real small checkout: DVC's cache, runs and remotes, MLflow, and what still works afterwards."""

import hashlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from synthtrail.handover.connecting import connect
from tests.pipeline.checkout import SMALL, Checkout, create, experiment
from tests.unit.handover.local_s3 import s3_server


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Two experiments, one of them confidential, made, signed, pushed to a folder and to S3; a steward."""
    base = tmp_path_factory.mktemp("disposal")
    ward = {
        "source": "drop/ward.csv",
        "target": "outcome",
        "licence": "internal use only",
        "legal_basis": "protocol 17",
        "retention": "P2Y",
        "model": {"name": "wgan_gp", **SMALL},
        "validate": {"utility_min": None, "accuracy_min": None, "quality_min": None},
    }
    checkout = create(base, {"iris": experiment("iris"), "ward": ward})
    (checkout.root / "drop").mkdir()
    (checkout.root / "drop/ward.csv").write_text(table(), encoding="utf-8")
    (base / "remote").mkdir()
    (base / "tmp").mkdir()
    checkout.dvc("remote", "add", "-d", "shelf", str(base / "remote"))
    checkout.dvc("repro", code=None)  # a tiny training may be refused by the gate, which is logged all the same
    checkout.dvc("push")
    steward(checkout)
    return checkout


def steward(checkout: Checkout) -> None:
    """Enter Ada, and make her key."""
    file = secret(checkout)
    file.write_text("correct horse\n", encoding="utf-8")
    file.chmod(0o600)
    checkout.synthtrail("person", "add", "p-ada", "--name", "Ada L.", "--yes")
    made = ("key", "new", "ada", "--role", "steward", "--person", "p-ada", "--yes")
    checkout.synthtrail(*made, "--new-passphrase-file", str(file))


def secret(checkout: Checkout) -> Path:
    """Return the file of Ada's passphrase."""
    return checkout.root.parent / "passphrase"


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, lab: Checkout) -> None:
    """Give every command a temporary folder of its own."""
    monkeypatch.setenv("TMPDIR", str(lab.root.parent / "tmp"))


def table() -> str:
    """Return 60 rows of patients as CSV."""
    rows = [f"{20 + n % 50},{'mf'[n % 2]},{'home' if n % 3 else 'ward'}" for n in range(60)]
    return "\n".join(["age,sex,outcome", *rows]) + "\n"


def digests(folder: Path) -> set[str]:
    """Return the SHA-256 of every file below `folder`."""
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_what_is_disposed_of_is_gone_everywhere_and_the_rest_works(lab: Checkout) -> None:
    """No file of it is in workspace, cache, remotes or MLflow; DVC, MLflow and the ledger go on without it."""
    base = lab.root.parent
    gone = {
        name for stage in ("raw", "split", "model", "synthetic") for name in digests(lab.root / "data/ward" / stage)
    }
    gone -= digests(lab.root / "data/iris")
    shutil.copytree(lab.root / "data/ward/raw", base / "kept/raw")
    with s3_server():
        lab.synthtrail("store", "data/ward/raw", "--to", "s3://ward-bucket/custody")
        mirror(lab, base / "remote")
        lab.synthtrail("dispose", "request", "data/ward/raw", "--with-descendants", "--reason", "over", "--yes")
        approve = ("dispose", "approve", "data/ward/raw", "--reason", "checked", "--as", "ada", "--yes")
        lab.synthtrail(*approve, "--passphrase-file", str(secret(lab)))
        lab.synthtrail("dispose", "execute", "data/ward/raw", "--as", "operator")
        for place in (lab.root / "data", lab.root / ".dvc/cache", lab.root / "mlruns", base / "remote"):
            assert not digests(place) & gone, place
        assert not list(base.rglob("*.salt")), "only ward is confidential"
        assert not (lab.root / "data/ward/curves").exists(), "files that iris has too stay with iris alone"
        lab.synthtrail("dispose", "verify", "--as", "operator", "--yes")
        lab.synthtrail("audit", "--html", str(base / "audit.html"))
    (path,) = (lab.root / "ledger/certificates").glob("*.json")
    made = json.loads(path.read_bytes())
    places = {copy["place"] for copy in made["copies"]}
    assert places >= {
        "workspace",
        "DVC cache",
        "DVC remote shelf",
        "DVC remote cloud",
        "MLflow database",
        "object store",
    }
    assert {sweep["outcome"] for sweep in made["sweeps"]} == {"clean"}
    assert "ward" not in lab.params()["experiments"]
    assert "ward" not in (lab.root / "dvc.lock").read_text(encoding="utf-8")
    lab.synthtrail("verify")
    assert "ward" not in lab.dvc("status").stdout
    ran = lab.dvc("repro")
    assert "Running stage 'train" not in ran.stdout
    tags = sqlite3.connect(lab.root / "mlruns/mlflow.db").execute("select value from tags").fetchall()
    assert not [value for (value,) in tags if value in gone]
    code = "import mlflow; print(len(mlflow.search_runs(search_all_experiments=True)))"
    found = lab.run(
        "python", "-c", f"import os; os.environ['MLFLOW_TRACKING_URI'] = 'sqlite:///mlruns/mlflow.db'; {code}"
    )
    assert int(found.stdout.split()[-1]) >= 6  # iris, and its parent


def mirror(lab: Checkout, remote: Path) -> None:
    """Put what lies in the folder remote into an S3 remote too, called cloud."""

    with connect("s3://dvc-bucket/remote") as store:
        store.prepare()
        for path in remote.rglob("*"):
            if path.is_file():
                name = path.relative_to(remote).as_posix()
                store.put(name, path, {}, lambda: None, lambda _: None)
    lab.dvc("remote", "add", "cloud", "s3://dvc-bucket/remote")
    lab.dvc("remote", "modify", "cloud", "endpointurl", os.environ["AWS_ENDPOINT_URL"])


@pytest.mark.slow
def test_it_cannot_be_made_again(lab: Checkout) -> None:
    """The experiment turned on again, the stage refuses: a tombstone took the place of the source's salt key."""
    lab.synthtrail("enable", "ward")
    done = lab.dvc("repro", "ingest@ward", code=None)
    assert done.returncode != 0
    (path,) = (lab.root / "ledger/certificates").glob("*.json")
    assert path.stem in done.stdout + done.stderr
    assert not (lab.root / "data/ward/raw").exists()
    lab.synthtrail("disable", "ward")
