"""The steward's day works: its commands are run, in order, in the checkouts of two hospitals."""

import re
import shlex
from pathlib import Path

import pytest

from tests.imports import ROOT
from tests.unit.transfer.hospitals import Hospital

TEXT = (ROOT / "docs" / "steward.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh (\w)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
EVENTS = ["reviewed", "approved", "transfer-offered", "access-requested", "access-granted", "transfer-accepted"]


def test_the_stewards_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of the page succeeds, and the ledgers tell the day."""
    a, b = (Hospital(f"Hospital {name}", tmp_path / name, monkeypatch) for name in "AB")
    for hospital in (a, b):
        hospital.run("init", "--organisation", hospital.name)
    item = a.make("ward", data_class="confidential", verdict="review")
    (tmp_path / "exchange").mkdir()
    said = {}
    for place, block in BLOCKS:
        for line in block.splitlines():
            program, *words = shlex.split(line.replace("/mnt/exchange", str(tmp_path / "exchange")))
            assert program == "synthtrail"
            said[line] = {"a": a, "b": b}[place].run(*words).out
    assert [name for name in a.events() if name in EVENTS] == EVENTS
    assert a.events().count("accessed") == 2
    assert b.events()[-1] == "acquired"
    assert a.state(item) == "approved"
    assert "must read the report" in said["synthtrail inbox"]
    assert "asks for access" in said["synthtrail inbox --as ada"]
    assert "content follows" in next(out for line, out in said.items() if " offer " in line)
    assert "level A" in said["synthtrail verify"]
    assert "a report on progress and use" in said["synthtrail due"]
    assert "an incident is open" in said["synthtrail inbox --as bob"]
    assert "0 open incidents" in said["synthtrail incident list"]


def test_every_command_of_the_page_exists_and_is_run() -> None:
    """No block is left out by a slip of its marker."""
    assert len(re.findall(r"^```sh", TEXT, re.MULTILINE)) == len(BLOCKS) > 10
