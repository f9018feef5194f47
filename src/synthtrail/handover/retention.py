"""How long each artifact may be kept: by its source, by the policy for its class, by an entry; and what is overdue.

An entry `retention-set` decides, the latest of them. Before there is one, the earlier of two dates is proposed: the
period that the source's own record states (`retention: P2Y` in params.yaml), counted from when the source was acquired,
and the period of the artifact's class in the policy, counted from when it was made. What descends from several sources
is kept no longer than any of them allows. `synthtrail retain` logs what is proposed.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from synthtrail.custody import canonical, duration
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import FormatError
from synthtrail.custody.record import Item
from synthtrail.handover import descent
from synthtrail.handover.acting import Saying
from synthtrail.handover.descent import Making
from synthtrail.storage.custodian import Custodian

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Kept:
    """Until when an artifact may be kept, on what basis, and whether an entry says so or it is only proposed."""

    item: Item
    until: datetime
    basis: str
    logged: bool
    held: bool

    def overdue(self, now: datetime) -> bool:
        """Tell whether the date has passed; a held artifact stays, and is overdue all the same."""
        return now >= self.until


def kept(found: Custodian) -> list[Kept]:
    """Return until when every artifact that is not disposed of may be kept; those without any limit are left out."""
    state = found.ledger.state
    every = descent.makings(found.ledger.log)
    proposed = _proposed(found, every)
    listed = []
    for artifact, making in _first(every).items():
        row = state.lives.find(artifact)
        if state.status(artifact) == "disposed":
            continue
        item, held = making.record.subject, state.held(artifact)
        if state.retention.get(row):
            until = _EPOCH + timedelta(microseconds=state.retention[row])
            listed.append(Kept(item, until, "retention-set", logged=True, held=held))
        elif artifact in proposed:
            until, basis = proposed[artifact]
            listed.append(Kept(item, until, basis, logged=False, held=held))
    return listed


def overdue(found: Custodian, now: datetime) -> list[Kept]:
    """Return what should have been disposed of by `now`, longest overdue first."""
    return sorted((item for item in kept(found) if item.overdue(now)), key=lambda item: item.until)


def sayings(found: Custodian) -> list[Saying]:
    """Return a `retention-set` for every artifact that has a limit and no entry about it yet."""
    return [saying(item.item, item.until, item.basis) for item in kept(found) if not item.logged]


def saying(item: Item, until: datetime, basis: str) -> Saying:
    """Return the `retention-set` for one artifact."""
    fields: dict[str, Value] = {"until": canonical.format_time(until), "basis": basis}
    return Saying("retention-set", (item,), fields)


def _first(every: list[Making]) -> dict[bytes, Making]:
    """The entry that made each artifact first."""
    made: dict[bytes, Making] = {}
    for making in every:
        made.setdefault(making.artifact, making)
    return made


def _proposed(found: Custodian, every: list[Making]) -> dict[bytes, tuple[datetime, str]]:
    dates: dict[bytes, tuple[datetime, str]] = {}
    for making in every:
        if making.artifact not in dates or making.record.stage == "ingest":
            limits = [dates[item.digest] for item in making.record.inputs if item.digest in dates]
            limits += _own(found, making)
            if making.artifact in dates:
                limits.append(dates[making.artifact])
            if limits:
                dates[making.artifact] = min(limits)
    return dates


def _own(found: Custodian, making: Making) -> Iterator[tuple[datetime, str]]:
    made = canonical.parse_time(making.at)
    stated = descent.source(making).get("retention")
    if stated:
        with suppress(FormatError):  # older records may state what is no period; the policy's period holds then
            yield duration.parse(stated).after(made), f"source record: {stated}"
    data_class = str(making.record.value["class"])
    until = found.policy.keep_until(data_class, made)
    if until is not None:
        yield until, f"policy, class {data_class}"
