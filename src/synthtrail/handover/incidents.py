"""Open incidents of a ledger: reported, and not declared settled (`recovered`) by anybody."""

from dataclasses import dataclass

from synthtrail.storage.custodian import Custodian


@dataclass(frozen=True)
class Incident:
    """An open incident: its event's digest (hex), its entry, who reported it, when (UTC), and what."""

    request: str
    entry: int
    actor: str
    at: str
    what: str


def unsettled(found: Custodian) -> list[Incident]:
    """Return the open incidents, the oldest first."""
    state, log = found.ledger.state, found.ledger.log
    made = []
    for digest, request in state.requests.items():
        if request.event == "incident":
            said = log.statement(request.entry).predicate
            made.append(Incident(digest.hex(), request.entry, request.actor, str(said["at"]), str(said["what"])))
    return sorted(made, key=lambda one: one.entry)
