"""The certificate of a disposal: what was done to each copy of an artifact, and no more than that.

A certificate is a file of canonical JSON, at most 1 MiB; the event `disposal-executed` states its SHA-256 as
`certificate`. Its fields follow the certificate of sanitization of NIST SP 800-88r2: what was sanitized and how
sensitive it was, where and on what it lay, technique, tool, who did it and who verified how, what becomes of it.

    v 1 · ledger (origin) · approval (event digest of `disposal-approved`) · reason
    artifacts    [{sha256, kind file | folder, path, class}]
    copies       [{artifact, place, locator, form plaintext | ciphertext, method, key, media}]
    keys         [{name, kind age | salt, place, method}]        name: public only, the age recipient of a stored copy
    sweeps       [{place, outcome clean | found | not reached, files, bytes}]
    descendants  [{artifact, decision kept | disposed, reason}]
    tool         {name, version}
    performed    {actor, person, title, location, at} · verified the same, with method
    destination  what becomes of the media

A claim is as strong as what was done, and `parse` refuses a stronger one:

==========  ======================  ===============================================================================
form        method                  means
==========  ======================  ===============================================================================
plaintext   deleted, not purged     unlinked; whoever reads the medium itself may still find it
ciphertext  key destroyed           every copy of the key named in `key` was deleted; it stands in `keys`
either      not reached             known or supposed to lie there; nothing was done
==========  ======================  ===============================================================================

A `keys` item has the method `deleted` or `overwritten and deleted`. Digests are hexadecimal, as in the ledger; reasons
and destination are looked through for what identifies a person, like the prose of an event.

    >>> Copy("00" * 32, "workspace", "data/iris/raw", "plaintext", "key destroyed").refusal
    'a plaintext copy cannot be disposed of by key destroyed'
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from synthtrail.custody import canonical, shapes
from synthtrail.custody.canonical import Value
from synthtrail.custody.events import CLASSES

LIMIT = 1 << 20

KEY_DESTROYED, DELETED, NOT_REACHED = "key destroyed", "deleted, not purged", "not reached"
METHODS = {"plaintext": (DELETED, NOT_REACHED), "ciphertext": (KEY_DESTROYED, NOT_REACHED)}
KEY_METHODS = ("deleted", "overwritten and deleted")
KEY_KINDS = ("age", "salt")
OUTCOMES = ("clean", "found", NOT_REACHED)
DECISIONS = ("kept", "disposed")

T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """What was disposed of; `sha256` as in the ledger, 64 hexadecimal digits."""

    sha256: str
    kind: str
    path: str
    artifact_class: str


@dataclass(frozen=True)
class Copy:
    """One copy, and what was done to it. `key` names the destroyed key of a ciphertext; `media` says on what it lay."""

    artifact: str
    place: str
    locator: str
    form: str
    method: str
    key: str = ""
    media: str = ""

    @property
    def refusal(self) -> str:
        """Why the method does not fit the form; empty if it does."""
        if self.method not in METHODS.get(self.form, ()):
            return f"a {self.form} copy cannot be disposed of by {self.method}"
        if (self.method == KEY_DESTROYED) != bool(self.key):
            return f"{self.method} with {self.key or 'no key'}"
        return ""


@dataclass(frozen=True)
class DestroyedKey:
    """A key whose secret was deleted; `name` is public: the age recipient, or the salt's name."""

    name: str
    kind: str
    place: str
    method: str


@dataclass(frozen=True)
class Sweep:
    """A place that was looked through by digest, how much of it, and whether a copy was left; bytes were hashed."""

    place: str
    outcome: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Decision:
    """What was decided about an artifact that was made from the one disposed of."""

    artifact: str
    decision: str
    reason: str


@dataclass(frozen=True)
class Hand:
    """Who did it: key name, pseudonym (empty for a machine), title, where, when (a ledger time)."""

    actor: str
    person: str
    title: str
    location: str
    at: str


@dataclass(frozen=True)
class Certificate:
    """See the module docstring."""

    ledger: str
    approval: str
    reason: str
    artifacts: tuple[Subject, ...]
    copies: tuple[Copy, ...]
    keys: tuple[DestroyedKey, ...]
    sweeps: tuple[Sweep, ...]
    descendants: tuple[Decision, ...]
    tool: tuple[str, str]
    performed: Hand
    verified: Hand
    verification: str
    destination: str

    @property
    def digest(self) -> bytes:
        """What `disposal-executed` states."""
        return sha256(self.encode()).digest()

    def details(self) -> list[tuple[str, str]]:
        """The `details` of `disposal-executed`: the public name of each destroyed key, and the number of copies."""
        return [("copies", str(len(self.copies))), *(("key", key.name) for key in self.keys)]

    def encode(self) -> bytes:
        """The certificate's only byte form; raises `FormatError` for one that `parse` refuses."""
        data = canonical.encode(_value(self), limit=LIMIT)
        parse(data)
        return data


def parse(data: bytes) -> Certificate:
    """Return the certificate that `data` is the canonical form of; raise `FormatError` for anything else.

    Besides the form: digests are distinct, copies are of the artifacts named, each method fits its form, and each key
    that a copy's claim rests on is among the keys.
    """
    found = shapes.members(canonical.decode(data, limit=LIMIT), _MEMBERS, "certificate")
    if found["v"] != 1 or found["v"] is True:
        raise shapes.refuse("certificate", "another version")
    tool = shapes.members(found["tool"], frozenset({"name", "version"}), "certificate.tool")
    hand = _hand(found["performed"], frozenset())
    verified = _hand(found["verified"], frozenset({"method"}))
    made = Certificate(
        ledger=_text(found["ledger"]),
        approval=_digest(found["approval"]),
        reason=shapes.prose(found["reason"], "certificate.reason"),
        artifacts=_each(found["artifacts"], _subject),
        copies=_each(found["copies"], _copy),
        keys=_each(found["keys"], _key),
        sweeps=_each(found["sweeps"], _sweep),
        descendants=_each(found["descendants"], _decision),
        tool=(_text(tool["name"]), _text(tool["version"])),
        performed=hand,
        verified=verified,
        verification=_text(shapes.members(found["verified"], _VERIFIED, "certificate.verified")["method"]),
        destination=shapes.prose(found["destination"], "certificate.destination"),
    )
    _check(made)
    return made


def _check(made: Certificate) -> None:
    artifacts = [item.sha256 for item in made.artifacts]
    names = [key.name for key in made.keys]
    if not artifacts or len(set(artifacts)) != len(artifacts) or len(set(names)) != len(names):
        raise shapes.refuse("certificate", "needs distinct artifacts, and distinct keys")
    for copy in made.copies:
        if copy.artifact not in artifacts:
            raise shapes.refuse("certificate.copies", f"{copy.locator} is a copy of none of its artifacts")
        if copy.refusal:
            raise shapes.refuse("certificate.copies", copy.refusal)
        if copy.key and copy.key not in names:
            raise shapes.refuse("certificate.copies", f"{copy.key} is none of the destroyed keys")


_HAND = frozenset({"actor", "person", "title", "location", "at"})
_VERIFIED = _HAND | {"method"}
_MEMBERS = frozenset(
    {"v", "ledger", "approval", "reason", "artifacts", "copies", "keys", "sweeps", "descendants", "tool", "performed",
     "verified", "destination"}
)  # fmt: skip


def _value(made: Certificate) -> Value:
    subjects: list[Value] = [
        {"sha256": item.sha256, "kind": item.kind, "path": item.path, "class": item.artifact_class}
        for item in made.artifacts
    ]
    return {
        "v": 1,
        "ledger": made.ledger,
        "approval": made.approval,
        "reason": made.reason,
        "artifacts": subjects,
        "copies": [dict(vars(item)) for item in made.copies],
        "keys": [dict(vars(item)) for item in made.keys],
        "sweeps": [dict(vars(item)) for item in made.sweeps],
        "descendants": [dict(vars(item)) for item in made.descendants],
        "tool": {"name": made.tool[0], "version": made.tool[1]},
        "performed": dict(vars(made.performed)),
        "verified": {**vars(made.verified), "method": made.verification},
        "destination": made.destination,
    }


def _each(value: Value, read: Callable[[Value], T]) -> tuple[T, ...]:
    return tuple(map(read, shapes.listing(value, "certificate")))


def _subject(value: Value) -> Subject:
    found = shapes.members(value, frozenset({"sha256", "kind", "path", "class"}), "certificate.artifacts")
    return Subject(
        _digest(found["sha256"]),
        shapes.choice(found["kind"], ("file", "folder"), "certificate.artifacts"),
        shapes.check_path(shapes.text(found["path"], "certificate.artifacts")),
        shapes.choice(found["class"], CLASSES, "certificate.artifacts"),
    )


def _copy(value: Value) -> Copy:
    names = frozenset({"artifact", "place", "locator", "form", "method", "key", "media"})
    found = shapes.members(value, names, "certificate.copies")
    return Copy(_digest(found["artifact"]), *(_text(found[name]) for name in Copy.__match_args__[1:]))


def _key(value: Value) -> DestroyedKey:
    found = shapes.members(value, frozenset({"name", "kind", "place", "method"}), "certificate.keys")
    return DestroyedKey(
        shapes.some_text(found["name"], "certificate.keys"),
        shapes.choice(found["kind"], KEY_KINDS, "certificate.keys"),
        _text(found["place"]),
        shapes.choice(found["method"], KEY_METHODS, "certificate.keys"),
    )


def _sweep(value: Value) -> Sweep:
    found = shapes.members(value, frozenset({"place", "outcome", "files", "bytes"}), "certificate.sweeps")
    files, size = (shapes.count(found[name], "certificate.sweeps") for name in ("files", "bytes"))
    return Sweep(_text(found["place"]), shapes.choice(found["outcome"], OUTCOMES, "certificate.sweeps"), files, size)


def _decision(value: Value) -> Decision:
    found = shapes.members(value, frozenset({"artifact", "decision", "reason"}), "certificate.descendants")
    decision = shapes.choice(found["decision"], DECISIONS, "certificate.descendants")
    return Decision(_digest(found["artifact"]), decision, shapes.prose(found["reason"], "certificate.descendants"))


def _hand(value: Value, more: frozenset[str]) -> Hand:
    found = shapes.members(value, _HAND | more, "certificate")
    shapes.moment(found["at"], "certificate")
    return Hand(*(_text(found[name]) for name in Hand.__match_args__))


def _digest(value: Value) -> str:
    return shapes.sha256(value, "certificate").hex()


def _text(value: Value) -> str:
    return shapes.text(value, "certificate")
