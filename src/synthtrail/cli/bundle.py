"""Pack a ledger, and artifacts if wanted, into one file that is verified offline.

Usage:
    synthtrail bundle -o iris.zip --artifact data/iris/synthetic --artifact data/iris/report
    synthtrail verify iris.zip --policy policy.json

The file is a ZIP without compression; equal content gives equal bytes. Time-stamp tokens go in and are checked there;
copies of earlier cosigned checkpoints do not: bundle a ledger whose newest checkpoint is cosigned. `--with-policy` puts
the policy in as well. That is a convenience: a verifier must get the policy by another way, since whoever makes a
bundle chooses what is in it.

Exit codes:
    0  written, and it holds
    1  written, but the ledger does not verify, or something packed is not what it says
    2  nothing was written: no ledger, no policy, no such artifact

Files:
    FILE                                    what is written, whole or not at all
    LEDGER/checkpoint, tile/, anchors/      what is packed

See also: verify, export; docs/auditor.md
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli import audit
from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import Source, find
from synthtrail.custody import archive, digest, verify
from synthtrail.custody.archive import Archive, Member
from synthtrail.custody.artifacts import Presence
from synthtrail.custody.ledger import CERTIFICATES
from synthtrail.custody.log import Log
from synthtrail.custody.policy import Policy
from synthtrail.custody.report import Report

ANCHORS = "anchors"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "ledger", nargs="?", type=Path, default=Path(), help="ledger folder or checkout (default: here)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--artifact", type=Path, action="append", default=[], metavar="PATH", help="pack this too")
    parser.add_argument("--policy", type=Path, help="the policy of a ledger that is not pinned on this machine")
    parser.add_argument("--with-policy", action="store_true", help="put the policy in, for convenience")


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle, read it back, and say what is in it."""
    source = find(arguments.ledger, arguments.policy)
    members = [*archive.ledger_members(source.reader.read), *kept(source.folder)]
    for path in arguments.artifact:
        members += artifact(source, path)
    if arguments.with_policy:
        members.append(archive.member(archive.POLICY, source.policy.encode()))
    save(arguments.output, members)
    with arguments.output.open("rb") as file:
        report, found = check(Archive(file), source.policy)
    for line in (*report.findings, *(f"{item.path}: {item.finding.code if item.finding else 'ok'}" for item in found)):
        print(f"  {line}")
    made = digest.file(arguments.output)
    print(f"{arguments.output}: {len(members)} files, {made.size} bytes, sha256 {made.sha256}")
    return 0 if report.ok and not any(item.finding and item.finding.severity == "error" for item in found) else 1


def kept(folder: Path) -> Iterator[Member]:
    """Yield the time stamps and the certificates of disposal that lie beside the ledger in `folder`."""
    for name in (ANCHORS, CERTIFICATES):
        for path in sorted((folder / name).glob("*")):
            if path.is_file() and not path.is_symlink():
                yield archive.member(f"{archive.LEDGER}{name}/{path.name}", path.read_bytes())


def artifact(source: Source, path: Path) -> Iterator[Member]:
    """Yield the files of the artifact at `path`, given from here or from the checkout that the ledger lies in."""
    root = source.checkout
    if root is None:
        raise CommandError(f"{source.folder}: artifacts are packed from a checkout, and this ledger lies in none")
    given = path if path.exists() else root / path
    if not given.exists():
        raise CommandError(f"{path}: there is no such file or folder, here or in {root}")
    try:
        inner = given.absolute().relative_to(root)
    except ValueError:
        raise CommandError(f"{path}: not in the checkout {root}") from None
    return archive.artifact_members(root, inner.as_posix())


def save(path: Path, members: list[Member]) -> None:
    """Write the bundle at `path`, whole or not at all."""
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            archive.write(file, members)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def check(bundle: Archive, policy: Policy) -> tuple[Report, list[Presence]]:
    """Verify the bundle as its receiver will."""
    token = audit.token(bundle.read, policy, None)
    report = verify.verify(bundle, policy, now=datetime.now(UTC), token=token)
    if report.state is None:
        return report, []
    return report, archive.check_artifacts(bundle, report.state, Log(bundle.read, report.size))
