"""What became of one artifact, as one file that is checked offline.

A status proof is the proof of a `status` entry (`synthtrail.custody.carried`) that is the *last* entry under its
checkpoint, and in `extra` one member more, `status`, an object of exactly

    artifact   digest of the artifact
    event      digest of its latest event · word · state       as in `synthtrail.custody.status`; "" , unknown, absent
    siblings   base64 of each hash of the path in the prefix tree, from the root down
    other      null, or [key, value digest] of the leaf that stands where the artifact's would

Shown is that the log's owner stated this under the root of that entry, and that nothing had been logged since.
Not shown is that the root is right: witnesses cosign the log, and do not recompute what is said in it. Whoever has the
log does, entry by entry (`status-wrong`). Nor is anything said about later heads: a recipient asks for witnesses whose
cosignatures are no older than the policy's `maxAge`.
"""

from dataclasses import dataclass

from synthtrail.custody import prefixtree, shapes, status
from synthtrail.custody.act import Act
from synthtrail.custody.canonical import Value, b64decode, b64encode
from synthtrail.custody.errors import ProofError
from synthtrail.custody.findings import Problem
from synthtrail.custody.prefixtree import Leaf, Proof
from synthtrail.custody.state import State
from synthtrail.custody.status import UNKNOWN, Standing

EVENT = "status"
UNSEEN = (
    "that the status root is what the log gives: witnesses do not check it, whoever holds the log recomputes it",
    "what became of the artifact after this head",
)
_MEMBERS = frozenset({"artifact", "event", "word", "state", "siblings", "other"})


@dataclass(frozen=True)
class StatusPart:
    """The `status` member: whose standing, which, and the path that shows it."""

    artifact: bytes
    standing: Standing
    path: Proof


def prove(state: State, artifact: bytes) -> StatusPart:
    """The standing of the artifact as the last `status` entry has it: `state` says nothing more than that entry."""
    return StatusPart(artifact, state.standing(artifact), state.status_proof(artifact))


def problems(part: StatusPart, act: Act, index: int, size: int) -> list[Problem]:
    """What speaks against `part` as a statement of `act`, the event in entry `index` of a log of `size` entries.

    1. The event is a `status`, about all entries before it.
    2. It is the last entry.
    3. The path leads to the root that it states.
    """
    if act.event != EVENT or act.number("size") != index:
        return [Problem("proof-malformed", "the entry is not a status of all entries before it")]
    found = []
    if index != size - 1:
        found.append(Problem("proof-malformed", f"{size - 1 - index} later entries may have changed the status"))
    try:
        root = bytes.fromhex(act.text("root"))
        prefixtree.check(root, status.key(part.artifact), part.standing.value, part.path)
    except ProofError as error:
        found.append(Problem("status-wrong", f"the entry's root does not say so: {error}"))
    return found


def encode(part: StatusPart) -> Value:
    """Return the member's JSON value."""
    siblings: list[Value] = [b64encode(item) for item in part.path.siblings]
    other: list[Value] | None = [item.hex() for item in part.path.other] if part.path.other else None
    return {
        "artifact": part.artifact.hex(),
        "event": part.standing.event.hex(),
        "word": part.standing.word,
        "state": part.standing.state,
        "siblings": siblings,
        "other": other,
    }


def decode(value: Value) -> StatusPart:
    """Return the member that `value` is; raise `FormatError` unless it is of the one form."""
    found = shapes.members(value, _MEMBERS, "extra.status")
    word = shapes.choice(found["word"], status.WORDS, "extra.status")
    state = shapes.text(found["state"], "extra.status")
    event = b"" if found["event"] == "" else shapes.sha256(found["event"], "extra.status")
    said = Standing(word, state, event)
    if (word == UNKNOWN.word or not event) and said != UNKNOWN:
        raise shapes.refuse("extra.status", "half unknown")
    siblings = shapes.listing(found["siblings"], "extra.status")
    path = Proof(tuple(b64decode(shapes.text(item, "extra.status")) for item in siblings), _other(found["other"]))
    return StatusPart(shapes.sha256(found["artifact"], "extra.status"), said, path)


def _other(value: Value) -> Leaf | None:
    if value is None:
        return None
    pair = shapes.listing(value, "extra.status")
    if len(pair) != 2:
        raise shapes.refuse("extra.status", "the other leaf has a key and a value digest")
    return shapes.sha256(pair[0], "extra.status"), shapes.sha256(pair[1], "extra.status")
