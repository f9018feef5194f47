"""A real `dvc repro` in a copy of the project: what it leaves behind, and what it makes of being disturbed."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.pipeline.checkout import SMALL, Checkout, experiment

AGAIN = ["trained", "generated", "validated"]
STAGE_EVENTS = ["acquired", "derived", "trained", "generated", "validated"]


def test_a_repro_logs_every_stage_and_verifies(made: Checkout) -> None:
    """The ledger opens, lists the operator's key, and tells the five stages in order; verify reaches level A."""
    assert made.events() == ["ledger-opened", "key-added", *STAGE_EVENTS]
    report = json.loads(made.synthtrail("verify", "--json").stdout)
    assert (report["ok"], report["level"], report["findings"]) == (True, "A", [])
    assert any("made on this machine" in line for line in report["keys"])


def test_a_no_op_repro_appends_nothing(checkout: Checkout) -> None:
    """Running again changes neither the ledger nor the tracked runs."""
    before = (checkout.root / "ledger/checkpoint").read_bytes()
    runs = tracked(checkout, "select count(*) from runs")
    checkout.dvc("repro")
    assert (checkout.root / "ledger/checkpoint").read_bytes() == before
    assert tracked(checkout, "select count(*) from runs") == runs


def test_secrets_lie_outside_the_checkout_with_mode_0600(made: Checkout) -> None:
    """No private key is inside the repository, and none can be read by others."""
    keys = list(made.root.parent.rglob("*.pem"))
    assert {key.stem for key in keys} == {"root", "operator", "sequencer"}
    assert not any(made.root in key.parents for key in keys)
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_a_flipped_byte_is_found_where_dvc_calls_it_clean(checkout: Checkout) -> None:
    """A byte changed with size and time kept is clean to DVC, and an artifact-changed finding to verify."""
    checkout.dvc("status", code=None)  # DVC takes note of sizes and times
    path = checkout.root / "data/iris/synthetic/table.parquet"
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "synthetic" not in checkout.dvc("status", code=None).stdout
    done = checkout.synthtrail("verify", "--json", code=1)
    wrong = [item for item in json.loads(done.stdout)["artifacts"] if item["code"]]
    assert [(item["code"], item["path"]) for item in wrong] == [("folder-changed", "data/iris/synthetic")]


def test_what_dvc_restores_verifies_as_what_it_is(checkout: Checkout) -> None:
    """Deleted artifacts come back by checkout and need no new entry."""
    before = checkout.events()
    shutil.rmtree(checkout.root / "data/iris/model")
    assert checkout.synthtrail("verify", code=1)
    checkout.dvc("checkout")
    checkout.synthtrail("verify")
    checkout.dvc("repro")
    assert checkout.events() == before


def test_a_change_and_its_undoing_are_both_told(checkout: Checkout) -> None:
    """Another seed makes new artifacts; going back, the run-cache restores the old ones, which are logged as reused."""
    before = checkout.events()
    checkout.change("iris", model={"name": "wgan_gp", **SMALL, "steps": 40})
    checkout.dvc("repro")
    assert checkout.events() == [*before, *AGAIN]
    checkout.change("iris", model={"name": "wgan_gp", **SMALL})
    checkout.dvc("repro")
    assert checkout.events() == [*before, *AGAIN, "reused", "reused", "reused"]
    checkout.synthtrail("verify")


def test_a_restored_older_record_is_named_superseded(checkout: Checkout) -> None:
    """After going back by `dvc checkout` alone, verify says that the workspace holds an older logged record."""
    checkout.change("iris", model={"name": "wgan_gp", **SMALL, "steps": 40})
    checkout.dvc("repro")
    checkout.run("git", "checkout", "-q", "dvc.lock", "params.yaml")
    checkout.dvc("checkout", "--force")
    report = json.loads(checkout.synthtrail("verify", "--json").stdout)
    states = {item["slot"]: item["state"] for item in report["artifacts"]}
    assert states["iris/train"] == "superseded"
    assert states["iris/ingest"] == "ok"


def test_a_refused_verdict_is_logged_before_the_repro_fails(checkout: Checkout) -> None:
    """`validate` ends well, `sign` logs the refusal and then exits 1 with one line that names the report."""
    checkout.change("iris", validate={"utility_min": 2.0, "quality_min": None})
    done = checkout.dvc("repro", code=None)
    assert done.returncode != 0
    assert "iris: refused:" in done.stderr
    assert "data/iris/report/report.html" in done.stderr
    assert checkout.entries()[-1]["outcome"] == "refuse"
    checkout.synthtrail("verify")


def test_a_lost_ledger_is_not_silently_started_anew(checkout: Checkout) -> None:
    """Where dvc.lock names signed records, sign refuses and says what to do; `ledger new` starts one that says why."""
    checkout.synthtrail("init")
    shutil.rmtree(checkout.root / "ledger")
    done = checkout.dvc("repro", code=None)
    assert done.returncode != 0
    assert "synthtrail ledger new --because" in done.stderr
    checkout.synthtrail("ledger", "new", "--because", "the disk died")
    checkout.dvc("repro")
    opening = checkout.entries()[0]
    assert opening["context"]["because"] == "the disk died"
    assert opening["context"]["succeeds"]
    checkout.synthtrail("verify")


def test_a_rolled_back_ledger_is_noticed_by_the_guard(checkout: Checkout, tmp_path: Path) -> None:
    """An older copy of the ledger folder is put back: verify says so, and sign appends nothing to it."""
    shutil.copytree(checkout.root / "ledger", tmp_path / "old")
    checkout.change("iris", model={"name": "wgan_gp", **SMALL, "steps": 40})
    checkout.dvc("repro")
    shutil.rmtree(checkout.root / "ledger")
    shutil.copytree(tmp_path / "old", checkout.root / "ledger")
    report = json.loads(checkout.synthtrail("verify", "--json", code=1).stdout)
    assert "log-rolled-back" in {finding["code"] for finding in report["findings"]}
    assert "incident" in checkout.dvc("repro", code=None).stderr


def test_explain_leads_from_the_synthetic_table_to_its_source(made: Checkout) -> None:
    """Every stage on the way is named, with who, when, code and inputs, down to where the data came from."""
    told = made.synthtrail("explain", "data/iris/synthetic").stdout
    for word in ("generated", "trained", "derived", "acquired", "catalog/sources/iris.yaml", "CC-BY-4.0", "operator"):
        assert word in told
    commit = made.run("git", "rev-parse", "HEAD~1").stdout.strip()
    assert commit in told


def test_mlflow_has_a_parent_and_a_child_for_each_stage(made: Checkout) -> None:
    """The database holds one parent run, five children, training curves of several steps, and the ledger's tags."""
    parents = tracked(made, "select count(*) from tags where key = 'mlflow.parentRunId'")
    stages = tracked(made, "select value from tags where key = 'synthtrail.stage' order by value")
    assert parents == [(5,)]
    assert [row[0] for row in stages] == sorted(["pipeline", "ingest", "preprocess", "train", "generate", "validate"])
    curve = tracked(made, "select count(*) from metrics where key = 'd_loss' and step > 0")
    assert curve[0][0] >= 1
    assert len(tracked(made, "select value from tags where key = 'ledger.entry'")) == 5
    commit = made.run("git", "rev-parse", "HEAD~1").stdout.strip()
    assert set(tracked(made, "select value from tags where key = 'git.commit'")) == {(commit,)}
    assert tracked(made, "select count(*) from latest_metrics where key = 'quality'")[0][0] >= 2
    assert tracked(made, "select count(*) from inputs")[0][0] >= 5


def test_the_usual_commands_of_dvc_give_sensible_output(checkout: Checkout) -> None:
    """metrics show, params diff, dag, and a page of plots that loads nothing from a network."""
    assert "quality" in checkout.dvc("metrics", "show").stdout
    assert "preprocess@iris" in checkout.dvc("dag").stdout
    checkout.change("iris", seed=7)
    assert "experiments.iris.seed" in checkout.dvc("params", "diff").stdout
    checkout.synthtrail("plots-page", ".dvc/tmp/plots.html")
    checkout.dvc("plots", "show")
    page = (checkout.root / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert "d_loss" in page
    assert "vegaEmbed" in page
    assert "<script src=" not in page
    assert "https://cdn" not in page.split("<script>")[0]


def test_bad_parameters_end_a_stage_with_one_line(checkout: Checkout) -> None:
    """An unknown key is named with its nearest, and what was made before is still there."""
    checkout.change("iris", holdut=0.3)
    done = checkout.dvc("repro", code=None)
    assert done.returncode != 0
    assert "unknown key 'holdut' (did you mean 'holdout'?)" in done.stderr
    assert "Traceback" not in done.stderr
    checkout.synthtrail("verify", "--no-artifacts")


def test_an_experiment_can_be_turned_off_and_on(checkout: Checkout) -> None:
    """Disabling removes its files and lock entries and keeps its block; the ledger still verifies."""
    document = checkout.params()
    document["experiments"]["wine"] = experiment("wine")
    checkout.write_params(document)
    checkout.dvc("repro")
    checkout.synthtrail("disable", "wine")
    assert not (checkout.root / "data/wine").exists()
    assert "wine" not in (checkout.root / "dvc.lock").read_text(encoding="utf-8")
    checkout.synthtrail("verify")
    checkout.dvc("repro")
    checkout.synthtrail("enable", "wine")
    assert "wine" in checkout.params()["experiments"]


def test_queued_experiments_leave_one_linear_ledger(checkout: Checkout) -> None:
    """Two experiments, run by two workers in copies of the repository, append to the one ledger in turn."""
    before = checkout.events()
    for steps in (30, 40):
        checkout.dvc("exp", "run", "--queue", "-S", f"experiments.iris.model.steps={steps}")
    checkout.dvc("exp", "run", "--run-all", "-j", "2")
    after = checkout.events()
    assert after[: len(before)] == before
    assert sorted(after[len(before) :]) == sorted(AGAIN * 2)
    checkout.synthtrail("verify", "--no-artifacts")


def test_two_repros_at_once_leave_one_linear_ledger(checkout: Checkout) -> None:
    """DVC lets one of them work and may turn the other away; no entry is lost or doubled."""
    before = checkout.events()
    checkout.change("iris", model={"name": "wgan_gp", **SMALL, "steps": 40})
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro"]
    both = [
        subprocess.Popen(command, cwd=checkout.root, env=checkout.environment, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert 0 in [process.wait(timeout=300) for process in both]
    checkout.dvc("repro")
    assert checkout.events() == [*before, *AGAIN]
    checkout.synthtrail("verify")


def tracked(checkout: Checkout, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query to the tracking database."""
    connection = sqlite3.connect(f"file:{checkout.root}/mlruns/mlflow.db?mode=ro", uri=True)
    try:
        return list(connection.execute(query))
    finally:
        connection.close()
