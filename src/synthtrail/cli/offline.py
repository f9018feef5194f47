"""What `synthtrail verify` does with a file instead of a folder: a bundle, or the proof of one artifact."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import load
from synthtrail.custody import archive, canonical, carried, digest, note, proofcheck, tlogproof
from synthtrail.custody.archive import Archive
from synthtrail.custody.artifacts import Presence
from synthtrail.custody.digest import Digest
from synthtrail.custody.errors import CustodyError
from synthtrail.custody.log import Log
from synthtrail.custody.policy import Policy
from synthtrail.custody.proofcheck import ProofReport
from synthtrail.custody.report import Report
from synthtrail.custody.verify import verify
from synthtrail.storage.home import home


def check(arguments: argparse.Namespace) -> int:
    """Verify the file at `arguments.ledger`, print the report, and return the exit code.

    Takes the arguments of `synthtrail verify`. With a proof, `--artifacts` is the artifact itself, or a folder in which
    it has its path.
    """
    path, since = arguments.ledger, arguments.since.read_bytes() if arguments.since else None
    with path.open("rb") as file:
        if carried.looks_like(file.read(64)):
            return check_proof(path.read_bytes(), arguments, since)
        bundle = Archive(file)
        policy, local = pinned(arguments.policy, bundle.read("checkpoint"))
        report = verify(bundle, policy, now=datetime.now(UTC), since=since, trust_local=local)
        found = [] if arguments.no_artifacts or report.state is None else artifacts(bundle, report)
    return say(report, found, as_json=arguments.json)


def check_proof(data: bytes, arguments: argparse.Namespace, since: bytes | None) -> int:
    """Verify the proof `data` and, if one is named, its artifact."""
    policy, local = pinned(arguments.policy, tlogproof.parse(data).checkpoint)
    now = datetime.now(UTC)
    report = proofcheck.check(data, policy, now=now, since=since, trust_local=local)
    if arguments.artifacts is not None:
        brought = artifact(arguments.artifacts, report)
        report = proofcheck.check(data, policy, now=now, since=since, trust_local=local, artifact=brought)
    return say(report, [], as_json=arguments.json)


def pinned(path: Path | None, checkpoint: bytes) -> tuple[Policy, bool]:
    """Return the policy at `path`, or the one pinned on this machine for that origin; and whether it is the latter."""
    if path is not None:
        return load(path), False
    try:
        origin = note.parse_checkpoint(note.parse(checkpoint)[0]).origin
    except CustodyError as error:
        raise CommandError(f"its checkpoint cannot be read ({error}); give the --policy to judge it by") from None
    here = home().policy(origin)
    if not here.exists():
        raise CommandError(f"no policy is pinned here for {origin}; give the one you got from its owner with --policy")
    return load(here), True


def artifacts(bundle: Archive, report: Report) -> list[Presence]:
    """Return how the packed artifacts stand to the ledger in the bundle."""
    return archive.check_artifacts(bundle, report.state, Log(bundle.read, report.size)) if report.state else []


def artifact(place: Path, report: ProofReport) -> Digest:
    """Return the digest of the artifact at `place`, or of what lies there at the path that the proof is about."""
    paths = [place / item.path for item in report.said.subjects] if report.said else []
    found = next((path for path in paths if path.exists()), place)
    if not found.exists():
        raise CommandError(f"{place}: there is no such artifact")
    return digest.artifact(found)


def say(report: Report, found: list[Presence], *, as_json: bool) -> int:
    """Print the report and what was packed, and return the exit code."""
    wrong = [item.finding for item in found if item.finding and item.finding.severity == "error"]
    good = report.ok and not wrong
    if as_json:
        rows: list[canonical.Value] = [
            {
                "path": item.path,
                "slot": item.slot,
                "state": item.status,
                "code": item.finding.code if item.finding else None,
            }
            for item in found
        ]
        print(json.dumps(report.as_json() | {"artifacts": rows, "ok": good}, indent=2))
        return 0 if good else 1
    print(report.text(), end="")
    for item in found:
        print(f"artifact {item.path}: {item.finding or item.status}")
    return 0 if good else 1
