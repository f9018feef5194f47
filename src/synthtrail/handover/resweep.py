"""Sweeping again, some time after a disposal: is everything that was disposed of still gone?

A copy, or a key, that is there is an alarm: it is listed, `disposal-verified` says `found`, and the command exits 1. A
place that could not be reached is named in the entry; `clean` speaks of the places that were.
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import CustodyError
from synthtrail.custody.record import Item
from synthtrail.handover import acting, descent, disposal, pairs, places, storing, survey, telling
from synthtrail.handover import sweep as sweeping
from synthtrail.handover.acting import Saying
from synthtrail.handover.connecting import connect
from synthtrail.handover.executing import memory, sizes_path
from synthtrail.handover.places import Unreached
from synthtrail.handover.survivors import key_place
from synthtrail.handover.sweep import Copy, Memory, Swept, Wanted
from synthtrail.storage.custodian import Custodian


@dataclass(frozen=True)
class Again:
    """One disposal looked at again: its entry, its artifacts, the copies and keys that are there."""

    entry: int
    items: tuple[Item, ...]
    copies: tuple[Copy, ...]
    keys: tuple[str, ...]
    stored: tuple[str, ...]
    unreached: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.copies or self.keys or self.stored)

    @property
    def lines(self) -> list[str]:
        """What was found, a line each."""
        told = [f"copy in {copy.place}: {copy.locator}" for copy in self.copies]
        return told + [f"key: {path}" for path in self.keys] + [f"ciphertext: {url}" for url in self.stored]


def look(
    found: Custodian, items: Sequence[Item] = (), *, full: bool = False, endpoint: str | None = None
) -> list[Again]:
    """Sweep every place for what was disposed of (or only for `items`); with `full`, everything is hashed anew."""
    gone = disposal.disposed(found)
    asked = {item.digest for item in items} or gone.keys()
    entries = sorted({entry for artifact, (entry, _) in gone.items() if artifact in asked})
    said = {entry: found.ledger.log.statement(entry) for entry in entries}
    subjects = {entry: tuple(acting.item(found, s.digest) for s in said[entry].subjects) for entry in entries}
    every = {item.digest: item for named in subjects.values() for item in named}
    if not every:
        return []
    wanted = _wanted(found, every, [str(said[entry].predicate["certificate"]) for entry in entries])
    remembered = None if full else memory(found.policy.origin)
    swept = sweep_places(found, wanted, remembered, endpoint)
    return [_again(found, entry, subjects[entry], swept, endpoint) for entry in entries]


def everything(found: Custodian, *, full: bool = False, endpoint: str | None = None) -> list[Swept]:
    """Sweep every place for everything that was disposed of; nothing where nothing was."""
    gone = disposal.disposed(found)
    if not gone:
        return []
    items = {artifact: acting.item(found, artifact) for artifact in gone}
    wanted = _wanted(found, items, sorted({name for _, name in gone.values()}))
    return sweep_places(found, wanted, None if full else memory(found.policy.origin), endpoint)


def sweep_places(found: Custodian, wanted: Wanted, remembered: Memory | None, endpoint: str | None) -> list[Swept]:
    """Sweep every place of the checkout."""
    with ExitStack() as stack:
        return sweeping.sweep_all(places.of(found.root, found.policy.origin, stack, endpoint), wanted, remembered)


def saying(found: Custodian, again: Again) -> Saying:
    """Return the `disposal-verified` that states what was found."""
    name = found.ledger.state.events[again.entry].hex()
    details = [(f"found.{number}", line[:500]) for number, line in enumerate(again.lines[:20])]
    details += [("found", str(len(again.lines)))]
    details += [(f"not reached.{number}", why[:500]) for number, why in enumerate(again.unreached)]
    fields: dict[str, Value] = {
        "request": name,
        "outcome": "clean" if again.clean else "found",
        "details": pairs.listed(details),
    }
    return Saying("disposal-verified", again.items, fields)


def delete(found: Custodian, every: Sequence[Again], endpoint: str | None = None) -> int:
    """Delete the plaintext copies that were found; how many."""
    count = 0
    with ExitStack() as stack:
        reached = {
            place.name: place
            for place in places.of(found.root, found.policy.origin, stack, endpoint)
            if not isinstance(place, Unreached)
        }
        for again in every:
            for copy in again.copies:
                if copy.place in reached:
                    reached[copy.place].delete(copy.name)
                    count += 1
    return count


def _wanted(found: Custodian, gone: dict[bytes, Item], certificates: Sequence[str]) -> Wanted:
    aims = survey.aimed(found, descent.makings(found.ledger.log), gone)
    sizes: set[int] = set()
    for name in certificates:
        path = sizes_path(found.policy.origin, name)
        if not path.exists():
            return Wanted(aims.wanted, None)
        sizes |= set(json.loads(path.read_bytes()))
    return Wanted(aims.wanted, sizes)


def _again(
    found: Custodian, entry: int, items: tuple[Item, ...], swept: Sequence[Swept], endpoint: str | None
) -> Again:
    mine = {item.digest.hex() for item in items}
    copies = tuple(copy for copy in sweeping.copies(swept) if copy.artifact in mine)
    details = pairs.items(found.ledger.log.statement(entry).predicate["details"])
    paths = [key_place(found.policy.origin, value) for name, value in details if name == "key"]
    stored, missed = _stored(found, items, endpoint)
    unreached = [f"{place.place}: {place.why}" for place in swept if place.why] + missed
    return Again(entry, items, copies, tuple(path for path in paths if path), tuple(stored), tuple(unreached))


def _stored(found: Custodian, items: Sequence[Item], endpoint: str | None) -> tuple[list[str], list[str]]:
    """Return the URLs of ciphertext that is there, and the stores that could not be asked."""
    there, missed = [], []
    for item in items:
        for url, _ in storing.places(found, item.digest):
            try:
                with connect(url, endpoint=endpoint) as store:
                    count = sum(1 for _ in store.names(f"{item.digest.hex()}/"))
            except (CustodyError, OSError) as error:  # no credentials, for one
                missed.append(f"{url}: {telling.told(error)}")
                continue
            if count:
                there.append(f"{url}/{item.digest.hex()[:16]}… ({count} objects)")
    return there, missed
