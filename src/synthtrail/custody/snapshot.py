"""A folded state as bytes, so that the next run need not read the whole ledger.

    SHA-256 of the rest (32 bytes) ‖ length of the header (8 bytes, big-endian) ‖ header (canonical JSON) ‖ columns

The header names the log, the policy and the tree (size, right edge) that the state belongs to. A snapshot proves
nothing to anyone else: it may only come from a place that its reader wrote itself, such as the guard. What does not
fit is ignored, never an error: replaying the ledger gives the same state.

Columns go from the tables to the bytes and back without a copy in between: read from a file, a snapshot needs no more
memory than the state that it becomes.
"""

import io
from array import array
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from synthtrail.custody import canonical, shapes
from synthtrail.custody.canonical import Value
from synthtrail.custody.compact import DigestTable
from synthtrail.custody.ed25519 import parse_vkey
from synthtrail.custody.errors import CustodyError
from synthtrail.custody.keyring import Key
from synthtrail.custody.lives import Lives
from synthtrail.custody.merkle import Frontier
from synthtrail.custody.policy import Policy
from synthtrail.custody.state import Request, Slot, State
from synthtrail.custody.statustree import StatusTree

VERSION = 2
_LIMIT = 1 << 30
_DIGEST, _CHUNK = 32, 1 << 20
_PLAIN = 11  # columns of every snapshot; those of the status tree follow if there is one


def dump(state: State, frontier: Frontier, leaf: bytes) -> bytes:
    """Return `state` after the entries of `frontier`, the last of which has the hash `leaf`, as bytes."""
    return b"".join(parts(state, frontier, leaf))


def parts(state: State, frontier: Frontier, leaf: bytes) -> list[bytes | memoryview]:
    """Return what `dump` joins, to be written without a copy; good until the state changes."""
    columns = [*_columns(state), *state.lives.dump(), *_status_columns(state)]
    header = canonical.encode(
        {
            "v": VERSION,
            "policy": state.policy.digest.hex(),
            "size": frontier.size,
            "edge": [item.hex() for item in frontier.hashes],
            "leaf": leaf.hex(),
            "columns": [len(column) for column in columns],
            "transfers": sorted(state.transfers),
            "slots": [_slot(name, slot) for name, slot in state.slots.items()],
            "requests": [_request(digest, request) for digest, request in state.requests.items()],
            "holds": [[row, count] for row, count in state.holds.items()],
            "retention": [[row, until] for row, until in state.retention.items()],
            "keys": [_key(key) for key in state.keys],
            "roots": sorted(state.keys.roots),
            "threshold": state.keys.threshold,
            "policyDigest": state.policy_digest.hex(),
            "received": state.received,
            "closed": state.closed,
        },
        limit=_LIMIT,
    )
    body: list[bytes | memoryview] = [len(header).to_bytes(8, "big"), header, *columns]
    digest = sha256()
    for part in body:
        digest.update(part)
    return [digest.digest(), *body]


def load(source: bytes | BinaryIO, policy: Policy) -> tuple[State, Frontier, bytes] | None:
    """Return state, right edge and last leaf hash of a snapshot; None if it is damaged or of another policy."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    if not _is_whole(file):
        return None
    file.seek(_DIGEST)
    try:
        header = canonical.decode_object(file.read(int.from_bytes(file.read(8), "big")), limit=_LIMIT)
        if header["v"] != VERSION or header["policy"] != policy.digest.hex():
            return None
        return _load(header, _cut(file, header["columns"]), policy)
    except (CustodyError, KeyError, ValueError, TypeError, IndexError, StopIteration):
        return None


def _is_whole(file: BinaryIO) -> bool:
    file.seek(0)
    said, found = file.read(_DIGEST), sha256()
    while chunk := file.read(_CHUNK):
        found.update(chunk)
    return found.digest() == said


def _columns(state: State) -> list[memoryview]:
    arrays = (state.record_entries, state.signers, state.times)
    return [state.events.dump(), state.records.dump(), *(memoryview(item).cast("B") for item in arrays)]


def _status_columns(state: State) -> list[memoryview]:
    return [memoryview(state.changed).cast("B"), *state.tree.dump()] if state.tree is not None else []


def _cut(file: BinaryIO, lengths: Value) -> Iterator[bytearray]:
    for length in shapes.listing(lengths, "columns"):
        column = bytearray(shapes.count(length, "columns"))
        file.readinto(column)  # type: ignore[attr-defined]
        yield column


def _load(header: dict[str, Value], columns: Iterator[bytearray], policy: Policy) -> tuple[State, Frontier, bytes]:
    """Make the state, taking one column after the other: what was taken need not be held twice."""
    state = State(policy)
    state.events, state.records = DigestTable(next(columns)), DigestTable(next(columns))
    for column in (state.record_entries, state.signers, state.times):
        column.frombytes(next(columns))
    state.lives = Lives.load(columns)
    if len(shapes.listing(header["columns"], "columns")) > _PLAIN:
        state.changed = array("I", bytes(next(columns)))
        state.tree = StatusTree.load(columns)
    state.transfers = {shapes.count(row, "transfers") for row in shapes.listing(header["transfers"], "transfers")}
    state.slots = dict(map(_load_slot, shapes.listing(header["slots"], "slots")))
    state.requests = dict(map(_load_request, shapes.listing(header["requests"], "requests")))
    state.holds, state.retention = _numbers(header["holds"]), _numbers(header["retention"])
    state.keys.restore([_load_key(item) for item in shapes.listing(header["keys"], "keys")])
    state.keys.roots = {shapes.text(name, "roots") for name in shapes.listing(header["roots"], "roots")}
    state.keys.threshold = shapes.count(header["threshold"], "threshold")
    state.policy_digest = bytes.fromhex(shapes.text(header["policyDigest"], "policyDigest"))
    state.received = shapes.count(header["received"], "received")
    state.closed = shapes.flag(header["closed"], "closed")
    edge = [shapes.sha256(item, "edge") for item in shapes.listing(header["edge"], "edge")]
    frontier = Frontier(shapes.count(header["size"], "size"), edge)
    if frontier.size != state.size:
        raise shapes.refuse("snapshot", "the state belongs to another tree")
    return state, frontier, shapes.sha256(header["leaf"], "leaf")


def _slot(name: str, slot: Slot) -> list[Value]:
    return [name, slot.record.hex(), slot.entry, slot.first, slot.subject.hex(), slot.verdict]


def _load_slot(value: Value) -> tuple[str, Slot]:
    name, record, entry, first, subject, verdict = shapes.listing(value, "slot")
    slot = Slot(
        shapes.sha256(record, "slot"),
        shapes.count(entry, "slot"),
        shapes.count(first, "slot"),
        shapes.sha256(subject, "slot"),
        shapes.text(verdict, "slot"),
    )
    return shapes.text(name, "slot"), slot


def _request(digest: bytes, request: Request) -> list[Value]:
    subjects: list[Value] = [subject.hex() for subject in request.subjects]
    return [
        digest.hex(), request.event, request.entry, subjects, request.actor, request.expires, request.beneficiary
    ]  # fmt: skip


def _load_request(value: Value) -> tuple[bytes, Request]:
    digest, event, entry, subjects, actor, expires, beneficiary = shapes.listing(value, "request")
    request = Request(
        shapes.text(event, "request"),
        shapes.count(entry, "request"),
        tuple(shapes.sha256(item, "request") for item in shapes.listing(subjects, "request")),
        shapes.text(actor, "request"),
        _count_or_none(expires),
        shapes.text(beneficiary, "request"),
    )
    return shapes.sha256(digest, "request"), request


def _key(key: Key) -> list[Value]:
    # Pinned keys hold from before entry 0, which is no count: one more.
    vkey = key.verifier.vkey()
    return [vkey, key.role, key.person, key.organisation, key.since + 1, key.until, key.compromised]


def _load_key(value: Value) -> Key:
    vkey, role, person, organisation, since, until, compromised = shapes.listing(value, "key")
    return Key(
        parse_vkey(shapes.text(vkey, "key")),
        shapes.text(role, "key"),
        shapes.text(person, "key"),
        shapes.text(organisation, "key"),
        shapes.count(since, "key") - 1,
        _count_or_none(until),
        _count_or_none(compromised),
    )


def _count_or_none(value: Value) -> int | None:
    return None if value is None else shapes.count(value, "snapshot")


def _numbers(value: Value) -> dict[int, int]:
    pairs = [shapes.listing(item, "numbers") for item in shapes.listing(value, "numbers")]
    return {shapes.count(row, "numbers"): shapes.count(number, "numbers") for row, number in pairs}
