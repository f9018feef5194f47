"""What a ledger says, folded: keys, slots, artifacts, open requests, after a number of entries.

A `State` is made by taking events one after another; nothing else changes it. Appending and verifying use this same
code, so that what one refuses the other reports. Who may do what is decided in `synthtrail.custody.rules`; this
module only carries out what an event says.
"""

from array import array
from dataclasses import dataclass
from hashlib import sha256

from synthtrail.custody import status
from synthtrail.custody.act import Act
from synthtrail.custody.compact import DigestTable
from synthtrail.custody.events import EVENTS
from synthtrail.custody.keyring import Key, Keyring
from synthtrail.custody.lives import Lives
from synthtrail.custody.policy import Policy
from synthtrail.custody.prefixtree import Leaf, Proof
from synthtrail.custody.status import UNKNOWN, Standing
from synthtrail.custody.statustree import StatusTree
from synthtrail.custody.transitions import Part, after

_NO_SIGNER = 0xFFFF


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the pipeline: its latest record, the entry that put it there, the entry that logged it first."""

    record: bytes
    entry: int
    first: int
    subject: bytes
    verdict: str


@dataclass(frozen=True, slots=True)
class Request:
    """An event that waits for an answer; `beneficiary` is the only key that may answer, if it is not empty."""

    event: str
    entry: int
    subjects: tuple[bytes, ...]
    actor: str
    expires: int | None
    beneficiary: str


class State:
    """The fold over the first `size` entries. Digests are 32 bytes, times µs since 1970, entries are counted from 0."""

    def __init__(self, policy: Policy) -> None:
        """The state before entry 0."""
        self.policy = policy
        self.keys = Keyring(policy)
        self.lives = Lives()
        self.slots: dict[str, Slot] = {}
        self.requests: dict[bytes, Request] = {}
        self.holds: dict[int, int] = {}
        self.retention: dict[int, int] = {}
        self.transfers: set[int] = set()
        self.tree: StatusTree | None = None  # only once a status is asked for: most of a ledger needs none
        self.changed = array("I")  # rows since then
        self.events = DigestTable()  # row n: payload digest of entry n
        self.records = DigestTable()
        self.record_entries = array("I")
        self.signers = array("H")
        self.times = array("q")
        self.policy_digest = b""
        self.received = 0
        self.closed = False

    @property
    def size(self) -> int:
        """How many entries were taken."""
        return len(self.times)

    def status(self, artifact: bytes) -> str:
        """The state of an artifact in the transition table; `absent` if no event made it."""
        return self.lives.state(self.lives.find(artifact))

    def standing(self, artifact: bytes) -> Standing:
        """What became of an artifact, as a `status` entry sums it up."""
        row = self.lives.find(artifact)
        return self._standing(row) if row >= 0 else UNKNOWN

    def status_root(self) -> bytes:
        """The root over the standings of all artifacts, which a `status` event appended now must state."""
        return self._status_tree().root()

    def status_proof(self, artifact: bytes) -> Proof:
        """The proof of the artifact's standing under `status_root`."""
        return self._status_tree().prove(status.key(artifact), self._status_leaf)

    def held(self, artifact: bytes) -> bool:
        """Whether a hold on the artifact is open."""
        return bool(self.holds.get(self.lives.find(artifact)))

    def knows_record(self, record: bytes) -> bool:
        """Whether a record with this digest was ever logged."""
        return record in self.records

    def previous(self, subjects: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
        """The `prevEvent` of a new event about `subjects`: artifact and latest event, where there is one."""
        rows = [(subject, self.lives.find(subject)) for subject in subjects]
        return [(subject, self.events[self.lives.head(row)]) for subject, row in rows if row >= 0]

    def signer(self, entry: int) -> Key | None:
        """The key that signed an entry; None for an entry that could not be attributed."""
        number = self.signers[entry]
        return None if number == _NO_SIGNER else self.keys.get(self.keys.name(number))

    def signed_by(self, name: str, since: int) -> list[int]:
        """The entries from `since` on that the key of that name signed."""
        number = self.keys.number(name)
        return [entry for entry in range(since, self.size) if self.signers[entry] == number]

    def skip(self, digest: bytes, received: int | None = None) -> None:
        """Take an entry that means nothing because it cannot be read or believed."""
        self.events.add(digest)
        self.signers.append(_NO_SIGNER)
        self.times.append(self.times[-1] if self.times else 0)
        self.received = max(self.received, received or 0)

    def take(self, act: Act, received: int, *, effect: bool = True) -> None:
        """Carry out the next event. Without `effect`, it is chained but moves no artifact and opens nothing."""
        seq = self.size
        self.events.add(act.digest)
        self.signers.append(self.keys.number(act.actor))
        self.times.append(act.at)
        self.received = max(self.received, received)
        self._take_subjects(act, seq, effect)
        if act.slot:
            self._take_record(act, seq)
        elif effect:
            self._take_requests(act, seq)
            self._take_effect(act, seq)

    def _take_subjects(self, act: Act, seq: int, effect: bool) -> None:
        for index, subject in enumerate(act.subjects):
            row = self.lives.find(subject)
            if row < 0:
                self._touch(self.lives.create(subject, seq))
                continue
            state = self.lives.state(row)
            led = after(act.event, state=state, part=part(act, index), outcome=act.outcome) if effect else None
            self.lives.follow(row, seq, led or state)
            self._touch(row)

    def _take_record(self, act: Act, seq: int) -> None:
        row = self.records.find(act.record)
        if row < 0:
            row = self.records.add(act.record)
            self.record_entries.append(seq)
        first = self.record_entries[row]
        self.slots[act.slot] = Slot(act.record, seq, first, act.subjects[0], act.outcome)

    def _take_requests(self, act: Act, seq: int) -> None:
        spec = EVENTS[act.event]
        answered = self.requests.get(act.request) if spec.answers else None
        if answered and spec.closes:
            del self.requests[act.request]
        if spec.opens:
            beneficiary = answered.actor if act.event == "access-granted" and answered else act.text("receiver")
            self.requests[act.digest] = Request(
                act.event, seq, act.subjects, act.actor, act.moment("expires"), beneficiary
            )

    def _touch(self, row: int) -> None:
        if self.tree is not None:
            self.changed.append(row)

    def _standing(self, row: int) -> Standing:
        event = self.events[self.lives.head(row)]
        held, transferred = bool(self.holds.get(row)), row in self.transfers
        return status.standing(self.lives.state(row), event, held=held, transferred=transferred)

    def _status_leaf(self, row: int) -> Leaf:
        return status.key(self.lives.ids[row]), sha256(self._standing(row).value or b"").digest()

    def _status_tree(self) -> StatusTree:
        if self.tree is None:
            self.tree = StatusTree()
            self.changed = array("I", range(len(self.lives)))
        if self.changed:
            self.tree.update(self.changed, self._status_leaf)
            self.changed = array("I")
        return self.tree

    def _hold(self, act: Act, change: int) -> None:
        for subject in act.subjects:
            row = self.lives.find(subject)
            self.holds[row] = self.holds.get(row, 0) + change

    def _retain(self, act: Act) -> None:
        for subject in act.subjects:
            self.retention[self.lives.find(subject)] = act.moment("until") or 0

    def _pin(self, act: Act) -> None:
        self.policy_digest = bytes.fromhex(act.text("policySha256"))
        self.keys.roots = {key.name for key in act.roots()}
        self.keys.threshold = act.number("threshold")

    def _take_effect(self, act: Act, seq: int) -> None:
        match act.event:
            case "hold-placed" | "hold-lifted":
                self._hold(act, 1 if act.event == "hold-placed" else -1)
            case "transfer-accepted":
                self.transfers.update(map(self.lives.find, act.subjects))
            case "retention-set":
                self._retain(act)
            case "ledger-opened" | "policy-changed":
                self._pin(act)
            case "key-added" | "key-rotated":
                self.keys.add(act, seq)
            case "key-revoked" if self.keys.revocable(act.text("name")):
                self.keys.end(act.text("name"), seq, act.number("compromisedSince"))
            case "ledger-closed":
                self.closed = True


def part(act: Act, index: int) -> Part:
    """What the event does to its subject number `index`."""
    if not act.slot:
        return "subject"
    return "judged" if index else "made"
