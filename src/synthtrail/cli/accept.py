"""Accept what another organisation offers in a folder: verify, take, countersign.

    synthtrail accept /mnt/exchange/iris

1. The sender's ledger in the folder is verified by the policy that you pinned (`synthtrail policy pin`).
2. The content is decrypted with your age identity, and its digest computed here must be the one offered.
3. The artifact is put under data/, the receipt into your own ledger.
4. Your acceptance, with that digest, is signed and left in the folder: the sender enters it (`synthtrail receive`).

Nothing is signed that does not hold. Running it again after an interruption continues where it stopped.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli import elsewhere, signing
from synthtrail.handover import accepting, receipt


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, help="the folder that the sender's `synthtrail offer` filled")
    parser.add_argument("--name", help="what to call it here: it is put into data/NAME/raw")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verify, take and countersign."""
    found, now = signing.custodian(), datetime.now(UTC)
    offered = elsewhere.look(arguments.folder)
    accepting.check_open(offered, now)
    done = accepting.waiting(offered, "transfer-accepted", now)
    name = arguments.name or receipt.default_name(offered)
    target = receipt.place(found.root, name)
    computed = accepting.take(found, offered, target)
    print(f"{target}: digest computed here: {computed.sha256}, as offered")
    entry = receipt.enter(found, offered, name, computed)
    which = "the receipt is in" if entry is None else f"entry {entry} of"
    print(f"{which} your own ledger: acquired from {offered.policy.origin}")
    if done is not None:
        print(f"{done.path}: you accepted this before; the sender enters it with `synthtrail receive`")
        return 0
    elsewhere.answer(arguments, offered, accepting.acceptance(offered, computed))
    return 0
