"""What is due, and when: reports on access, grants that end, retention, what waits for an answer, open incidents.

Each line has the date on which somebody ought to have acted; those before now are overdue. Nothing here decides
anything: the ledger core judges what may still be said, `synthtrail verify` reports a retention that was overrun.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from synthtrail.custody import canonical
from synthtrail.custody.record import Item
from synthtrail.custody.state import State
from synthtrail.handover import access, acting, incidents
from synthtrail.storage.custodian import Custodian

SOON = timedelta(days=30)
ANSWER_WITHIN = timedelta(days=14)
"""How long a request may wait before it counts as overdue."""


@dataclass(frozen=True, order=True)
class Duty:
    """One thing to be done by `when`: what it is, about which artifact, who has to act, and the command."""

    when: datetime
    what: str
    about: str
    who: str
    command: str

    def overdue(self, now: datetime) -> bool:
        """Tell whether the date has passed."""
        return self.when < now


def duties(found: Custodian, now: datetime) -> list[Duty]:
    """Return everything that is due, the oldest first."""
    every = [*_reports(found), *_retentions(found), *_offers(found), *_requests(found), *_incidents(found)]
    return sorted(every)


def pressing(found: Custodian, now: datetime) -> list[Duty]:
    """Return what is overdue or due within thirty days."""
    return [duty for duty in duties(found, now) if duty.when <= now + SOON]


def _reports(found: Custodian) -> Iterator[Duty]:
    for grant in access.grants(found):
        item, who, ends = grant.open.items[0], grant.open.request.beneficiary, grant.open.expires
        if ends is not None:
            command = f"synthtrail access request {item.path} ..."
            yield Duty(ends, "the grant ends; ask again if the work goes on", item.path, who, command)
        if grant.due is not None and (ends is None or grant.due <= ends):
            command = f'synthtrail access report {item.path} --text "..."'
            yield Duty(grant.due, "a report on progress and use", item.path, who, command)


def _retentions(found: Custodian) -> Iterator[Duty]:
    state = found.ledger.state
    for row, until in state.retention.items():
        if state.lives.state(row) == "disposed":
            continue
        item = acting.item(found, state.lives.ids[row])
        held = bool(state.holds.get(row))
        what = "retention ends, but a hold is in force" if held else "retention ends: dispose of it"
        command = (
            f'synthtrail hold lift {item.path} --reason "..."'
            if held
            else f'synthtrail dispose request {item.path} --reason "..."'
        )
        yield Duty(access.moment(until), what, item.path, "operator, steward", command)


def _offers(found: Custodian) -> Iterator[Duty]:
    for one in access.opened(found, "transfer-offered"):
        if one.expires is not None:
            what = f"the offer to {one.request.beneficiary} runs out unanswered"
            yield Duty(one.expires, what, one.items[0].path, one.request.beneficiary, "synthtrail expire")


def _requests(found: Custodian) -> Iterator[Duty]:
    state = found.ledger.state
    for event, what in WAITING.items():
        for one in access.opened(found, event):
            when = access.moment(state.times[one.request.entry]) + ANSWER_WITHIN
            yield Duty(when, what, one.items[0].path, "steward", answering(event, one.items[0], state, one))


def _incidents(found: Custodian) -> Iterator[Duty]:
    """Each open incident; it is to be settled as soon as anything else is to be answered."""
    for one in incidents.unsettled(found):
        when = canonical.parse_time(one.at) + ANSWER_WITHIN
        command = f'synthtrail incident close {one.entry} --what "..."'
        yield Duty(when, f"the incident of entry {one.entry} is open", one.what, "operator, steward, auditor", command)


WAITING = {
    "access-requested": "a proposal waits for a decision",
    "disposal-requested": "a disposal waits for approval",
    "disposal-approved": "an approved disposal waits to be carried out",
}


def answering(event: str, item: Item, _state: State, one: access.Open) -> str:
    """Return the command that answers a request."""
    return {
        "access-requested": f'synthtrail access grant {item.path} --entry {one.request.entry} --terms "..."',
        "disposal-requested": f'synthtrail dispose approve {item.path} --reason "..."',
        "disposal-approved": f"synthtrail dispose execute {item.path}",
    }[event]
