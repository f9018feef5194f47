"""What MLflow shows: the only module that imports it.

A **parent** run stands for one experiment in one repro, a **child** for each of its stages. `train` opens both and
logs its curves while it trains; the other stages spool their facts, and `sign` writes them at the end (opening MLflow
in every stage costs more than the stages do). The store is SQLite under `mlruns/`, with digests, figures and plots,
and no data.

The stages of one repro are grouped by the variable `SYNTHTRAIL_REPRO`, else by the `dvc` process above them: MLflow's
own `MLFLOW_RUN_ID` would make every child log into the parent.
"""

import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a dead server otherwise hangs for four minutes
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow
import psutil
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException

from synthtrail.custody import canonical

logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table that it creates

REPRO = "synthtrail.repro"
STAGE = "synthtrail.stage"
PARENT = "mlflow.parentRunId"  # the tag by which MLflow's own pages nest runs
LEDGER_TAGS = ("ledger.entry", "ledger.origin", "ledger.size")
BATCH = 500
PARAM_LIMIT = 6000  # characters, MLflow's own limit for a parameter's value


@dataclass(frozen=True)
class StageRun:
    """What is written about one stage: names to text, names to numbers, and files by the folder to show them in."""

    stage: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    files: Sequence[tuple[Path, str]] = ()
    datasets: Sequence[tuple[str, str]] = ()
    started: int | None = None
    finished: int | None = None
    run_id: str | None = None
    model: Path | None = None


class Store:
    """The tracking database of one repository; creating it is safe from several processes at once."""

    def __init__(self, root: Path) -> None:
        folder = (root / "mlruns").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
        self.artifacts = folder / "artifacts"
        with locked(folder / ".lock"):  # the database's first migration does not bear company
            mlflow.set_tracking_uri(self.uri)
            self.client = MlflowClient(self.uri)
            self.client.search_experiments(max_results=1)

    def experiment_id(self, name: str) -> str:
        """Return the id of the MLflow experiment called `name`, creating it on first use."""
        with locked(self.artifacts.parent / ".lock"):
            found = self.client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            location = (self.artifacts / name).as_uri()
            return str(self.client.create_experiment(name, artifact_location=location))

    def parent(self, experiment: str, repro: str) -> str:
        """Return the id of the parent run of `experiment` in `repro`, creating it on first use."""
        identifier = self.experiment_id(experiment)
        query = f"tags.`{REPRO}` = '{repro}' and tags.`{STAGE}` = 'pipeline'"
        found = self.client.search_runs([identifier], query, max_results=1)
        if found:
            return str(found[0].info.run_id)
        tags = {REPRO: repro, STAGE: "pipeline"}
        return str(self.client.create_run(identifier, tags=tags, run_name=f"repro {short(repro)}").info.run_id)

    def child(self, experiment: str, parent: str, stage: str, started: int | None = None) -> str:
        """Create a run for `stage` below `parent` and return its id; `started` is in milliseconds."""
        tags = {PARENT: parent, STAGE: stage}
        identifier = self.experiment_id(experiment)
        run = self.client.create_run(identifier, start_time=started, tags=tags, run_name=stage)
        return str(run.info.run_id)

    def write(self, experiment: str, parent: str, stage: StageRun) -> str:
        """Write `stage` into its run, a new child of `parent` unless it has one already, and return the run's id."""
        run_id = stage.run_id or self.child(experiment, parent, stage.stage, stage.started)
        self.log(run_id, stage.params, stage.metrics, stage.tags)
        if stage.datasets:
            context = [InputTag("mlflow.data.context", stage.stage)]
            inputs = [DatasetInput(dataset(name, sha256), context) for name, sha256 in stage.datasets]
            self.client.log_inputs(run_id, inputs)
        for path, folder in stage.files:
            self.client.log_artifact(run_id, str(path), folder or None)
        if stage.model is not None:
            self.log_model(run_id, experiment, stage.model)
        self.client.set_terminated(run_id, "FINISHED", end_time=stage.finished)
        return run_id

    def log(
        self, run_id: str, params: Mapping[str, str], metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> None:
        """Write parameters, metrics and tags of a run in one batch."""
        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id,
            [Metric(name, float(value), now, 0) for name, value in metrics.items()],
            [Param(name, value[:PARAM_LIMIT]) for name, value in params.items()],
            [RunTag(name, value) for name, value in tags.items()],
        )

    def log_model(self, run_id: str, experiment: str, folder: Path) -> None:
        """Register the model in `folder` (safetensors and JSON, nothing pickled) as made by the run."""
        identifier = self.experiment_id(experiment)
        model = self.client.create_logged_model(identifier, name=experiment, source_run_id=run_id)
        self.client.log_model_artifacts(model.model_id, str(folder))
        self.client.finalize_logged_model(model.model_id, "READY")
        self.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])

    def has(self, run_id: str) -> bool:
        """Tell whether the database knows the run: someone may have started a new database since."""
        try:
            self.client.get_run(run_id)
        except MlflowException:
            return False
        return True

    def finish(self, run_id: str) -> None:
        """Mark a run as finished."""
        self.client.set_terminated(run_id, "FINISHED")

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags on a run."""
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def export(self, run_ids: Sequence[str]) -> bytes:
        """Return what the database holds of these runs as canonical JSON, without the ledger's own tags."""
        return canonical.encode({"v": 1, "runs": [self.exported(run_id) for run_id in run_ids]})

    def exported(self, run_id: str) -> dict[str, Any]:
        """Return one run as text values: what was logged, and the digest of every file."""
        run = self.client.get_run(run_id)
        kept = {name: value for name, value in run.data.tags.items() if name not in LEDGER_TAGS}
        return {
            "run": run_id,
            "name": ascii_only(run.info.run_name or ""),
            "params": listed(run.data.params),
            "metrics": listed({name: repr(value) for name, value in run.data.metrics.items()}),
            "tags": listed(kept),
            "files": listed(file_digests(run)),
        }


class LiveRun:
    """A stage's run that can be watched while the stage works; its metrics are written in batches."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self.waiting: list[Metric] = []
        self.last = time.monotonic()

    @classmethod
    def start(cls, root: Path, experiment: str, stage: str) -> "LiveRun":
        """Open a run for `stage` below the experiment's parent run of this repro."""
        store = Store(root)
        return cls(store, store.child(experiment, store.parent(experiment, repro_id()), stage))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of one step; written at most every two seconds, so that training does not wait."""
        now = int(time.time() * 1000)
        self.waiting += [Metric(name, float(value), now, step) for name, value in values.items()]
        if len(self.waiting) >= BATCH or time.monotonic() - self.last > 2:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for start in range(0, len(self.waiting), BATCH):
            self.store.client.log_batch(self.run_id, self.waiting[start : start + BATCH])
        self.waiting = []
        self.last = time.monotonic()

    def close(self, *, failed: bool) -> None:
        """Write what waits and end the run."""
        self.flush()
        self.store.client.set_terminated(self.run_id, "FAILED" if failed else "FINISHED")


def repro_id() -> str:
    """Return what is the same for all stages of one repro and differs between repros."""
    given = os.environ.get("SYNTHTRAIL_REPRO")
    if given:
        return given
    above = psutil.Process()
    for process in psutil.Process().parents():
        if any(Path(word).name == "dvc" for word in process.cmdline()[:2]):
            above = process
    text = f"{above.pid} {above.create_time()}"
    return hashlib.sha256(text.encode()).hexdigest()


def dataset(name: str, sha256: str) -> Dataset:
    """Return an artifact as MLflow shows it: its digest column holds 36 characters, the source has the whole digest."""
    source = json.dumps({"uri": name, "sha256": sha256})
    return Dataset(name=name, digest=sha256[:36], source_type="local", source=source)


def file_digests(run: Run) -> dict[str, str]:
    """Return path and SHA-256 of every file that was logged into `run`, if they lie on this machine."""
    prefix = "file://"
    uri = str(run.info.artifact_uri)
    folder = Path(uri.removeprefix(prefix))
    if not uri.startswith(prefix) or not folder.is_dir():
        return {}
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def listed(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return names and values as pairs, sorted; the restricted JSON profile has no maps keyed by a user's text."""
    return [{"name": name, "value": values[name]} for name in sorted(values)]


def ascii_only(value: str) -> str:
    """Return `value` with everything that is not ASCII escaped."""
    return value.encode("ascii", "backslashreplace").decode()


def short(identifier: str) -> str:
    """Return the first characters of an identifier, enough to tell two apart on a page."""
    return identifier[:8]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file at `path`, shared by all processes of this machine."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
