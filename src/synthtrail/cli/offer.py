"""Offer an approved artifact to another organisation; a folder carries it there, and the answers back.

    synthtrail offer data/iris/synthetic --to "Hospital B" --purpose "teach statistics" --terms "no copies" \\
        --expires P30D -o /mnt/exchange/iris

The folder gets the offer, this ledger as a bundle, and the artifact encrypted to the receiver. The content of a
confidential artifact follows once a steward has granted the receiver access: run the command again, or
`synthtrail receive`. The receiver is a key of role `recipient` that the ledger lists (`synthtrail key add`). Running
the command again after an interruption continues the offer.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli import signing
from synthtrail.cli.when import moment
from synthtrail.handover import acting, offering


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", help="path or digest")
    parser.add_argument(
        "--to", required=True, metavar="RECIPIENT", help="a listed recipient: key's name or organisation"
    )
    parser.add_argument("--purpose", required=True, help="what the receiver may use it for")
    parser.add_argument("--terms", required=True, help="under which conditions")
    parser.add_argument("--expires", required=True, metavar="DATE", help="until when it can be accepted (or P30D)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="where the parcel is built")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the offer, or continue it, and build the parcel."""
    found = signing.custodian()
    item, to = acting.subject(found, arguments.artifact), offering.receiver(found, arguments.to)
    standing = offering.standing(found, item, to, datetime.now(UTC))
    if standing is None:
        wanted = offering.saying(item, to, arguments.purpose, arguments.terms, moment(arguments.expires))
        digest = signing.sign(arguments, found, wanted, roles=("operator", "steward")).digest
    else:
        digest = standing.digest.hex()
        print(f"entry {standing.request.entry}: the offer is open until {standing.expires:%Y-%m-%d}; continuing it")
    offering.address(found, arguments.output, digest)
    for line in offering.fill(found, arguments.output):
        print(line)
    print(f"{arguments.output}: take this folder to {to.organisation or to.name}")
    return 0
