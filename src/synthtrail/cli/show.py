"""Show the ledger's entries, oldest first: number, time, event, actor, and what it is about.

Usage:
    synthtrail show            a line for each entry
    synthtrail show 7          entry 7, whole
    synthtrail show --json     what each entry states, as JSON

What is shown is read, not verified: `synthtrail verify` does that.

Exit codes:
    0  shown
    2  there is no such ledger, policy or entry, or an entry cannot be read

Files:
    LEDGER/checkpoint, LEDGER/tile/entries/     what is read

See also: verify, explain, status
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import Source, find
from synthtrail.custody import canonical, dsse, entry, statement, tiles


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("entry", nargs="?", type=int, help="number of the one entry to show whole")
    parser.add_argument("--ledger", type=Path, default=Path(), help="ledger folder or checkout (default: here)")
    parser.add_argument("--policy", type=Path, help="the policy of a ledger that is not pinned on this machine")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the entries."""
    source = find(arguments.ledger, arguments.policy)
    if not source.size():
        raise CommandError(f"{source.folder}: no entry to show; `synthtrail verify` says why")
    if arguments.entry is not None:
        print(json.dumps(one(source, arguments.entry), indent=2, ensure_ascii=False))
    elif arguments.json:
        print(json.dumps([summary(data) for data in entries(source)], indent=2, ensure_ascii=False))
    else:
        for data in entries(source):
            print(line(data))
    return 0


def entries(source: Source) -> Iterator[bytes]:
    """Yield the bytes of every entry that the checkpoint covers."""
    size = source.size()
    return tiles.read_entries(source.reader.read, 0, size, size)


def one(source: Source, number: int) -> dict[str, Any]:
    """Return the statement and the frame of entry `number`."""
    size = source.size()
    if not 0 <= number < size:
        raise CommandError(f"no entry {number}: the ledger has entries 0 to {size - 1}")
    (data,) = tiles.read_entries(source.reader.read, number, number + 1, size)
    found = entry.parse(data)
    envelope = dsse.parse(found.envelope)
    whole = canonical.decode_object(data)
    return {
        "seq": found.seq,
        "received": whole["received"],
        "prev": whole["prev"],
        "leaf": found.leaf.hex(),
        "signatures": [signature.keyid for signature in envelope.signatures],
        "statement": canonical.decode_object(envelope.payload),
    }


def summary(data: bytes) -> dict[str, Any]:
    """Return the main things that the entry states."""
    found = entry.parse(data)
    said = statement.read(dsse.parse(found.envelope).payload)
    return {
        "seq": found.seq,
        "at": said.predicate["at"],
        "event": said.act.event,
        "actor": said.act.actor,
        "slot": said.act.slot,
        "outcome": said.act.outcome,
        "subjects": [{"path": item.path, "digest": item.digest.hex()} for item in said.subjects],
        "context": dict(said.context),
    }


def line(data: bytes) -> str:
    """Return the entry on one line."""
    found = summary(data)
    about = ", ".join(f"{item['path']} {item['digest'][:12]}" for item in found["subjects"]) or found["actor"]
    outcome = f" ({found['outcome']})" if found["outcome"] else ""
    return f"{found['seq']:>6}  {found['at'][:19]}Z  {found['event']}{outcome}  {about}"
