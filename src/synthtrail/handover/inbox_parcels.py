"""Offers that wait in folders: what another organisation's ledger asks of a key of this machine.

A parcel is looked at as `synthtrail accept` does: its ledger must hold under the policy that is pinned here. One that
does not, or that is for somebody else, is told about in a line and awaits nobody.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from synthtrail.custody.errors import CustodyError
from synthtrail.handover import accepting, access, parcel, wording
from synthtrail.handover.accepting import Offered
from synthtrail.handover.acting import Saying
from synthtrail.handover.inbox import BLANK, Inbox, Task
from synthtrail.storage.custodian import Custodian


def waiting(found: Custodian, folder: Path, now: datetime) -> Iterator[Inbox | str]:
    """Yield an inbox for each open offer below `folder` to a key of this machine, and a line for each that is not."""
    for place in sorted(path.parent for path in folder.glob(f"*/{parcel.OFFER}")):
        try:
            offered = accepting.look(found, place)
            accepting.check_open(offered, now)
            if accepting.waiting(offered, "transfer-accepted", now) is not None:
                yield f"{place}: accepted; the sender has not entered it yet"
                continue
        except (CustodyError, OSError) as error:
            yield f"{place}: {error}"
            continue
        yield Inbox(offered.key, wording.who(offered.key, offered.policy), (_task(offered, place),), ())


def _task(offered: Offered, place: Path) -> Task:
    act = offered.offer.act
    saying = Saying("transfer-accepted", [offered.item], {"request": offered.pointer.offer})
    notes = (
        f"purpose  {act.text('purpose')}",
        f"terms    {act.text('terms')}",
        f"expires  {str(offered.offer.predicate['expires'])[:10]}",
    )
    commands = [f"synthtrail accept {place}", f'synthtrail reject {place} --reason "{BLANK}"']
    if not offered.pointer.sealed:
        commands.insert(0, f"synthtrail access request {place} --purpose {BLANK} ...")
    words = wording.words(saying, offered.key, offered.policy)
    what = f"{offered.policy.organisation} offers it to you"
    return Task(what, access.moment(act.at), offered.item.path, notes, tuple(commands), tuple(words))
