"""One artifact, one file: proving offline that an event about it stands in a ledger.

With the pinned policy, a proof file (`synthtrail.custody.carried`) and the artifact need no network and no ledger.
`check` follows the chain

    policy ─▶ sequencer ─▶ checkpoint ─▶ entry ─▶ event ─▶ digest ─▶ the artifact's bytes
      └────▶ roots ─▶ key-added entry ─▶ the signer's key ──┘

What it cannot see is the rest of the ledger: whether the key was revoked, whether later events withdrew what this one
says, whether the rules held. It says so, and reaches level A at most for this one entry (C with cosignatures).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from synthtrail.custody import canonical, dsse, entry, evidence, merkle, note, statement, statusproof, tlogproof
from synthtrail.custody.act import Act
from synthtrail.custody.carried import Carried, KeyEntry, decode
from synthtrail.custody.digest import Digest
from synthtrail.custody.errors import DataError, FormatError
from synthtrail.custody.events import EVENTS
from synthtrail.custody.evidence import Evidence, TokenCheck
from synthtrail.custody.examine import UNKNOWN_KEY, open_envelope, problem
from synthtrail.custody.findings import Finding, Problem
from synthtrail.custody.keyring import PINNED, Keyring
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.policy import Policy
from synthtrail.custody.proofreport import ProofReport
from synthtrail.custody.statement import Statement
from synthtrail.custody.statusproof import StatusPart
from synthtrail.custody.tlogproof import TlogProof

_LAST = "that any statement was true when it was signed"
_KEY_EVENTS = ("key-added", "key-rotated")


def check(
    data: bytes,
    policy: Policy,
    *,
    now: datetime,
    artifact: Digest | None = None,
    beside: bytes | None = None,
    since: bytes | None = None,
    token: TokenCheck | None = None,
    trust_local: bool = False,
) -> ProofReport:
    """Return what the proof file `data` shows. Never raises on bad data.

    1. The proof has its form (`proof-malformed`), and brings the entry; `beside` are its bytes if it does not.
    2. The checkpoint is of the pinned origin, by the pinned sequencer.
    3. The entry leads to its root, at the stated place, and says that place itself.
    4. Each key entry does as well, and enough pinned roots signed it.
    5. A key listed so before the entry signed the event, which its role may sign, for this ledger.
    6. The event is about the `artifact`, if one is brought. In the proof of a status, its root says what is said of it.
    7. An earlier checkpoint of the same size has the same root; about other sizes a proof says nothing.
    8. Witnesses cosigned, if the policy asks for it; a token is there, if the policy asks for it.
    """
    run = _Check(policy, now)
    try:
        proof, carried = _open(data, beside)
    except DataError as error:
        run.find("proof-malformed", str(error))
        return run.report(None, None, trust_local=trust_local)
    head = run.head(proof.checkpoint)
    if head is not None and run.included(carried.entry, proof.index, proof.hashes, head):
        run.entry(carried, proof.index, head, artifact)
    if head is not None and since is not None:
        run.since(since, head)
    outside = evidence.judge(proof.checkpoint, policy, run.keys, now, token)
    brought = (artifact is not None, since is not None)
    return run.report(head, outside, index=proof.index, brought=brought, trust_local=trust_local)


class _Check:
    """The findings of one check, and what was established on the way."""

    def __init__(self, policy: Policy, now: datetime) -> None:
        self.policy = policy
        self.now = now
        self.keys = Keyring(policy)
        self.findings: list[Finding] = []
        self.checked: list[str] = []
        self.said: Statement | None = None
        self.status: StatusPart | None = None
        self.same = False

    def find(self, code: str, text: str, entry: int | None = None) -> None:
        """Note a fault."""
        self.findings.append(Finding(code, text, entry=entry))

    def head(self, data: bytes) -> Checkpoint | None:
        """Step 2."""
        try:
            return note.open_checkpoint(data, self.policy.origin, [self.policy.sequencer_key]).checkpoint
        except DataError as error:
            names = {"origin": "event-of-another-ledger", "note": "proof-malformed", "checkpoint": "proof-malformed"}
            code = names.get(error.code, problem(error).code)
            self.find(code, f"the checkpoint is not the pinned sequencer's: {error}")
            return None

    def included(self, data: bytes, index: int, path: Sequence[bytes], head: Checkpoint) -> bool:
        """Step 3 (and 4), for one entry."""
        try:
            merkle.check_inclusion(merkle.leaf_hash(data), index, head.size, path, head.root)
        except DataError as error:
            self.find("proof-malformed", f"the entry is not shown to be in the log: {error}", index)
            return False
        return True

    def entry(self, carried: Carried, index: int, head: Checkpoint, artifact: Digest | None) -> None:
        """Steps 3 to 6 for the entry that is proved."""
        self.checked.append(
            f"entry {index} is in the log of {head.size} entries that {self.policy.sequencer_key.name} signed"
        )
        for item in carried.keys:
            if item.index < index and self.included(item.entry, item.index, item.path, head):
                self.key(item)
        found = self.read(carried.entry, index)
        if found is None:
            return
        act, signers = found
        self.said = statement.read(dsse.parse(entry.parse(carried.entry).envelope).payload)
        self.signer(act, signers, index)
        if carried.status is not None:
            self.standing(carried.status, act, index, head)
        self.artifact((carried.status.artifact,) if carried.status else act.subjects, artifact, index)

    def key(self, item: KeyEntry) -> None:
        """Step 4: list the key that the entry is about."""
        found = self.read(item.entry, item.index)
        if found is None:
            return
        act, signers = found
        roots = {key.name for key in self.policy.root_keys}
        if act.event not in _KEY_EVENTS or act.actor not in signers or not set(signers) <= roots:
            self.find("proof-malformed", "it lists no key in the name of the pinned roots", item.index)
        elif len(set(signers)) < self.policy.threshold:
            self.find("threshold-missed", f"{len(set(signers))} of {self.policy.threshold} roots signed", item.index)
        elif isinstance(refused := self.keys.proposed(act, item.index), Problem):
            self.find(refused.code, refused.text, item.index)
        else:
            self.keys.add(act, item.index)

    def read(self, data: bytes, index: int) -> tuple[Act, tuple[str, ...]] | None:
        """The event in an entry, its signatures verified with the keys listed so far."""
        try:
            found = entry.parse(data)
            if found.seq != index:
                self.find("entries-reordered", f"it says that it is entry {found.seq}", index)
            act, signers = open_envelope(found.envelope, self.keys.pinned)
        except DataError as error:
            code, text = problem(error)
            if error.code == UNKNOWN_KEY:
                code, text = "signer-unknown", f"{error}; the proof does not show who listed it"
            self.find(code, text, index)
            return None
        if act.ledger != self.policy.origin:
            self.find("event-of-another-ledger", f"it was signed for {act.ledger[:80]!a}", index)
            return None
        return act, signers

    def signer(self, act: Act, signers: tuple[str, ...], index: int) -> None:
        """Step 5: the actor signed, and may sign such an event."""
        key, spec = self.keys.get(act.actor), EVENTS[act.event]
        if key is None:
            self.find("signer-unknown", f"{act.actor[:80]!a} is listed nowhere in the proof", index)
            return
        if act.actor not in signers or (key.role != "root" and len(signers) > 1):
            self.find("key-substituted", f"it says {act.actor}, but {', '.join(signers)} signed", index)
        if key.role == "root" and len(set(signers)) < self.policy.threshold:
            self.find("threshold-missed", f"{len(set(signers))} of {self.policy.threshold} roots signed", index)
        if key.ended(index):
            self.find("signer-revoked", f"{act.actor} ended with entry {key.until}", index)
        if key.role not in spec.roles:
            self.find("role-wrong", f"{act.actor} is {key.role}, not {' or '.join(spec.roles)}", index)
        if (spec.person and not act.person) or (act.person and key.person not in self.policy.register):
            self.find("person-needed", f"{act.event} needs the signature of a registered person", index)
        self.checked.append(f"{act.actor} ({key.role}) signed it; its key was listed by {_lister(key.role, key.since)}")

    def standing(self, part: StatusPart, act: Act, index: int, head: Checkpoint) -> None:
        """Step 6, what a status proof says."""
        wrong = statusproof.problems(part, act, index, head.size)
        for found in wrong:
            self.find(found.code, found.text, index)
        if not wrong:
            self.status = part
            self.checked.append(f"it is the last entry, and its root says: {part.standing.word}")

    def artifact(self, subjects: Sequence[bytes], artifact: Digest | None, index: int) -> None:
        """Step 6."""
        if artifact is None:
            return
        if bytes.fromhex(artifact.sha256) in subjects:
            self.checked.append(f"the {artifact.kind} brought along, SHA-256 {artifact.sha256}, is what it is about")
        else:
            code = "artifact-changed" if artifact.files is None else "folder-changed"
            self.find(code, f"the {artifact.kind} brought along is not what the event is about", index)

    def since(self, data: bytes, head: Checkpoint) -> None:
        """Step 7."""
        try:
            earlier = note.open_checkpoint(data, self.policy.origin, [self.policy.sequencer_key]).checkpoint
        except DataError as error:
            self.find("proof-malformed", f"the earlier checkpoint cannot be used: {error}")
            return
        if earlier.size == head.size and earlier.root != head.root:
            self.find("log-forked", f"two histories of {head.size} entries were signed")
        self.same = earlier == head

    def report(
        self,
        head: Checkpoint | None,
        outside: Evidence | None,
        *,
        index: int | None = None,
        brought: tuple[bool, bool] = (False, False),
        trust_local: bool = False,
    ) -> ProofReport:
        """Put everything together; `brought` says whether an artifact and an earlier checkpoint were."""
        findings = (*self.findings, *(outside.findings if outside else ()))
        return ProofReport(
            origin=self.policy.origin,
            size=head.size if head else 0,
            root=head.root.hex() if head else "",
            claims=_claims(findings, self, outside),
            findings=findings,
            checked=(*self.checked, *(outside.checked if outside else ())),
            not_checked=(*self._unseen(*brought), *(outside.not_checked if outside else ()), _LAST),
            keys=_whose(self.policy, trust_local=trust_local),
            clock=f"entries: the sequencer's, a claim; ages: the verifier's, {canonical.format_time(self.now)}",
            index=index,
            said=self.said,
            status=self.status,
        )

    def _unseen(self, artifact: bool, earlier: bool) -> list[str]:
        unseen = ["every other entry: whether the key was revoked, or later events withdrew what this one says"]
        if self.status is not None:
            unseen = ["every other entry: whether the key was revoked", *statusproof.UNSEEN]
        if not artifact:
            unseen.append("that any artifact is what the event is about (none was brought)")
        if not self.same:
            why = "a proof shows this only for its own size" if earlier else "no earlier checkpoint"
            unseen.append(f"that the owner of the keys did not sign another history anew ({why})")
        return unseen


def _open(data: bytes, beside: bytes | None) -> tuple[TlogProof, Carried]:
    """Step 1."""
    proof = tlogproof.parse(data)
    if proof.extra is not None:
        carried = decode(proof.extra)
        return proof, carried if beside is None else replace(carried, entry=beside)
    if beside is None:
        raise FormatError("it does not bring the entry that it proves", code="tlog-proof")
    return proof, Carried(beside)


def _claims(findings: Sequence[Finding], run: _Check, outside: Evidence | None) -> tuple[str, ...]:
    if findings or outside is None or run.said is None:
        return ()
    brought = (("B", run.same), ("C", outside.witnessed), ("D", outside.witnessed and outside.stamped))
    return ("A", *(level for level, held in brought if held))


def _lister(role: str, since: int) -> str:
    return "the policy" if role in PINNED else f"entry {since}, which the pinned roots signed"


def _whose(policy: Policy, *, trust_local: bool) -> tuple[str, ...]:
    keys = tuple(f"pinned: {key.name}" for key in (*policy.root_keys, policy.sequencer_key))
    local = "the policy that pins them was made on this machine: nobody else vouches for it"
    return (*keys, local) if trust_local else keys
