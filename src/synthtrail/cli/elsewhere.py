"""What a receiver signs for another organisation's ledger: shown, confirmed, and left in the folder of the offer."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli import signing
from synthtrail.cli.errors import CommandError
from synthtrail.handover import accepting, access, parcel, wording
from synthtrail.handover.accepting import Offered
from synthtrail.handover.acting import Saying
from synthtrail.handover.proposals import Proposal


def answer(arguments: argparse.Namespace, offered: Offered, saying: Saying) -> Path:
    """Show the words, have them confirmed, sign them, and leave the envelope in the parcel."""
    print("\n".join(wording.words(saying, offered.key, offered.policy)))
    signing.confirm(arguments)
    path = accepting.sign(offered, saying, signing.ask(arguments), datetime.now(UTC))
    print(f"{path}: signed; the sender enters it with `synthtrail receive {offered.folder}`")
    return path


def look(folder: Path) -> Offered:
    """Verify the parcel in `folder`, and tell what was found."""
    offered = accepting.look(signing.custodian(), folder)
    print(
        f"{offered.policy.organisation} offers {offered.item.path} (entry {offered.entry} of {offered.policy.origin}); "
        f"its ledger holds, level {offered.level}"
    )
    return offered


def request_access(arguments: argparse.Namespace, folder: Path, proposal: Proposal) -> int:
    """File a proposal about the artifact that is offered in `folder`."""
    offered = look(folder)
    wish = proposal.about(offered.item.digest)
    parcel.put_proposal(folder, wish.encode())
    answer(arguments, offered, access.request(offered.item, wish))
    return 0


def use(arguments: argparse.Namespace, folder: Path, words: str, report: str | None) -> int:
    """State a use of the artifact that was offered in `folder`, under the grant that stands for this key."""
    offered = look(folder)
    granted = access.grant_in(offered.state, offered.item, offered.key.name, datetime.now(UTC))
    if granted is None:
        raise CommandError(f"{offered.key.name} has no approved proposal in force for {offered.item.path}")
    answer(arguments, offered, access.use(granted, words, report=report))
    return 0
