"""The tables of events and transitions agree with each other and with the specification's list."""

import pytest

from synthtrail.custody import events, transitions
from synthtrail.custody.events import EVENTS, EventSpec
from synthtrail.custody.transitions import LIVE, STATES, TRANSITIONS, after

# The list of custody.md.
SPECIFIED = """ledger-opened · acquired · derived · trained · generated · validated · reused · reproduced · reviewed ·
 approved · rejected · stored · access-requested · access-granted · access-refused · accessed · transfer-offered ·
 transfer-accepted · transfer-rejected · transfer-expired · released · retention-set · hold-placed · hold-lifted ·
 disposal-requested · disposal-approved · disposal-executed · disposal-verified · key-added · key-rotated ·
 key-revoked · policy-changed · anchored · status · incident · recovered · ledger-closed"""


def test_exactly_the_specified_events_exist() -> None:
    assert set(EVENTS) == {name.strip() for name in SPECIFIED.split("·")}


@pytest.mark.parametrize("spec", EVENTS.values(), ids=lambda spec: str(spec.name))
def test_each_event_is_well_specified(spec: EventSpec) -> None:
    """Somebody may sign it, an answer names its request, and events about artifacts have transitions."""
    assert spec.roles
    assert set(spec.roles) <= set(events.ROLES)
    names = [field.name for field in spec.fields]
    assert len(set(names)) == len(names)
    assert ("request" in names) == bool(spec.answers)
    assert all(EVENTS[name].opens for name in spec.answers)
    assert spec.person or not spec.four_eyes
    assert (spec.about != "ledger") == any(row.event == spec.name for row in TRANSITIONS)


def test_every_request_can_be_answered() -> None:
    answered = {name for spec in EVENTS.values() for name in spec.answers}
    assert answered == {spec.name for spec in EVENTS.values() if spec.opens}


def test_transitions_use_known_states_and_never_overlap() -> None:
    """For one event, part and outcome, each state stands in at most one row."""
    seen: set[tuple[str, str, str, str]] = set()
    for row in TRANSITIONS:
        assert {*row.follows, row.leads or "made"} <= set(STATES)
        for state in row.follows:
            key = (row.event, row.part, row.outcome, state)
            assert key not in seen
            seen.add(key)


def test_every_state_can_be_reached_and_left() -> None:
    """All but `disposed`, which is the end."""
    led = {row.leads for row in TRANSITIONS if row.leads}
    assert led == set(STATES) - {"absent"}
    assert {row.event for row in TRANSITIONS if "disposed" in row.follows and row.leads} == set()


def test_nothing_makes_or_shares_what_is_condemned_or_disposed() -> None:
    for state in ("condemned", "disposed"):
        for event in (*events.MAKING, "reused", "approved", "released", "transfer-offered", "accessed"):
            for part in ("made", "judged", "subject"):
                assert after(event, state=state, part=part, outcome="pass") is None


def test_only_what_was_approved_can_be_offered() -> None:
    offered = {state for state in STATES if after("transfer-offered", state=state)}
    assert offered == {"approved", "released"}
    assert {state for state in STATES if after("approved", state=state)} == {"passed"}


@pytest.mark.parametrize("verdict", ["review", "refuse"])
def test_a_worse_verdict_withdraws_an_approval(verdict: str) -> None:
    for state in LIVE:
        led = after("validated", state=state, part="judged", outcome=verdict)
        assert led == {"review": "review", "refuse": "refused"}[verdict]


def test_tables_print_as_markdown() -> None:
    """One line for each row, none of them torn by a bar inside a cell."""
    for table, rows in ((events.markdown(), len(EVENTS)), (transitions.markdown(), len(TRANSITIONS))):
        lines = table.splitlines()
        assert len(lines) == rows + 2
        assert len({line.count("|") for line in lines}) == 1
