"""Record your judgement of an artifact's report: as a named person, with a key that has a passphrase.

    synthtrail review data/iris/synthetic --outcome pass --notes "read all of it; fit for teaching"

An artifact whose verdict is `review` needs somebody's `pass` before a steward can approve it; `refuse` takes an
approval back; `comment` decides nothing. Who may: operators, stewards, auditors.
"""

import argparse

from synthtrail.cli import signing
from synthtrail.handover import judging


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", help="path or digest, of the artifact or of its report")
    parser.add_argument("--outcome", choices=("pass", "refuse", "comment"), required=True, help="your judgement")
    parser.add_argument("--notes", required=True, help="on what you based it")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show what the report says, then sign."""
    found = signing.custodian()
    wanted = judging.judged(found, arguments.artifact)
    print(f"{wanted.item.path} is {wanted.state}; the verdict of {wanted.report.path} is {wanted.verdict}")
    saying = judging.review(wanted, arguments.outcome, arguments.notes)
    signing.sign(arguments, found, saying, roles=("operator", "steward", "auditor"))
    return 0
