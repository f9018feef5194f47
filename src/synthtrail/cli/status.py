"""Say what became of an artifact: live, transferred, held, disposed or unknown. Prove it to somebody else.

Usage:
    synthtrail status data/iris/synthetic
    synthtrail status 3b01c25ebe4d… -o iris.status         a proof: one file
    synthtrail verify iris.status --policy their-policy.json

The ledger is verified first. With -o, a `status` entry is appended unless the ledger ends with one: it commits to the
status of every artifact, and the proof shows that of this one, present or absent. The proof is of the head as it is;
where the policy asks for witnesses, have the head cosigned (`synthtrail cosign`) and write the proof again.

Exit codes:
    0  said, by a ledger that holds
    1  the ledger does not hold
    2  there is no such ledger, policy or artifact, or no key here to append with

Files:
    LEDGER/                                               what is read; with -o it may grow by one entry
    $XDG_CONFIG_HOME/synthtrail/<origin>/policy.json      the policy pinned on this machine
    $XDG_DATA_HOME/synthtrail/<origin>/keys/              the operator's and the sequencer's key, with -o

See also: verify, explain, cosign; docs/auditor.md
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.cli.explain import SHA256
from synthtrail.cli.sources import Source, find
from synthtrail.custody import carried, digest, lineage, statusproof, verify
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import UsageError
from synthtrail.custody.log import Log
from synthtrail.custody.report import Report
from synthtrail.custody.state import State
from synthtrail.storage.files import write_bytes


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", help="a file, a folder, the path of one that is gone, or the 64 hex digits of it")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write a proof to be checked offline")
    parser.add_argument("--ledger", type=Path, default=Path(), help="ledger folder or checkout (default: here)")
    parser.add_argument("--policy", type=Path, help="the policy to judge the ledger by")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the status and write the proof; exit 1 if the ledger does not hold."""
    source = find(arguments.ledger, arguments.policy)
    report = verified(source)
    state = stated(report)
    artifact = wanted(arguments.artifact, state, Log(source.reader.read, report.size))
    if arguments.output and report.ok:
        if not ends_with_status(source, report):
            append(source)
            report = verified(source)
            state = stated(report)
        signed = source.reader.read("checkpoint")
        proof = carried.prove_status(source.reader.read, signed, state, artifact)
        write_bytes(arguments.output, proof)
    said = {**told(state, artifact), "size": report.size, "level": report.level}
    print(json.dumps(said, indent=2) if arguments.json else words(said, report))
    if arguments.output and report.ok and not arguments.json:
        print(f"{arguments.output}: proof of this; whoever has the policy checks it by `synthtrail verify`")
    if any(finding.code == "quorum-missing" for finding in report.findings):
        print("no quorum of witnesses has seen this head: `synthtrail cosign`, then the same command again")
    return 0 if report.ok else 1


def verified(source: Source) -> Report:
    """Return the report on the whole ledger."""
    return verify.verify(source.reader, source.policy, now=datetime.now(UTC), trust_local=source.pinned_here)


def stated(report: Report) -> State:
    """Return what the ledger says."""
    if report.state is None:
        raise CommandError("the ledger cannot be read; `synthtrail verify` says why")
    return report.state


def wanted(artifact: str, state: State, log: Log) -> bytes:
    """Return the digest that `artifact` is, or has, or had when the ledger last spoke of that path."""
    if SHA256.fullmatch(artifact):
        return bytes.fromhex(artifact)
    if Path(artifact).exists():
        return bytes.fromhex(digest.artifact(artifact).sha256)
    found = lineage.by_path(state, log, artifact)
    if found is None:
        raise CommandError(f"{artifact}: not here, no path of the ledger, and not the 64 hex digits of a digest")
    return found


def ends_with_status(source: Source, report: Report) -> bool:
    """Tell whether the last entry is a `status`."""
    return Log(source.reader.read, report.size).statement(report.size - 1).act.event == statusproof.EVENT


def append(source: Source) -> None:
    """Append a `status` entry, signed by the operator of this checkout."""
    from synthtrail.custody import acts  # noqa: PLC0415 - only for its owner
    from synthtrail.handover import acting  # noqa: PLC0415

    if source.checkout is None:
        raise CommandError("the ledger does not end with a status entry, and only its owner's checkout can append one")
    try:
        found = acting.custodian(source.checkout)
    except UsageError as error:
        raise CommandError(f"the ledger does not end with a status entry, and none can be appended: {error}") from None
    now = datetime.now(UTC)
    with found.ledger.transaction(now) as tx:
        tx.append([acts.status(tx.state, found.operator, at=now)])


def told(state: State, artifact: bytes) -> dict[str, Value]:
    """Return the status for programs."""
    found = state.standing(artifact)
    return {"artifact": artifact.hex(), "status": found.word, "state": found.state, "event": found.event.hex()}


def words(said: dict[str, Value], report: Report) -> str:
    """Return the status for people."""
    verdict = f"level {report.level}" if report.ok else "FAILED, so this is not proved; see `synthtrail verify`"
    state = "" if said["state"] == said["status"] else f" ({said['state']})"
    lines = [f"{said['artifact']}: {said['status']}{state}"]
    if said["event"]:
        lines.append(f"latest event: {said['event']}")
    return "\n".join([*lines, f"the ledger {report.origin} with {report.size} entries was verified: {verdict}"])
