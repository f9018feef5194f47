"""What every export of lineage tells: the steps that led to artifacts, with the statement that was signed for each.

Pure: a replayed state and its log go in, frozen values come out. An artifact is named by its content in a URI of RFC
6920, `ni:///sha-256;…`, so that two exports of the same bytes speak of the same thing, whatever its path was:

    >>> name(Item("a.csv", bytes(32), 0, None))
    'ni:///sha-256;AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

For a folder that is the digest of its manifest, the lines that `sha256sum` prints for its files.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from synthtrail.custody import lineage
from synthtrail.custody.canonical import Value
from synthtrail.custody.keyring import Key
from synthtrail.custody.lineage import Origin, Step
from synthtrail.custody.log import Log
from synthtrail.custody.record import Item
from synthtrail.custody.state import State

NI = "ni:///sha-256;"


@dataclass(frozen=True)
class Deed:
    """One step as it was signed: when it began and ended, with what; `key` is the actor's, as the ledger lists it."""

    step: Step
    key: Key | None
    began: datetime
    ended: datetime
    seed: int
    params: tuple[tuple[str, str], ...]
    tools: tuple[tuple[str, str], ...]
    source: Mapping[str, str]
    context: Mapping[str, str]
    data_class: str
    verdict: str

    @property
    def stage(self) -> str:
        """The last part of the slot."""
        return self.step.slot.rpartition("/")[2]

    @property
    def inputs(self) -> tuple[Origin, ...]:
        """What was read, each artifact once."""
        return tuple({origin.item.digest: origin for origin in self.step.inputs}.values())


def deeds(state: State, log: Log, artifacts: Iterable[bytes]) -> list[Deed]:
    """Return the steps that led to any of these artifacts (digests), in the order of their entries."""
    steps = {step.entry: step for artifact in artifacts for step in lineage.trace(state, log, artifact)}
    return [_deed(state, log, steps[entry]) for entry in sorted(steps)]


def latest(state: State) -> list[bytes]:
    """Return the digests of the artifacts that the latest records made, in the order of their slots."""
    return [state.slots[slot].subject for slot in sorted(state.slots)]


def items(told: Iterable[Deed]) -> dict[bytes, Item]:
    """Return everything that was read or made, by digest, each as it was first called."""
    found: dict[bytes, Item] = {}
    for deed in told:
        for item in (*(origin.item for origin in deed.inputs), deed.step.subject):
            found.setdefault(item.digest, item)
    return found


def sources(told: Iterable[Deed]) -> dict[bytes, Mapping[str, str]]:
    """Return what the records say of the sources that were acquired, by the sources' digests."""
    return {origin.item.digest: deed.source for deed in told if deed.source for origin in deed.inputs}


def name(item: Item) -> str:
    """Return the name of an artifact by its content."""
    return NI + code(item.digest)


def code(digest: bytes) -> str:
    """Return a digest as RFC 6920 spells it."""
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _deed(state: State, log: Log, step: Step) -> Deed:
    found = log.statement(step.entry)
    if found.record is None:
        raise AssertionError("a step has a record")
    value, context = found.record.value, dict(found.context)
    signed = datetime.fromisoformat(step.at)
    ended = _moment(context.get("finished")) or signed
    return Deed(
        step,
        state.keys.get(step.actor),
        min(_moment(context.get("started")) or ended, ended),
        ended,
        int(str(value["seed"])),
        _pairs(value["params"], "value"),
        _pairs(value["tools"], "version"),
        dict(_pairs(value.get("source"), "value")),
        context,
        str(value["class"]),
        found.record.verdict,
    )


def _moment(text: str | None) -> datetime | None:
    """The moment that a run's own note of time tells; None if it is not one with a time zone."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def _pairs(value: Value, member: str) -> tuple[tuple[str, str], ...]:
    listed = value if isinstance(value, list) else []
    return tuple((str(item["name"]), str(item[member])) for item in listed if isinstance(item, dict))
