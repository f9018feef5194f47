"""`kill -9` at every step of storing and disposing: a re-run completes it, nothing is claimed that was not done."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.imports import ROOT
from tests.unit.handover.killed import KILLED


def runs(scenario: str, base: Path) -> list[dict[str, Any]]:
    """Return what each kill left, and what the second run made of it; the last one was not killed."""
    command = [sys.executable, "-m", "tests.unit.handover.killed", scenario, str(base)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=570)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines[-1]["status"] == 0, done.stderr[-3000:]
    assert all(line["status"] == KILLED for line in lines[:-1])
    return lines


@pytest.mark.parametrize("scenario", ["store", "store-s3"])
def test_a_killed_store_is_completed_and_logged_once(scenario: str, tmp_path: Path) -> None:
    """Until everything is there and counted, nothing is logged; after the second run it is, once, with no leftovers."""
    lines = runs(scenario, tmp_path / "runs")
    assert {line["step"] for line in lines} >= {"prepare", "seal 00001.age", "send index.age", "count", "log", "logged"}
    for line in lines:
        early = line["status"] == KILLED and line["step"] != "logged"
        assert line["after"]["stored"] == (0 if early else 1), line
        assert line["again"] == 0, line
        assert line["end"]["stored"] == 1, line
        assert line["end"]["journals"] == 0, line
        if scenario == "store":
            assert line["end"]["objects"] == ["00000.age", "00001.age", "index.age"], line


def test_a_killed_disposal_is_completed_and_certified_once(tmp_path: Path) -> None:
    """No certificate is in the ledger while a copy or a key is left; the second run leaves neither."""
    lines = runs("dispose", tmp_path / "runs")
    steps = {line["step"] for line in lines}
    assert steps >= {
        "survey",
        "off",
        "key age",
        "key salt",
        "runs",
        "delete",
        "delete stored",
        "swept",
        "log",
        "logged",
    }
    for line in lines:
        for seen in (line["after"], line["end"]):
            gone = not (seen["data"] or seen["left"] or seen["keys"] or seen["ciphertext"])
            assert gone or not seen["executed"], line
        assert line["end"]["executed"] == 1, line
        assert line["end"]["journals"] == 0, line
        assert line["again"] == (0 if line["status"] == KILLED else 1), line  # a second disposal is refused
