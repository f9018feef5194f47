"""Start a new ledger where the old one is lost or given up; the new one names the old one and the reason.

synthtrail ledger new --because "the disk of the old machine died, no backup"
"""

import argparse
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.storage.custodian import origin_of, start
from synthtrail.storage.home import home


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("act", choices=["new"], help="start a new ledger in this checkout")
    parser.add_argument("--because", required=True, help="why; it is the first thing that the new ledger says")


def run(arguments: argparse.Namespace) -> int:
    """Start the ledger and say so."""
    root = Path.cwd()
    if origin_of(root) is not None:
        raise CommandError(f"there is a ledger in {root / 'ledger'}; move it away first, and keep it")
    for line in start(root, succeeds=home().origin_of(root), because=arguments.because).news:
        print(line)
    return 0
