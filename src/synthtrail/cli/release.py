"""Release an approved artifact to the public: a steward says under which terms, and where it can be had.

synthtrail release data/iris/synthetic --terms CC-BY-4.0 --place https://data.example/iris

The program publishes nothing: it records that you take the responsibility for doing so.
"""

import argparse

from synthtrail.cli import signing
from synthtrail.handover import acting, judging


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", help="path or digest")
    parser.add_argument("--terms", required=True, help="licence or conditions")
    parser.add_argument("--place", required=True, help="where it is published")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Sign `released`."""
    found = signing.custodian()
    item = acting.subject(found, arguments.artifact)
    signing.sign(arguments, found, judging.release(item, arguments.terms, arguments.place), roles=("steward",))
    return 0
