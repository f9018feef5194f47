"""Create keys, policy and ledger for this checkout, if it has none; `make repro` does so by itself.

Private keys go to your XDG data folder with mode 0600, the policy that pins them to your XDG configuration folder,
the guard to your XDG state folder; nothing secret is written into the checkout.
"""

import argparse
from pathlib import Path

from synthtrail.storage.custodian import ORGANISATION, establish


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--organisation", default=ORGANISATION, metavar="NAME", help="whose ledger a new one is")


def run(arguments: argparse.Namespace) -> int:
    """Create what is missing and say so."""
    custodian = establish(Path.cwd(), organisation=arguments.organisation)
    for line in custodian.news or (f"ledger {custodian.policy.origin}, {custodian.ledger.head.size} entries",):
        print(line)
    return 0
