"""What a person judges: the artifact, and the report that they read about it.

The report is the subject of the latest `validated` event about the artifact. A judgement may be asked for by the path
of either: `data/iris/report` means what that report is about. The digest of the report stands in the context of
`reviewed`, so that nobody can say later that another report was meant.
"""

from dataclasses import dataclass

from synthtrail.custody.errors import UsageError
from synthtrail.custody.record import Item
from synthtrail.handover import acting
from synthtrail.handover.acting import Saying
from synthtrail.storage.custodian import Custodian

REPORT = "report"


@dataclass(frozen=True)
class Judged:
    """An artifact, its state in the ledger, and the latest report about it with its verdict."""

    item: Item
    state: str
    report: Item
    verdict: str


def judged(found: Custodian, artifact: str) -> Judged:
    """Return what `artifact` (a path or a digest, of the artifact or of its report) means.

    Raises `UsageError` for an artifact that was never validated.
    """
    item = acting.subject(found, artifact)
    state, log = found.ledger.state, found.ledger.log
    maker = log.statement(state.lives.maker(state.lives.find(item.digest))).record
    if maker is not None and maker.stage == "validate":
        item = maker.inputs[0]
    for entry in reversed(state.lives.history(state.lives.find(item.digest))):
        made = log.statement(entry).record
        if made is not None and made.stage == "validate" and made.subject.digest != item.digest:
            return Judged(item, state.status(item.digest), made.subject, made.verdict)
    raise UsageError(f"{artifact}: no report about it is in the ledger; `make repro` validates what it generates")


def review(found: Judged, outcome: str, notes: str) -> Saying:
    """Return a named person's judgement of the report."""
    fields = {"outcome": outcome, "notes": notes}
    return Saying("reviewed", [found.item], fields, "review", [(REPORT, found.report.digest.hex())])


def decision(event: str, item: Item, reason: str) -> Saying:
    """Return a steward's `approved` or `rejected`."""
    return Saying(event, [item], {"reason": reason}, "approval")


def release(item: Item, terms: str, place: str) -> Saying:
    """Return a steward's release to the public."""
    return Saying("released", [item], {"terms": terms, "place": place}, "responsibility")
