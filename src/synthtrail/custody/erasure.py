"""Whether disposals did what their certificates say, as far as somebody can look.

For each `disposal-executed` event of a verified ledger:

1. Its certificate is kept (a warning if not: whoever got the ledger alone has none), has the digest that the event
   states, and is about the same ledger, approval, artifacts and keys (`certificate-wrong`).
2. No secret of a key that the event names as destroyed survives (`erasure-fake`).
3. No copy of an artifact of the event survives (`erasure-fake`), or came back once a later sweep had found everything
   clean (`disposed-reappears`).

Steps 2 and 3 need `Survivors`, brought by who can look into key stores, caches and stores; this package knows of no
such place. The workspace is looked at by `synthtrail.custody.artifacts`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from synthtrail.custody import certificate, shapes
from synthtrail.custody.act import Act
from synthtrail.custody.certificate import Certificate
from synthtrail.custody.errors import DataError
from synthtrail.custody.findings import Finding
from synthtrail.custody.log import Log
from synthtrail.custody.state import State

FindCertificate = Callable[[bytes], bytes | None]
"""The bytes of the certificate with this digest; None if they are not kept here."""


@dataclass(frozen=True)
class Survivors:
    """What is left: where the secret of the key with a public name lies, and where copies of an artifact do.

    `key` returns a place, or None if it found none; `copies` yields a place for each copy in the clear that has the
    artifact's digest.
    """

    key: Callable[[str], str | None]
    copies: Callable[[bytes], Iterable[str]]


def check(
    state: State, log: Log, *, certificates: FindCertificate, survivors: Survivors | None = None
) -> list[Finding]:
    """Return what is wrong with the disposals in the ledger that `state` and `log` are of (steps 1 to 3)."""
    findings: list[Finding] = []
    for entry in _disposals(state, log):
        act = log.statement(entry).act
        findings.extend(_certificate(act, entry, certificates))
        if survivors is not None:
            findings.extend(_keys(act, entry, survivors))
            findings.extend(_copies(state, log, act, entry, survivors))
    return findings


def keys_destroyed(act: Act) -> list[str]:
    """The public names of the keys that a `disposal-executed` event names as destroyed."""
    return [value for name, value in shapes.pairs(act.fields["details"], "details") if name == "key"]


def _disposals(state: State, log: Log) -> list[int]:
    """The entries of all disposals, in order."""
    return sorted({_executed(state, log, row) for row in state.lives.rows("disposed")})


def _executed(state: State, log: Log, row: int) -> int:
    history = state.lives.history(row)
    return next(entry for entry in reversed(history) if log.statement(entry).act.event == "disposal-executed")


def _certificate(act: Act, entry: int, certificates: FindCertificate) -> Iterator[Finding]:
    stated = bytes.fromhex(act.text("certificate"))
    data = certificates(stated)
    if data is None:
        text = f"its certificate {stated.hex()} is not kept here"
        yield Finding("certificate-wrong", text, entry=entry, severity="warning")
        return
    if sha256(data).digest() != stated:
        yield Finding("certificate-wrong", "what is kept as its certificate has another digest", entry=entry)
        return
    try:
        found = certificate.parse(data)
    except DataError as error:
        yield Finding("certificate-wrong", f"its certificate is none: {error}", entry=entry)
        return
    for text in _contradictions(act, found):
        yield Finding("certificate-wrong", f"its certificate is about {text}", entry=entry)


def _contradictions(act: Act, found: Certificate) -> Iterator[str]:
    if found.ledger != act.ledger:
        yield "another ledger"
    if found.approval != act.text("request"):
        yield "another approval"
    if {item.sha256 for item in found.artifacts} != {subject.hex() for subject in act.subjects}:
        yield "other artifacts"
    if tuple(found.details()) != shapes.pairs(act.fields["details"], "details"):
        yield "other keys or another number of copies"


def _keys(act: Act, entry: int, survivors: Survivors) -> Iterator[Finding]:
    for name in keys_destroyed(act):
        place = survivors.key(name)
        if place is not None:
            text = f"the key {name} was said to be destroyed, and is in {place}"
            yield Finding("erasure-fake", text, entry=entry, path=place)


def _copies(state: State, log: Log, act: Act, entry: int, survivors: Survivors) -> Iterator[Finding]:
    for subject in act.subjects:
        clean = _found_clean(state, log, subject, entry)
        for place in survivors.copies(subject):
            code = "disposed-reappears" if clean else "erasure-fake"
            text = f"a copy of {subject.hex()}, which was disposed of, {'is back' if clean else 'survives'} in {place}"
            yield Finding(code, text, entry=entry, path=place)


def _found_clean(state: State, log: Log, subject: bytes, entry: int) -> bool:
    """Whether the last sweep after the disposal in `entry` found no copy."""
    later = [item for item in state.lives.history(state.lives.find(subject)) if item > entry]
    outcomes = [act.outcome for act in (log.statement(item).act for item in later) if act.event == "disposal-verified"]
    return outcomes[-1:] == ["clean"]
