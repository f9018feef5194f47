"""Tell the way of an artifact back to its source: who made it when, with which code, out of what.

Usage:
    synthtrail explain data/iris/synthetic
    synthtrail explain 3b01c25ebe4d…       by digest, for an artifact that lies elsewhere

A file or folder is hashed first, so what is told is about these bytes. The ledger is verified on the way, and a ledger
that does not hold is said to.

Exit codes:
    0  told, by a ledger that holds
    1  the ledger does not hold, or no event mentions these bytes
    2  there is no such ledger, policy or artifact

Files:
    LEDGER/                                               what is read
    $XDG_CONFIG_HOME/synthtrail/<origin>/policy.json      the policy pinned on this machine

See also: verify, show, export
"""

import argparse
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import find
from synthtrail.custody import digest, lineage, verify
from synthtrail.custody.lineage import Step
from synthtrail.custody.log import Log
from synthtrail.custody.state import State

SHA256 = re.compile(r"[0-9a-f]{64}")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", help="a file, a folder, or the 64 hex digits of a digest")
    parser.add_argument("--ledger", type=Path, default=Path(), help="ledger folder or checkout (default: here)")
    parser.add_argument("--policy", type=Path, help="the policy to judge the ledger by")


def run(arguments: argparse.Namespace) -> int:
    """Print the steps; exit 1 if the ledger does not hold or knows nothing of the artifact."""
    source = find(arguments.ledger, arguments.policy)
    report = verify.verify(source.reader, source.policy, now=datetime.now(UTC), trust_local=source.pinned_here)
    if report.state is None:
        raise CommandError("the ledger cannot be read; `synthtrail verify` says why")
    log = Log(source.reader.read, report.size)
    steps = lineage.trace(report.state, log, wanted(arguments.artifact))
    if not steps:
        print(f"{arguments.artifact}: no event of this ledger mentions these bytes")
        return 1
    for step in steps:
        print("\n".join(told(step, log)))
    print(ending(report.state, log, steps[-1]))
    verdict = f"level {report.level}" if report.ok else "FAILED, so nothing above is proved; see `synthtrail verify`"
    print(f"The ledger {report.origin} with {report.size} entries was verified: {verdict}.")
    return 0 if report.ok else 1


def wanted(artifact: str) -> bytes:
    """Return the digest that `artifact` is or has."""
    if SHA256.fullmatch(artifact):
        return bytes.fromhex(artifact)
    if not Path(artifact).exists():
        raise CommandError(f"{artifact}: neither a file or folder here nor the 64 hex digits of a digest")
    return bytes.fromhex(digest.artifact(artifact).sha256)


def told(step: Step, log: Log) -> Iterator[str]:
    """Yield the lines about one step."""
    yield f"entry {step.entry}: {step.event} {step.subject.path}"
    yield f"    digest  {step.subject.digest.hex()} ({step.subject.size:,} bytes)"
    yield f"    by      {step.actor}"
    yield f"    at      {step.at}"
    commit = f", git commit {step.commit}" if step.commit else ", outside a git commit"
    yield f"    code    {step.code}{commit}"
    for origin in step.inputs:
        made = f"entry {origin.entry}" if origin.entry is not None else "made by no entry of this ledger"
        yield f"    from    {origin.item.path} {origin.item.digest.hex()[:16]}… ({made})"
    yield from circumstances(step, log)


def circumstances(step: Step, log: Log) -> Iterator[str]:
    """Yield where the source came from, and with which parameters and seed the step ran."""
    made = log.statement(step.entry).record
    if made is None:
        return
    for pair in pairs(made.value.get("source")):
        yield f"    source  {pair['name']}: {pair['value']}"
    settings = ", ".join(f"{pair['name']}={pair['value']}" for pair in pairs(made.value["params"]))
    yield f"    params  {settings or 'none'}; seed {made.value['seed']}"
    if made.verdict:
        yield f"    verdict {made.verdict}"


def pairs(value: object) -> list[dict[str, str]]:
    """Return one of a record's lists of pairs."""
    return json.loads(json.dumps(value)) if isinstance(value, list) else []


def ending(state: State, log: Log, step: Step) -> str:
    """Return what has happened to the artifact since it was made."""
    after = [moment for moment in lineage.life(state, log, step.subject.digest) if moment.entry > step.entry]
    listed = ", ".join(f"{m.event}{f' ({m.outcome})' if m.outcome else ''} in entry {m.entry}" for m in after)
    return f"Since then: {listed or 'nothing'}. Its state: {state.status(step.subject.digest)}."
