"""What awaits you: reviews, proposals, offers, disposals, overdue items, each with the command and the words to sign.

    synthtrail inbox                     for everybody whose key is on this machine
    synthtrail inbox --as ada            for one of them
    synthtrail inbox --html inbox.html   as a page
    synthtrail inbox --folder /mnt/exchange     and what others offer in folders there

Only what you may answer is listed: by your role, and not what you yourself asked for or made.
"""

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli import signing
from synthtrail.custody.keyring import Key
from synthtrail.handover import acting, inbox, inbox_page, inbox_parcels
from synthtrail.handover.inbox import Inbox
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.files import write_text


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--as", dest="who", metavar="NAME", help="a key's label, a pseudonym or a role")
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="where others leave their offers, a folder each")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page instead")


def run(arguments: argparse.Namespace) -> int:
    """Print what waits."""
    found, now = signing.custodian(), datetime.now(UTC)
    every = inbox.inboxes(found, readers(found, arguments.who), now)
    if arguments.folder is not None:
        every += offers(found, arguments.folder, now)
    if arguments.html is not None:
        write_text(arguments.html, inbox_page.page(found.policy.organisation, every, now))
        print(f"{arguments.html}: {sum(len(one.tasks) for one in every)} tasks")
        return 0
    for line in told(every, now):
        print(line)
    return 0


def readers(found: Custodian, who: str | None) -> list[Key]:
    """Return whose inbox to show: the one that is named, or everybody's here but the roots'."""
    if who is not None:
        return [acting.choose(found, who)[1]]
    return [key for _, key in acting.at_hand(found) if key.role not in ("root", "sequencer")]


def offers(found: Custodian, folder: Path, now: datetime) -> list[Inbox]:
    """Return what waits in the folders below `folder`, and print a line for each that does not."""
    seen = list(inbox_parcels.waiting(found, folder, now))
    for line in seen:
        if isinstance(line, str):
            print(line)
    return [one for one in seen if isinstance(one, Inbox)]


def told(every: Sequence[Inbox], now: datetime) -> Iterator[str]:
    """Yield the lines to print."""
    for one in every:
        yield f"{one.name}, {one.key.role} ({one.key.name}): {len(one.tasks) or 'nothing'} waiting"
        for task in one.tasks:
            yield f"  {task.about}: {task.what} (since {task.since:%Y-%m-%d})"
            yield from (f"      {line}" for line in task.notes)
            yield from (f"    $ {command}" for command in task.commands)
            yield from (f"      | {line}" for line in task.words)
        for duty in one.duties:
            late = "OVERDUE since" if duty.overdue(now) else "due"
            yield f"  {late} {duty.when:%Y-%m-%d}  {duty.what}: {duty.about}"
            yield f"    $ {duty.command}"
