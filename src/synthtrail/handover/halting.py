"""A hold that comes while a disposal is being carried out: it stops it, and what was done until then is told.

    with truthful(found, actor, items, journal):     around the whole of it
        with unheld(found, items):                   around each act that destroys something

`unheld` holds the ledger's lock, so a hold is placed either before the act, which is then not taken, or after it. What
has been destroyed by then cannot be brought back: an `incident` says what, by whoever was carrying it out, and nothing
is certified. The journal stays; when the hold is lifted, the same command goes on, and its certificate says everything.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from synthtrail.custody.errors import TransitionError, UsageError
from synthtrail.custody.record import Item
from synthtrail.handover import acting, holds, pairs
from synthtrail.handover.acting import Actor
from synthtrail.handover.journal import Journal
from synthtrail.storage.custodian import Custodian

WHAT = "a hold was placed while a disposal was being carried out, which stopped there"
DESTRUCTIVE = ("off", "keys", "runs", "deleted", "records", "stores")


class HeldError(UsageError):
    """What is to be destroyed is held."""


@contextmanager
def unheld(found: Custodian, items: Sequence[Item]) -> Iterator[None]:
    """Keep everyone else from appending to the ledger; raise `HeldError` if one of `items` is held by now."""
    with found.ledger.transaction(datetime.now(UTC)):
        try:
            holds.refuse(found, items)
        except UsageError as error:
            raise HeldError(str(error)) from None
        yield


@contextmanager
def truthful(found: Custodian, actor: Actor, items: Sequence[Item], journal: Journal) -> Iterator[None]:
    """If a hold stops what is done here, log what was done until then and raise `HeldError` that says it."""
    try:
        yield
    except (HeldError, TransitionError) as error:
        if not any(holds.open_holds(found, item.digest) for item in items):
            raise
        said = done(journal)
        if not said:
            raise HeldError(f"{error}; nothing had been destroyed") from None
        if "halted" not in journal.memo:
            entry = acting.say(found, actor, "incident", (), {"what": WHAT, "details": pairs.listed(said)}).entry
            journal.memo["halted"] = entry
            journal.save()
        told = ", ".join(f"{name}: {value}" for name, value in said if name != "approval")
        raise HeldError(
            f"{error}; it stopped there, and what was done cannot be undone ({told}; entry {journal.memo['halted']}); "
            "nothing is certified until the hold is lifted and the same command has ended"
        ) from None


def done(journal: Journal) -> list[tuple[str, str]]:
    """Return what the journal notes as done and cannot be undone, in names and values; [] if that is nothing."""
    steps = journal.value["done"]
    begun = [step for step in steps if step.partition(" ")[0] in DESTRUCTIVE]
    if not begun:
        return []
    said = [("approval", str(journal.value["plan"]["approval"]))]
    said += [("experiment.off", name) for name in steps.get("off", {}).get("experiments", [])]
    said += [("key.destroyed", key["name"]) for key in steps.get("keys", {}).get("destroyed", [])]
    for number in range(sum(step.startswith("found ") for step in steps)):
        count, ended = len(steps[f"found {number}"]["copies"]), f"deleted {number}" in steps
        if count:
            said.append(("copies.deleted", str(count) if ended else f"at most {count}"))
    return said
