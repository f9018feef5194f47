"""Check a ledger's files as storage, byte by byte; rebuild what can be derived, say what must come from a backup.

Usage:
    synthtrail fsck                          the ledger of this checkout
    synthtrail fsck /backup/ledger           another folder
    synthtrail fsck --repair                 rebuild what follows from what is there, remove what was left over

Reads every file in the ledger's folder: tiles, older partial tiles, entry bundles, checkpoint, entries.jsonl, proofs,
manifests, runs, cosigned and stamped checkpoints, unfinished writes; and compares the checkpoint with the guard on this
machine. Each problem is printed with what can be done:

    [rebuild]   follows from what gives the signed root: hash tiles, entries.jsonl, proofs. --repair does it
    [remove]    left by a write that was cut off, and signed by nobody. --repair does it
    [restore]   is the signed truth itself: bring it back from a backup
    [look]      is no file of a ledger, or a contradiction that you must judge

--repair never writes checkpoint, bundles, cosigned or stamped checkpoints, manifests or runs, and never invents: what
it writes gives the signed root. It holds the ledger's lock meanwhile. fsck checks no actor's signature: verify does.

Exit codes:
    0  every file is as it should be, or was made so
    1  there are problems that --repair can solve, and no others
    2  it cannot be checked: no ledger, no policy, a checkpoint that is not the pinned sequencer's
    3  there are problems that --repair cannot solve

Files:
    LEDGER/                                                 what is checked
    $XDG_STATE_HOME/synthtrail/<origin>/guard/              the last checkpoint signed on this machine
    $XDG_CONFIG_HOME/synthtrail/<origin>/policy.json        the pinned policy

See also: verify, bundle; docs/guide.md
"""

import argparse
import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import Source, find
from synthtrail.custody import fsck, fsck_kept, fsck_tree, note
from synthtrail.custody.errors import DataError
from synthtrail.custody.fsck import Problem
from synthtrail.custody.guard import Guard
from synthtrail.custody.note import Checkpoint
from synthtrail.storage.home import home

SOLVABLE = ("rebuild", "remove")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "ledger", nargs="?", type=Path, default=Path(), help="ledger folder or checkout (default: here)"
    )
    parser.add_argument("--repair", action="store_true", help="rebuild and remove what can be")
    parser.add_argument("--policy", type=Path, help="the policy of a ledger that is not pinned on this machine")
    parser.add_argument("--json", action="store_true", help="print the problems as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Check, repair if asked to, and say what is left."""
    source = find(arguments.ledger, arguments.policy)
    done: list[Problem] = []
    if arguments.repair:
        with alone(source.folder):
            done = fsck.repair(source.folder, problems(source)[1])
    head, left = problems(source)
    if arguments.json:
        print(json.dumps({"size": head.size, "solved": rows(done), "problems": rows(left)}, indent=2))
    else:
        report(source.folder, head, done, left)
    if not left:
        return 0
    return 1 if all(item.remedy in SOLVABLE for item in left) else 3


def problems(source: Source) -> tuple[Checkpoint, list[Problem]]:
    """Return the head, and everything that is wrong with the files of a ledger."""
    folder, policy = source.folder, source.policy
    published = source.reader.read("checkpoint")
    try:
        head = note.open_checkpoint(published, policy.origin, [policy.sequencer_key]).checkpoint
    except DataError as error:
        raise CommandError(f"{folder / 'checkpoint'}: {error}; without it nothing can be judged: restore it") from None
    guarded = Guard(home().guard(policy.origin), policy.origin).checkpoint()
    base = fsck_tree.survey(source.reader.read, head)
    agrees = guarded is not None and note.parse(guarded)[0] == note.parse(published)[0]
    found = [
        *fsck_kept.check_guard(guarded, published, policy),
        *fsck.check_tiles(folder, base, head),
        *fsck.check_others(folder, base, head, guarded=agrees),
        *fsck.check_lines(folder, base, head),
        *fsck_kept.check_kept(folder, base, head, policy),
    ]
    return head, found


def report(folder: Path, head: Checkpoint, done: list[Problem], left: list[Problem]) -> None:
    """Print what was done, what is left, and a summary."""
    for item in done:
        print(f"solved: {item}")
    for item in left:
        print(item)
    counted = Counter(item.remedy for item in left)
    summed = ", ".join(f"{number} to {remedy}" for remedy, number in sorted(counted.items()))
    print(f"{folder}: {head.size} entries; {summed or 'every file is as it should be'}")


def rows(items: list[Problem]) -> list[dict[str, str]]:
    """Return problems as JSON values."""
    return [{"path": item.path, "text": item.text, "remedy": item.remedy} for item in items]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the ledger's lock, so that nobody appends meanwhile."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
