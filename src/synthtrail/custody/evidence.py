"""Evidence about a checkpoint that does not come from the ledger's owner: witnesses and a third clock.

Witnesses are judged by `synthtrail.custody.quorum`; added here is what only the replayed ledger can tell: a witness
whose key signs entries too is the operator. A time-stamp token is judged by a `TokenCheck` that the caller brings;
where none is brought the outcome is "not checked", and a finding if the policy asks for a token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from synthtrail.custody import cosignature, quorum
from synthtrail.custody.errors import DataError
from synthtrail.custody.findings import Finding
from synthtrail.custody.keyring import Keyring
from synthtrail.custody.policy import Policy

TokenCheck: TypeAlias = Callable[[bytes, datetime], tuple[Finding, ...]]
"""``(signed checkpoint, now)`` to what is wrong with the time-stamp token over it; nothing if it is good."""


@dataclass(frozen=True)
class Evidence:
    """Whether witnesses and a third clock vouch for the head, and what is wrong with what was brought."""

    witnessed: bool
    stamped: bool
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    not_checked: tuple[str, ...]


def judge(signed: bytes, policy: Policy, keys: Keyring, now: datetime, token: TokenCheck | None) -> Evidence:
    """Judge the cosignatures on the checkpoint `signed`, and the token if there is a check for it."""
    witnessed, findings, checked = _witnessed(signed, policy, keys, now)
    not_checked = [] if witnessed else ["that no other history was shown to somebody else (no quorum of witnesses)"]
    stamped = False
    if token is not None:
        wrong = token(signed, now)
        stamped = not wrong
        findings += wrong
    elif policy.timestamp:
        findings.append(Finding("check-unavailable", "the policy asks for a time-stamp token; none was checked"))
    if stamped:
        checked.append("the time-stamp token over the checkpoint")
    else:
        not_checked.append("when the head existed, by a clock other than the owner's (no time-stamp token)")
    return Evidence(witnessed, stamped, tuple(findings), tuple(checked), tuple(not_checked))


def _witnessed(signed: bytes, policy: Policy, keys: Keyring, now: datetime) -> tuple[bool, list[Finding], list[str]]:
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
