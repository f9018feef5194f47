"""Until when artifacts may be kept: by source, by policy, by entry; what is overdue."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synthtrail.handover import retention
from tests.unit.handover.lab import Lab

LATER = datetime.now(UTC) + timedelta(days=370)


def test_a_source_limits_all_that_descends_from_it(lab: Lab) -> None:
    """`retention: P1Y` of the source's record counts from its acquisition, and for everything made from it."""
    kept = retention.kept(lab.custodian)
    assert {Path(item.item.path).name for item in kept} == {"raw", "split", "model", "synthetic", "report"}
    assert len({item.until for item in kept}) == 1
    assert not any(item.logged for item in kept)
    assert not retention.overdue(lab.custodian, datetime.now(UTC))
    assert len(retention.overdue(lab.custodian, LATER)) == 5


def test_the_policy_limits_a_class_and_the_earlier_date_counts(lab: Lab) -> None:
    """A shorter period for the class wins over a longer one of the source, and the other way round."""
    for period, basis in (("P90D", "policy, class public"), ("P5Y", "source record: P1Y")):
        policy = replace(lab.custodian.policy, retention=(("public", period),))
        kept = retention.kept(replace(lab.custodian, policy=policy))
        assert {item.basis for item in kept} == {basis}


def test_an_entry_decides(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """`retain` logs what is proposed, once; a later entry with another date replaces it."""
    lab.run("retain", "--yes", "--as", "operator")
    assert lab.events()[-5:] == ["retention-set"] * 5
    lab.run("retain", "--yes", "--as", "operator")
    assert lab.events()[-6] == "validated"
    lab.run("retain", "data/iris/raw", "--until", "P30D", "--basis", "protocol", "--yes", "--as", "operator")
    soon = retention.overdue(lab.custodian, datetime.now(UTC) + timedelta(days=31))
    assert [item.item.path for item in soon] == ["data/iris/raw"]
    lab.run("retain", "--overdue")
    assert "0 overdue" in capsys.readouterr().out


def test_what_is_overdue_is_an_error_and_what_is_held_a_warning(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that lists it exits 1; what is disposed of is not overdue any more."""
    lab.run("hold", "data/iris/report", "--reason", "case 17", "--yes", "--as", "operator")

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            del tz
            return LATER

    monkeypatch.setattr("synthtrail.cli.retain.datetime", Clock)
    lab.run("retain", "--overdue", code=1)
    said = capsys.readouterr().out
    assert "5 overdue" in said
    assert said.count("held, so it stays for now") == 1
