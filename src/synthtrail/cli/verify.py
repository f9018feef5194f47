"""Check a ledger, and re-hash every artifact that it speaks of.

    synthtrail verify                                   this checkout, by the policy pinned on this machine
    synthtrail verify /mnt/their/ledger --policy their-policy.json --since checkpoint-of-last-year

Prints every finding with its code, and the assurance level: A every entry is signed by a pinned key and this copy is
whole; B and it extends a checkpoint kept from earlier (--since); C and witnesses of other organisations cosigned it;
D and a time-stamping authority did. No level proves that a statement was true when it was signed.

Exit code 0 only if there is something to check and all of it holds; 1 if something does not; 2 if it cannot be checked.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import Source, find
from synthtrail.custody import artifacts, verify
from synthtrail.custody.artifacts import Presence
from synthtrail.custody.log import Log
from synthtrail.custody.report import Report

MANY = 20_000  # entries from which a second process is worth starting


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "ledger", nargs="?", type=Path, default=Path(), help="ledger folder or checkout (default: here)"
    )
    parser.add_argument("--policy", type=Path, help="the policy to judge by, got from its owner by another way")
    parser.add_argument("--since", type=Path, metavar="CHECKPOINT", help="a checkpoint kept from earlier")
    parser.add_argument("--artifacts", type=Path, metavar="ROOT", help="checkout whose artifacts to re-hash")
    parser.add_argument("--no-artifacts", action="store_true", help="check the ledger alone")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Verify and print the report."""
    source = find(arguments.ledger, arguments.policy)
    root = None if arguments.no_artifacts else arguments.artifacts or source.checkout
    return check(source, root, since=arguments.since, as_json=arguments.json)


def check_here(root: Path) -> int:
    """Verify the checkout at `root` by the policy pinned on this machine, and print the report."""
    return check(find(root, None), root)


def check(source: Source, root: Path | None, *, since: Path | None = None, as_json: bool = False) -> int:
    """Verify `source` and the artifacts of the checkout at `root`, print the report, and return the exit code."""
    report = verify.verify(
        source.reader,
        source.policy,
        now=datetime.now(UTC),
        since=read(since) if since else source.contradicting_guard(),
        trust_local=source.pinned_here,
        processes=processes(source),
    )
    found = compare(source, report, root) if root is not None else None
    print(as_text(report, found, root) if not as_json else as_document(report, found))
    return 0 if report.ok and holds(found) else 1


def compare(source: Source, report: Report, root: Path) -> list[Presence] | None:
    """Return how the artifacts of the checkout at `root` stand to the ledger; None if the ledger cannot be read."""
    if report.state is None:
        return None
    log = Log(source.reader.read, report.size)
    return artifacts.check(report.state, log, root, manifests=source.manifest)


def holds(found: Sequence[Presence] | None) -> bool:
    """Tell whether no artifact contradicts the ledger."""
    return not any(item.finding and item.finding.severity == "error" for item in found or ())


def read(path: Path) -> bytes:
    """Return the bytes of the checkpoint at `path`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}; --since takes a checkpoint file kept from earlier") from None


def processes(source: Source) -> int:
    """Return how many processes to check signatures with."""
    return max(1, os.cpu_count() or 1) if source.size() >= MANY and sys.platform != "win32" else 1


def as_text(report: Report, found: Sequence[Presence] | None, root: Path | None) -> str:
    """Return the report for people."""
    if found is None:
        return f"{report.text()}artifacts: not checked"
    lines = [f"artifacts in {root}, hashed anew:" if found else f"artifacts in {root}: none"]
    width = max((len(item.path) for item in found), default=0)
    for item in found:
        text = f": {item.finding.code}: {item.text}" if item.finding else ""
        lines.append(f"  {item.path:<{width}}  {item.status}{text}")
    return report.text() + "\n".join(lines)


def as_document(report: Report, found: Sequence[Presence] | None) -> str:
    """Return the report for programs, as JSON."""
    rows = [
        {"path": item.path, "slot": item.slot, "state": item.status, "code": item.finding and item.finding.code}
        for item in found or ()
    ]
    whole: dict[str, Any] = {**report.as_json(), "artifacts": None if found is None else rows}
    whole["ok"] = report.ok and holds(found)
    return json.dumps(whole, indent=2)
