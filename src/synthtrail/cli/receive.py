"""Take the receiver's answers out of a folder, enter them in the ledger, and bring the folder up to date.

    synthtrail receive /mnt/exchange/iris

Entered are acceptances, rejections, requests for access and reports of use, if a recipient that the ledger lists signed
them and they may stand where they would stand. Forged, repeated or late ones are refused, each with one line.
"""

import argparse
from pathlib import Path

from synthtrail.cli import signing
from synthtrail.handover import offering


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, help="the folder of the offer")


def run(arguments: argparse.Namespace) -> int:
    """Enter what is there; exit 1 if something was refused."""
    found = signing.custodian()
    outcomes = list(offering.receive(found, arguments.folder))
    for outcome in outcomes:
        print(outcome.text)
    if not outcomes:
        print(f"{arguments.folder}: no answer yet")
    for line in offering.fill(found, arguments.folder):
        print(line)
    return 0 if all(outcome.good for outcome in outcomes) else 1
