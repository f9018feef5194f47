"""Place a legal hold on an artifact, or lift it; what is held cannot be disposed of.

    synthtrail hold data/iris/synthetic --reason "case 2026-17"
    synthtrail hold lift data/iris/synthetic --reason "case closed"
    synthtrail hold list

Placing is for operators and stewards, lifting for a steward's own signature.
"""

import argparse

from synthtrail.cli import signing
from synthtrail.cli.errors import CommandError
from synthtrail.handover import acting, holds
from synthtrail.handover.acting import Saying
from synthtrail.storage.custodian import Custodian


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("what", nargs="+", metavar="ARTIFACT", help="what to hold; or: lift ARTIFACT; or: list")
    parser.add_argument("--reason", help="why, for the ledger")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Place, lift or list."""
    found = signing.custodian()
    if arguments.what == ["list"]:
        return listed(found)
    if not arguments.reason:
        raise CommandError("say why with --reason")
    if arguments.what[0] == "lift":
        return lift(arguments, found)
    items = [acting.subject(found, name) for name in arguments.what]
    signing.sign(
        arguments, found, Saying("hold-placed", items, {"reason": arguments.reason}), roles=("operator", "steward")
    )
    return 0


def lift(arguments: argparse.Namespace, found: Custodian) -> int:
    """Lift every open hold on the artifacts."""
    for name in arguments.what[1:]:
        item = acting.subject(found, name)
        standing = holds.open_holds(found, item.digest)
        if not standing:
            raise CommandError(f"{item.path} is not held")
        for hold in standing:
            fields = {"request": hold.request, "reason": arguments.reason}
            saying = Saying("hold-lifted", hold.subjects, fields, meaning="approval")
            signing.sign(arguments, found, saying, roles=("steward",))
    return 0


def listed(found: Custodian) -> int:
    """Print the open holds."""
    standing = holds.open_holds(found)
    for hold in standing:
        paths = ", ".join(item.path for item in hold.subjects)
        print(f"{paths}: {hold.reason} (entry {hold.entry}, {hold.actor}, {hold.at})")
    print(f"{len(standing)} open holds")
    return 0
