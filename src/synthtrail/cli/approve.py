"""Approve an artifact: a steward, who is another person than whoever made it.

    synthtrail approve data/iris/synthetic --reason "protocol 2026-17 allows it"

Only what passed its gate can be approved; after `verdict review`, somebody's `synthtrail review --outcome pass` comes
first. Only what is approved can be offered to others or released.
"""

import argparse

from synthtrail.cli import signing
from synthtrail.handover import acting, judging


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", help="path or digest")
    parser.add_argument("--reason", required=True, help="why")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Sign `approved`."""
    found = signing.custodian()
    item = acting.subject(found, arguments.artifact)
    signing.sign(arguments, found, judging.decision("approved", item, arguments.reason), roles=("steward",))
    return 0
