"""The ledger held against the world: DVC, MLflow and object stores, retention, and what was disposed of.

`verify` judges the ledger and re-hashes the workspace; what this adds is every other place that claims to hold an
artifact. Each disagreement is a finding with one of these codes:

===================  ========  =========================================================================
dvc-differs          error     dvc.lock names another content than the slot's latest entry
dvc-disposed         error     dvc.lock still names what was disposed of
dvc-missing          warning   DVC's cache has not what dvc.lock names: `dvc checkout` cannot restore it
mlflow-missing       warning   the run that an event names is not in the database
mlflow-never-logged  warning   a finished stage's run in the database that no event names
mlflow-disposed      error     the run of something disposed of is still there
store-missing        error     objects that an entry says were stored are not there, or short
store-never-logged   error     objects under an artifact's name that no event mentions
store-unreachable    warning   a store that could not be asked
key-missing          error     ciphertext whose key is not in the key store: nobody can open it
retention-overdue    error     kept beyond its date (a warning while it is held)
===================  ========  =========================================================================

What survives a disposal is judged by `custody.erasure`, with `handover.survivors` to look.
"""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from synthtrail.custody.errors import CustodyError
from synthtrail.custody.findings import Severity
from synthtrail.handover import descent, pairs, places, retention, sealing, storing, telling
from synthtrail.handover.connecting import connect
from synthtrail.handover.descent import Making
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.home import home


@dataclass(frozen=True)
class Disagreement:
    """Where the world and the ledger differ: one of the codes above, the place, and in words what differs."""

    code: str
    path: str
    text: str
    severity: Severity = "error"


_ARTIFACT = re.compile(r"[0-9a-f]{64}")


def check(found: Custodian, now: datetime, *, endpoint: str | None = None) -> list[Disagreement]:
    """Return every disagreement between the ledger and DVC, MLflow, object stores and retention."""
    every = descent.makings(found.ledger.log)
    return [*dvc(found, every), *mlflow(found, every), *stores(found, every, endpoint), *late(found, now)]


def dvc(found: Custodian, every: list[Making]) -> Iterator[Disagreement]:
    """Yield what dvc.lock and DVC's cache say differently."""
    state, cache = found.ledger.state, places.dvc_cache(found.root)
    latest = {making.record.slot: making for making in every if state.slots[making.record.slot].entry == making.entry}
    for slot, making in sorted(latest.items()):
        experiment, stage = slot.split("/")
        path = making.record.subject.path
        locked = _locked(found.root).get(f"{stage}@{experiment}", {}).get(path)
        if locked is None:
            continue
        said = making.context.get("dvc.md5", "")
        if state.status(making.artifact) == "disposed":
            yield _finding("dvc-disposed", path, "dvc.lock names it, although it was disposed of")
        elif said and said != locked:
            yield _finding("dvc-differs", path, f"dvc.lock has {locked}, entry {making.entry} says {said}")
        elif not (cache / "files/md5" / locked[:2] / locked[2:]).exists():
            yield _finding("dvc-missing", path, "DVC's cache has it not; `dvc push` and `dvc pull` may", "warning")


def mlflow(found: Custodian, every: list[Making]) -> Iterator[Disagreement]:
    """Yield runs that are missing, left over, or that no event names."""
    database = found.root / "mlruns/mlflow.db"
    if not database.exists():
        return
    runs, state = _runs(database), found.ledger.state
    named = {making.context["mlflow.run"]: making for making in every if making.context.get("mlflow.run")}
    for run, making in named.items():
        gone, path = state.status(making.artifact) == "disposed", making.record.subject.path
        if gone and run in runs:
            yield _finding("mlflow-disposed", path, f"run {run} is still there, although it was disposed of")
        elif not gone and run not in runs:
            yield _finding("mlflow-missing", path, f"run {run} of entry {making.entry} is not there", "warning")
    for run, tags in sorted(runs.items()):
        if tags.get("synthtrail.stage") not in (None, "pipeline") and run not in named and tags["status"] == "FINISHED":
            stage = tags["synthtrail.stage"]
            yield _finding("mlflow-never-logged", f"mlruns {run}", f"no event names this run of {stage}", "warning")


def stores(found: Custodian, every: list[Making], endpoint: str | None) -> Iterator[Disagreement]:
    """Yield what object stores hold that the ledger does not say, or lack that it does."""
    asked: dict[str, list[tuple[Making, dict[str, str]]]] = defaultdict(list)
    for making in {making.artifact: making for making in every}.values():
        for said in storing.events(found, making.artifact, "stored"):
            asked[str(said["place"])].append((making, pairs.mapping(said["details"])))
    known = {making.artifact.hex() for making in every}
    for url, stored in sorted(asked.items()):
        try:
            with connect(url, endpoint=endpoint) as store:
                seen: dict[str, list[int]] = defaultdict(list)
                for item in store.names():
                    seen[item.name.partition("/")[0]].append(item.size)
        except (CustodyError, OSError) as error:
            yield _finding("store-unreachable", url, telling.told(error), "warning")
            continue
        yield from _compared(found, url, stored, seen)
        for name in sorted(seen.keys() - known):
            if _ARTIFACT.fullmatch(name):
                yield _finding("store-never-logged", f"{url}/{name[:16]}…", "no event mentions this artifact")


def late(found: Custodian, now: datetime) -> Iterator[Disagreement]:
    """Yield what is kept beyond its date."""
    for kept in retention.overdue(found, now):
        text = f"to be kept until {kept.until:%Y-%m-%d} ({kept.basis})"
        severity: Severity = "warning" if kept.held else "error"
        held = "; a hold is open" if kept.held else ""
        yield _finding("retention-overdue", kept.item.path, text + held, severity)


def _compared(
    found: Custodian, url: str, stored: list[tuple[Making, dict[str, str]]], seen: dict[str, list[int]]
) -> Iterator[Disagreement]:
    # Stored there more than once, the last time counts.
    for making, told in {making.artifact: (making, told) for making, told in stored}.values():
        artifact, path = making.artifact.hex(), making.record.subject.path
        if found.ledger.state.status(making.artifact) == "disposed":
            continue  # ciphertext that is left is a survivor, which the sweep names
        sizes = seen.get(artifact, [])
        if str(len(sizes)) != told.get("objects") or str(sum(sizes)) != told.get("bytes"):
            was = f"stored were {told.get('objects')} with {told.get('bytes')}"
            yield _finding("store-missing", f"{url}: {path}", f"{len(sizes)} objects with {sum(sizes)} bytes; {was}")
        if not sealing.identity_path(home().identities(found.policy.origin), artifact).exists():
            yield _finding("key-missing", path, f"what is stored in {url} cannot be opened: its identity is not here")


def _locked(root: Path) -> dict[str, dict[str, str]]:
    """Return path and MD5 of every output in dvc.lock, by stage."""
    path = root / "dvc.lock"
    if not path.exists():
        return {}
    import yaml  # noqa: PLC0415 - the ledger core's commands do without it

    stages = yaml.safe_load(path.read_text(encoding="utf-8")).get("stages") or {}
    return {name: {out["path"]: out.get("md5", "") for out in stage.get("outs", [])} for name, stage in stages.items()}


def _runs(database: Path) -> dict[str, dict[str, Any]]:
    """Return tags and status of every run not in the bin; read as SQLite, since MLflow takes seconds to load."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as link:
        rows = link.execute("SELECT run_uuid, status FROM runs WHERE lifecycle_stage = 'active'").fetchall()
        tags = link.execute("SELECT run_uuid, key, value FROM tags").fetchall()
    link.close()
    runs: dict[str, dict[str, Any]] = {run: {"status": status} for run, status in rows}
    for run, key, value in tags:
        if run in runs:
            runs[run][key] = value
    return runs


def _finding(code: str, path: str, text: str, severity: Severity = "error") -> Disagreement:
    return Disagreement(code, path, text, severity)
