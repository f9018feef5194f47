"""The in-toto statement of one event: building it, and reading it back strictly.

The signed payload is the canonical JSON of an in-toto Statement v1 (https://github.com/in-toto/attestation):

    {"_type": "https://in-toto.io/Statement/v1",
     "predicateType": "https://synthtrail.dev/custody/<event>/v1",
     "subject": [{"name": path, "digest": {"sha256" | "dirHash1": hex}}, …],
     "predicate": {"at": time, "actor": key name, "signatureKind": "machine" | "person", "meaning": … (a person's only),
                   "ledger": origin, "context": [{"name", "value"}, …],
                   "prevEvent": [{"artifact": hex, "event": hex}, …],
                   "slot", "record" (stage events), … the event's own fields}}

`ledger` ties the event to one log, so that it cannot be replayed in another. `prevEvent` has, in the order of the
subjects, one item for every subject that already has an event: the SHA-256 of that event's payload bytes. This is the
chain that the actors sign, whatever the log's owner does. An event about the ledger itself has one subject, the ledger,
with the SHA-256 of its origin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from synthtrail.custody import canonical, record, shapes
from synthtrail.custody.act import Act
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import parse_vkey
from synthtrail.custody.errors import FormatError, UsageError
from synthtrail.custody.events import (
    EVENTS,
    MEANINGS,
    PREDICATE_PREFIX,
    PREDICATE_SUFFIX,
    EventSpec,
    Field,
)
from synthtrail.custody.record import Item, Record

__all__ = ["STATEMENT", "Act", "Statement", "build", "parse", "read"]

STATEMENT = "https://in-toto.io/Statement/v1"
_TOP = frozenset({"_type", "predicate", "predicateType", "subject"})
_SHARED = frozenset({"actor", "at", "context", "ledger", "prevEvent", "signatureKind"})
_DESCRIPTOR = frozenset({"name", "digest"})
_PREVIOUS = frozenset({"artifact", "event"})


@dataclass(frozen=True)
class Statement:
    """One event in full, for people and exports."""

    act: Act
    subjects: tuple[Item, ...]
    record: Record | None
    meaning: str
    context: tuple[tuple[str, str], ...]
    predicate: Mapping[str, Value] = field(repr=False)


def build(
    event: str,
    *,
    actor: str,
    at: datetime,
    ledger: str,
    subjects: Sequence[Item] = (),
    previous: Sequence[tuple[bytes, bytes]] = (),
    made: Record | None = None,
    meaning: str = "",
    context: Sequence[tuple[str, str]] = (),
    fields: Mapping[str, Value] | None = None,
) -> bytes:
    """Return the payload bytes of an event, ready to be signed.

    A `meaning` makes it a person's signature. Stage events take `made`, their record, instead of `subjects`. Raises
    `UsageError` for an event that `parse` would refuse: nothing malformed is ever signed.
    """
    predicate: dict[str, Value] = dict(fields or {})
    predicate |= {"actor": actor, "at": canonical.format_time(at), "ledger": ledger}
    predicate["signatureKind"] = "person" if meaning else "machine"
    if meaning:
        predicate["meaning"] = meaning
    predicate["context"] = [{"name": name, "value": value} for name, value in context]
    predicate["prevEvent"] = [{"artifact": a.hex(), "event": e.hex()} for a, e in previous]
    if made is not None:
        predicate |= {"record": made.value, "slot": made.slot}
        subjects = made.concerned
    described: list[Value] = [item.descriptor() for item in subjects] or [_ledger_subject(ledger)]
    statement: dict[str, Value] = {
        "_type": STATEMENT,
        "predicateType": f"{PREDICATE_PREFIX}{event}{PREDICATE_SUFFIX}",
        "subject": described,
        "predicate": predicate,
    }
    payload = canonical.encode(statement)
    try:
        parse(payload)
    except FormatError as error:
        raise UsageError(f"{event} cannot be said like this: {error}") from error
    return payload


def parse(payload: bytes) -> Act:
    """Return what `payload` states; raise `FormatError` unless it is the exact form of a known event.

    1. Canonical JSON with exactly the four members of a statement, of a known predicate type.
    2. The predicate has exactly the members of that event, each of its kind.
    3. Subjects are distinct; a stage event's are those of its record, a ledger event's is the ledger.
    4. `prevEvent` names only subjects.
    """
    top = shapes.members(canonical.decode(payload), _TOP, "statement")
    spec = _spec(top)
    predicate = _predicate(top["predicate"], spec)
    made = _record(predicate, spec)
    ledger = shapes.some_text(predicate["ledger"], "ledger")
    described = shapes.listing(top["subject"], "subject")
    subjects = _subjects(described, spec, made, ledger)
    fields = {item.name: predicate[item.name] for item in spec.fields}
    return Act(
        spec.name,
        shapes.some_text(predicate["actor"], "actor"),
        shapes.moment(predicate["at"], "at"),
        ledger,
        predicate["signatureKind"] == "person",
        sha256(payload).digest(),
        subjects,
        _previous(predicate["prevEvent"], subjects),
        made.slot if made else "",
        sha256(_record_bytes(payload)).digest() if made else b"",
        tuple(item.digest for item in made.inputs) if made else (),
        made.verdict if made else str(fields.get("outcome", "")),
        fields,
    )


def read(payload: bytes) -> Statement:
    """Return everything that `payload` states; raises what `parse` raises."""
    act = parse(payload)
    top = canonical.decode_object(payload)
    predicate = shapes.members(top["predicate"], _KEYS[act.event, act.person], "predicate")
    made = record.parse(predicate["record"]) if "record" in predicate else None
    return Statement(
        act,
        made.concerned if made else tuple(_described(item) for item in shapes.listing(top["subject"], "subject")),
        made,
        str(predicate.get("meaning", "")),
        shapes.pairs(predicate["context"], "context"),
        predicate,
    )


def _spec(top: Mapping[str, Value]) -> EventSpec:
    kind = top["predicateType"]
    if top["_type"] != STATEMENT or not isinstance(kind, str):
        raise shapes.refuse("statement", "not an in-toto Statement v1")
    spec = EVENTS.get(kind.removeprefix(PREDICATE_PREFIX).removesuffix(PREDICATE_SUFFIX))
    if spec is None or spec.predicate_type != kind:
        raise shapes.refuse("predicateType", f"no event known as {kind[:80]!a}")
    return spec


def _keys(spec: EventSpec, person: bool) -> frozenset[str]:
    own = {item.name for item in spec.fields} | ({"slot", "record"} if spec.about == "stage" else set())
    return _SHARED | own | ({"meaning"} if person else set())


# Made once: comparing key sets is the hottest line of a replay.
_KEYS = {(name, person): _keys(spec, person) for name, spec in EVENTS.items() for person in (False, True)}


def _predicate(value: Value, spec: EventSpec) -> dict[str, Value]:
    person = isinstance(value, dict) and value.get("signatureKind") == "person"
    found = shapes.members(value, _KEYS[spec.name, person], "predicate")
    shapes.choice(found["signatureKind"], ("machine", "person"), "signatureKind")
    if person:
        shapes.choice(found["meaning"], MEANINGS, "meaning")
    shapes.pairs(found["context"], "context")
    for item in spec.fields:
        _check_field(found[item.name], item)
    return found


def _record(predicate: Mapping[str, Value], spec: EventSpec) -> Record | None:
    if spec.about != "stage":
        return None
    made = record.parse(predicate["record"])
    if predicate["slot"] != made.slot or spec.name not in (made.event, "reused"):
        raise shapes.refuse("predicate", "slot or event is not that of the record")
    return made


def _check_field(value: Value, item: Field) -> None:
    match item.kind:
        case "text":
            shapes.text(value, item.name)
        case "prose":
            shapes.prose(value, item.name)
        case "digest":
            shapes.sha256(value, item.name)
        case "time":
            shapes.moment(value, item.name)
        case "count":
            shapes.count(value, item.name)
        case "pairs":
            shapes.pairs(value, item.name)
        case "choice":
            shapes.choice(value, item.choices, item.name)
        case "vkey":
            parse_vkey(shapes.text(value, item.name))
        case "vkeys":
            for key in shapes.listing(value, item.name):
                parse_vkey(shapes.text(key, item.name))


def _subjects(described: list[Value], spec: EventSpec, made: Record | None, ledger: str) -> tuple[bytes, ...]:
    """The digests of the artifacts that the event is about: none for an event about the ledger."""
    if spec.about == "ledger":
        if described != [_ledger_subject(ledger)]:
            raise shapes.refuse("subject", "an event about the ledger has the ledger as its subject")
        return ()
    if made is not None:
        if described != [item.descriptor() for item in made.concerned]:
            raise shapes.refuse("subject", "not those of the record")
        found = tuple(item.digest for item in made.concerned)
    else:
        found = tuple(_described(item).digest for item in described)
    if not found or len(set(found)) != len(found):
        raise shapes.refuse("subject", "needs distinct artifacts")
    return found


def _described(value: Value) -> Item:
    found = shapes.members(value, _DESCRIPTOR, "subject")
    digests = found["digest"]
    if not isinstance(digests, dict) or len(digests) != 1 or not digests.keys() <= {"sha256", "dirHash1"}:
        raise shapes.refuse("subject", "needs one digest, sha256 or dirHash1")
    ((name, value),) = digests.items()
    path = shapes.check_path(shapes.text(found["name"], "subject"))
    return Item(path, shapes.sha256(value, "subject"), 0, None if name == "sha256" else 0)


def _ledger_subject(ledger: str) -> dict[str, Value]:
    return {"name": ledger, "digest": {"sha256": sha256(ledger.encode()).hexdigest()}}


def _previous(value: Value, subjects: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
    found = []
    for item in shapes.listing(value, "prevEvent"):
        pair = shapes.members(item, _PREVIOUS, "prevEvent")
        found.append((shapes.sha256(pair["artifact"], "prevEvent"), shapes.sha256(pair["event"], "prevEvent")))
    named = [artifact for artifact, _ in found]
    if named != [subject for subject in subjects if subject in named]:
        raise shapes.refuse("prevEvent", "names what is no subject, or not in their order")
    return tuple(found)


def _record_bytes(payload: bytes) -> bytes:
    """The record's own bytes within a payload that was found canonical and exact.

    Its keys ascend and quotes in strings are escaped: the first `"record":` is the member, and the first
    `,"signatureKind":` after it the next one. Cutting costs a tenth of encoding anew.
    """
    start = payload.index(b'"record":') + len(b'"record":')
    return payload[start : payload.index(b',"signatureKind":', start)]
