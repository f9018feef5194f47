"""Where an artifact comes from: the events that made it and its inputs, back to the source.

Each input of a record is the subject of an earlier making event; of several (the same bytes made again), the latest
before the consumer counts. Steps come in the order of their entries, so the source is first:

    entry 8   acquired   iris/ingest      data/iris/raw        by lab.example/operator
    entry 9   derived    iris/preprocess  data/iris/split      from data/iris/raw (entry 8)
    …
"""

from dataclasses import dataclass

from synthtrail.custody.log import Log
from synthtrail.custody.record import Item
from synthtrail.custody.state import State
from synthtrail.custody.statement import Statement

COMMIT = "git.commit"


@dataclass(frozen=True)
class Origin:
    """An input of a step: what it is, and the entry that made it; None for a source from outside, or a gap."""

    item: Item
    entry: int | None


@dataclass(frozen=True)
class Step:
    """One making event: who did it and when (`at`, as signed), with which code, out of what."""

    entry: int
    slot: str
    event: str
    actor: str
    at: str
    subject: Item
    code: str
    commit: str
    inputs: tuple[Origin, ...]

    @property
    def gaps(self) -> tuple[Item, ...]:
        """Inputs that no earlier event made, though only a source may come from outside."""
        if self.slot.endswith("/ingest"):
            return ()
        return tuple(origin.item for origin in self.inputs if origin.entry is None)


@dataclass(frozen=True)
class Moment:
    """One event in an artifact's life."""

    entry: int
    event: str
    actor: str
    at: str
    outcome: str
    meaning: str


def trace(state: State, log: Log, artifact: bytes) -> list[Step]:
    """Return the steps that led to the artifact with this digest, in order; none if no event made it."""
    steps: dict[int, Step] = {}
    waiting = [_maker(state, log, artifact, state.size)]
    while waiting:
        entry = waiting.pop()
        if entry is None or entry in steps:
            continue
        steps[entry] = _step(state, log, entry)
        waiting += [origin.entry for origin in steps[entry].inputs]
    return [steps[entry] for entry in sorted(steps)]


def life(state: State, log: Log, artifact: bytes) -> list[Moment]:
    """Return every event that concerns the artifact, in order; none if there is no such artifact."""
    row = state.lives.find(artifact)
    return [_moment(entry, log.statement(entry)) for entry in (state.lives.history(row) if row >= 0 else [])]


def by_path(state: State, log: Log, path: str) -> bytes | None:
    """Return the digest of the artifact that the latest records have at `path`; None if none has."""
    for slot in sorted(state.slots.values(), key=lambda item: -item.entry):
        found = log.statement(slot.entry).record
        if found is not None and found.subject.path == path:
            return slot.subject
    return None


def _maker(state: State, log: Log, artifact: bytes, before: int) -> int | None:
    """The latest entry before `before` that made or re-pointed to the artifact."""
    row = state.lives.find(artifact)
    if row < 0:
        return None
    for entry in reversed(state.lives.history(row)):
        if entry < before:
            found = log.statement(entry).record
            if found is not None and found.subject.digest == artifact:
                return entry
    return None


def _step(state: State, log: Log, entry: int) -> Step:
    found = log.statement(entry)
    made = found.record
    if made is None:
        raise AssertionError("a maker has a record")
    code = made.value["code"]
    return Step(
        entry,
        made.slot,
        found.act.event,
        found.act.actor,
        str(found.predicate["at"]),
        made.subject,
        str(code["sha256"]) if isinstance(code, dict) else "",
        dict(found.context).get(COMMIT, ""),
        tuple(Origin(item, _maker(state, log, item.digest, entry)) for item in made.inputs),
    )


def _moment(entry: int, found: Statement) -> Moment:
    act = found.act
    return Moment(entry, act.event, act.actor, str(found.predicate["at"]), act.outcome, found.meaning)
