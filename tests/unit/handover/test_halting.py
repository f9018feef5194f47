"""A hold that comes while a disposal is carried out, an override after one, and incidents that are closed."""

import threading
from pathlib import Path

import pytest

from synthtrail.custody.errors import UsageError
from synthtrail.handover import acting, executing, halting, incidents
from synthtrail.handover.acting import Saying
from synthtrail.storage.disposed import DisposedError
from synthtrail.storage.home import home
from synthtrail.storage.salt import salts_for
from tests.unit.handover.lab import Lab
from tests.unit.handover.test_disposal import approve_and_execute, refusal, the_certificate


def held_at(lab: Lab, step: str) -> str:
    """Carry out an approved disposal of the report during which a hold comes at `step`; what it was refused with."""
    item = lab.made["iris/validate"]
    placed: list[int] = []

    def on_step(name: str) -> None:
        if name == step and not placed:
            other = acting.custodian(lab.root)  # another process, as it were
            saying = Saying("hold-placed", (item,), {"reason": "case 17"})
            placed.append(acting.say(other, acting.find(other, "operator"), saying.event, [item], saying.fields).entry)

    with pytest.raises(UsageError) as refused:
        executing.execute(lab.custodian, lab.operator, [item], purge=lambda _r, _n: {}, on_step=on_step)
    assert placed
    lab.custodian = acting.custodian(lab.root)
    return str(refused.value)


@pytest.fixture
def approved(lab: Lab, tmp_path: Path) -> Lab:
    """A lab in which the disposal of a stored report is approved."""
    lab.run("store", "data/iris/report", "--to", str(tmp_path / "store"))
    lab.run("dispose", "request", "data/iris/report", "--reason", "over", "--yes")
    lab.run("dispose", "approve", "data/iris/report", "--reason", "checked", "--as", "ada", "--yes")
    return lab


def identity(lab: Lab) -> Path:
    """Return where the key of the stored report lies."""
    return home().identities(lab.custodian.policy.origin) / f"{lab.made['iris/validate'].digest.hex()}.age"


def test_a_hold_after_the_survey_stops_everything(approved: Lab) -> None:
    """Nothing was destroyed, nothing is said to have been; the hold lifted, the same command completes it."""
    said = held_at(approved, "done survey")
    assert "case 17" in said
    assert "nothing had been destroyed" in said
    assert (approved.root / "data/iris/report").exists()
    assert identity(approved).exists()
    assert approved.events()[-1] == "hold-placed"
    approved.run("hold", "lift", "data/iris/report", "--reason", "closed", "--as", "ada", "--yes")
    approved.run("dispose", "execute", "data/iris/report")
    assert approved.events()[-1] == "disposal-executed"


@pytest.mark.parametrize(("step", "files"), [("found 0", 3), ("done deleted 0", 0), ("log", 0)])
def test_a_hold_half_way_stops_it_and_what_was_done_is_told(approved: Lab, step: str, files: int) -> None:
    """What is left stays, an incident says what is gone, nothing is certified before the hold is lifted."""
    said = held_at(approved, step)
    assert "cannot be undone" in said
    assert len(list(approved.root.glob("data/iris/report/*"))) == files
    assert approved.events()[-2:] == ["hold-placed", "incident"]
    assert not list((approved.root / "ledger").glob("certificates/*.html"))
    (open_one,) = incidents.unsettled(approved.custodian)
    told = approved.custodian.ledger.log.statement(open_one.entry).predicate["details"]
    assert {"name": "key.destroyed", "value": the_key(told)} in told  # type: ignore[operator]
    assert {"name": "copies.deleted", "value": "at most 3" if files else "3"} in told  # type: ignore[operator]
    assert "case 17" in refused_again(approved)
    assert len(incidents.unsettled(approved.custodian)) == 1
    approved.run("hold", "lift", digits(approved), "--reason", "closed", "--as", "ada", "--yes")
    approved.run("dispose", "execute", digits(approved))
    assert approved.events()[-1] == "disposal-executed"
    assert [key.kind for key in the_certificate(approved).keys] == ["age"]
    approved.run("incident", "close", str(open_one.entry), "--what", "hold lifted", "--as", "operator", "--yes")
    approved.run("verify")


def digits(lab: Lab) -> str:
    """Return the report's digest: its path is gone."""
    return lab.made["iris/validate"].digest.hex()[:16]


def the_key(told: object) -> str:
    """Return the name of the destroyed key."""
    assert isinstance(told, list)
    return next(str(pair["value"]) for pair in told if pair["name"] == "key.destroyed")


def refused_again(lab: Lab) -> str:
    """Try again while the hold is open."""
    with pytest.raises(UsageError) as refused:
        executing.execute(lab.custodian, lab.operator, [lab.made["iris/validate"]], purge=lambda _r, _n: {})
    lab.custodian = acting.custodian(lab.root)
    return str(refused.value)


def test_no_hold_is_placed_while_something_is_being_destroyed(lab: Lab) -> None:
    """Whoever places one waits for the act to end, and is never told that it is in force while a file goes."""
    item = lab.made["iris/validate"]
    other = acting.custodian(lab.root)
    actor = acting.find(other, "operator")
    placed = threading.Event()

    def place() -> None:
        acting.say(other, actor, "hold-placed", [item], {"reason": "case 17"})
        placed.set()

    thread = threading.Thread(target=place)
    with halting.unheld(lab.custodian, [item]):
        thread.start()
        assert not placed.wait(0.2)
    thread.join()
    assert placed.is_set()
    with pytest.raises(halting.HeldError, match="case 17"), halting.unheld(lab.custodian, [item]):
        pytest.fail("it was destroyed although it is held")


def test_a_model_is_not_made_again_under_another_salt(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Its source is still there; the stage refuses, another name is free, and a steward's override is an entry."""
    folder = home().salts(lab.custodian.policy.origin)
    lab.make("ward", data_class="confidential")
    split = lab.made["ward/preprocess"].digest.hex()
    salts_for(folder, "ward/train", split)
    lab.run("dispose", "request", "data/ward/model", "--with-descendants", "--reason", "over", "--yes")
    approve_and_execute(lab, "data/ward/model")
    assert (lab.root / "data/ward/raw").exists()
    with pytest.raises(DisposedError, match=the_certificate(lab).digest.hex()):
        salts_for(folder, "ward/train", split)
    salts_for(folder, "clinic/train", split)
    assert "nothing is refused" in refusal(lab, capsys, "dispose", "allow", "ward/split", "--reason", "x")
    why = ("--reason", "protocol 2026-17 goes on", "--as", "ada", "--yes")
    lab.run("dispose", "allow", "ward/train", *why)
    salts_for(folder, "ward/train", split)
    assert lab.events()[-1] == "incident"


def test_an_incident_is_open_until_somebody_says_how_it_was_settled(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """`withdraw` opens one, `incident list` exits 1 while it is open, closing twice is refused."""
    lab.run("withdraw", "drop/iris.csv", "--reason", "consent withdrawn", "--yes", "--as", "operator")
    lab.run("incident", "list", code=1)
    entry = str(lab.custodian.ledger.head.size - 1)
    assert f"incident close {entry}" in capsys.readouterr().out
    lab.run("incident", "close", entry, "--what", "all nine disposed of", "--as", "ada", "--yes")
    assert lab.events()[-1] == "recovered"
    lab.run("incident", "list")
    assert "no open incident" in refusal(lab, capsys, "incident", "close", entry, "--what", "again")
    lab.run("incident", "report", "laptop lost", "--as", "ada", "--yes")
    lab.run("incident", "list", code=1)
    lab.run("verify")
