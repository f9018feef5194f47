"""What lies beside the tiles: manifests, runs, proofs, cosigned and stamped checkpoints, and the guard.

Manifests, runs and certificates are named by their own SHA-256, so each proves itself. A proof, a cosigned or a stamped
checkpoint must be of this history: its root is that of a prefix of the stored tree. Only proofs can be made again.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import carried, dsse, entry, merkle, note, statement, tiles, tlogproof
from synthtrail.custody.errors import DataError, UsageError
from synthtrail.custody.fsck import Problem, files_of, is_temporary, read
from synthtrail.custody.fsck_tree import Base
from synthtrail.custody.guard import CHECKPOINT
from synthtrail.custody.merkle import Frontier
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.policy import Policy
from synthtrail.custody.replay import Replay
from synthtrail.custody.state import State

PROOF = ".tlog-proof"
_NAMED = {"manifests": "", "runs": ".json", "certificates": ".json"}
_SIGNED = {"cosigned": "", "anchors": ".checkpoint"}


def check_guard(guarded: bytes | None, published: bytes, policy: Policy) -> Iterator[Problem]:
    """Compare the guard, which lies outside the folder, with the published checkpoint."""
    if guarded is None or note.parse(guarded)[0] == note.parse(published)[0]:
        return
    kept, head = (note.open_checkpoint(data, policy.origin, [policy.sequencer_key]) for data in (guarded, published))
    text = f"{head.checkpoint.size} entries, and the guard {kept.checkpoint.size}: "
    if kept.checkpoint.size > head.checkpoint.size:
        text += "an append was cut short, and the next one finishes it; or the folder is an older copy"
    elif kept.checkpoint.size < head.checkpoint.size:
        text += "the guard is an older copy, or the folder is from elsewhere"
    else:
        text += "with another root, so two histories were signed"
    yield Problem(CHECKPOINT, text, "look")


def check_kept(folder: Path, base: Base, head: Checkpoint, policy: Policy) -> Iterator[Problem]:
    """Judge every file in the folders beside the tiles."""
    judge = _Judge(folder, base, head, policy)
    for path in files_of(folder):
        kind, _, name = path.partition("/")
        if not name or "/" in name or is_temporary(path) or name == ".lock":
            continue
        if kind in _NAMED:
            yield from judge.named(path, name.removesuffix(_NAMED[kind]))
        elif kind in _SIGNED and name.endswith(_SIGNED[kind]):
            yield from judge.signed(path)
        elif kind == "proofs":
            yield from judge.proof(path, name.removesuffix(PROOF))
    yield from judge.missing()


class _Judge:
    """Judges one file at a time; the ledger is folded once, when the first proof has to be made again."""

    def __init__(self, folder: Path, base: Base, head: Checkpoint, policy: Policy) -> None:
        self.folder = folder
        self.base = base
        self.head = head
        self.policy = policy
        self.node = tiles.TileReader(base.good, head.size).node
        self._state: State | None = None
        self._folded = False

    def named(self, path: str, name: str) -> Iterator[Problem]:
        """A file that is named by its own SHA-256."""
        data = read(self.folder, path)
        if data is None or sha256(data).hexdigest() != name:
            yield Problem(path, "its content is not what its name says", "restore")

    def signed(self, path: str) -> Iterator[Problem]:
        """A checkpoint that was kept because others vouch for it."""
        fault = self._fault(lambda: self._of_this_history(read(self.folder, path) or b""))
        if fault:
            yield Problem(path, fault, "restore")

    def proof(self, path: str, artifact: str) -> Iterator[Problem]:
        """A proof shows an event about the artifact that names it, in this history."""
        fault = self._fault(lambda: self._prove(read(self.folder, path) or b"", artifact))
        if fault:
            yield self._renewable(path, artifact, fault)

    def missing(self) -> Iterator[Problem]:
        """Artifacts of the latest records that have no proof, in a ledger that has proofs."""
        state = self._fold() if (self.folder / "proofs").is_dir() else None
        for artifact in sorted({slot.subject.hex() for slot in state.slots.values()}) if state else ():
            path = f"proofs/{artifact}{PROOF}"
            if not (self.folder / path).exists():
                yield self._renewable(path, artifact, "is missing")

    def _fault(self, check: Callable[[], object]) -> str:
        try:
            check()
        except (DataError, UsageError, OSError, KeyError) as error:
            return str(error)
        return ""

    def _of_this_history(self, data: bytes) -> Checkpoint:
        found = note.open_checkpoint(data, self.policy.origin, [self.policy.sequencer_key]).checkpoint
        if found.size > self.head.size:
            raise UsageError(f"it has {found.size} entries, more than the {self.head.size} that are here")
        if self.base.source and merkle.root_from(self.node, found.size) != found.root:
            raise UsageError("it is of another history")
        return found

    def _prove(self, data: bytes, artifact: str) -> None:
        proof = tlogproof.parse(data)
        found = self._of_this_history(proof.checkpoint)
        held = carried.decode(proof.extra or b"")
        merkle.check_inclusion(merkle.leaf_hash(held.entry), proof.index, found.size, proof.hashes, found.root)
        for item in held.keys:
            merkle.check_inclusion(merkle.leaf_hash(item.entry), item.index, found.size, item.path, found.root)
        said = statement.read(dsse.parse(entry.parse(held.entry).envelope).payload)
        if artifact not in {item.digest.hex() for item in said.subjects}:
            raise UsageError("it is about another artifact than its name says")

    def _renewable(self, path: str, artifact: str, fault: str) -> Problem:
        """The problem of a proof, with the way to make it again if an event here made the artifact."""
        state = self._fold()
        row = state.lives.find(bytes.fromhex(artifact)) if state and _is_digest(artifact) else -1
        if state is None or row < 0:
            return Problem(path, f"{fault}; no event here made this artifact", "restore")
        made = [slot.entry for slot in state.slots.values() if slot.subject.hex() == artifact]
        index = max(made, default=state.lives.maker(row))
        published = read(self.folder, CHECKPOINT) or b""
        data = carried.prove(self.base.good, published, index, state)
        return Problem(path, fault, "rebuild", lambda: (data,))

    def _fold(self) -> State | None:
        """What the entries say; None unless they give the signed root."""
        if not self._folded and self.base.entries_are_good:
            replay = Replay(State(self.policy), Frontier())
            self._state = replay.state if replay.reaches(self.base.read, self.head) else None
        self._folded = True
        return self._state


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
