"""Legal holds: who placed one on an artifact, why, and whether it is open. A held artifact cannot be disposed of."""

from collections.abc import Iterable
from dataclasses import dataclass

from synthtrail.custody.errors import UsageError
from synthtrail.custody.record import Item
from synthtrail.storage.custodian import Custodian


@dataclass(frozen=True)
class Hold:
    """An open hold: its event's digest (hex), its entry, who placed it when and why, and on which artifacts."""

    request: str
    entry: int
    actor: str
    at: str
    reason: str
    subjects: tuple[Item, ...]


def open_holds(found: Custodian, artifact: bytes | None = None) -> list[Hold]:
    """Return the open holds on an artifact, or all of them."""
    state, log = found.ledger.state, found.ledger.log
    made = []
    for digest, request in state.requests.items():
        if request.event == "hold-placed" and (artifact is None or artifact in request.subjects):
            said = log.statement(request.entry)
            at, why = str(said.predicate["at"]), str(said.predicate["reason"])
            made.append(Hold(digest.hex(), request.entry, request.actor, at, why, said.subjects))
    return made


def refuse(found: Custodian, items: Iterable[Item]) -> None:
    """Raise `UsageError` that says by whom and why, if any of `items` is held."""
    for item in items:
        for hold in open_holds(found, item.digest):
            raise UsageError(
                f"{item.path} is held: {hold.reason} (placed by {hold.actor} at {hold.at}, entry {hold.entry}); "
                f"a steward lifts it with `synthtrail hold lift {item.digest.hex()[:16]} --reason …`"
            )
