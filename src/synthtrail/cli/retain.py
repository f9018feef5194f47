"""Log until when artifacts may be kept, or list what is overdue.

    synthtrail retain                                     every artifact without an entry, by its source or the policy
    synthtrail retain data/iris/raw --until P1Y --basis "protocol 2026-17"
    synthtrail retain --overdue                           exits 1 if something is

`--until` is a date or a period from now.
"""

import argparse
from datetime import UTC, datetime

from synthtrail.cli import signing
from synthtrail.cli.errors import CommandError
from synthtrail.cli.when import moment
from synthtrail.handover import acting, retention
from synthtrail.storage.custodian import Custodian


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", nargs="*", help="a path, or the first digits of a digest (default: all)")
    parser.add_argument("--until", metavar="WHEN", help="a date, or a period such as P1Y from now")
    parser.add_argument("--basis", default="", help="on what ground")
    parser.add_argument("--overdue", action="store_true", help="list what should be gone, and sign nothing")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Sign what is missing, or list what is overdue."""
    found = signing.custodian()
    if arguments.overdue:
        return overdue(found)
    if bool(arguments.artifact) != bool(arguments.until):
        raise CommandError("give artifacts together with --until; without either, source and policy decide")
    if arguments.artifact:
        until = moment(arguments.until)
        items = [acting.subject(found, name) for name in arguments.artifact]
        wanted = [retention.saying(item, until, arguments.basis or "decision") for item in items]
    else:
        wanted = retention.sayings(found)
    if not wanted:
        print("every artifact with a limit has an entry")
        return 0
    signing.sign_all(arguments, found, wanted, roles=("operator", "steward"))
    return 0


def overdue(found: Custodian) -> int:
    """Print what is overdue; 1 if anything is."""
    late = retention.overdue(found, datetime.now(UTC))
    for item in late:
        held = "; held, so it stays for now" if item.held else ""
        until = f"to be kept until {item.until:%Y-%m-%d} ({item.basis})"
        print(f"{item.item.path} {item.item.digest.hex()[:16]}: {until}{held}")
    print(f"{len(late)} overdue")
    return 1 if late else 0
