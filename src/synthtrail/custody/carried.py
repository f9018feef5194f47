"""What a proof carries, so that one file, the policy and the artifact are enough offline.

A `.tlog-proof` shows that some bytes are entry n under a signed checkpoint. Which bytes, and who signed them, it does
not say. Ours carry both in `extra`, which needs no protection because everything in it is proved:

    extra = canonical JSON  {"entry": base64, "keys": [{"entry": base64, "index": n, "path": [base64, …]}, …], "v": 1}

`entry` is the entry that is proved. `keys` are the entries that listed the key of its signer (`key-added`, and after it
each `key-rotated`), each with its own audit path to the same checkpoint, in ascending order; none for a pinned key.
The proof of a status has one member more, `status` (`synthtrail.custody.statusproof`).

    >>> decode(encode(Carried(b"entry"))).entry
    b'entry'
"""

from dataclasses import dataclass

from synthtrail.custody import canonical, dsse, entry, merkle, note, shapes, statement, statusproof, tiles, tlogproof
from synthtrail.custody.canonical import Value, b64decode, b64encode
from synthtrail.custody.errors import UsageError
from synthtrail.custody.keyring import PINNED
from synthtrail.custody.state import State
from synthtrail.custody.statusproof import StatusPart
from synthtrail.custody.tlogproof import HEADER, TlogProof

MAX_EXTRA = 240_000  # in base64, and with a checkpoint, still a proof that `tlogproof.parse` takes
_MEMBERS = frozenset({"entry", "keys", "v"})
_OF_STATUS = _MEMBERS | {"status"}
_KEY_MEMBERS = frozenset({"entry", "index", "path"})


@dataclass(frozen=True)
class KeyEntry:
    """An entry that listed a key: its place, its bytes, its audit path."""

    index: int
    entry: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True)
class Carried:
    """What a proof carries in `extra`."""

    entry: bytes
    keys: tuple[KeyEntry, ...] = ()
    status: StatusPart | None = None


def looks_like(data: bytes) -> bool:
    """Whether `data` begins like a proof."""
    return data.startswith(f"{HEADER}\n".encode())


def prove_status(read: tiles.Reader, checkpoint: bytes, state: State, artifact: bytes) -> bytes:
    """Return the bytes of a proof of what became of the artifact, as of the signed head `checkpoint`.

    Raises `UsageError` if the last entry is not a `status`.
    """
    size = note.parse_checkpoint(note.parse(checkpoint)[0]).size
    (data,) = tiles.read_entries(read, size - 1, size, size)
    if statement.parse(dsse.parse(entry.parse(data).envelope).payload).event != statusproof.EVENT:
        raise UsageError("the last entry is not a status: its owner appends one, then the status can be proved")
    return prove(read, checkpoint, size - 1, state, statusproof.prove(state, artifact))


def prove(read: tiles.Reader, checkpoint: bytes, index: int, state: State, status: StatusPart | None = None) -> bytes:
    """Return the bytes of a `.tlog-proof` of entry `index`, which with a policy suffices offline.

    `checkpoint` is the signed head, `read` the log behind it, `state` what the log says up to there; `status` is what
    a proof of a status carries besides.
    """
    size = note.parse_checkpoint(note.parse(checkpoint)[0]).size
    node = tiles.TileReader(read, size).node
    (data,) = tiles.read_entries(read, index, index + 1, size)
    signer = state.signer(index)
    keys = []
    for place in _listings(read, size, state, signer.name if signer else ""):
        (listed,) = tiles.read_entries(read, place, place + 1, size)
        keys.append(KeyEntry(place, listed, merkle.prove_inclusion(node, place, size)))
    path = merkle.prove_inclusion(node, index, size)
    return tlogproof.encode(TlogProof(index, path, checkpoint, encode(Carried(data, tuple(keys), status))))


def encode(carried: Carried) -> bytes:
    """Return what stands in `extra`."""
    keys: list[Value] = [
        {"entry": b64encode(item.entry), "index": item.index, "path": [b64encode(step) for step in item.path]}
        for item in carried.keys
    ]
    value: dict[str, Value] = {"entry": b64encode(carried.entry), "keys": keys, "v": 1}
    if carried.status is not None:
        value["status"] = statusproof.encode(carried.status)
    return canonical.encode(value, limit=MAX_EXTRA)


def decode(extra: bytes) -> Carried:
    """Return what `extra` carries; raise `FormatError` unless it is of the one form."""
    value = canonical.decode(extra, limit=MAX_EXTRA)
    of_status = isinstance(value, dict) and "status" in value
    found = shapes.members(value, _OF_STATUS if of_status else _MEMBERS, "extra")
    if found["v"] != 1 or found["v"] is True:
        raise shapes.refuse("extra", "another version")
    keys = tuple(map(_decode_key, shapes.listing(found["keys"], "extra.keys")))
    if list(keys) != sorted(keys, key=lambda item: item.index):
        raise shapes.refuse("extra.keys", "their places do not ascend")
    part = statusproof.decode(found["status"]) if of_status else None
    return Carried(_bytes(found["entry"], "extra.entry"), keys, part)


def _listings(read: tiles.Reader, size: int, state: State, name: str) -> list[int]:
    """The entries that listed the key of that name, oldest first; none for a pinned one."""
    places: list[int] = []
    key = state.keys.get(name)
    while key is not None and key.role not in PINNED:
        places.append(key.since)
        (data,) = tiles.read_entries(read, key.since, key.since + 1, size)
        act = statement.parse(dsse.parse(entry.parse(data).envelope).payload)
        key = state.keys.get(act.text("replaces")) if act.event == "key-rotated" else None
    return places[::-1]


def _decode_key(value: Value) -> KeyEntry:
    found = shapes.members(value, _KEY_MEMBERS, "extra.keys")
    path = tuple(_bytes(step, "extra.keys") for step in shapes.listing(found["path"], "extra.keys"))
    return KeyEntry(shapes.count(found["index"], "extra.keys"), _bytes(found["entry"], "extra.keys"), path)


def _bytes(value: Value, what: str) -> bytes:
    if not isinstance(value, str):
        raise shapes.refuse(what, "not a text")
    return b64decode(value)
