"""The out-of-band policy: what a verifier trusts before it reads a single entry.

A policy is a file of canonical JSON that its holder got by another way than the ledger. It pins the log's origin, the
root keys with their threshold, the sequencer that signs checkpoints, and the witnesses with the quorum asked for. All
other keys are replayed from the log, where roots add, rotate and revoke them. Real names stand only here, in the
register of people; the ledger has their pseudonyms. `salt` keeps the policy's digest, which the ledger states, from
telling who stands in the register.

Members (all required, nothing else):

    v 1 · origin · organisation (one's own) · salt (64 hex digits)
    roots [vkey] · threshold · formerRoots [vkey]     former ones still explain older entries
    sequencer vkey · witnesses [{organisation, vkey}] · quorum (0: none asked for)
    people [{pseudonym, name}]
    maxAge (seconds a cosignature stays fresh) · skew · maxDelay (seconds an event may come before, after its entry)
    timestamp (whether an RFC 3161 token is required)
    timestampRoots [base64 of a DER certificate]      the time-stamping authorities whose tokens count
    retention [{class, period}]                       how long artifacts of a class are kept, as `duration` writes it

    >>> parse(b'{"colour":"red"}')
    Traceback (most recent call last):
    synthtrail.custody.errors.FormatError: policy: unknown colour
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from secrets import token_hex

from synthtrail.custody import canonical, cosignature, duration, shapes
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Verifier, parse_vkey
from synthtrail.custody.errors import FormatError
from synthtrail.custody.events import CLASSES

_KEYS = ("roots", "threshold", "formerRoots", "sequencer", "witnesses", "quorum")
_LIMITS = ("maxAge", "skew", "maxDelay", "timestamp", "timestampRoots", "retention")
_MEMBERS = frozenset({"v", "origin", "organisation", "salt", "people", *_KEYS, *_LIMITS})
_WITNESS = frozenset({"organisation", "vkey"})
_PERSON = frozenset({"pseudonym", "name"})
_RULE = frozenset({"class", "period"})
_DER_SEQUENCE = b"\x30"


@dataclass(frozen=True)
class Witness:
    """A witness's cosigning key (type 0x04) and the organisation it belongs to."""

    organisation: str
    vkey: str


@dataclass(frozen=True)
class Policy:
    """See the module docstring; keys are vkeys, durations seconds. Raises `FormatError` if they contradict."""

    origin: str
    organisation: str
    roots: tuple[str, ...]
    sequencer: str
    threshold: int = 1
    former_roots: tuple[str, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    quorum: int = 0
    people: tuple[tuple[str, str], ...] = ()
    max_age: int = 7 * 86_400
    skew: int = 300
    max_delay: int = 7 * 86_400
    timestamp: bool = False
    timestamp_roots: tuple[bytes, ...] = ()  # certificates, DER
    retention: tuple[tuple[str, str], ...] = ()  # class and period
    salt: str = field(default_factory=lambda: token_hex(32))

    def __post_init__(self) -> None:
        names = [key.name for key in (*self.root_keys, self.sequencer_key)]
        _require(len(set(names)) == len(names), "two keys have one name")
        _require(0 < self.threshold <= len(self.roots), "threshold is not between 1 and the number of roots")
        _require(self.quorum <= len(self.witnesses), "quorum exceeds the number of witnesses")
        seen = {cosignature.parse_vkey(witness.vkey).key.public for witness in self.witnesses}
        _require(len(seen) == len(self.witnesses), "two witnesses have one key")
        pseudonyms = [pseudonym for pseudonym, _ in self.people]
        _require(len(set(pseudonyms)) == len(pseudonyms) and "" not in pseudonyms, "pseudonyms repeat")
        classes = [name for name, period in self.retention if duration.parse(period)]
        _require(len(set(classes)) == len(classes), "two periods of retention for one class")

    @cached_property
    def root_keys(self) -> tuple[Verifier, ...]:
        """The present root keys and the former ones."""
        return tuple(parse_vkey(key) for key in (*self.roots, *self.former_roots))

    @cached_property
    def sequencer_key(self) -> Verifier:
        """The key that signs checkpoints."""
        return parse_vkey(self.sequencer)

    @cached_property
    def register(self) -> dict[str, str]:
        """The people by pseudonym."""
        return dict(self.people)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the policy's canonical bytes, which the ledger states."""
        return sha256(self.encode()).digest()

    @property
    def timestamp_pem(self) -> bytes | None:
        """The certificates of `timestampRoots` in PEM; None if there are none."""
        return b"".join(map(_pem, self.timestamp_roots)) or None

    def keep_until(self, artifact_class: str, since: datetime) -> datetime | None:
        """Until when an artifact of this class, made at `since`, is to be kept; None if no rule says so."""
        period = dict(self.retention).get(artifact_class)
        return None if period is None else duration.parse(period).after(since)

    def encode(self) -> bytes:
        """The policy's only byte form."""
        value: dict[str, Value] = {
            "v": 1,
            "origin": self.origin,
            "organisation": self.organisation,
            "salt": self.salt,
            "roots": list(self.roots),
            "threshold": self.threshold,
            "formerRoots": list(self.former_roots),
            "sequencer": self.sequencer,
            "witnesses": [{"organisation": w.organisation, "vkey": w.vkey} for w in self.witnesses],
            "quorum": self.quorum,
            "people": [{"pseudonym": pseudonym, "name": name} for pseudonym, name in self.people],
            "maxAge": self.max_age,
            "skew": self.skew,
            "maxDelay": self.max_delay,
            "timestamp": self.timestamp,
            "timestampRoots": [canonical.b64encode(der) for der in self.timestamp_roots],
            "retention": [{"class": name, "period": period} for name, period in self.retention],
        }
        return canonical.encode(value)


def parse(data: bytes) -> Policy:
    """Return the policy that `data` is the canonical form of; raise `FormatError` for anything else."""
    found = shapes.members(canonical.decode(data), _MEMBERS, "policy")
    if found["v"] != 1 or found["v"] is True:
        raise shapes.refuse("policy", "another version")
    shapes.sha256(found["salt"], "policy.salt")
    return Policy(
        origin=shapes.some_text(found["origin"], "policy.origin"),
        organisation=shapes.some_text(found["organisation"], "policy.organisation"),
        roots=_texts(found["roots"], "policy.roots"),
        sequencer=shapes.text(found["sequencer"], "policy.sequencer"),
        threshold=shapes.count(found["threshold"], "policy.threshold"),
        former_roots=_texts(found["formerRoots"], "policy.formerRoots"),
        witnesses=tuple(_witness(item) for item in shapes.listing(found["witnesses"], "policy.witnesses")),
        quorum=shapes.count(found["quorum"], "policy.quorum"),
        people=tuple(_person(item) for item in shapes.listing(found["people"], "policy.people")),
        max_age=shapes.count(found["maxAge"], "policy.maxAge"),
        skew=shapes.count(found["skew"], "policy.skew"),
        max_delay=shapes.count(found["maxDelay"], "policy.maxDelay"),
        timestamp=shapes.flag(found["timestamp"], "policy.timestamp"),
        timestamp_roots=tuple(map(_certificate, shapes.listing(found["timestampRoots"], "policy.timestampRoots"))),
        retention=tuple(map(_rule, shapes.listing(found["retention"], "policy.retention"))),
        salt=shapes.text(found["salt"], "policy.salt"),
    )


def _texts(value: Value, what: str) -> tuple[str, ...]:
    return tuple(shapes.text(item, what) for item in shapes.listing(value, what))


def _witness(value: Value) -> Witness:
    found = shapes.members(value, _WITNESS, "policy.witnesses")
    organisation = shapes.some_text(found["organisation"], "policy.witnesses")
    return Witness(organisation, shapes.text(found["vkey"], "policy.witnesses"))


def _person(value: Value) -> tuple[str, str]:
    found = shapes.members(value, _PERSON, "policy.people")
    pseudonym = shapes.some_text(found["pseudonym"], "policy.people")
    return pseudonym, shapes.some_text(found["name"], "policy.people")


def _certificate(value: Value) -> bytes:
    der = canonical.b64decode(shapes.text(value, "policy.timestampRoots"))
    if not der.startswith(_DER_SEQUENCE):
        raise shapes.refuse("policy.timestampRoots", "not a certificate in DER")
    return der


def _rule(value: Value) -> tuple[str, str]:
    found = shapes.members(value, _RULE, "policy.retention")
    period = shapes.text(found["period"], "policy.retention")
    duration.parse(period)
    return shapes.choice(found["class"], CLASSES, "policy.retention"), period


def _pem(der: bytes) -> bytes:
    text = canonical.b64encode(der)
    lines = (text[at : at + 64] for at in range(0, len(text), 64))
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]).encode()


def _require(condition: bool, why: str) -> None:
    if not condition:
        raise FormatError(f"policy: {why}", code="policy")
