"""Disposal that can be believed: asked for, approved by another person, carried out to the last copy, and certified.

    request   names the artifacts and decides about every descendant: disposed too, or kept for a reason
    approve   another key and another person
    execute   1 survey, into a journal, before anything is touched
              2 the experiments are turned off: params.yaml, dvc.lock
              3 keys destroyed: age identities, salt keys
              4 copies found, noted, deleted: workspace, DVC's cache, workspaces, runs and remotes, MLflow, checkpoints,
                temporary files; objects in stores
              5 everything swept again
              6 certificate written, `disposal-executed` appended, stages told what they may not make again
    verify    swept again later; a copy that reappeared is an alarm and an entry

Killed anywhere, the same command goes on from the journal; the certificate is made last, from what was noted as done.
What could not be reached is in it as "not reached".
"""

from collections.abc import Mapping, Sequence

from synthtrail.custody import certificate as certificates
from synthtrail.custody import shapes
from synthtrail.custody.canonical import Value
from synthtrail.custody.certificate import Certificate
from synthtrail.custody.errors import UsageError
from synthtrail.custody.record import Item
from synthtrail.custody.state import Request
from synthtrail.custody.statement import Statement
from synthtrail.handover import acting, descent, holds, pairs
from synthtrail.handover.acting import Said, Saying
from synthtrail.storage.custodian import Custodian

KEEP = "keep"
HALF = 2_000  # characters of a reason; two of them fit into one text of a certificate


def undecided(found: Custodian, items: Sequence[Item], kept: Mapping[str, str]) -> list[Item]:
    """Return the descendants of `items` that are neither among them, nor kept, nor disposed of already."""
    every = descent.makings(found.ledger.log)
    below = descent.descendants(every, [item.digest for item in items])
    state = found.ledger.state
    return [
        item
        for name, item in below.items()
        if name.hex() not in kept and state.status(name) not in ("disposed", "absent")
    ]


def saying(found: Custodian, items: Sequence[Item], reason: str, kept: Mapping[str, str]) -> Saying:
    """Return the request that `items` be disposed of; `kept` gives the reason for each descendant that stays.

    Raises `UsageError` if a descendant has no decision, or something is held.
    """
    holds.refuse(found, items)
    for item in items:
        if found.ledger.state.status(item.digest) in ("condemned", "disposed"):
            raise UsageError(f"{item.path} is {found.ledger.state.status(item.digest)} already")
    open_ones = undecided(found, items, kept)
    if open_ones:
        listed = ", ".join(f"{item.path} {item.digest.hex()[:16]}" for item in open_ones)
        raise UsageError(
            f"made from it, and not decided about: {listed}; add --with-descendants, or for each --keep DIGEST=REASON"
        )
    context = [(f"{KEEP}.{name}", shapes.prose(why, "--keep")) for name, why in sorted(kept.items())]
    return Saying("disposal-requested", tuple(items), {"reason": reason}, context=tuple(context))


def waiting(found: Custodian, event: str, items: Sequence[Item]) -> tuple[str, Request]:
    """Return the open request called `event` about any of `items`: its digest (hex), and what is known of it."""
    wanted = {item.digest for item in items}
    for name, request in found.ledger.state.requests.items():
        if request.event == event and wanted & set(request.subjects):
            return name.hex(), request
    gone = [item.path for item in items if found.ledger.state.status(item.digest) == "disposed"]
    if gone:
        raise UsageError(f"{', '.join(gone)} was disposed of already; `synthtrail dispose verify` looks again")
    said = {
        "disposal-requested": "no open request to dispose of it",
        "disposal-approved": "its disposal is not approved",
    }
    raise UsageError(f"{', '.join(item.path for item in items)}: {said.get(event, 'nothing to answer')}")


def approval(found: Custodian, items: Sequence[Item], reason: str) -> Saying:
    """Return the approval of the open request about `items`, for everything that it names."""
    name, request = waiting(found, "disposal-requested", items)
    subjects = [acting.item(found, digest) for digest in request.subjects]
    holds.refuse(found, subjects)
    return Saying("disposal-approved", tuple(subjects), {"request": name, "reason": reason}, meaning="approval")


def request_behind(found: Custodian, approved: str) -> Statement:
    """Return the request that the approval with this digest (hex) answers."""
    return statement_of(found, str(statement_of(found, approved).predicate["request"]))


def reason(found: Custodian, approved: str) -> str:
    """Return why the disposal was asked for, and what its approver said."""
    asked, said = request_behind(found, approved), statement_of(found, approved)
    return f"{str(asked.predicate['reason'])[:HALF]}; approved: {str(said.predicate['reason'])[:HALF]}"


def decisions(found: Custodian, approved: str) -> dict[str, str]:
    """Return the reason for each descendant that the request behind the approval keeps (hex digests)."""
    context = dict(request_behind(found, approved).context)
    return {name.removeprefix(f"{KEEP}."): why for name, why in context.items() if name.startswith(f"{KEEP}.")}


def statement_of(found: Custodian, event: str) -> Statement:
    """Return what the event with this digest (hex) says."""
    row = found.ledger.state.events.find(bytes.fromhex(event))
    return found.ledger.log.statement(row)


def executed(found: Custodian, actor: acting.Actor, made: Certificate) -> Said:
    """Keep the certificate and append `disposal-executed`."""
    found.ledger.keep_certificate(made.encode())
    items = [acting.item(found, bytes.fromhex(item.sha256)) for item in made.artifacts]
    fields: dict[str, Value] = {
        "request": made.approval,
        "certificate": made.digest.hex(),
        "details": pairs.listed(made.details()),
    }
    return acting.say(found, actor, "disposal-executed", items, fields)


def disposed(found: Custodian) -> dict[bytes, tuple[int, str]]:
    """Return every artifact that was disposed of: the entry of `disposal-executed` and the certificate's digest."""
    state, log = found.ledger.state, found.ledger.log
    listed: dict[bytes, tuple[int, str]] = {}
    for row in state.lives.rows("disposed"):
        entry = next(n for n in reversed(state.lives.history(row)) if log.statement(n).act.event == "disposal-executed")
        listed[state.lives.ids[row]] = (entry, str(log.statement(entry).predicate["certificate"]))
    return listed


def certificate(found: Custodian, digest: str) -> Certificate:
    """Return a kept certificate; raise `UsageError` if it is gone."""
    data = found.ledger.certificate(bytes.fromhex(digest))
    if data is None:
        raise UsageError(f"the certificate {digest[:16]}… is not in {found.root}/ledger/certificates")
    return certificates.parse(data)
