"""What can be said about one entry by itself: read, verify, reduce to what the replay needs.

    bytes ── canonical ──▶ entry ── envelope, signature ──▶ payload ── statement ──▶ act

The steps need nothing but the bytes and the keys known so far, so entries can be examined in any order and by many
processes. What depends on the entries before it is the business of `synthtrail.custody.rules`. Only the payload that
the signature covers is read; the envelope around it decides nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from synthtrail.custody import dsse, entry, glance, statement
from synthtrail.custody.act import Act
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Verifier
from synthtrail.custody.errors import DataError
from synthtrail.custody.findings import Problem
from synthtrail.custody.merkle import leaf_hash

UNKNOWN_KEY = "unknown-key"

# How the faults that the formats name are called in an audit.
_CODES = {
    "algorithm": "type-confused",
    "base64": "signature-malleable",
    "bundle": "ledger-damaged",
    "depth": "entry-oversized",
    "duplicate-key": "json-duplicate-key",
    "identifying": "identifying-text",
    "json": "ledger-damaged",
    "malleable-signature": "signature-malleable",
    "not-canonical": "json-not-canonical",
    "number": "json-number",
    "path": "path-unsafe",
    "payload-type": "type-confused",
    "signature": "signature-invalid",
    "size": "entry-oversized",
    "unicode": "json-unicode",
    UNKNOWN_KEY: "key-substituted",
    "weak-point": "key-weak",
}


class Examined(NamedTuple):
    """One entry: leaf hash, chain, place and time as far as readable; its act and signers, or why there is none."""

    leaf: bytes
    prev: bytes
    seq: int
    received: int
    act: Act | None
    signers: tuple[str, ...]
    problem: Problem | None
    fault: str = ""  # the format's own code of the fault


def examine(data: bytes, keys: Mapping[str, Verifier]) -> Examined:
    """Return what entry bytes `data` say, its envelope verified with `keys` (by key id); never raises on bad data."""
    return _at_a_glance(data, keys) or _in_full(data, keys)


def _at_a_glance(data: bytes, keys: Mapping[str, Verifier]) -> Examined | None:
    """The common case: nothing is wrong. None if anything might be, for `_in_full` to say what."""
    found = glance.leaf(data)
    if found is None:
        return None
    key = keys.get(found.keyid)
    if key is None:  # as far as the general parsers would get, and no further
        unlisted = Problem(_CODES[UNKNOWN_KEY], dsse.unknown(found.keyid))
        return Examined(leaf_hash(data), found.prev, found.seq, found.received, None, (), unlisted, UNKNOWN_KEY)
    try:
        key.verify(dsse.pae(dsse.IN_TOTO, found.payload), found.signature)
        act = glance.stage(found.payload) or statement.parse(found.payload)
    except DataError:
        return None
    return Examined(leaf_hash(data), found.prev, found.seq, found.received, act, (key.name,), None)


def _in_full(data: bytes, keys: Mapping[str, Verifier]) -> Examined:
    try:
        found = entry.parse(data)
    except DataError as error:
        return Examined(leaf_hash(data), b"", -1, 0, None, (), problem(error), error.code)
    try:
        act, signers = open_envelope(found.envelope, keys)
    except DataError as error:
        return Examined(*found[:4], None, (), problem(error), error.code)
    return Examined(*found[:4], act, signers, None)


def open_envelope(envelope: Value, keys: Mapping[str, Verifier]) -> tuple[Act, tuple[str, ...]]:
    """Return the act in a DSSE envelope and the names of the keys that signed it; raises `DataError`."""
    verified = dsse.verify(envelope, keys)
    return statement.parse(verified.payload), tuple(key.name for key in verified.signers)


def claimed_actor(data: bytes) -> str:
    """Who an entry says has signed it, unverified: only good for wording a finding; empty if unreadable."""
    try:
        return statement.parse(dsse.parse(entry.parse(data).envelope).payload).actor
    except DataError:
        return ""


def problem(error: DataError) -> Problem:
    """The audit's name for a fault that a format refused."""
    return Problem(_CODES.get(error.code, "statement-malformed"), str(error))
