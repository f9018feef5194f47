"""A program that appends events one by one and says which ones it was told are durable.

    python -m tests.faults.appender FOLDER NAME COUNT [--skew SECONDS] [--retry]

It prints `ready`, waits for a line on its standard input, opens the ledger, and appends versions 1 to COUNT of one
record. For each event that the ledger acknowledged it prints the entry's number, its leaf hash and the root of the
head; for each one that failed, `failed` and the error's name. With `--retry` it then tries the same event again, once.

Output goes through `writev`, so that faults injected into `write` hit the ledger's files only.
"""

import argparse
import ctypes
import os
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from synthtrail.custody import acts, merkle
from synthtrail.custody.errors import CustodyError
from synthtrail.custody.ledger import Ledger
from tests.unit.custody.ledger_factory import OPERATOR, SEQUENCER, START, make_policy, make_record

NOW = START + timedelta(hours=1)
_PR_SET_PTRACER = 0x59616D61  # prctl(2): where Yama restricts tracing, any process of this user may trace this one
_ANY = ctypes.c_ulong(-1)


def say(*words: object) -> None:
    """Print a line at once."""
    os.writev(1, [(" ".join(map(str, words)) + "\n").encode()])


def append(ledger: Ledger, name: str, version: int, skew: int) -> None:
    """Append one version of a record unless it is the latest already, and acknowledge it."""
    record = make_record(name, "ingest", version)
    at = NOW + timedelta(seconds=skew)
    with ledger.transaction(at) as tx:
        if not acts.is_latest(tx.state, record):
            tx.append([acts.made(tx.state, record, OPERATOR, at=at)])
        number = tx.state.slots[f"{name}/ingest"].entry
        leaf = merkle.leaf_hash(next(ledger.entries(number, number + 1)))
        head = ledger.head
    say("stored", number, leaf.hex(), head.size, head.root.hex())


def attempt(ledger: Ledger, name: str, version: int, skew: int) -> bool:
    """Append, or say what came in between; whether it succeeded."""
    try:
        append(ledger, name, version, skew)
    except (OSError, CustodyError) as error:
        say("failed", type(error).__name__, getattr(error, "code", ""))
        return False
    return True


def run(arguments: argparse.Namespace) -> None:
    """Open the ledger and append everything."""
    folder = arguments.folder
    ledger = Ledger.open(folder / "ledger", folder / "guard", make_policy(quorum=0), SEQUENCER)
    for version in range(1, arguments.count + 1):
        done = attempt(ledger, arguments.name, version, arguments.skew)
        if not done and arguments.retry:
            attempt(ledger, arguments.name, version, arguments.skew)


def main() -> int:
    """Parse the command line, wait for the word, and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("count", type=int)
    parser.add_argument("--skew", type=int, default=0)
    parser.add_argument("--retry", action="store_true")
    arguments = parser.parse_args()
    with suppress(AttributeError):  # no such call beyond Linux
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
    say("ready")
    sys.stdin.readline()
    try:
        run(arguments)
    except (OSError, CustodyError) as error:
        say("failed", type(error).__name__, getattr(error, "code", ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
