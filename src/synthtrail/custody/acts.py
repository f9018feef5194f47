"""Saying something in a ledger: the envelope of a new event, chained to what the ledger says now.

    with ledger.transaction(now) as tx:
        tx.add(acts.made(tx.state, record, operator, at=now, context=[("git.commit", commit)]))
        tx.add(acts.event(tx.state, "approved", steward, at=now, subjects=[item], meaning="approval", fields=…))
        tx.add(acts.status(tx.state, operator, at=now))
        tx.commit()

`made` chooses the event itself: the stage's own, or `reused` if that record was logged before. The first signer is the
actor; more than one only where roots act together.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from synthtrail.custody import dsse, statement
from synthtrail.custody import record as records
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.policy import Policy
from synthtrail.custody.record import Item, Record
from synthtrail.custody.state import State


def event(
    state: State,
    name: str,
    *signers: Signer,
    at: datetime,
    subjects: Sequence[Item] = (),
    record: Record | None = None,
    meaning: str = "",
    context: Sequence[tuple[str, str]] = (),
    fields: Mapping[str, Value] | None = None,
) -> dict[str, Value]:
    """Return the signed envelope of event `name`; raises `UsageError` if it cannot be said like this.

    Whether it may be said now and by this signer is judged when it is appended.
    """
    concerned = tuple(item.digest for item in (record.concerned if record else subjects))
    payload = statement.build(
        name,
        actor=signers[0].name,
        at=at,
        ledger=state.policy.origin,
        subjects=subjects,
        previous=state.previous(concerned),
        made=record,
        meaning=meaning,
        context=context,
        fields=fields,
    )
    return dsse.sign(payload, *signers)


def made(
    state: State, record: Value, signer: Signer, *, at: datetime, context: Sequence[tuple[str, str]] = ()
) -> dict[str, Value]:
    """Return the envelope that logs a stage's record: as what its stage did, or as `reused`."""
    found = records.parse(record)
    name = "reused" if state.knows_record(found.digest) else found.event
    return event(state, name, signer, at=at, record=found, context=context)


def is_latest(state: State, record: Value) -> bool:
    """Whether a record is what the ledger has for its slot already, so that nothing needs to be logged."""
    found = records.parse(record)
    slot = state.slots.get(found.slot)
    return slot is not None and slot.record == found.digest


def opening(policy: Policy, *roots: Signer, at: datetime) -> dict[str, Value]:
    """Return the envelope of entry 0, which ties the ledger to the policy."""
    return event(State(policy), "ledger-opened", *roots, at=at, fields=policy_fields(policy))


def status(state: State, signer: Signer, *, at: datetime) -> dict[str, Value]:
    """Return the envelope that sums up what became of every artifact, for the last entry of a group.

    Let it be the last one added before `commit`: whoever gets a proof of a status wants it of the head.
    """
    fields: dict[str, Value] = {"size": state.size, "root": state.status_root().hex()}
    return event(state, "status", signer, at=at, fields=fields)


def policy_fields(policy: Policy) -> dict[str, Value]:
    """The fields of `ledger-opened` and `policy-changed`: what of a policy the ledger states."""
    roots: list[Value] = list(policy.roots)
    return {"policySha256": policy.digest.hex(), "roots": roots, "threshold": policy.threshold}


def key_fields(signer: Signer, role: str, *, person: str = "", organisation: str = "") -> dict[str, Value]:
    """The fields of `key-added` for this key."""
    return {"key": signer.verifier.vkey(), "role": role, "person": person, "organisation": organisation}


def request_of(envelope: Value) -> str:
    """What an answer states as its `request`: the name of the event in `envelope`, in hexadecimal."""
    return digest_of_payload(envelope).hex()


def digest_of_payload(envelope: Value) -> bytes:
    """The name of an event: SHA-256 of its payload bytes."""
    return statement.parse(dsse.parse(envelope).payload).digest
