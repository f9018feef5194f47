"""The ledger held against the world: each disagreement is found, named, and shown on a page that can be read."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml

from synthtrail.handover import timeline
from synthtrail.handover.timeline import Mark
from synthtrail.storage.home import home
from tests.unit.handover.lab import Lab


def audit(lab: Lab, capsys: pytest.CaptureFixture[str], code: int) -> set[tuple[str, str]]:
    """Run the audit; severity and code of each finding."""
    capsys.readouterr()
    lab.run("audit", code=code)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {(line[0], line[1]) for line in lines if line and line[0] in ("error", "warning")}


def test_a_world_that_agrees_has_no_findings(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Stored, retained, held: nothing to say."""
    lab.run("store", "data/iris/synthetic", "--to", str(tmp_path / "store"))
    lab.run("retain", "--yes", "--as", "operator")
    assert audit(lab, capsys, 0) == set()


def test_never_logged_and_logged_but_missing(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the workspace, in a store: what is too much, and what is too little."""
    lab.run("store", "data/iris/synthetic", "--to", str(tmp_path / "store"))
    (lab.root / "data/stray.bin").write_bytes(b"x")
    (tmp_path / "store" / ("ab" * 32)).mkdir()
    (tmp_path / "store" / ("ab" * 32) / "index.age").write_bytes(b"x")
    next((tmp_path / "store" / lab.made["iris/generate"].digest.hex()).glob("0*.age")).unlink()
    found = audit(lab, capsys, 1)
    assert found == {("error", "artifact-never-logged"), ("error", "store-never-logged"), ("error", "store-missing")}
    shutil.rmtree(tmp_path / "store")
    (lab.root / "data/stray.bin").unlink()
    assert audit(lab, capsys, 1) == {("error", "store-missing")}


def test_dvc_that_disagrees(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """dvc.lock names another content than was logged, or one that its cache has not."""
    out = {"path": "data/iris/synthetic", "md5": "d" * 32}
    (lab.root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"generate@iris": {"outs": [out]}}}), encoding="utf-8")
    assert audit(lab, capsys, 0) == {("warning", "dvc-missing")}  # the lab's events state no MD5
    cached = lab.root / ".dvc/cache/files/md5/dd" / ("d" * 30)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"x")
    assert audit(lab, capsys, 0) == set()


def test_mlflow_that_disagrees(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A finished stage's run that no event names; a run in the bin, or one that failed, is none."""
    (lab.root / "mlruns").mkdir()
    with sqlite3.connect(lab.root / "mlruns/mlflow.db") as link:
        link.execute("CREATE TABLE runs (run_uuid TEXT, status TEXT, lifecycle_stage TEXT)")
        link.execute("CREATE TABLE tags (run_uuid TEXT, key TEXT, value TEXT)")
        rows = [("a", "FINISHED", "active"), ("b", "FINISHED", "deleted"), ("c", "FAILED", "active")]
        link.executemany("INSERT INTO runs VALUES (?, ?, ?)", rows)
        link.executemany("INSERT INTO tags VALUES (?, 'synthtrail.stage', 'train')", [("a",), ("b",), ("c",)])
    link.close()
    assert audit(lab, capsys, 0) == {("warning", "mlflow-never-logged")}


def test_what_the_custodian_forgot_to_dispose_of_in_dvc(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody checked out an older dvc.lock: it names what was disposed of."""
    lab.run("dispose", "request", "data/iris/report", "--reason", "over", "--yes")
    lab.run("dispose", "approve", "data/iris/report", "--reason", "checked", "--as", "ada", "--yes")
    lab.run("dispose", "execute", "data/iris/report", "--as", "operator")
    out = {"path": "data/iris/report", "md5": "d" * 32}
    (lab.root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"validate@iris": {"outs": [out]}}}), encoding="utf-8")
    assert ("error", "dvc-disposed") in audit(lab, capsys, 1)


def test_the_page_draws_every_artifact(lab: Lab, tmp_path: Path) -> None:
    """One timeline for each artifact with all of its events; nothing is loaded from a network."""
    lab.run("retain", "--yes", "--as", "operator")
    lab.run("hold", "data/iris/report", "--reason", "case <17>", "--yes", "--as", "operator")
    lab.run("audit", "--html", str(tmp_path / "audit.html"))
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 5 + 1  # and the legend
    assert page.count("<title>entry ") == 1 + 1 + 1 + 2 + 1 + 5 + 1  # made, judged, retention, hold
    assert "data/iris/report" in page
    assert "held" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "src=" not in page


def test_a_long_life_goes_on_in_the_next_row() -> None:
    """Marks that do not fit into a row are drawn below, and the drawing grows with them."""
    marks = [Mark(n, "stored" if n else "generated", "", "x/operator", "2026-01-01T00:00:00Z") for n in range(20)]
    drawn = timeline.draw(marks, ended=False)
    assert f'height="{3 * timeline.ROW}"' in drawn
    assert drawn.count("<title>") == 20
    assert {
        timeline.kind(name).name for name in ("derived", "approved", "stored", "accessed", "disposal-verified")
    } == {kind.name for kind in timeline.KINDS}


def test_memory_of_a_sweep_is_private(lab: Lab) -> None:
    """What a sweep remembers tells paths and digests: only its owner reads it."""
    lab.run("dispose", "request", "data/iris/report", "--reason", "over", "--yes")
    lab.run("dispose", "approve", "data/iris/report", "--reason", "checked", "--as", "ada", "--yes")
    lab.run("dispose", "execute", "data/iris/report", "--as", "operator")
    path = home().work(lab.custodian.policy.origin).parent / "swept/memory.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_bytes())
