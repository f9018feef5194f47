"""What `synthtrail verify` does with a file instead of a folder: a bundle, or the proof of one artifact."""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from synthtrail.cli import audit, outcome, sources
from synthtrail.cli.audit import Audit
from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import load
from synthtrail.custody import archive, carried, digest, note, proofcheck, tlogproof
from synthtrail.custody import verify as verifying
from synthtrail.custody.archive import Archive
from synthtrail.custody.artifacts import Presence
from synthtrail.custody.digest import Digest
from synthtrail.custody.errors import CustodyError
from synthtrail.custody.log import Log
from synthtrail.custody.policy import Policy
from synthtrail.custody.proofreport import ProofReport
from synthtrail.custody.report import Report
from synthtrail.storage.home import home


def check(arguments: argparse.Namespace) -> int:
    """Verify the file at `arguments.ledger`, print the report, and return the exit code.

    Takes the arguments of `synthtrail verify`. With a proof, `--artifacts` is the artifact itself, or a folder in which
    it has its path.
    """
    path, since = arguments.ledger, sources.brought(arguments.since) if arguments.since else None
    with path.open("rb") as file:
        if carried.looks_like(file.read(64)):
            return check_proof(sources.brought(path), arguments, since)
        bundle = opened(file, path)
        policy, local = pinned(arguments.policy, bundle.read("checkpoint"))
        token = audit.token(bundle.read, policy, arguments.tsa_root)
        report = verifying.verify(bundle, policy, now=datetime.now(UTC), since=since, token=token, trust_local=local)
        wanted = not arguments.no_artifacts and report.state is not None
        found = artifacts(bundle, report) if wanted else None
        return outcome.say(Audit(report, found, str(path)), arguments, bundle.read, policy)


def opened(file: BinaryIO, path: Path) -> Archive:
    """Return the bundle in a file; raise `CommandError` if it is none."""
    try:
        return Archive(file)
    except CustodyError as error:
        raise CommandError(f"{path}: neither a proof nor a bundle: {error}") from None


def check_proof(data: bytes, arguments: argparse.Namespace, since: bytes | None) -> int:
    """Verify the proof `data` and, if one is named, its artifact."""
    policy, local = pinned(arguments.policy, tlogproof.parse(data).checkpoint)
    now = datetime.now(UTC)
    report = proofcheck.check(data, policy, now=now, since=since, trust_local=local)
    if arguments.artifacts is not None:
        brought = artifact(arguments.artifacts, report)
        report = proofcheck.check(data, policy, now=now, since=since, trust_local=local, artifact=brought)
    return outcome.say(Proof(report, None), arguments, nothing, policy)


@dataclass(frozen=True)
class Proof(Audit):
    """The outcome of a proof, which speaks of its artifact itself."""

    def text(self, *, every: bool = False) -> str:
        """Return the report for people."""
        return self.report.text().rstrip("\n")


def nothing(path: str) -> bytes:
    """The ledger that a proof brings: none."""
    raise FileNotFoundError(path)


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
