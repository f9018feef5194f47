"""Check a ledger, and re-hash every artifact that it speaks of.

Usage:
    synthtrail verify                                   this checkout, by the policy pinned on this machine
    synthtrail verify /mnt/their/ledger --policy their-policy.json --since checkpoint-of-last-year
    synthtrail verify released.bundle --policy their-policy.json
    synthtrail verify 3b01c2.tlog-proof --artifacts data/iris/synthetic --policy their-policy.json

Prints every finding with its code, and the assurance level: A every entry is signed by a pinned key and this copy is
whole; B and it extends a checkpoint kept from earlier (--since); C and witnesses of other organisations cosigned it;
D and a time-stamping authority did. Where the newest entries are not cosigned or stamped yet, the report says up to
which entry C and D reach. No level proves that a statement was true when it was signed.

With --since only what is new is read, if a verification that ended at that checkpoint was kept on this machine; what
is relied on instead of being read stands under "not checked". Without one, everything is read.

Time-stamp tokens are checked by the authorities that the policy pins, or by those of --tsa-root.

Exit codes:
    0  there is something to check, and all of it holds
    1  something does not hold, or there is nothing to check
    2  it cannot be checked: no ledger, no policy, an unreadable file

Files:
    LEDGER/checkpoint, tile/, cosigned/, anchors/, manifests/              what is verified
    $XDG_CONFIG_HOME/synthtrail/<origin>/policy.json                       the policy pinned on this machine
    $XDG_STATE_HOME/synthtrail/<origin>/verified/                          what verifications found, for --since

See also: fsck, show, explain, bundle, witness, cosign, anchor; docs/auditor.md
"""

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "ledger", nargs="?", type=Path, default=Path(), help="ledger folder, checkout, bundle or proof (default: here)"
    )
    parser.add_argument("--policy", type=Path, help="the policy to judge by, got from its owner by another way")
    parser.add_argument("--since", type=Path, metavar="CHECKPOINT", help="a checkpoint kept from earlier")
    parser.add_argument(
        "--tsa-root", type=Path, metavar="PEM", help="time-stamping authorities (default: the policy's)"
    )
    parser.add_argument("--artifacts", type=Path, metavar="ROOT", help="checkout whose artifacts to re-hash")
    parser.add_argument("--no-artifacts", action="store_true", help="check the ledger alone")
    parser.add_argument("--list", action="store_true", help="list every artifact, not only those that differ")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page for people, too")


def run(arguments: argparse.Namespace) -> int:
    """Verify and print the report."""
    # Here, so that nobody waits for the verifier who asks for help.
    from synthtrail.cli import audit, offline, outcome, sources  # noqa: PLC0415

    if arguments.ledger.is_file():
        return offline.check(arguments)
    source = sources.find(arguments.ledger, arguments.policy)
    root = None if arguments.no_artifacts else arguments.artifacts or source.checkout
    since = sources.brought(arguments.since) if arguments.since else None
    brought = audit.Brought(since, audit.token(source.reader.read, source.policy, arguments.tsa_root))
    found = audit.audit(source, root, brought=brought, keep=True)
    return outcome.say(found, arguments, source.reader.read, source.policy)
