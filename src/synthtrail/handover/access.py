"""Access to artifacts: who asked for what, who granted it until when, what was done with it, which report is due.

`access-requested` names a proposal; a steward's `access-granted` says until when it holds and, in its context, how
often the holder must report; every use is an `accessed` event that names the grant, and so is every report:

    requested ──▶ granted (expires, terms; context report.every = P6M) ──▶ accessed … accessed (context kind = report)
              └─▶ refused

The ledger core refuses a use without a grant, after its expiry, or by another key than the one it was given to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from synthtrail.custody import canonical, duration
from synthtrail.custody.errors import UsageError
from synthtrail.custody.record import Item
from synthtrail.custody.state import Request, State
from synthtrail.handover import acting
from synthtrail.handover.acting import Saying
from synthtrail.handover.proposals import Proposal
from synthtrail.storage.custodian import Custodian

EVERY = "report.every"
KIND = "kind"
REPORT = "report"
SUM = "report.sha256"


@dataclass(frozen=True)
class Open:
    """A request of the ledger that waits for an answer, or a grant that still stands."""

    digest: bytes
    request: Request
    items: tuple[Item, ...]

    @property
    def expires(self) -> datetime | None:
        """Until when it can be answered or used."""
        return None if self.request.expires is None else moment(self.request.expires)


@dataclass(frozen=True)
class Grant:
    """A grant, the uses made of it, and when the next report is due (None: none is asked for)."""

    open: Open
    granted: datetime
    every: str
    uses: tuple[datetime, ...]
    reports: tuple[datetime, ...]

    @property
    def due(self) -> datetime | None:
        """When the next report is due, counted from the last one, or from the grant."""
        return duration.parse(self.every).after(max([self.granted, *self.reports])) if self.every else None


def moment(microseconds: int) -> datetime:
    """Return the time that the ledger counts as µs since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def opened(found: Custodian, event: str) -> list[Open]:
    """Return what waits for an answer to an event of this name, oldest first."""
    requests = sorted(found.ledger.state.requests.items(), key=lambda pair: pair[1].entry)
    return [
        Open(digest, request, tuple(acting.item(found, subject) for subject in request.subjects))
        for digest, request in requests
        if request.event == event
    ]


def only(found: Custodian, event: str, item: Item, entry: int | None = None) -> Open:
    """Return the open `event` about `item`, that of `entry` if there are several; raise `UsageError` without one."""
    fit = [one for one in opened(found, event) if one.request.subjects == (item.digest,)]
    fit = [one for one in fit if entry is None or one.request.entry == entry]
    if len(fit) != 1:
        entries = ", ".join(str(one.request.entry) for one in fit)
        why = f"several wait (entries {entries}); choose one with --entry" if fit else "none waits for an answer"
        raise UsageError(f"{event} of {item.path}: {why}")
    return fit[0]


def request(item: Item, proposal: Proposal) -> Saying:
    """Return the event that asks for access."""
    return Saying("access-requested", [item], {"purpose": proposal.purpose, "proposal": proposal.digest})


def grant(asked: Open, expires: datetime, terms: str, every: str) -> Saying:
    """Return the event that grants what was asked for; `every` is the period of reports, or empty."""
    fields = {"request": asked.digest.hex(), "expires": canonical.format_time(expires), "terms": terms}
    if every:
        duration.parse(every)
    return Saying("access-granted", asked.items, fields, "approval", [(EVERY, every)] if every else [])


def refusal(asked: Open, reason: str) -> Saying:
    """Return the event that refuses what was asked for."""
    return Saying("access-refused", asked.items, {"request": asked.digest.hex(), "reason": reason}, "approval")


def use(granted: Open, words: str, *, report: str | None = None) -> Saying:
    """Return the event that states a use; with the SHA-256 of a `report` (empty: told in `words`), that reports."""
    context = [] if report is None else [(KIND, REPORT), *([(SUM, report)] if report else [])]
    return Saying("accessed", granted.items, {"request": granted.digest.hex(), "use": words}, context=context)


def grant_in(state: State, item: Item, name: str, now: datetime) -> Open | None:
    """Return the unexpired grant in `state` that lets the key `name` use `item`; None if there is none."""
    for digest, request in state.requests.items():
        one = Open(digest, request, (item,))
        fits = request.event == "access-granted" and request.subjects == (item.digest,)
        if fits and request.beneficiary == name and (one.expires or now) >= now:
            return one
    return None


def grants(found: Custodian) -> Iterator[Grant]:
    """Yield every grant of the ledger that was never closed, with what was made of it."""
    state, log = found.ledger.state, found.ledger.log
    for one in opened(found, "access-granted"):
        said = log.statement(one.request.entry)
        uses: list[datetime] = []
        reports: list[datetime] = []
        for entry in state.lives.history(state.lives.find(one.request.subjects[0])):
            later = log.statement(entry) if entry > one.request.entry else None
            if later is not None and later.act.event == "accessed" and later.act.request == one.digest:
                is_report = dict(later.context).get(KIND) == REPORT
                (reports if is_report else uses).append(moment(later.act.at))
        every = dict(said.context).get(EVERY, "")
        yield Grant(one, moment(said.act.at), every, tuple(uses), tuple(reports))
