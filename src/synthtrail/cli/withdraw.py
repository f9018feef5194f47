"""A source's legal basis is withdrawn: record it, and list everything that descends from the source.

    synthtrail withdraw drop/ward.csv --reason "consent withdrawn, letter of 2026-11-02"

The source is named by its path in params.yaml, by an experiment, or by the artifact that was read from it. What is
listed needs a decision each: `synthtrail dispose request`. The entry stays open, and `synthtrail incident list` shows
it, until somebody states how it was settled: `synthtrail incident close ENTRY --what "..."`.
"""

import argparse

from synthtrail.cli import signing
from synthtrail.cli.errors import CommandError
from synthtrail.handover import descent, pairs
from synthtrail.handover.acting import Saying
from synthtrail.handover.descent import Making

MANY = 300  # digests that the entry names; an entry has 64 KiB


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", help="path in params.yaml, experiment, or data/EXPERIMENT/raw")
    parser.add_argument("--reason", required=True, help="why, for the ledger")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """List what descends from the source, and log that its basis is gone."""
    found = signing.custodian()
    every = descent.makings(found.ledger.log)
    roots = {making.artifact: making.record.subject for making in every if meant(making, arguments.source)}
    if not roots:
        raise CommandError(f"{arguments.source}: no artifact of this ledger was read from it")
    below = descent.descendants(every, roots)
    state = found.ledger.state
    listed = {**roots, **below}
    for artifact, item in listed.items():
        held = " held" if state.held(artifact) else ""
        print(f"{item.path:<40} {artifact.hex()[:16]} {state.status(artifact)}{held}")
    details = pairs.listed(("artifact", artifact.hex()) for artifact in list(listed)[:MANY])
    what = f"legal basis withdrawn: {arguments.reason}"
    saying = Saying("incident", (), {"what": what, "details": details})
    said = signing.sign(arguments, found, saying, roles=("operator", "steward"))
    first = next(iter(roots)).hex()[:16]
    print(f"next: synthtrail dispose request {first} --with-descendants --reason {arguments.reason!r}")
    print(f'and then: synthtrail incident close {said.entry} --what "..."')
    return 0


def meant(making: Making, source: str) -> bool:
    """Tell whether the entry read the source that was named."""
    if making.record.stage != "ingest":
        return False
    names = (descent.source(making).get("path"), making.record.experiment, making.record.subject.path)
    return source in names or making.artifact.hex().startswith(source.lower() if len(source) >= 8 else "-")
