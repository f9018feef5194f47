"""What awaits whom: by role, never what one asked for oneself, with the words that would be signed; and what is due."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synthtrail.cli import due, inbox
from synthtrail.handover import access, acting, inbox_page
from synthtrail.handover.inbox import inboxes
from tests.unit.transfer.hospitals import Hospital, Pair, later, offer


def tasks(hospital: Hospital, who: str) -> list[str]:
    """What awaits somebody, as `what: about`."""
    found = hospital.custodian
    (one,) = inboxes(found, [acting.choose(found, who)[1]], datetime.now(UTC))
    return [f"{task.what}: {task.about}" for task in one.tasks]


ASK = ("--purpose", "teach", "--protocol", "17", "--legal-basis", "art. 6", "--until", "P1Y", "--yes")


def test_a_verdict_to_be_read_awaits_every_reviewer_and_approval_the_steward(pair: Pair) -> None:
    """`review` waits for a person; once passed, for a steward; once approved, for nobody."""
    a = pair.a
    a.make("clinic", verdict="review")
    assert tasks(a, "bob") == tasks(a, "ada") != []
    assert "must read the report" in tasks(a, "bob")[0]
    assert tasks(a, "operator") == []
    a.run("review", "data/clinic/report", "--outcome", "pass", "--notes", "read", "--as", "bob", "--yes")
    assert tasks(a, "bob") == []
    assert tasks(a, "ada") == ["it passed its gate and waits for approval: data/clinic/synthetic"]
    a.run("approve", "data/clinic/synthetic", "--reason", "fit", "--yes")
    assert tasks(a, "ada") == []


def test_nobody_is_asked_about_what_they_asked_for(pair: Pair) -> None:
    """A disposal that a steward requests awaits another steward, not her, under whichever key."""
    a = pair.a
    a.run("key", "new", "ada-at-work", "--role", "operator", "--person", "p-ada", "--yes")
    a.run("person", "add", "p-eve", "--name", "Eve", "--yes")
    a.run("key", "new", "eve", "--role", "steward", "--person", "p-eve", "--yes")
    found = a.custodian
    actor = acting.find(found, "ada-at-work", lambda _: b"correct horse")
    acting.say(found, actor, "disposal-requested", [pair.item], {"reason": "no longer needed"})
    assert tasks(a, "ada") == []
    assert [task.split(":")[0].partition("asks")[2] for task in tasks(a, "eve")] == [" for its disposal"]


def test_the_words_in_the_inbox_are_those_shown_before_signing(pair: Pair) -> None:
    """What the page shows, with the blanks filled in, is what the command shows."""
    item = pair.a.make("clinic")
    assert item
    found = pair.a.custodian
    (one,) = inboxes(found, [acting.choose(found, "ada")[1]], datetime.now(UTC))
    (task,) = one.tasks
    shown = pair.a.run("approve", "data/clinic/synthetic", "--reason", "REASON", "--yes").out
    assert "\n".join(task.words).replace("…", "REASON") in shown


def test_a_proposal_goes_to_the_steward_with_its_text(pair: Pair) -> None:
    """The inbox names who asks; `grant` prints the proposal; a longer grant than asked for is refused."""
    a = pair.a
    a.run("access", "request", "data/ward/synthetic", *ASK)
    assert [task.partition(" asks")[2] for task in tasks(a, "ada")] == [" for access: data/ward/synthetic"]
    words = ("access", "grant", "data/ward/synthetic", "--terms", "none", "--yes")
    assert "asks for access until" in a.refused(*words, "--expires", "P3Y")
    assert "purpose      teach" in a.run(*words).out
    assert tasks(a, "ada") == []


def test_use_needs_a_grant_in_force(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before a proposal is approved, after a refusal, and after the grant's time; entered in between."""
    a = pair.a
    use = ("access", "use", "data/ward/synthetic", "--use", "trained a model", "--yes")
    assert "no approved proposal in force" in a.refused(*use)
    a.run("access", "request", "data/ward/synthetic", *ASK)
    assert "no approved proposal in force" in a.refused(*use)
    a.run("access", "refuse", "data/ward/synthetic", "--reason", "not covered", "--yes")
    assert "no approved proposal in force" in a.refused(*use)
    a.run("access", "request", "data/ward/synthetic", *ASK)
    a.run("access", "grant", "data/ward/synthetic", "--terms", "none", "--yes")
    a.run(*use)
    assert a.events()[-1] == "accessed"
    assert a.run("access", "log", "data/ward/synthetic").out.count("access") >= 5
    from synthtrail.cli import access as command  # noqa: PLC0415 - to move its clock

    later(monkeypatch, datetime.now(UTC) + timedelta(days=400), command)
    assert "no approved proposal in force" in a.refused(*use)


def test_a_proposal_that_was_exchanged_is_refused(pair: Pair) -> None:
    """The ledger names the proposal by its digest."""
    a = pair.a
    a.run("access", "request", "data/ward/synthetic", *ASK)
    (path,) = (a.root / "ledger" / "proposals").iterdir()
    path.write_bytes(path.read_bytes().replace(b"teach", b"trade"))
    assert "not the proposal that the ledger names" in a.refused(
        "access", "grant", "data/ward/synthetic", "--terms", "none", "--yes"
    )


def test_reports_are_due_and_chased(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grant that asks for reports lists the next one; filing one moves it on; a late one is overdue, exit code 1."""
    a = pair.a
    a.run("access", "request", "data/ward/synthetic", *ASK)
    a.run("access", "grant", "data/ward/synthetic", "--terms", "none", "--report-every", "P20D", "--yes")
    assert "a report on progress and use: data/ward/synthetic" in a.run("due").out
    now = datetime.now(UTC)
    later(monkeypatch, now + timedelta(days=25), due)
    assert "OVERDUE" in a.run("due", code=1).out
    later(monkeypatch, now, due)
    a.run("access", "report", "data/ward/synthetic", "--text", "half done", "--yes")
    (grant,) = access.grants(a.custodian)
    assert grant.due is not None
    assert len(grant.reports) == 1
    assert grant.due - grant.reports[0] == timedelta(days=20)
    assert grant.uses == ()


def test_everything_that_runs_out_is_due(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offers, grants, proposals, and retention stand in one list, the oldest first."""
    a = pair.a
    offer(a, pair.folder)
    a.run("access", "request", "data/ward/synthetic", *ASK)
    found = a.custodian
    until = {"until": "2026-12-01T00:00:00Z", "basis": "consent"}
    acting.say(found, acting.find(found, "operator"), "retention-set", [pair.item], until)
    later(monkeypatch, datetime(2026, 11, 20, tzinfo=UTC), due)
    lines = a.run("due", "--all").out.splitlines()
    assert [line.split()[1] for line in lines] == sorted(line.split()[1] for line in lines)
    for words in ("retention ends: dispose of it", "runs out unanswered", "a proposal waits for a decision"):
        assert any(words in line for line in lines), lines


def test_an_open_incident_awaits_whoever_may_settle_it(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was reported and the command that closes it; after two weeks it is overdue; closed, it is gone."""
    a = pair.a
    a.run("incident", "report", "laptop lost", "--as", "bob", "--yes")
    entry = len(a.events()) - 1
    for who in ("bob", "ada"):
        assert "an incident is open: the ledger" in tasks(a, who)
    said = a.run("inbox", "--as", "ada").out
    assert "laptop lost" in said
    assert f'synthtrail incident close {entry} --what "' in said
    assert f"the incident of entry {entry} is open: laptop lost" in a.run("due").out
    now = datetime.now(UTC)
    later(monkeypatch, now + timedelta(days=15), due)
    assert "OVERDUE" in a.run("due", code=1).out
    later(monkeypatch, now, due)
    a.run("incident", "report", "laptop found", "--as", "bob", "--yes")
    assert "several incidents are open" in a.refused("incident", "close", "--what", "x", "--as", "ada", "--yes")
    a.run("incident", "close", str(entry), "--what", "all keys revoked", "--as", "ada", "--yes")
    a.run("incident", "close", "--what", "the same laptop", "--as", "ada", "--yes")
    assert tasks(a, "ada") == []
    assert "incident" not in a.run("due", "--all").out
    assert "no incident is open" in a.refused("incident", "close", "--what", "x", "--as", "ada", "--yes")


def test_the_page_escapes_what_the_ledger_holds(pair: Pair) -> None:
    """A purpose with markup in it is text on the page."""
    a = pair.a
    ask = ("--purpose", "<script>alert(1)</script>", *ASK[2:])
    a.run("access", "request", "data/ward/synthetic", *ask)
    a.run("access", "grant", "data/ward/synthetic", "--terms", "<b>", "--report-every", "P1D", "--yes")
    found = a.custodian
    keys = inbox.readers(found, None)
    text = inbox_page.page("A & <B>", inboxes(found, keys, datetime.now(UTC)), datetime.now(UTC))
    assert "A &amp; &lt;B&gt;" in text
    assert "<script" not in text
    path = a.root / "inbox.html"
    assert "tasks" in a.run("inbox", "--html", str(path)).out
    assert "Ada Lovelace" in path.read_text(encoding="utf-8")
    assert "nothing waiting" in a.run("inbox").out


def test_offers_in_folders_await_the_receiver(pair: Pair, tmp_path: Path) -> None:
    """Open offers to a key of this machine are tasks, with purpose and terms; a broken parcel is a line."""
    folder = tmp_path / "exchange"
    offer(pair.a, folder / "one")
    shutil.copytree(folder / "one", folder / "two")
    (folder / "two" / "ledger.zip").write_bytes(b"PK")
    said = pair.b.run("inbox", "--folder", str(folder)).out
    assert "Hospital A offers it to you" in said
    assert "terms    no copies" in said
    assert "I accept data/ward/synthetic" in said
    assert f"{folder / 'two'}: " in said
    pair.b.run("accept", str(folder / "one"), "--yes")
    assert "the sender has not entered it yet" in pair.b.run("inbox", "--folder", str(folder)).out
