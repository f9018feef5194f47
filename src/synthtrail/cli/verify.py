"""Check a ledger, and re-hash every artifact that it speaks of.

    synthtrail verify                                   this checkout, by the policy pinned on this machine
    synthtrail verify released.bundle --policy their-policy.json
    synthtrail verify 3b01c2.tlog-proof --artifacts data/iris/synthetic --policy their-policy.json
    synthtrail verify /mnt/their/ledger --policy their-policy.json --since checkpoint-of-last-year

Prints every finding with its code, and the assurance level: A every entry is signed by a pinned key and this copy is
whole; B and it extends a checkpoint kept from earlier (--since); C and witnesses of other organisations cosigned it;
D and a time-stamping authority did. No level proves that a statement was true when it was signed.

Exit code 0 only if there is something to check and all of it holds; 1 if something does not; 2 if it cannot be checked.
"""

import argparse
import json
from pathlib import Path

from synthtrail.cli.audit import audit
from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import Source, find
from synthtrail.custody.evidence import TokenCheck


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "ledger", nargs="?", type=Path, default=Path(), help="ledger folder, checkout, bundle or proof (default: here)"
    )
    parser.add_argument("--policy", type=Path, help="the policy to judge by, got from its owner by another way")
    parser.add_argument("--since", type=Path, metavar="CHECKPOINT", help="a checkpoint kept from earlier")
    parser.add_argument("--tsa-root", type=Path, metavar="PEM", help="certificates of the time-stamping authority")
    parser.add_argument("--artifacts", type=Path, metavar="ROOT", help="checkout whose artifacts to re-hash")
    parser.add_argument("--no-artifacts", action="store_true", help="check the ledger alone")
    parser.add_argument("--list", action="store_true", help="list every artifact, not only those that differ")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Verify and print the report."""
    if arguments.ledger.is_file():
        from synthtrail.cli import offline  # noqa: PLC0415 - only for a bundle or a proof

        return offline.check(arguments)
    source = find(arguments.ledger, arguments.policy)
    root = None if arguments.no_artifacts else arguments.artifacts or source.checkout
    since = read(arguments.since) if arguments.since else None
    outcome = audit(source, root, since=since, token=token(source, arguments.tsa_root))
    print(json.dumps(outcome.document(), indent=2) if arguments.json else outcome.text(every=arguments.list))
    return 0 if outcome.ok else 1


def token(source: Source, root: Path | None) -> TokenCheck | None:
    """Return the check of time-stamp tokens against the authority's certificates in the file at `root`."""
    if root is None:
        return None
    from synthtrail.handover import anchors, timestamp  # noqa: PLC0415 - needed by few audits

    return anchors.token_check(source.folder, read(root), timestamp.checker())


def read(path: Path) -> bytes:
    """Return the bytes of a file that the verifier brings."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
