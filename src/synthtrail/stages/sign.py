"""`sign`: log what is new, write a proof for each artifact, and refuse to go on where a verdict says so.

In: every record of the workspace. For each slot whose latest logged record is another one, the event that made it (or
`reused`, if the record was logged before) is signed by the operator and appended. A repro that made nothing new appends
nothing.

1. Read the records, and check that each subject is what its record says: nothing is signed unseen.
2. Under the ledger's lock: which records are new?
3. Write their runs to MLflow and export them, so that the event can state the export's digest. If MLflow does not
   answer, say so; the runs wait for the next time (`waiting`).
4. Append all events as one group, then write proofs and set the ledger's tags in MLflow. Killed before the end, the
   next run does what is missing.
5. Return a line for each artifact whose verdict is `refuse`; everything is logged by then.
"""

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import yaml

from synthtrail import params
from synthtrail.custody import acts, canonical, carried, digest
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.state import State
from synthtrail.models import registry
from synthtrail.stages import environment, waiting
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
    found = [item for name in params.load(Path("params.yaml")) for item in find(name)]
    sign_found(found, say)
    # What was generated under a label is judged for whoever asked for it, and stops no repro.
    return [refusal(item) for item in found if item.record.verdict == "refuse" and "." not in item.record.experiment]


def sign_found(found: Sequence[Found], say: Callable[[str], None]) -> None:
    """Log those of the records `found` that are new."""
    custodian, now = establish(shared_root()), datetime.now(UTC)
    with custodian.ledger.transaction(now) as tx:
        fresh = [item for item in found if not acts.is_latest(tx.state, item.record.value)]
        if fresh:
            check_clock(tx.state, now)
        check_subjects(fresh)
        check_releasable(fresh)
        waiting.mark(custodian.root, fresh)
        late = waiting.marked(custodian.root, found)
        published = track(custodian.root, found, late, say)
        entries: dict[str, int] = {}
        for item in fresh:
            context = circumstances(item, published)
            envelope = acts.made(tx.state, item.record.value, custodian.operator, at=now, context=context)
            entries[item.record.slot] = tx.add(envelope)
        tx.commit()
        latest = {item.record.slot: tx.state.slots[item.record.slot].entry for item in found}
    keep_manifests(custodian, found)
    write_proofs(custodian, found, latest)
    if published:
        lead_back(custodian, published, latest, late, say)
    say(f"{len(entries)} new of {len(found)} records; the ledger has {custodian.ledger.head.size} entries")


def check_clock(state: State, now: datetime) -> None:
    """Raise `StageError` if the clock is behind the last entry by more than the policy takes for a correction."""
    last = datetime.fromtimestamp(state.received // 1_000_000, UTC)
    if (last - now).total_seconds() > state.policy.skew:
        raise StageError(
            f"this machine's clock says {canonical.format_time(now.replace(microsecond=0))}, but the ledger's last "
            f"entry is of {canonical.format_time(last)}; nothing was signed. Set the clock right and run `dvc repro`"
        )


def track(
    root: Path, found: Sequence[Found], late: Sequence[Found], say: Callable[[str], None]
) -> dict[str, "Published"]:
    """Write the runs of the records `late` to MLflow; return them by slot, none if MLflow does not answer."""
    if not late:
        return {}
    try:
        return dict(tracked().publish(root, found, late))
    except tracked().TrackingError as error:
        say(f"{error}; {len(late)} runs wait, and are written by the next `dvc repro` that reaches it")
        return {}


def lead_back(
    custodian: Custodian,
    published: Mapping[str, "Published"],
    latest: Mapping[str, int],
    late: Sequence[Found],
    say: Callable[[str], None],
) -> None:
    """Tag the runs with the ledger entries that they lead to."""
    try:
        tracked().tag(custodian.root, published, latest, custodian.ledger.head)
    except tracked().TrackingError as error:
        say(f"{error}; its runs lack the tags that lead to the ledger until the next `dvc repro`")
        return
    waiting.unmark(custodian.root, late)


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


def check_releasable(found: Sequence[Found]) -> None:
    """Raise `ModelError` for a model, or rows made with one, that serves for judging only."""
    for item in found:
        if item.record.stage == "train":
            registry.releasable(item.values("params").get("model.name", ""))
        models = [Path(part.path) for part in item.record.inputs if (Path(part.path) / "model.json").exists()]
        for folder in models:
            registry.releasable(registry.name_of(folder))


def circumstances(item: Found, published: dict[str, "Published"]) -> list[tuple[str, str]]:
    """Return what an event says about the run beyond the record: code, storage, tracking, times."""
    run = published.get(item.record.slot)
    told = {
        **git_state(),
        **environment.told(),
        "dvc.md5": dvc_digest(item.record.subject.path),
        "dvc.md5.plan": dvc_digest(Layout(item.record.experiment).plan(item.record.stage).as_posix()),
        "mlflow.run": run.run_id if run else "",
        "mlflow.export.sha256": run.export if run else "",
        "started": str(item.facts.get("started", "")),
        "finished": str(item.facts.get("finished", "")),
    }
    return [(name, value) for name, value in told.items() if value]


def dvc_digest(path: str) -> str:
    """Return where DVC keeps what lies at `path`: the digest that `dvc.lock` has for it; empty if it has none."""
    outs = (out for stage in locked_stages().values() for out in stage.get("outs", []))
    return next((str(out.get("md5", "")) for out in outs if out["path"] == path), "")


@cache
def locked_stages() -> dict[str, Any]:
    """Return the stages of `dvc.lock`, none if it is not there."""
    lock = Path("dvc.lock")
    return dict(yaml.safe_load(lock.read_text(encoding="utf-8")).get("stages", {})) if lock.exists() else {}


def keep_manifests(custodian: Custodian, found: Sequence[Found]) -> None:
    """Keep the list of files of each folder, so that an audit can say which of them differs."""
    for item in found:
        for part in (item.record.subject, *item.record.views):
            if part.kind == "folder" and custodian.ledger.manifest(part.digest) is None:
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
