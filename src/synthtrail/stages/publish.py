"""What `sign` writes to MLflow about the stages whose records are new, before their events are signed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from synthtrail.custody import canonical
from synthtrail.custody.note import Checkpoint
from synthtrail.stages.code import git_state
from synthtrail.stages.found import Found
from synthtrail.stages.layout import STAGES, Layout
from synthtrail.storage.files import write_bytes
from synthtrail.tracking import StageRun, Store, TrackingError, answering, repro_id

__all__ = ["TrackingError", "publish", "tag"]


@dataclass(frozen=True)
class Published:
    """Where a stage's run stands in MLflow: its id, and the digest of the export of its whole tree of runs."""

    run_id: str
    export: str


def publish(root: Path, found: Sequence[Found], fresh: Sequence[Found]) -> dict[str, Published]:
    """Write a run for every fresh record below its experiment's parent; return them by slot.

    `found` are all records of the workspace: the parent run shows the parameters and scores of the whole pipeline, so
    that two repros can be compared although one of them re-ran a single stage.
    """
    with answering():
        return written(Store(root), root, found, fresh)


def written(store: Store, root: Path, found: Sequence[Found], fresh: Sequence[Found]) -> dict[str, Published]:
    """Write the runs into `store`, and keep their export beside the ledger."""
    repro = repro_id()
    published: dict[str, Published] = {}
    for name in sorted({item.record.experiment for item in fresh}):
        parent = store.parent(name, repro)
        mine = sorted((item for item in fresh if item.record.experiment == name), key=stage_order)
        runs = {item.record.slot: store.write(name, parent, stage_run(store, item)) for item in mine}
        whole = [item for item in found if item.record.experiment == name]
        store.log(parent, parent_params(whole), scores(whole), parent_tags(whole))
        store.finish(parent)
        export = store.export([parent, *runs.values()])
        digest = hashlib.sha256(export).hexdigest()
        write_bytes(root / "ledger" / "runs" / f"{digest}.json", export)
        published |= {slot: Published(run, digest) for slot, run in runs.items()}
    return published


def stage_order(item: Found) -> int:
    """Return the place of the record's stage in the pipeline."""
    return STAGES.index(item.record.stage)


def stage_run(store: Store, item: Found) -> StageRun:
    """Return what MLflow shows of one stage."""
    record, layout = item.record, Layout(item.record.experiment)
    run_id = item.facts.get("run")
    public = record.value["class"] == "public"
    seconds = {"seconds": float(item.facts["seconds"])} if "seconds" in item.facts else {}
    return StageRun(
        stage=record.stage,
        params=item.values("params") | {"seed": str(record.value["seed"])},
        metrics=numbers(item.values("facts")) | seconds,
        tags=tags(item),
        files=[(item.path, ""), *shown_files(layout, record.stage)],
        datasets=[(part.path, part.digest.hex()) for part in (*record.inputs, record.subject)],
        started=milliseconds(item.facts.get("started")),
        finished=milliseconds(item.facts.get("finished")),
        run_id=run_id if run_id and store.has(run_id) else None,
        # Weights of a confidential model stay where disposal looks for them: MLflow gets no copy.
        model=layout.own("model") if record.stage == "train" and public else None,
    )


def tags(item: Found) -> dict[str, str]:
    """Return a stage's tags: digests whole, verdict, and whether the stage ran or was restored."""
    record = item.record
    found = {
        "record.sha256": item.record.digest.hex(),
        "subject.sha256": record.subject.digest.hex(),
        "subject.path": record.subject.path,
        "class": str(record.value["class"]),
        "ran": "here" if item.facts else "restored",
    }
    return found | code_tags() | ({"verdict": record.verdict} if record.verdict else {})


def code_tags() -> dict[str, str]:
    """Return the commit of the code, also under the name by which MLflow's own pages show it."""
    state = git_state()
    return state | ({"mlflow.source.git.commit": state["git.commit"]} if state else {})


def shown_files(layout: Layout, stage: str) -> list[tuple[Path, str]]:
    """Return the files of a stage that MLflow shows, each with the folder to show it in; never data."""
    if stage == "ingest":
        return [(layout.expectations, "")]
    if stage == "train":
        films = [(path, "samples") for path in sorted(layout.own("samples").glob("*.gif"))]
        return films + [(path, "curves") for path in sorted(layout.own("curves").glob("*.csv"))]
    if stage == "validate":
        pages = [layout.report / "report.html", layout.report / "report.json", layout.diagnostics]
        return [(path, "") for path in pages] + [(path, "figures") for path in sorted(layout.figures.glob("*.svg"))]
    return []


def parent_params(whole: Sequence[Found]) -> dict[str, str]:
    """Return the parameters of every stage, named `stage.parameter`."""
    return {f"{item.record.stage}.{name}": value for item in whole for name, value in item.values("params").items()}


def scores(whole: Sequence[Found]) -> dict[str, float]:
    """Return the scores that `validate` found."""
    return {
        name: value
        for item in whole
        if item.record.stage == "validate"
        for name, value in numbers(item.values("facts")).items()
    }


def parent_tags(whole: Sequence[Found]) -> dict[str, str]:
    """Return the verdict, the digest of what was generated, and the commit of the code."""
    found = dict(code_tags())
    for item in whole:
        if item.record.stage == "generate":
            found["synthetic.sha256"] = item.record.subject.digest.hex()
        if item.record.verdict:
            found["verdict"] = item.record.verdict
    return found


def numbers(values: Mapping[str, str]) -> dict[str, float]:
    """Return the values that are numbers."""
    found = {}
    for name, value in values.items():
        try:
            found[name] = float(value)
        except ValueError:
            continue
    return found


def milliseconds(time: str | None) -> int | None:
    """Return a record's time as MLflow counts it: milliseconds since 1970."""
    moment: datetime | None = canonical.parse_time(time) if time else None
    return int(moment.timestamp() * 1000) if moment else None


def tag(root: Path, runs: Mapping[str, Published], entries: Mapping[str, int], head: Checkpoint) -> None:
    """Set the tags that lead from each tracked run to its ledger entry; they are no part of the export."""
    with answering():
        store = Store(root)
        for slot, run in runs.items():
            leading = {"ledger.entry": str(entries[slot]), "ledger.origin": head.origin, "ledger.size": str(head.size)}
            store.tag(run.run_id, leading)
