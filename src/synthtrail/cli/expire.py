"""Close the offers that ran out unanswered, so that nobody can accept them any more.

    synthtrail expire            every offer whose time is over

An expired offer cannot be accepted in any case; this states it in the ledger, and `synthtrail due` stops listing it.
"""

import argparse
from datetime import UTC, datetime

from synthtrail.cli import signing
from synthtrail.handover import offering


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Sign `transfer-expired` for each."""
    found = signing.custodian()
    over = offering.overdue(found, datetime.now(UTC))
    if not over:
        print("no offer ran out")
        return 0
    for one in over:
        signing.sign(arguments, found, offering.expiry(one), roles=("operator", "steward"))
    return 0
