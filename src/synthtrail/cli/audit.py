"""A ledger verified and the artifacts beside it hashed again: one outcome, for people and for programs."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synthtrail.cli.sources import Source
from synthtrail.custody import artifacts, verify
from synthtrail.custody.artifacts import Presence
from synthtrail.custody.evidence import TokenCheck
from synthtrail.custody.log import Log
from synthtrail.custody.report import Report

MANY = 20_000  # entries from which a second process is worth starting


@dataclass(frozen=True)
class Audit:
    """The ledger's report, and how the artifacts in `where` stand to it; None where they were not looked at."""

    report: Report
    found: Sequence[Presence] | None
    where: str = ""

    @property
    def ok(self) -> bool:
        """Whether the ledger holds and no artifact contradicts it."""
        wrong = (item.finding for item in self.found or ())
        return self.report.ok and not any(finding and finding.severity == "error" for finding in wrong)

    @property
    def pending(self) -> bool:
        """Whether records wait to be signed."""
        return any(item.status == "pending" for item in self.found or ())

    def text(self, *, every: bool = False) -> str:
        """Return the report for people; with `every`, the artifacts that are as signed are listed too."""
        if self.found is None:
            return f"{self.report.text()}artifacts: not checked"
        counts = Counter(item.status for item in self.found)
        summed = ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "none"
        lines = [f"artifacts in {self.where}, hashed anew: {summed}"]
        shown = [item for item in self.found if every or item.finding]
        width = max((len(item.path) for item in shown), default=0)
        for item in shown:
            text = f": {item.finding.code}: {item.text}" if item.finding else ""
            lines.append(f"  {item.path:<{width}}  {item.status}{text}")
        return self.report.text() + "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """Return the report for programs, as JSON values."""
        rows = [
            {"path": item.path, "slot": item.slot, "state": item.status, "code": item.finding and item.finding.code}
            for item in self.found or ()
        ]
        return {**self.report.as_json(), "artifacts": None if self.found is None else rows, "ok": self.ok}


def audit(source: Source, root: Path | None, *, since: bytes | None = None, token: TokenCheck | None = None) -> Audit:
    """Verify `source` and hash the artifacts of the checkout at `root` again (None: leave them out)."""
    report = verify.verify(
        source.reader,
        source.policy,
        now=datetime.now(UTC),
        since=since or source.contradicting_guard(),
        token=token,
        trust_local=source.pinned_here,
        processes=processes(source),
    )
    if root is None or report.state is None:
        return Audit(report, None)
    log = Log(source.reader.read, report.size)
    return Audit(report, artifacts.check(report.state, log, root, manifests=source.manifest), str(root))


def processes(source: Source) -> int:
    """Return how many processes to check signatures with."""
    return max(1, os.cpu_count() or 1) if source.size() >= MANY and sys.platform != "win32" else 1
