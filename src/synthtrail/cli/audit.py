"""A ledger verified and the artifacts beside it hashed again: one outcome, for people and for programs."""

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synthtrail.cli.sources import Source
from synthtrail.cli.sources import brought as brought_file
from synthtrail.custody import artifacts, tiles, verify
from synthtrail.custody.artifacts import Presence
from synthtrail.custody.evidence import TokenCheck
from synthtrail.custody.log import Log
from synthtrail.custody.policy import Policy
from synthtrail.custody.record import Record
from synthtrail.custody.report import Report
from synthtrail.handover import kept

MANY = 20_000  # entries from which a second process is worth starting


@dataclass(frozen=True)
class Brought:
    """What a verifier brings besides the policy: a checkpoint kept from earlier, a check of time-stamp tokens."""

    since: bytes | None = None
    token: TokenCheck | None = None


@dataclass(frozen=True)
class Audit:
    """The ledger's report, and how the artifacts in `where` stand to it; None where they were not looked at.

    `notes` say what the verifier should know about this run that is not about the ledger.
    """

    report: Report
    found: Sequence[Presence] | None
    where: str = ""
    notes: tuple[str, ...] = ()

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
        told = "".join(f"note: {note}\n" for note in self.notes)
        if self.found is None:
            return f"{self.report.text()}{told}artifacts: not checked"
        counts = Counter(item.status for item in self.found)
        summed = ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "none"
        lines = [f"artifacts in {self.where}, hashed anew: {summed}"]
        shown = [item for item in self.found if every or item.finding]
        width = max((len(item.path) for item in shown), default=0)
        for item in shown:
            text = f": {item.finding.code}: {item.text}" if item.finding else ""
            lines.append(f"  {item.path:<{width}}  {item.status}{text}{mending(item)}")
        return self.report.text() + told + "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """Return the report for programs, as JSON values."""
        rows = [
            {"path": item.path, "slot": item.slot, "state": item.status, "code": item.finding and item.finding.code}
            for item in self.found or ()
        ]
        listed = None if self.found is None else rows
        return {**self.report.as_json(), "notes": list(self.notes), "artifacts": listed, "ok": self.ok}


def mending(item: Presence) -> str:
    """Return what brings an artifact back that is not as it was signed: from DVC's cache, or, if that is bad, anew."""
    if item.finding is None or item.status != "changed" or "/" not in item.slot:
        return ""
    experiment, stage = item.slot.split("/", 1)
    return (
        f". `dvc checkout --force {item.path}` brings it back; if it stays so, the copy in DVC's cache is bad too, and "
        f"`dvc repro --force --single-item {stage}@{experiment}` makes it again"
    )


def audit(source: Source, root: Path | None, *, brought: Brought = Brought(), keep: bool = False) -> Audit:
    """Verify `source` and hash the artifacts of the checkout at `root` again (None: leave them out).

    With `keep`, what a verification that holds found is kept for the next one (`synthtrail.handover.kept`).
    """
    with kept.known(brought.since, source.policy) as (known, absent):
        report = verify.verify(
            source.reader,
            source.policy,
            now=datetime.now(UTC),
            since=brought.since or source.contradicting_guard(),
            known=known,
            token=brought.token,
            vouched=source.vouched(),
            trust_local=source.pinned_here,
            processes=processes(source),
        )
        unused = known is not None and brought.since is not None and not report.start
        why = kept.unusable(brought.since, source.policy) if unused and brought.since else absent
    if keep:
        kept.keep(report, source.policy)
    notes = (why,) if why else ()
    if root is None or report.state is None:
        return Audit(report, None, notes=notes)
    log = Believed(source.reader.read, report.size, {slot.entry: slot.record for slot in report.state.slots.values()})
    found = artifacts.check(report.state, log, root, manifests=source.manifest)
    return Audit(report, found, str(root), notes)


@dataclass(frozen=True)
class Believed(Log):
    """A log that gives only the records that the verified state has the digests of: not every entry was read anew."""

    records: Mapping[int, bytes]

    def record(self, index: int) -> Record | None:
        """The record in entry number `index`, if it is the one that the state says."""
        found = super().record(index)
        return found if found is None or found.digest == self.records.get(index, found.digest) else None


def processes(source: Source) -> int:
    """Return how many processes to check signatures with."""
    return max(1, os.cpu_count() or 1) if source.size() >= MANY and sys.platform != "win32" else 1


def token(reader: tiles.Reader, policy: Policy, given: Path | None) -> TokenCheck | None:
    """Return the check of time-stamp tokens: by the certificates in the file `given`, or by those that are pinned."""
    roots = brought_file(given) if given is not None else policy.timestamp_pem
    if roots is None:
        return None
    from synthtrail.handover import anchors, timestamp  # noqa: PLC0415 - needed by few audits

    required = given is not None or policy.timestamp
    return anchors.token_check(reader, roots, timestamp.checker(), required=required)
