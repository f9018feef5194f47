"""Verifying a whole ledger from nothing but bytes, a pinned policy and a clock.

`verify` reads through a `Reader`, writes nothing, and returns every finding instead of raising at the first:

1. The checkpoint is there, of the pinned origin, signed by the pinned sequencer.
2. Every entry up to its size is there, is signed, chained, and allowed (`synthtrail.custody.audit`, steps 1 to 5).
3. The entries give the root that was signed, and every stored tile is what they give.
4. An earlier checkpoint, if one is brought, is the root of a prefix.
5. No entry was signed with a key after the position from which that key is reported compromised.
6. The ledger ends under the policy that is pinned.
7. Nothing outlived its retention, and no approved disposal was left undone, at `now`.
8. Witnesses cosigned, if the policy asks for it; a time-stamp token is there, if the policy asks for it.

Bringing an earlier checkpoint *and* the snapshot that an earlier verification returned makes the run incremental: only
later entries are read. What the snapshot sums up is then taken on the word of the verifier's own file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from synthtrail.custody import canonical, evidence, merkle, note, snapshot, tiles
from synthtrail.custody.audit import Audit
from synthtrail.custody.bundles import Reader, check_upper_tiles, read_or_none
from synthtrail.custody.edge import Edge
from synthtrail.custody.errors import DataError
from synthtrail.custody.evidence import Evidence, TokenCheck
from synthtrail.custody.examine import problem
from synthtrail.custody.findings import Finding
from synthtrail.custody.guard import CHECKPOINT
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.policy import Policy
from synthtrail.custody.report import Report
from synthtrail.custody.state import State
from synthtrail.custody.workers import examined

_SECOND = 1_000_000


def verify(
    reader: Reader,
    policy: Policy,
    *,
    now: datetime,
    since: bytes | None = None,
    known: bytes | BinaryIO | None = None,
    token: TokenCheck | None = None,
    vouched: Sequence[bytes] = (),
    trust_local: bool = False,
    processes: int = 1,
) -> Report:
    """Return what can be said of the ledger behind `reader`.

    `since` is a signed checkpoint kept from earlier; `known` is the snapshot of the verification that ended there,
    which spares reading what it covers; as an open file it takes the least memory. `token` checks a time-stamp token
    over the checkpoint. `vouched` are earlier signed checkpoints that witnesses cosigned or an authority stamped; they
    count where the newest has no such evidence yet. `trust_local` only marks that the policy itself was made on this
    machine. Never raises on bad data.
    """
    findings: list[Finding] = []
    data = read_or_none(reader, CHECKPOINT) or b""
    head = _open_head(data, policy, findings)
    if head is None:
        clock = f"the verifier's, {canonical.format_time(now)}"
        return Report(policy.origin, 0, "", (), tuple(findings), (), ("everything",), (), clock)
    earlier = _open_earlier(since, head, policy, findings)
    audit = _start(known, earlier, policy)
    run = _Run(reader, audit, head, earlier, now, start=audit.edge.size)
    run.walk(processes)
    run.close()
    older, wrong = evidence.earlier_heads(vouched, reader.read, head, policy)
    findings += wrong
    outside = evidence.judge(data, policy, audit.state.keys, now, token, size=head.size, earlier=older)
    return run.report(findings, outside, trust_local=trust_local)


def _open_head(data: bytes, policy: Policy, findings: list[Finding]) -> Checkpoint | None:
    """Step 1. A checkpoint that is not the sequencer's is still followed, so that more can be found."""
    if not data:
        findings.append(Finding("nothing-to-check", "there is no checkpoint", path="checkpoint"))
        return None
    try:
        head = note.open_checkpoint(data, policy.origin, [policy.sequencer_key]).checkpoint
    except DataError as error:
        code = {"note": "ledger-damaged", "checkpoint": "ledger-damaged", "origin": "event-of-another-ledger"}
        text = f"the checkpoint is not the pinned sequencer's: {error}"
        findings.append(Finding(code.get(error.code, problem(error).code), text, path="checkpoint"))
        return _claimed(data)
    if head.size == 0:
        findings.append(Finding("nothing-to-check", "the ledger is empty", path="checkpoint"))
        return None
    return head


def _claimed(data: bytes) -> Checkpoint | None:
    try:
        return note.parse_checkpoint(note.parse(data)[0])
    except DataError:
        return None


def _open_earlier(since: bytes | None, head: Checkpoint, policy: Policy, findings: list[Finding]) -> Checkpoint | None:
    """The earlier checkpoint that is brought, if it can serve as evidence about `head`."""
    if since is None:
        return None
    try:
        earlier = note.open_checkpoint(since, policy.origin, [policy.sequencer_key]).checkpoint
    except DataError as error:
        findings.append(Finding("proof-malformed", f"the earlier checkpoint cannot be used: {error}"))
        return None
    if earlier.size == 0:
        findings.append(Finding("proof-malformed", "an earlier checkpoint of no entries proves nothing"))
        return None
    if earlier.size > head.size:
        text = f"the log has {head.size} entries, and an earlier checkpoint {earlier.size}"
        findings.append(Finding("log-rolled-back", text, entry=head.size))
        return None
    return earlier


def _start(known: bytes | BinaryIO | None, earlier: Checkpoint | None, policy: Policy) -> Audit:
    """The audit at its beginning, or at the earlier checkpoint if the snapshot is of exactly that."""
    loaded = snapshot.load(known, policy) if known is not None and earlier is not None else None
    if loaded is not None and earlier is not None:
        state, frontier, leaf = loaded
        if (frontier.size, frontier.root()) == (earlier.size, earlier.root):
            return Audit(state, Edge(frontier), leaf)
    return Audit(State(policy))


@dataclass(frozen=True)
class _Run:
    """One verification, once there is a checkpoint to hold against; entries below `start` are not read."""

    reader: Reader
    audit: Audit
    head: Checkpoint
    earlier: Checkpoint | None
    now: datetime
    start: int

    def walk(self, processes: int) -> None:
        """Steps 2 and 4, and as much of 3 as the lowest tiles allow."""
        audit, earlier = self.audit, self.earlier
        for bundle, items in examined(self.reader, self.head.size, self.start, audit.state, processes):
            if earlier is not None and bundle.first < earlier.size <= bundle.first + bundle.width:
                self._compare(earlier, [item.leaf for item in items][audit.edge.size - bundle.first :])
            audit.take(bundle, items)
        audit.finish(self.head.size, self.head.root)

    def _compare(self, earlier: Checkpoint, leaves: list[bytes]) -> None:
        """Step 4: the earlier root is that of the first entries, or at least the stored tree proves it a prefix."""
        if self.audit.edge.root_before(leaves, earlier.size - self.audit.edge.size) == earlier.root:
            return
        node = tiles.TileReader(self.reader.read, self.head.size).node
        try:
            proof = merkle.prove_consistency(node, earlier.size, self.head.size)
            merkle.check_consistency(earlier.size, self.head.size, earlier.root, self.head.root, proof)
        except (DataError, OSError, KeyError):
            text = f"its first {earlier.size} entries are not those of the earlier checkpoint"
            self.audit.findings.append(Finding("log-forked", text, entry=earlier.size - 1))

    def close(self) -> None:
        """Steps 3 (upper tiles), 5, 6 and 7."""
        audit, state = self.audit, self.audit.state
        if not self.start and audit.edge.root() == self.head.root:
            audit.findings.extend(check_upper_tiles(self.reader, audit.edge.bundle_roots))
        for key in state.keys:
            if key.compromised is not None:
                text = f"{key.name} was reported compromised from entry {key.compromised} on"
                doubtful = state.signed_by(key.name, key.compromised)
                audit.findings.extend(Finding("signer-revoked", text, entry=entry) for entry in doubtful)
        if state.policy_digest != state.policy.digest:
            audit.findings.append(Finding("policy-mismatch", "it ends under another policy than the one pinned"))
        audit.findings.extend(_overdue(state, int(self.now.timestamp()) * _SECOND))

    def report(self, before: list[Finding], outside: Evidence, *, trust_local: bool) -> Report:
        """Put everything together."""
        audit, head = self.audit, self.head
        findings = [*before, *audit.findings, *outside.findings]
        checked, not_checked = self._scope(outside)
        return Report(
            origin=head.origin,
            size=head.size,
            root=head.root.hex(),
            claims=_claims(findings, self.earlier, outside),
            findings=tuple(sorted(findings, key=lambda finding: -1 if finding.entry is None else finding.entry)),
            checked=checked,
            not_checked=not_checked,
            keys=_whose_keys(audit.state, trust_local=trust_local),
            clock=f"entries: the sequencer's, a claim; ages: the verifier's, {canonical.format_time(self.now)}",
            state=audit.state,
            tree=(audit.edge.frontier(), audit.leaf),
            start=self.start,
            reach=outside.reach,
        )

    def _scope(self, outside: Evidence) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What was checked, and what was not."""
        new = f"entries {self.start} to {self.head.size - 1}: bytes, chain, tree, signatures, rules"
        checked = [new if self.start < self.head.size else f"no entry came after entry {self.start - 1}"]
        not_checked = []
        if self.start:
            relied = "taken from the snapshot that this verifier kept of an earlier verification, and relied on"
            not_checked.append(f"entries 0 to {self.start - 1}: not read, {relied}")
        if self.earlier is not None:
            checked.append(f"the checkpoint of {self.earlier.size} entries brought along is a prefix")
        elif not outside.witnessed:
            not_checked.append("that the owner of the keys did not sign another history anew (no earlier checkpoint)")
        if next(self.audit.state.lives.rows("disposed"), None) is not None:
            not_checked.append("certificates of disposal, and whether keys or copies survive: `synthtrail audit`")
        last = "that any statement was true when it was signed"
        return (*checked, *outside.checked), (*not_checked, *outside.not_checked, last)


def _whose_keys(state: State, *, trust_local: bool) -> tuple[str, ...]:
    policy = state.policy
    keys = [f"pinned: {key.name}" for key in (*policy.root_keys, policy.sequencer_key)]
    keys.append(f"listed by the ledger itself: {sum(key.since >= 0 for key in state.keys)} keys")
    if trust_local:
        keys.append("the policy that pins them was made on this machine: nobody else vouches for it")
    return tuple(keys)


def _overdue(state: State, now: int) -> list[Finding]:
    findings = []
    for row, until in state.retention.items():
        if until < now and state.lives.state(row) != "disposed" and not state.holds.get(row):
            text = f"artifact {state.lives.ids[row].hex()} should have been disposed of"
            findings.append(Finding("retention-overrun", text, entry=state.lives.head(row)))
    for request in state.requests.values():
        late = state.times[request.entry] < now - state.policy.max_delay * _SECOND
        if request.event == "disposal-approved" and late:
            text = "this approved disposal was not carried out"
            findings.append(Finding("disposal-dropped", text, entry=request.entry))
    return findings


def _claims(findings: Sequence[Finding], earlier: Checkpoint | None, outside: Evidence) -> tuple[str, ...]:
    if any(finding.severity == "error" for finding in findings):
        return ()
    brought = (("B", earlier is not None), ("C", outside.witnessed), ("D", outside.witnessed and outside.stamped))
    return ("A", *(level for level, held in brought if held))
