"""Every act that a custody ledger can hold: who may sign it, what it must say, what it answers.

An **event** is one signed statement about artifacts or about the ledger itself. What may be said is closed: an event, a
field or a choice that stands in no table here is refused, so that an old verifier never half-understands a new ledger.

Each row of `EVENTS` says

- *about*: `ledger` (subject: the ledger), `stage` (a DVC stage made the subject; carries a slot and a record) or
  `artifact` (one or more artifacts that already have an event);
- *roles*: who may sign; *person*: only a named person's signature counts (21 CFR 11.50: with its meaning);
- *fields*: what the predicate must hold besides the fields that all events share;
- *answers*: the open request that it refers to, and whether it *closes* that request;
- *opens*: whether others may answer it later; *four_eyes*: another key and another person than the requester.

What may follow what, artifact by artifact, is the second table: `synthtrail.custody.transitions`.

    >>> spec = EVENTS["disposal-approved"]
    >>> spec.roles, spec.person, spec.answers, spec.four_eyes
    (('steward',), True, ('disposal-requested',), True)
    >>> [field.name for field in EVENTS["key-revoked"].fields]
    ['name', 'reason', 'compromisedSince']
    >>> print(markdown().splitlines()[2])
    | `ledger-opened` | root | no | policySha256, roots, threshold |  |
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

PREDICATE_PREFIX = "https://synthtrail.dev/custody/"
PREDICATE_SUFFIX = "/v1"

ROLES = ("root", "operator", "steward", "sequencer", "auditor", "recipient")
LOGGED_ROLES = ("operator", "steward", "auditor", "recipient")  # root and sequencer are pinned out of band
MEANINGS = ("authorship", "review", "approval", "responsibility")
VERDICTS = ("pass", "review", "refuse")
CLASSES = ("public", "confidential")

About = Literal["ledger", "stage", "artifact"]
Kind = Literal["text", "prose", "digest", "time", "count", "vkey", "vkeys", "pairs", "choice"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a predicate: its name, the kind of its value and, for a choice, the words allowed.

    *prose* is text that people write: it is looked through for what identifies a person.
    """

    name: str
    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventSpec:
    """What one event must look like; see the module docstring for the columns."""

    name: str
    about: About
    roles: tuple[str, ...]
    person: bool = False
    fields: tuple[Field, ...] = ()
    answers: tuple[str, ...] = ()
    closes: bool = False
    opens: bool = False
    four_eyes: bool = False

    @property
    def predicate_type(self) -> str:
        """The in-toto predicate type, a URI that names the event and its version."""
        return f"{PREDICATE_PREFIX}{self.name}{PREDICATE_SUFFIX}"


PROSE = frozenset({"reason", "notes", "purpose", "proposal", "terms", "use", "what", "basis"})


def _text(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "prose" if name in PROSE else "text") for name in names)


REQUEST = Field("request", "digest")  # SHA-256 of the payload bytes of the event that is answered
DETAILS = Field("details", "pairs")
_POLICY = (Field("policySha256", "digest"), Field("roots", "vkeys"), Field("threshold", "count"))
_NEW_KEY = (Field("key", "vkey"), Field("role", "choice", LOGGED_ROLES), *_text("person", "organisation"))
_OUTCOME = Field("outcome", "choice", ("pass", "refuse", "comment"))
_REBUILT = (Field("outcome", "choice", ("identical", "different")), Field("rebuilt", "digest"), DETAILS)

_STAFF = ("operator", "steward")
_ANY = ("root", "sequencer", "operator", "steward", "auditor")
_RECEIVER = ("recipient",)


def _ledger_events() -> Iterable[EventSpec]:
    root = ("root",)
    yield EventSpec("ledger-opened", "ledger", root, fields=_POLICY)
    yield EventSpec("key-added", "ledger", root, fields=_NEW_KEY)
    yield EventSpec("key-rotated", "ledger", root, fields=(Field("key", "vkey"), *_text("replaces")))
    revoked = (*_text("name", "reason"), Field("compromisedSince", "count"))
    yield EventSpec("key-revoked", "ledger", root, fields=revoked)
    yield EventSpec("policy-changed", "ledger", root, fields=_POLICY)
    head = (Field("size", "count"), Field("root", "digest"))
    token = (*head, *_text("authority"), Field("token", "digest"))
    yield EventSpec("anchored", "ledger", ("operator", "sequencer"), fields=token)
    yield EventSpec("status", "ledger", ("operator", "sequencer"), fields=head)
    yield EventSpec("incident", "ledger", _ANY, fields=(*_text("what"), DETAILS), opens=True)
    recovered = (*_text("what"), REQUEST)
    yield EventSpec("recovered", "ledger", _ANY, fields=recovered, answers=("incident",), closes=True)
    yield EventSpec("ledger-closed", "ledger", root, fields=_text("reason"))


def _stage_events() -> Iterable[EventSpec]:
    operator = ("operator",)
    for name in ("acquired", "derived", "trained", "generated", "validated", "reused"):
        yield EventSpec(name, "stage", operator)


def _judgements() -> Iterable[EventSpec]:
    yield EventSpec("reproduced", "artifact", ("operator", "auditor"), fields=_REBUILT)
    reviewers = ("operator", "steward", "auditor")
    yield EventSpec("reviewed", "artifact", reviewers, True, (_OUTCOME, *_text("notes")))
    approval = _text("reason")
    yield EventSpec("approved", "artifact", ("steward",), True, approval, four_eyes=True)
    yield EventSpec("rejected", "artifact", ("steward",), True, approval, four_eyes=True)
    yield EventSpec("released", "artifact", ("steward",), True, _text("terms", "place"), four_eyes=True)


def _uses() -> Iterable[EventSpec]:
    yield EventSpec("stored", "artifact", ("operator",), fields=(*_text("place", "method"), DETAILS))
    users = ("operator", "recipient")
    wanted = _text("purpose", "proposal")
    yield EventSpec("access-requested", "artifact", users, fields=wanted, opens=True)
    asked = ("access-requested",)
    grant = (REQUEST, Field("expires", "time"), *_text("terms"))
    yield EventSpec("access-granted", "artifact", ("steward",), True, grant, asked, True, True, True)
    no = (REQUEST, *_text("reason"))
    yield EventSpec("access-refused", "artifact", ("steward",), True, no, asked, True, False, True)
    used = (REQUEST, *_text("use"))
    yield EventSpec("accessed", "artifact", users, fields=used, answers=("access-granted",))


def _transfers() -> Iterable[EventSpec]:
    terms = (*_text("receiver", "purpose", "terms"), Field("expires", "time"))
    yield EventSpec("transfer-offered", "artifact", _STAFF, fields=terms, opens=True)
    offer = ("transfer-offered",)
    yield EventSpec("transfer-accepted", "artifact", _RECEIVER, False, (REQUEST,), offer, True)
    no = (REQUEST, *_text("reason"))
    yield EventSpec("transfer-rejected", "artifact", _RECEIVER, False, no, offer, True)
    yield EventSpec("transfer-expired", "artifact", _STAFF, False, (REQUEST,), offer, True)


def _ends() -> Iterable[EventSpec]:
    until = (Field("until", "time"), *_text("basis"))
    yield EventSpec("retention-set", "artifact", _STAFF, fields=until)
    yield EventSpec("hold-placed", "artifact", _STAFF, fields=_text("reason"), opens=True)
    lifted = (REQUEST, *_text("reason"))
    yield EventSpec("hold-lifted", "artifact", ("steward",), True, lifted, ("hold-placed",), True)
    yield EventSpec("disposal-requested", "artifact", _STAFF, fields=_text("reason"), opens=True)
    asked = ("disposal-requested",)
    approval = (REQUEST, *_text("reason"))
    yield EventSpec("disposal-approved", "artifact", ("steward",), True, approval, asked, True, True, True)
    executed = (REQUEST, Field("certificate", "digest"), DETAILS)
    approved = ("disposal-approved",)
    yield EventSpec("disposal-executed", "artifact", _STAFF, False, executed, approved, True, True)
    swept = (REQUEST, Field("outcome", "choice", ("clean", "found")), DETAILS)
    sweepers = (*_STAFF, "auditor")
    yield EventSpec("disposal-verified", "artifact", sweepers, False, swept, ("disposal-executed",))


EVENTS: dict[str, EventSpec] = {
    spec.name: spec
    for group in (_ledger_events, _stage_events, _judgements, _uses, _transfers, _ends)
    for spec in group()
}

MAKING = ("acquired", "derived", "trained", "generated", "validated")
STAGE_EVENT = {
    "ingest": "acquired",
    "preprocess": "derived",
    "train": "trained",
    "generate": "generated",
    "validate": "validated",
}


def markdown() -> str:
    """The table of events, as it is printed in the ledger's specification."""
    rows = ["| event | signed by | a person | says | answers |", "|---|---|---|---|---|"]
    for spec in EVENTS.values():
        person = "yes, another than the requester" if spec.four_eyes else "yes" if spec.person else "no"
        says = ", ".join(field.name for field in spec.fields)
        rows.append(f"| `{spec.name}` | {', '.join(spec.roles)} | {person} | {says} | {', '.join(spec.answers)} |")
    return "\n".join(rows) + "\n"
