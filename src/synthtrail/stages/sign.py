"""`sign`: log what is new, write a proof for each artifact, and refuse to go on where a verdict says so.

In: every record of the workspace. For each slot whose latest logged record is another one, the event that made it (or
`reused`, if the record was logged before) is signed by the operator and appended. A repro that made nothing new appends
nothing.

1. Read the records, and check that each subject is what its record says: nothing is signed unseen.
2. Under the ledger's lock: which records are new?
3. Write their runs to MLflow and export them, so that the event can state the export's digest.
4. Append all events as one group, then write proofs and set the ledger's tags in MLflow.
5. Return a line for each artifact whose verdict is `refuse`; everything is logged by then.
"""

import importlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import yaml

from synthtrail import params
from synthtrail.custody import acts, carried, digest
from synthtrail.custody.bundles import FolderReader
from synthtrail.stages.code import git_state
from synthtrail.stages.context import StageError
from synthtrail.stages.found import Found, find
from synthtrail.stages.layout import Layout
from synthtrail.storage.custodian import Custodian, establish
from synthtrail.storage.files import write_bytes
from synthtrail.storage.home import shared_root

if TYPE_CHECKING:
    from synthtrail.stages.publish import Published


def sign(say: Callable[[str], None]) -> list[str]:
    """Run the stage; return a line for each refusal. `say` tells the user what was appended."""
    custodian = establish(shared_root())
    found = [item for name in params.load(Path("params.yaml")) for item in find(name)]
    now = datetime.now(UTC)
    with custodian.ledger.transaction(now) as tx:
        fresh = [item for item in found if not acts.is_latest(tx.state, item.record.value)]
        check_subjects(fresh)
        published = track(custodian.root, found, fresh)
        entries: dict[str, int] = {}
        for item in fresh:
            context = circumstances(item, published)
            envelope = acts.made(tx.state, item.record.value, custodian.operator, at=now, context=context)
            entries[item.record.slot] = tx.add(envelope)
        tx.commit()
        latest = {item.record.slot: tx.state.slots[item.record.slot].entry for item in found}
    keep_manifests(custodian, fresh)
    write_proofs(custodian, found, latest)
    if published:
        tracked().tag(custodian.root, published, entries, custodian.ledger.head)
    say(f"{len(entries)} new of {len(found)} records; the ledger has {custodian.ledger.head.size} entries")
    return [refusal(item) for item in found if item.record.verdict == "refuse"]


def track(root: Path, found: Sequence[Found], fresh: Sequence[Found]) -> dict[str, "Published"]:
    """Write the runs of fresh records to MLflow; return them by slot."""
    return tracked().publish(root, found, fresh) if fresh else {}


def tracked() -> ModuleType:
    """Return the module that writes to MLflow, which takes seconds to load: a repro with nothing new needs none."""
    return importlib.import_module("synthtrail.stages.publish")


def check_subjects(found: Sequence[Found]) -> None:
    """Raise `StageError` if an artifact, or what was written beside it, is not what its record says."""
    for item in found:
        for part in (item.record.subject, *item.record.views):
            if digest.artifact(part.path).sha256 != part.digest.hex():
                raise StageError(
                    f"{part.path} is not what {item.path} says was made; nothing was signed. "
                    f"`dvc repro --force --single-item {item.record.stage}@{item.record.experiment}` makes it again"
                )


def circumstances(item: Found, published: dict[str, "Published"]) -> list[tuple[str, str]]:
    """Return what an event says about the run beyond the record: code, storage, tracking, times."""
    run = published[item.record.slot]
    told = {
        **git_state(),
        "dvc.md5": dvc_digest(item),
        "mlflow.run": run.run_id,
        "mlflow.export.sha256": run.export,
        "started": str(item.facts.get("started", "")),
        "finished": str(item.facts.get("finished", "")),
    }
    return [(name, value) for name, value in told.items() if value]


def dvc_digest(item: Found) -> str:
    """Return where DVC keeps the subject: the digest that `dvc.lock` has for it; empty if it has none."""
    stage = locked_stages().get(f"{item.record.stage}@{item.record.experiment}", {})
    outs = {out["path"]: out.get("md5", "") for out in stage.get("outs", [])}
    return str(outs.get(item.record.subject.path, ""))


@cache
def locked_stages() -> dict[str, Any]:
    """Return the stages of `dvc.lock`, none if it is not there."""
    lock = Path("dvc.lock")
    return dict(yaml.safe_load(lock.read_text(encoding="utf-8")).get("stages", {})) if lock.exists() else {}


def keep_manifests(custodian: Custodian, found: Sequence[Found]) -> None:
    """Keep the list of files of each folder, so that an audit can say which of them differs."""
    for item in found:
        for part in (item.record.subject, *item.record.views):
            if part.kind == "folder":
                custodian.ledger.keep_manifest(digest.manifest(part.path))


def write_proofs(custodian: Custodian, found: Sequence[Found], latest: dict[str, int]) -> None:
    """Write `ledger/proofs/<artifact>.tlog-proof` for each artifact that has none yet.

    Such a file, the policy and the artifact are enough to check offline that the event is in the ledger.
    """
    folder = custodian.root / "ledger" / "proofs"
    read, checkpoint = FolderReader(custodian.root / "ledger").read, custodian.ledger.checkpoint
    state = custodian.ledger.state
    for item in found:
        path = folder / f"{item.record.subject.digest.hex()}.tlog-proof"
        if not path.exists():
            write_bytes(path, carried.prove(read, checkpoint, latest[item.record.slot], state))


def refusal(item: Found) -> str:
    """Return the line that names the report of a refused artifact."""
    report = Layout(item.record.experiment).report
    reasons = json.loads((report / "report.json").read_bytes()).get("verdict", {}).get("reasons", [])
    first = reasons[0]["text"] if reasons else "see the report"
    return f"{item.record.experiment}: refused: {first} Read {report / 'report.html'}"
