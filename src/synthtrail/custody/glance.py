"""The two forms that make up nearly all of a ledger, recognised at a glance: for speed, never for permissiveness.

Verifying an entry costs one Ed25519 verification and, in a strict general parser, as much again. But canonical JSON
with known members is a regular language: one regular expression, matched in C, proves in a single pass that bytes are
canonical, have exactly the right members, and where the few values lie that a replay needs.

`leaf` recognises an entry with one signature, `stage` the statement of a stage event by a machine. Both recognise only
ASCII without escapes and integers of at most 15 digits. For everything else, and at the slightest doubt, they return
None, and the general parsers (`entry`, `dsse`, `statement`) decide. So nothing is accepted or refused here that would
not be there; a test holds the two against each other on thousands of mutations.

The expressions are made of `record.MEMBERS`, so that a new member cannot be forgotten: it has no pattern, and importing
this module fails. Repetitions are possessive (no backtracking), so matching takes time linear in the length.
"""

import re
from binascii import a2b_base64, unhexlify
from functools import cache, lru_cache
from hashlib import sha256
from typing import NamedTuple

from synthtrail.custody import record, shapes
from synthtrail.custody.act import Act
from synthtrail.custody.canonical import MAX_BYTES
from synthtrail.custody.dsse import IN_TOTO
from synthtrail.custody.errors import FormatError
from synthtrail.custody.events import CLASSES, PREDICATE_PREFIX, PREDICATE_SUFFIX, STAGE_EVENT, VERDICTS
from synthtrail.custody.statement import STATEMENT

_CHARS = rf"[ !#-\[\]-~]{{0,{shapes.MAX_TEXT}}}+"
_TEXT = f'"{_CHARS}"'
_COUNT = "(?:0|[1-9][0-9]{0,14}+)"
_HEX = "[0-9a-f]{64}"
_DIGEST = f'"{_HEX}"'
_TIME = "[0-9T:.-]{19,26}+Z"
# Decoding checks the letters and where padding stands; that the last letter carries no bits that decoding drops, and
# that the length is right (`leaf`), is checked here.
_BASE64 = '[^"]*+(?:(?<=[AQgw]==)|(?<=[AEIMQUYcgkosw048]=)|(?<!=))'


def _named(name: str, pattern: str) -> str:
    return f"(?P<{name}>{pattern})"


def _quoted(name: str, pattern: str) -> str:
    """A string whose content, without the quotes, gets a name."""
    return f'"(?P<{name}>{pattern})"'


def _list(item: str) -> str:
    return rf"\[(?:{item}(?:,{item})*+)?+\]"


def _object(members: dict[str, str], optional: frozenset[str] = frozenset()) -> str:
    """The pattern of an object with these members, given the patterns of their values; the last is not optional."""
    parts = [rf'"{name}":{members[name]},' for name in sorted(members)]
    marked = [f"(?:{part})?+" if name in optional else part for name, part in zip(sorted(members), parts, strict=True)]
    return r"\{" + "".join(marked).removesuffix(",") + r"\}"


_PAIRS = _list(_object({"name": _TEXT, "value": _TEXT}))
_FILE = {"kind": '"file"', "path": _TEXT, "sha256": _DIGEST, "size": _COUNT}
_ITEM = f"(?:{_object(_FILE)}|{_object(_FILE | {'kind': '@folder@', 'files': _COUNT})})".replace("@", '"')
_RECORD_VALUES = {
    "class": f'"(?:{"|".join(CLASSES)})"',
    "code": _object({"files": _COUNT, "sha256": _DIGEST}),
    "event": _quoted("made", _CHARS),
    "experiment": _quoted("experiment", _CHARS),
    "facts": _PAIRS,
    "inputs": _named("inputs", _list(_ITEM)),
    "params": _PAIRS,
    "privacy": _PAIRS,
    "seed": _COUNT,
    "source": _named("source", _PAIRS),
    "stage": _quoted("stage", "|".join(STAGE_EVENT)),
    "subjects": rf"\[{_named('subject', _ITEM)}\]",
    "tools": _list(_object({"name": _TEXT, "version": _TEXT})),
    "v": "1",
    "verdict": _quoted("verdict", "|".join(VERDICTS)),
    "views": _named("views", _list(_ITEM)),
}
_ALL = frozenset().union(*record.MEMBERS.values())
_OPTIONAL = _ALL - frozenset.intersection(*record.MEMBERS.values())
_RECORD = _object({name: _RECORD_VALUES[name] for name in _ALL}, _OPTIONAL)
_PREDICATE = _object(
    {
        "actor": _quoted("actor", _CHARS),
        "at": _quoted("at", _TIME),
        "context": _PAIRS,
        "ledger": _quoted("ledger", _CHARS),
        "prevEvent": _named("previous", _list(_object({"artifact": _DIGEST, "event": _DIGEST}))),
        "record": _named("record", _RECORD),
        "signatureKind": '"machine"',
        "slot": _quoted("slot", _CHARS),
    }
)
_STATEMENT = _object(
    {
        "_type": f'"{re.escape(STATEMENT)}"',
        "predicate": _PREDICATE,
        "predicateType": f'"{re.escape(PREDICATE_PREFIX)}{_named("event", "[a-z]++")}{re.escape(PREDICATE_SUFFIX)}"',
        "subject": rf"\[{_named('described', '.*?')}\]",
    }
)
_SIGNATURE = _object({"keyid": _quoted("keyid", _CHARS), "sig": _quoted("sig", _BASE64)})
_ENVELOPE = {
    "payload": _quoted("payload", _BASE64),
    "payloadType": f'"{re.escape(IN_TOTO)}"',
    "signatures": rf"\[{_SIGNATURE}\]",
}
_LEAF = _object(
    {
        "envelope": _object(_ENVELOPE),
        "prev": _quoted("prev", _HEX),
        "received": _quoted("received", _TIME),
        "seq": _named("seq", _COUNT),
        "v": "1",
    }
)

_item = re.compile(rb'"kind":"(file|folder)","path":"([^"]*)","sha256":"([^"]*)"').findall
_pair = re.compile(rb'"artifact":"([^"]*)","event":"([^"]*)"').findall

_MADE = {stage.encode(): event.encode() for stage, event in STAGE_EVENT.items()}
_WORDINGS = 512

Items = list[tuple[bytes, bytes, bytes]]


class Leaf(NamedTuple):
    """The parts of an entry with one signature; `keyid` and `signature` are not believed yet."""

    prev: bytes
    seq: int
    received: int
    payload: bytes
    keyid: str
    signature: bytes


@cache
def _compiled(pattern: str) -> re.Pattern[bytes]:
    # Not at import: who does not verify should not wait for it.
    return re.compile(pattern.encode())


def leaf(data: bytes) -> Leaf | None:
    """The entry in `data`, if it is of the common form."""
    found = _compiled(_LEAF).fullmatch(data)
    if found is None:
        return None
    payload, keyid, signature, prev, received, seq = found.groups()
    if len(payload) % 4 or len(signature) % 4:
        return None
    try:
        at = shapes.moment(received.decode(), "received")
        signed, proof = a2b_base64(payload, strict_mode=True), a2b_base64(signature, strict_mode=True)
    except (FormatError, ValueError):
        return None
    return Leaf(unhexlify(prev), int(seq), at, signed, keyid.decode(), proof)


class _Stage(NamedTuple):
    """The named parts of a stage event's statement, in the order in which canonical JSON has them."""

    actor: bytes
    at: bytes
    ledger: bytes
    previous: bytes
    record: bytes
    made: bytes
    experiment: bytes
    inputs: bytes
    source: bytes | None
    stage: bytes
    subject: bytes
    verdict: bytes | None
    views: bytes
    slot: bytes
    event: bytes
    described: bytes


def stage(payload: bytes) -> Act | None:
    """The act that a stage event's statement states, if it is of the common form."""
    found = _compiled(_STATEMENT).fullmatch(payload)
    if found is None or len(payload) > MAX_BYTES:
        return None
    said = _Stage._make(found.groups())
    inputs, subject = _item(said.inputs), _item(said.subject)
    judging = said.stage == b"validate"
    concerned = [*subject, *inputs[:1]] if judging else subject
    at, subjects, previous = _moment(said.at), _digests(concerned), _previous(said.previous)
    named = [artifact for artifact, _ in previous]
    if (
        at is None
        or not _consistent(_words(said))
        or said.described != b",".join(map(_descriptor, concerned))
        or not all(map(_is_path, [path for _, path, _ in (*subject, *inputs, *_item(said.views))]))
        or not len(concerned) == len(set(subjects)) == 1 + judging
        or named != [item for item in subjects if item in named]
    ):
        return None
    return Act(
        said.event.decode(),
        said.actor.decode(),
        at,
        said.ledger.decode(),
        False,
        sha256(payload).digest(),
        subjects,
        previous,
        said.slot.decode(),
        sha256(said.record).digest(),
        _digests(inputs),
        said.verdict.decode() if said.verdict else "",
        {},
    )


class _Words(NamedTuple):
    """The members that recur from event to event, and whether two optional ones are absent."""

    stage: bytes
    experiment: bytes
    event: bytes
    made: bytes
    slot: bytes
    actor: bytes
    ledger: bytes
    no_source: bool
    no_verdict: bool


def _words(said: _Stage) -> _Words:
    recurring = said.stage, said.experiment, said.event, said.made, said.slot, said.actor, said.ledger
    return _Words(*recurring, said.source is None, said.verdict is None)


@lru_cache(maxsize=_WORDINGS)
def _consistent(said: _Words) -> bool:
    """Whether the members fit each other, as `statement.parse` and `record.parse` demand."""
    return (
        said.made == _MADE[said.stage]
        and said.event in (said.made, b"reused")
        and said.no_source == (said.stage != b"ingest")
        and said.no_verdict == (said.stage != b"validate")
        and b"/" not in said.experiment
        and said.slot == said.experiment + b"/" + said.stage
        and all(map(bytes.strip, (said.actor, said.ledger, said.experiment)))
    )


def _descriptor(item: tuple[bytes, bytes, bytes]) -> bytes:
    kind, path, digest = item
    name = b"dirHash1" if kind == b"folder" else b"sha256"
    return b'{"digest":{"%b":"%b"},"name":"%b"}' % (name, digest, path)


@lru_cache(maxsize=16384)
def _is_path(path: bytes) -> bool:
    try:
        shapes.check_path(path.decode())
    except FormatError:
        return False
    return True


def _moment(at: bytes) -> int | None:
    """The time in its one form, in µs since 1970; None if it is not in that form."""
    try:
        return shapes.moment(at.decode(), "at")
    except FormatError:
        return None


def _previous(pairs: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple([(unhexlify(artifact), unhexlify(event)) for artifact, event in _pair(pairs)])


def _digests(items: Items) -> tuple[bytes, ...]:
    return tuple([unhexlify(digest) for _, _, digest in items])
