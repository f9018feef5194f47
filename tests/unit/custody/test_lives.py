"""Whole lives, from acquisition to disposal: what is allowed goes through, what is not is refused."""

from datetime import timedelta

import pytest
from tests.unit.custody.forgery import audit, found_at
from tests.unit.custody.ledger_factory import (
    ADA,
    AUDITOR,
    BOB,
    OPERATOR,
    RECIPIENT,
    World,
    item,
    make_record,
)

from synthtrail.custody import acts, canonical
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import TransitionError

DATA = item("iris", "generate")  # approved
OTHER = item("wine", "generate")  # passed, not approved


def in_a_day(world: World) -> str:
    return canonical.format_time(world.now + timedelta(days=1))


def refusal(world: World, name: str, signer: Signer, fields: dict[str, Value], **more: str) -> str:
    """The code with which an act on `DATA` is refused."""
    with pytest.raises(TransitionError) as caught:
        world.act(name, signer, on=[DATA], fields=fields, **more)
    return caught.value.code


def test_access_is_requested_granted_and_used(world: World) -> None:
    """Only who asked may use the grant, as often as it lasts, and not after it expired."""
    asked = world.act("access-requested", RECIPIENT, on=[DATA], fields={"purpose": "study", "proposal": "p1"})
    terms: dict[str, Value] = {"request": asked, "expires": in_a_day(world), "terms": "no copies"}
    assert refusal(world, "access-granted", ADA, terms | {"request": "0" * 64}, meaning="approval") == "answer-wrong"
    grant = world.act("access-granted", ADA, on=[DATA], meaning="approval", fields=terms)
    use: dict[str, Value] = {"request": grant, "use": "read"}
    world.act("accessed", RECIPIENT, on=[DATA], fields=use)
    world.act("accessed", RECIPIENT, on=[DATA], fields=use)
    assert refusal(world, "accessed", OPERATOR, use) == "answer-wrong"
    world.now += timedelta(days=2)
    assert refusal(world, "accessed", RECIPIENT, use) == "answer-wrong"
    assert audit(world).level == "A"


def test_access_refused_is_closed(world: World) -> None:
    asked = world.act("access-requested", RECIPIENT, on=[DATA], fields={"purpose": "study", "proposal": "p1"})
    answer: dict[str, Value] = {"request": asked, "reason": "no"}
    world.act("access-refused", ADA, on=[DATA], meaning="approval", fields=answer)
    assert refusal(world, "access-refused", ADA, answer, meaning="approval") == "answer-wrong"


def test_an_answer_is_about_what_was_asked(world: World) -> None:
    asked = world.act("access-requested", RECIPIENT, on=[OTHER], fields={"purpose": "study", "proposal": "p1"})
    answer: dict[str, Value] = {"request": asked, "reason": "no"}
    assert refusal(world, "access-refused", ADA, answer, meaning="approval") == "answer-wrong"


def test_transfer_needs_an_approval(world: World) -> None:
    offer: dict[str, Value] = {"receiver": RECIPIENT.name, "purpose": "p", "terms": "t", "expires": in_a_day(world)}
    with pytest.raises(TransitionError) as caught:
        world.act("transfer-offered", OPERATOR, on=[OTHER], fields=offer)
    assert caught.value.code == "transition-illegal"
    world.approve(OTHER)
    request = world.act("transfer-offered", OPERATOR, on=[OTHER], fields=offer)
    world.act("transfer-accepted", RECIPIENT, on=[OTHER], fields={"request": request})
    assert audit(world).level == "A"


def test_an_offer_expires_only_after_its_time(world: World) -> None:
    """Until then it can be answered, afterwards only be declared expired."""
    offer: dict[str, Value] = {"receiver": RECIPIENT.name, "purpose": "p", "terms": "t", "expires": in_a_day(world)}
    request = world.act("transfer-offered", OPERATOR, on=[DATA], fields=offer)
    answer: dict[str, Value] = {"request": request}
    assert refusal(world, "transfer-expired", OPERATOR, answer) == "answer-wrong"
    world.now += timedelta(days=2)
    assert refusal(world, "transfer-accepted", RECIPIENT, answer) == "acceptance-forged"
    world.act("transfer-expired", OPERATOR, on=[DATA], fields=answer)
    assert refusal(world, "transfer-expired", OPERATOR, answer) == "answer-wrong"


def test_review_decides_what_the_gate_left_open(world: World) -> None:
    """A verdict `review` waits for a person; only then can a steward approve."""
    world.run("heart", verdict="review")
    data = item("heart", "generate")
    assert world.ledger.state.status(data.digest) == "review"
    with pytest.raises(TransitionError):
        world.approve(data)
    world.act("reviewed", AUDITOR, on=[data], meaning="review", fields={"outcome": "pass", "notes": "plausible"})
    world.approve(data)
    assert world.ledger.state.status(data.digest) == "approved"


def test_refused_data_stays_refused(world: World) -> None:
    world.run("heart", verdict="refuse")
    data = item("heart", "generate")
    with pytest.raises(TransitionError):
        world.act("reviewed", AUDITOR, on=[data], meaning="review", fields={"outcome": "pass", "notes": "never mind"})
    with pytest.raises(TransitionError):
        world.approve(data)


def test_release(world: World) -> None:
    world.act("released", ADA, on=[DATA], meaning="responsibility", fields={"terms": "CC-BY-4.0", "place": "zenodo"})
    assert world.ledger.state.status(DATA.digest) == "released"


def dispose(world: World) -> None:
    """Request, approve and execute."""
    request = world.act("disposal-requested", BOB, on=[DATA], fields={"reason": "retention"})
    answer: dict[str, Value] = {"request": request, "reason": "agreed"}
    approved = world.act("disposal-approved", ADA, on=[DATA], meaning="approval", fields=answer)
    assert world.ledger.state.status(DATA.digest) == "condemned"
    certificate: dict[str, Value] = {"request": approved, "certificate": "0" * 64, "details": []}
    executed = world.act("disposal-executed", BOB, on=[DATA], fields=certificate)
    swept: dict[str, Value] = {"request": executed, "outcome": "clean", "details": []}
    world.act("disposal-verified", AUDITOR, on=[DATA], fields=swept)
    world.act("disposal-verified", AUDITOR, on=[DATA], fields=swept)


def test_26_what_was_disposed_of_cannot_come_back(world: World) -> None:
    """Neither made again, nor reused, nor taken as an input."""
    dispose(world)
    assert world.ledger.state.status(DATA.digest) == "disposed"
    assert audit(world).level == "A"
    for stage in ("generate", "validate"):
        with pytest.raises(TransitionError) as caught:
            world.append(acts.made(world.ledger.state, _again(stage), OPERATOR, at=world.now))
        assert caught.value.code == "disposed-reappears"


def _again(stage: str) -> dict[str, Value]:
    return make_record("iris", stage) | {"seed": 1}


def test_a_hold_stops_disposal_until_every_hold_is_lifted(world: World) -> None:
    first = world.act("hold-placed", OPERATOR, on=[DATA], fields={"reason": "lawsuit"})
    second = world.act("hold-placed", OPERATOR, on=[DATA], fields={"reason": "audit"})
    request = world.act("disposal-requested", BOB, on=[DATA], fields={"reason": "retention"})
    answer: dict[str, Value] = {"request": request, "reason": "agreed"}
    for hold in (first, second):
        assert world.ledger.state.held(DATA.digest)
        assert refusal(world, "disposal-approved", ADA, answer, meaning="approval") == "transition-illegal"
        lifted: dict[str, Value] = {"request": hold, "reason": "settled"}
        world.act("hold-lifted", ADA, on=[DATA], meaning="responsibility", fields=lifted)
    assert not world.ledger.state.held(DATA.digest)
    world.act("disposal-approved", ADA, on=[DATA], meaning="approval", fields=answer)


def test_25_retention_overrun_and_dropped_disposal(world: World) -> None:
    """Time alone makes these findings: the ledger is as it was."""
    world.act("retention-set", OPERATOR, on=[DATA], fields={"until": in_a_day(world), "basis": "consent"})
    request = world.act("disposal-requested", BOB, on=[OTHER], fields={"reason": "retention"})
    answer: dict[str, Value] = {"request": request, "reason": "agreed"}
    world.act("disposal-approved", ADA, on=[OTHER], meaning="approval", fields=answer)
    assert audit(world).level == "A"
    world.now += timedelta(days=9)
    report = audit(world)
    assert (report.level, set(report.codes)) == (None, {"retention-overrun", "disposal-dropped"})
    assert found_at(report, "retention-overrun") == [world.ledger.head.size - 3]


def test_28_who_requests_a_disposal_does_not_approve_it(world: World) -> None:
    request = world.act("disposal-requested", ADA, on=[DATA], fields={"reason": "mine"})
    answer: dict[str, Value] = {"request": request, "reason": "agreed"}
    assert refusal(world, "disposal-approved", ADA, answer, meaning="approval") == "self-approval"


def test_incident_and_recovery(world: World) -> None:
    found = world.act("incident", OPERATOR, fields={"what": "disk full", "details": []})
    assert len(world.ledger.state.requests) == 1
    world.act("recovered", OPERATOR, fields={"what": "disk replaced", "request": found})
    assert world.ledger.state.requests == {}
