"""Check the ledger against the world: workspace, DVC, MLflow, object stores, retention, and what was disposed of.

    synthtrail audit
    synthtrail audit --html audit.html      the same as a page, with the custody of every artifact drawn

Says what was never logged, what was logged and is missing, what disagrees, what is kept too long, and what was disposed
of and is there. Every place is swept for what was disposed of; a second run reads only files that changed, `--full` all
of them. Exit code 0 only if there is no error; 1 if there is one; 2 if it cannot be checked.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli import signing
from synthtrail.cli.audit import Audit, audit
from synthtrail.cli.sources import find
from synthtrail.custody import canonical, erasure, lineage
from synthtrail.custody.record import Item
from synthtrail.handover import audit_page, crosscheck, descent, resweep
from synthtrail.handover.audit_page import Custody, Row
from synthtrail.handover.survivors import survivors
from synthtrail.handover.sweep import Swept
from synthtrail.handover.timeline import Mark
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.files import write_text


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page too")
    parser.add_argument("--full", action="store_true", help="hash everything, rely on no memory of file times")
    parser.add_argument("--endpoint", metavar="URL", help="address of an S3-compatible provider")


def run(arguments: argparse.Namespace) -> int:
    """Look everywhere, and say what disagrees."""
    found, now = signing.custodian(), datetime.now(UTC)
    outcome = audit(find(found.root, None), found.root)
    swept = resweep.everything(found, full=arguments.full, endpoint=arguments.endpoint)
    rows = [*ledger_rows(outcome), *survived(found, swept)]
    rows += [Row(item.severity, item.code, item.path, item.text) for item in world(found, now, arguments.endpoint)]
    for row in rows:
        print(f"{row.severity:<8} {row.code:<20} {row.place}: {row.text}")
    errors = sum(row.severity == "error" for row in rows)
    print("\n".join(looked(swept)))
    print(
        f"{errors} errors, {len(rows) - errors} warnings; ledger {found.policy.origin}, {outcome.report.size} entries"
    )
    if arguments.html:
        at = canonical.format_time(now)
        page = audit_page.page(found.policy.origin, at, outcome.text(), looked(swept), rows, custody(found))
        write_text(arguments.html, page)
        print(f"page {arguments.html}")
    return 1 if errors else 0


def ledger_rows(outcome: Audit) -> list[Row]:
    """Return what verifying the ledger and hashing the workspace found."""
    listed = [*outcome.report.findings, *(item.finding for item in outcome.found or () if item.finding)]
    return [Row(item.severity, item.code, item.path or place(item.entry), item.text) for item in listed]


def place(entry: int | None) -> str:
    """Return how a finding without a path is placed."""
    return "ledger" if entry is None else f"entry {entry}"


def survived(found: Custodian, swept: list[Swept]) -> list[Row]:
    """Return what is wrong with disposals: certificates, keys that survive, copies outside the workspace."""
    ledger = found.ledger
    listed = erasure.check(
        ledger.state, ledger.log, certificates=ledger.certificate, survivors=survivors(found.policy.origin, swept)
    )
    return [Row(item.severity, item.code, item.path or place(item.entry), item.text) for item in listed]


def world(found: Custodian, now: datetime, endpoint: str | None) -> list[crosscheck.Disagreement]:
    """Return what DVC, MLflow, stores and dates say differently."""
    return crosscheck.check(found, now, endpoint=endpoint)


def looked(swept: list[Swept]) -> list[str]:
    """Return a line for each place that was swept."""
    if not swept:
        return ["nothing was disposed of, so no place was swept"]
    return [
        f"{item.place}: {item.outcome}, {item.files:,} files, {item.bytes:,} bytes compared"
        + (f" ({item.why})" if item.why else "")
        for item in swept
    ]


def custody(found: Custodian) -> list[Custody]:
    """Return every artifact with its events, in the order in which they were made."""
    state, log = found.ledger.state, found.ledger.log
    first: dict[bytes, Item] = {}
    for making in descent.makings(log):
        first.setdefault(making.artifact, making.record.subject)
    made = []
    for artifact, item in first.items():
        marks = [Mark(m.entry, m.event, m.outcome, m.actor, m.at) for m in lineage.life(state, log, artifact)]
        made.append(Custody(item.path, artifact.hex(), state.status(artifact), state.held(artifact), marks))
    return made
