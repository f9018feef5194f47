"""What is due, with dates: reports on access, grants that end, retention, what nobody has answered, open incidents.

    synthtrail due                what is overdue or due within thirty days; exit code 1 if something is overdue
    synthtrail due --all          everything

A cron job that mails the output whenever the exit code is 1 chases what is late.
"""

import argparse
from datetime import UTC, datetime

from synthtrail.cli import signing
from synthtrail.handover import duties


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--all", action="store_true", help="whatever the date")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    found, now = signing.custodian(), datetime.now(UTC)
    every = duties.duties(found, now) if arguments.all else duties.pressing(found, now)
    for duty in every:
        late = "OVERDUE" if duty.overdue(now) else "due    "
        print(f"{late} {duty.when:%Y-%m-%d}  {duty.what}: {duty.about}  [{duty.who}]  $ {duty.command}")
    if not every:
        print("nothing is due" if arguments.all else "nothing is due within thirty days")
    return 1 if any(duty.overdue(now) for duty in every) else 0
