"""Ledgers to measure: a policy, keys and stage events without end, the same in every run.

Each event is of the ordinary kind: one experiment after the other logs a source, a split, a model, synthetic data and
its validation, so that every event but the first of five follows others, by one operator key.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path

from synthtrail.custody import acts
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.events import STAGE_EVENT
from synthtrail.custody.ledger import Ledger
from synthtrail.custody.policy import Policy

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(hours=1)
FOLDERS = {"ingest": "raw", "preprocess": "split", "train": "model", "generate": "synthetic", "validate": "report"}
ROOT, SEQUENCER, OPERATOR = (
    Signer(f"bench.example/{name}", sha256(name.encode()).digest()) for name in ("root", "sequencer", "operator")
)
POLICY = Policy(
    origin="bench.example/ledger/0000",
    organisation="bench.example",
    roots=(ROOT.verifier.vkey(),),
    sequencer=SEQUENCER.verifier.vkey(),
    salt="0" * 64,
)


@dataclass
class Spent:
    """Where the seconds of appending went: building and signing events, judging them, making them durable."""

    entries: int = 0
    signing: float = 0.0
    adding: float = 0.0
    committing: float = 0.0
    cpu: float = 0.0  # of judging and making durable
    groups: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Entries per second of appending, signing left out: that is the actors' work."""
        return self.entries / (self.adding + self.committing)


def create(folder: Path) -> Ledger:
    """Start a ledger that lists the operator's key."""
    opening = acts.opening(POLICY, ROOT, at=START)
    ledger = Ledger.create(folder / "ledger", folder / "guard", POLICY, SEQUENCER, opening, now=START)
    with ledger.transaction(START) as tx:
        fields = acts.key_fields(OPERATOR, "operator", organisation="bench.example")
        tx.append([acts.event(tx.state, "key-added", ROOT, at=START, fields=fields)])
    return ledger


def grow(
    ledger: Ledger,
    stages: Iterator[dict[str, Value]],
    count: int,
    group: int,
    tell: Callable[[int], object] | None = None,
) -> Spent:
    """Append `count` events of `stages` in groups; `tell` is called with the size of each group."""
    spent = Spent()
    while spent.entries < count:
        with ledger.transaction(START) as tx:
            added = 0
            for record in islice(stages, min(group, count - spent.entries)):
                before = time.perf_counter()
                envelope = acts.made(tx.state, record, OPERATOR, at=START)
                signed, cpu = time.perf_counter(), time.process_time()
                tx.add(envelope)
                spent.cpu += time.process_time() - cpu
                spent.signing += signed - before
                spent.adding += time.perf_counter() - signed
                added += 1
            before, cpu = time.perf_counter(), time.process_time()
            tx.commit()
            spent.cpu += time.process_time() - cpu
            spent.groups.append(time.perf_counter() - before)
            spent.committing += spent.groups[-1]
        spent.entries += added
        if tell:
            tell(added)
    return spent


def records(version: int = 0) -> Iterator[dict[str, Value]]:
    """Records without end, five for each version of an experiment; three experiments take turns."""
    while True:
        for stage in FOLDERS:
            yield _record(f"e{version % 3}", stage, version)
        version += 1


def _record(experiment: str, stage: str, version: int) -> dict[str, Value]:
    value: dict[str, Value] = {
        "v": 1,
        "experiment": experiment,
        "stage": stage,
        "event": STAGE_EVENT[stage],
        "subjects": [_item(experiment, stage, version)],
        "inputs": [_item(experiment, name, version) for name in _inputs(stage)] or [_source(experiment)],
        "params": [{"name": "model.steps", "value": "1500"}, {"name": "version", "value": str(version)}],
        "seed": 0,
        "code": {"sha256": _digest("code", stage), "files": 12},
        "tools": [{"name": "torch", "version": "2.13.0"}],
        "class": "public",
        "views": [],
        "privacy": [],
        "facts": [{"name": "rows", "value": "150"}],
    }
    if stage == "ingest":
        value["source"] = [{"name": "licence", "value": "CC0-1.0"}]
    if stage == "validate":
        value["verdict"] = "pass"
    return value


def _inputs(stage: str) -> tuple[str, ...]:
    if stage == "validate":
        return ("generate", "preprocess")
    names = tuple(FOLDERS)
    at = names.index(stage)
    return names[at - 1 : at] if at else ()


def _item(experiment: str, stage: str, version: int) -> Value:
    path = f"data/{experiment}/{FOLDERS[stage]}"
    return {"kind": "folder", "path": path, "sha256": _digest(path, str(version)), "size": 1234, "files": 2}


def _source(experiment: str) -> Value:
    return {"kind": "file", "path": f"sources/{experiment}.csv", "sha256": _digest("source", experiment), "size": 99}


def _digest(*words: str) -> str:
    return sha256("\0".join(words).encode()).hexdigest()
