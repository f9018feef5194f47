"""Say no: to an artifact of this checkout as a steward, or to what another organisation offers in a folder.

    synthtrail reject data/iris/synthetic --reason "row 17 is too close to a patient"
    synthtrail reject /mnt/exchange/iris --reason "not what we asked for"

The first takes an approval back or prevents it. The second is signed for the sender's ledger and left in the folder.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli import elsewhere, signing
from synthtrail.handover import accepting, acting, judging, parcel


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", help="path or digest; or the folder of an offer")
    parser.add_argument("--reason", required=True, help="why")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Sign `rejected` here, or `transfer-rejected` for the sender."""
    if parcel.is_parcel(Path(arguments.artifact)):
        return _decline(arguments, Path(arguments.artifact))
    found = signing.custodian()
    item = acting.subject(found, arguments.artifact)
    signing.sign(arguments, found, judging.decision("rejected", item, arguments.reason), roles=("steward",))
    return 0


def _decline(arguments: argparse.Namespace, folder: Path) -> int:
    now, offered = datetime.now(UTC), elsewhere.look(folder)
    accepting.check_open(offered, now)
    done = accepting.waiting(offered, "transfer-rejected", now)
    if done is not None:
        print(f"{done.path}: you rejected this before; the sender enters it with `synthtrail receive`")
        return 0
    elsewhere.answer(arguments, offered, accepting.rejection(offered, arguments.reason))
    return 0
