"""Putting another policy into force: in the ledger and on this machine, both or neither.

1. The new policy is written beside the pinned one, as `policy.next.json`.
2. The roots sign `policy-changed`, which states its digest, and the ledger takes it.
3. The new policy is renamed over the old one.

A process that dies in between leaves `policy.next.json` behind. Whoever opens the ledger next asks it which policy is
in force, and `settle`s the matter: after step 2 the new one is pinned, before it the file is dropped.
"""

from datetime import datetime
from pathlib import Path

from synthtrail.custody import acts
from synthtrail.custody import policy as policies
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import UsageError
from synthtrail.custody.ledger import Ledger
from synthtrail.custody.policy import Policy
from synthtrail.storage.files import flush_folder, write_bytes
from synthtrail.storage.home import home

NEXT = "policy.next.json"


def adopt(ledger: Path, policy: Policy, sequencer: Signer, *roots: Signer, now: datetime) -> int:
    """Put `policy` into force for the ledger in the folder `ledger`; return the entry that says so."""
    pinned = home().policy(policy.origin)
    write_bytes(pinned.with_name(NEXT), policy.encode(), mode=0o600)
    try:
        opened = Ledger.open(ledger, home().guard(policy.origin), policy, sequencer)
        with opened.transaction(now) as tx:
            fields = acts.policy_fields(policy)
            (entry,) = tx.append([acts.event(tx.state, "policy-changed", *roots, at=now, fields=fields)])
    except Exception:
        settle(ledger, policy.origin, sequencer)
        raise
    settle(ledger, policy.origin, sequencer)
    return entry


def settle(ledger: Path, origin: str, sequencer: Signer) -> None:
    """Finish or drop a change of policy that was begun; nothing happens if none was."""
    pinned = home().policy(origin)
    coming = pinned.with_name(NEXT)
    if not coming.exists():
        return
    policy = policies.parse(coming.read_bytes())
    if Ledger.open(ledger, home().guard(origin), policy, sequencer).state.policy_digest == policy.digest:
        coming.replace(pinned)
    else:
        coming.unlink()
    flush_folder(pinned.parent)


def pin(policy: Policy, *, replacing: bool = False) -> Path:
    """Pin another organisation's policy on this machine and return where; one that is pinned already stays.

    Raises `UsageError` if another policy is pinned for that origin, unless it is to be replaced by one that still
    knows all of its roots, as present or as former ones.
    """
    path = home().policy(policy.origin)
    if path.exists() and path.read_bytes() != policy.encode():
        known = policies.parse(path.read_bytes())
        if not replacing:
            raise UsageError(f"{path}: another policy is pinned; ask its owner which is right, then pin with --replace")
        if not set(known.root_keys) <= set(policy.root_keys):
            raise UsageError("the new policy does not know the roots of the pinned one; ask its owner why")
    write_bytes(path, policy.encode(), mode=0o600)
    return path
