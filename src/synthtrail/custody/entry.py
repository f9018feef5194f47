"""One leaf of the log: the envelope of an event, chained to the leaf before it.

    {"envelope": {DSSE}, "prev": hex, "received": time, "seq": n, "v": 1}       canonical JSON, at most 65,535 bytes

`prev` is the RFC 6962 leaf hash, SHA-256(0x00 ‖ leaf), of entry n − 1: the value that the tree's lowest tile holds.
Entry 0 has no predecessor and names 64 zeros. So a person can follow the chain with a shell, line by line:

    (printf '\\0'; printf %s "$line") | sha256sum

`received` is the sequencer's clock. The leaf is not signed by itself: the checkpoint that covers it is.

    >>> parse(encode({"payload": ""}, prev=GENESIS, received="2026-01-31T12:00:00Z", seq=0)).seq
    0
"""

from typing import NamedTuple

from synthtrail.custody import canonical, shapes
from synthtrail.custody.canonical import Value
from synthtrail.custody.merkle import leaf_hash
from synthtrail.custody.tiles import MAX_ENTRY

GENESIS = bytes(32)
_MEMBERS = frozenset({"envelope", "prev", "received", "seq", "v"})


class Entry(NamedTuple):
    """A well-formed leaf: its own hash, that of the one before, its place, its time (µs since 1970), its envelope."""

    leaf: bytes
    prev: bytes
    seq: int
    received: int
    envelope: Value


def encode(envelope: Value, *, prev: bytes, received: str, seq: int) -> bytes:
    """Return the leaf's bytes; `prev` has 32 bytes, `received` is a time in its one form."""
    leaf: dict[str, Value] = {"envelope": envelope, "prev": prev.hex(), "received": received, "seq": seq, "v": 1}
    return canonical.encode(leaf, limit=MAX_ENTRY)


def microseconds(written: str) -> int:
    """µs since 1970 of a time in its one form."""
    return shapes.moment(written, "entry.received")


def parse(data: bytes) -> Entry:
    """Return the entry in `data`; raise `FormatError` for anything but the one form of one."""
    found = shapes.members(canonical.decode(data, limit=MAX_ENTRY), _MEMBERS, "entry")
    if found["v"] != 1 or found["v"] is True:
        raise shapes.refuse("entry", "another version")
    return Entry(
        leaf_hash(data),
        shapes.sha256(found["prev"], "entry.prev"),
        shapes.count(found["seq"], "entry.seq"),
        shapes.moment(found["received"], "entry.received"),
        found["envelope"],
    )
