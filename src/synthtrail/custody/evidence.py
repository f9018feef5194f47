"""Evidence about a checkpoint that does not come from the ledger's owner: witnesses and a third clock.

Witnesses are judged by `synthtrail.custody.quorum`; added here is what only the replayed ledger can tell: a witness
whose key signs entries too is the operator. A time-stamp token is judged by a `TokenCheck` that the caller brings;
where none is brought the outcome is "not checked", and a finding if the policy asks for a token.

Witnesses and authorities come later than entries: the newest head is often vouched for by nobody yet. What they said
of an *earlier* head of the same history still holds up to its size, so a verifier may bring such heads, and the report
says how far each level reaches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from synthtrail.custody import cosignature, merkle, note, quorum, tiles
from synthtrail.custody.errors import DataError, ProofError
from synthtrail.custody.findings import Finding
from synthtrail.custody.keyring import Keyring
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.policy import Policy

TokenCheck: TypeAlias = Callable[[bytes, datetime], tuple[Finding, ...]]
"""``(signed checkpoint, now)`` to what is wrong with the time-stamp token over it; nothing if it is good."""


Earlier: TypeAlias = tuple[int, bytes]
"""Size and signed bytes of an earlier head, already shown to be a prefix of the one that is judged."""


ABSENT = frozenset({"quorum-missing", "check-unavailable"})
"""Findings that say only that something is not there."""


@dataclass(frozen=True)
class Evidence:
    """Up to which size witnesses and a third clock vouch (0: not at all), and what is wrong with what was brought."""

    witnessed: int
    stamped: int
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    not_checked: tuple[str, ...]
    reach: dict[str, int] = field(default_factory=dict)  # of levels that end before the head


def judge(
    signed: bytes,
    policy: Policy,
    keys: Keyring,
    now: datetime,
    token: TokenCheck | None,
    *,
    size: int = 1,
    earlier: Sequence[Earlier] = (),
) -> Evidence:
    """Judge the cosignatures on the checkpoint `signed` of `size` entries, and the token if there is a check for it.

    Where those of the head are not enough, the largest of the `earlier` heads for which they are counts instead.
    """
    heads = ((size, signed), *sorted(earlier, reverse=True))
    witnessed, findings, checked = _up_to(heads, lambda head: _witnessed(head, policy, keys, now))
    not_checked = _unseen(witnessed, size, "that no other history was shown to somebody else", "quorum of witnesses")
    stamped = 0
    if token is not None:
        stamped, wrong, good = _up_to(heads, lambda head: _stamped(head, token, now))
        findings += wrong
        checked += good
    elif policy.timestamp:
        findings.append(Finding("check-unavailable", "the policy asks for a time-stamp token; none was checked"))
    clock = "when the head existed, by a clock other than the owner's"
    not_checked += _unseen(stamped, size, clock, "time-stamp token")
    reach = {level: end for level, end in (("C", witnessed), ("D", stamped)) if 0 < end < size}
    return Evidence(witnessed, stamped, tuple(findings), tuple(checked), tuple(not_checked), reach)


def earlier_heads(
    vouched: Sequence[bytes], read: tiles.Reader, head: Checkpoint, policy: Policy
) -> tuple[list[Earlier], list[Finding]]:
    """Those of the signed checkpoints `vouched` that the tree behind `read` proves to be prefixes of `head`.

    One that contradicts `head` is a finding; one that is not the pinned sequencer's is passed over.
    """
    found, findings = [], []
    for data in vouched:
        try:
            earlier = note.open_checkpoint(data, policy.origin, [policy.sequencer_key]).checkpoint
        except DataError:
            continue  # nobody relies on it
        if earlier.size > head.size:
            text = f"the log has {head.size} entries, and a checkpoint kept beside it {earlier.size}"
            findings.append(Finding("log-rolled-back", text, entry=head.size))
        elif 0 < earlier.size < head.size:
            is_prefix = _is_prefix(read, earlier, head)
            if is_prefix:
                found.append((earlier.size, data))
            elif is_prefix is not None:
                text = f"a checkpoint of {earlier.size} entries kept beside the log is of another history"
                findings.append(Finding("log-forked", text, entry=earlier.size - 1))
    return found, findings


def _is_prefix(read: tiles.Reader, earlier: Checkpoint, head: Checkpoint) -> bool | None:
    """Whether `head` continues `earlier`; None if the stored tree, which the audit judges, is not that of `head`."""
    node = tiles.TileReader(read, head.size).node
    try:
        if merkle.root_from(node, head.size) != head.root:
            return None
        proof = merkle.prove_consistency(node, earlier.size, head.size)
        merkle.check_consistency(earlier.size, head.size, earlier.root, head.root, proof)
    except ProofError:
        return False
    except (DataError, OSError, KeyError):
        return None
    return True


Judgement: TypeAlias = tuple[bool, list[Finding], list[str]]


def _up_to(heads: Sequence[Earlier], judged: Callable[[bytes], Judgement]) -> tuple[int, list[Finding], list[str]]:
    """The size up to which a judgement holds, what is wrong, what was checked.

    What is merely absent at the head is no fault if an earlier head has it; what is bad there stays bad.
    """
    (size, signed), *earlier = heads
    held, findings, checked = judged(signed)
    if held:
        return size, findings, checked
    bad = [finding for finding in findings if finding.code not in ABSENT]
    absent = [finding for finding in findings if finding.code in ABSENT]
    for end, older in earlier:
        good, wrong, said = judged(older)
        bad += [finding for finding in wrong if finding.code not in ABSENT and finding not in bad]
        if good:
            return end, bad, [f"{text}, up to entry {end - 1}" for text in said]
    return 0, [*bad, *absent], checked


def _unseen(end: int, size: int, what: str, lacking: str) -> list[str]:
    """The words for what a kind of evidence leaves open."""
    if end == size:
        return []
    return [f"{what}, of entries {end} to {size - 1} (no {lacking} over them yet)" if end else f"{what} (no {lacking})"]


def _stamped(signed: bytes, token: TokenCheck, now: datetime) -> Judgement:
    wrong = token(signed, now)
    return not wrong, list(wrong), [] if wrong else ["the time-stamp token over the checkpoint"]


def _witnessed(signed: bytes, policy: Policy, keys: Keyring, now: datetime) -> Judgement:
    try:
        judged = quorum.judge(signed, policy, now=int(now.timestamp()))
    except DataError as error:  # the checkpoint itself is no note, which its own check reports
        return False, [Finding("quorum-missing", str(error))] if policy.quorum else [], []
    listed = {key.verifier.public for key in keys if key.since >= 0}
    own = [
        Finding("witness-not-independent", f"{witness.name}: its key signs entries of this ledger")
        for witness in (cosignature.parse_vkey(item.vkey) for item in policy.witnesses)
        if witness.key.public in listed
    ]
    counted = [f"the cosignature of {item.name} ({item.organisation})" for item in judged.statements if item.counts]
    return judged.reached and not own, [*judged.findings, *own], counted
