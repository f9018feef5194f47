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
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a dead server otherwise hangs for four minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # seconds, of 120
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
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from synthtrail.custody import canonical

logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table that it creates

REPRO = "synthtrail.repro"
STAGE = "synthtrail.stage"
PROCESS = "synthtrail.process"
PARENT = "mlflow.parentRunId"  # the tag by which MLflow's own pages nest runs
LEDGER_TAGS = ("ledger.entry", "ledger.origin", "ledger.size")
RECORD = "record.sha256"
BATCH = 500
ANSWER = 5.0  # seconds in which a server must take a connection
PARAM_LIMIT = 6000  # characters, MLflow's own limit for a parameter's value


class TrackingError(Exception):
    """MLflow does not answer, or does not take what is written; the message is the start of a line for the user."""


@contextmanager
def answering() -> Iterator[None]:
    """Turn whatever MLflow raises inside the block into a `TrackingError`."""
    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        reason = " ".join(str(error).partition("\n")[0].split())
        raise TrackingError(f"MLflow cannot be written ({reason[:160]})") from error


def knock(uri: str) -> None:
    """Raise `TrackingError` unless the server at `uri`, if it is one, takes a connection within seconds."""
    address = urlsplit(uri)
    if address.scheme not in ("http", "https") or address.hostname is None:
        return
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname, port), timeout=ANSWER).close()
    except OSError as error:
        place = f"{address.scheme}://{address.hostname}:{port}"  # without what may be a password
        raise TrackingError(f"MLflow at {place} does not answer ({error.strerror or error})") from error


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
        knock(self.uri)
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
        tags = {PARENT: parent, STAGE: stage, PROCESS: process()}
        identifier = self.experiment_id(experiment)
        run = self.client.create_run(identifier, start_time=started, tags=tags, run_name=stage)
        return str(run.info.run_id)

    def end_killed(self, experiment: str, stage: str, parent: str) -> None:
        """Mark what a killed process of this machine left running for `stage` as killed, and the parents but `parent`.

        A run whose process still lives, or is on another machine, is another one's.
        """
        query = f"attributes.status = 'RUNNING' and tags.`{STAGE}` = '{stage}'"
        for run in self.client.search_runs([self.experiment_id(experiment)], query):
            if not gone(run.data.tags.get(PROCESS, "")):
                continue
            self.client.set_terminated(run.info.run_id, "KILLED")
            above = run.data.tags.get(PARENT, "")
            if above not in ("", parent) and self.has(above) and self.client.get_run(above).info.status == "RUNNING":
                self.client.set_terminated(above, "KILLED")

    def write(self, experiment: str, parent: str, stage: StageRun) -> str:
        """Write `stage` into its run, a new child of `parent` unless it has one already, and return the run's id."""
        run_id = (
            stage.run_id
            or self.unfinished(experiment, stage.tags.get(RECORD, ""))
            or self.child(experiment, parent, stage.stage, stage.started)
        )
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

    def unfinished(self, experiment: str, record: str) -> str | None:
        """Return the run of this record that a killed `sign` left without the entry that it should lead to."""
        query = f"tags.`{RECORD}` = '{record}'"
        found = self.client.search_runs([self.experiment_id(experiment)], query) if record else []
        alone = [run.info.run_id for run in found if LEDGER_TAGS[0] not in run.data.tags]
        return str(alone[0]) if alone else None

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

    def purge(self, run_ids: Sequence[str]) -> dict[str, str]:
        """Delete runs for good, with their files and models; of each `deleted`, or `absent`.

        MLflow's `delete_run` only hides a run, and `mlflow gc` would empty the whole bin, others' runs included. A
        parent that this leaves without children goes too. Raises `MlflowException` where a server does not let runs be
        deleted.
        """
        store: Any = self.client._tracking_client.store
        if not hasattr(store, "_hard_delete_run"):
            raise MlflowException(f"{self.uri} does not let runs be deleted for good; have its owner do it")
        told = dict.fromkeys(run_ids, "absent")
        parents = []
        for run_id in filter(self.has, run_ids):
            run = self.client.get_run(run_id)
            parents.append((str(run.info.experiment_id), str(run.data.tags.get(PARENT, ""))))
            self._delete(store, run)
            told[run_id] = "deleted"
        for experiment, parent in dict.fromkeys(parents):
            if (
                parent
                and self.has(parent)
                and not self.client.search_runs([experiment], f"tags.`{PARENT}` = '{parent}'")
            ):
                self._delete(store, self.client.get_run(parent))
        return told

    def _delete(self, store: Any, run: Run) -> None:
        """Delete one run, its models and its files."""
        run_id, experiment = run.info.run_id, run.info.experiment_id
        found = self.client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
        for model in found:
            self.client.delete_logged_model(model.model_id)
            store._hard_delete_logged_model(model.model_id)
            remove_files(str(model.artifact_location))
        self.client.delete_run(run_id)
        store._hard_delete_run(run_id)
        remove_files(str(run.info.artifact_uri))


def remove_files(uri: str) -> None:
    """Delete a run's folder of files, if it lies on this machine; it is named for the run, or holds nothing else."""
    folder = Path(uri.removeprefix("file://"))
    if uri.startswith("file://") and folder.is_dir():
        shutil.rmtree(folder.parent if folder.name == "artifacts" else folder)


def purge(root: Path, run_ids: Sequence[str]) -> dict[str, str]:
    """Delete runs of the repository at `root` for good; nothing is created where there is no database."""
    remote = "MLFLOW_TRACKING_URI" in os.environ
    if not run_ids or not (remote or (root / "mlruns/mlflow.db").exists()):
        return dict.fromkeys(run_ids, "absent")
    return Store(root).purge(run_ids)


class LiveRun:
    """A stage's run that can be watched while the stage works; its metrics are written in batches.

    If MLflow does not answer, or stops answering, the stage goes on without it, and `sign` writes the run later.
    """

    def __init__(self, store: Store | None, run_id: str | None) -> None:
        self.store = store
        self.run_id = run_id
        self.waiting: list[Metric] = []
        self.last = time.monotonic()

    @classmethod
    def start(cls, root: Path, experiment: str, stage: str) -> "LiveRun":
        """Open a run for `stage` below the experiment's parent run of this repro."""
        live = cls(None, None)
        with live.surviving(), answering():
            store = Store(root)
            parent = store.parent(experiment, repro_id())
            store.end_killed(experiment, stage, parent)
            live.run_id = store.child(experiment, parent, stage)
            live.store = store
        return live

    @contextmanager
    def surviving(self) -> Iterator[None]:
        """Say once that MLflow is away, and go on without it."""
        try:
            with answering():
                yield
        except TrackingError as error:
            sys.stderr.write(f"{error}; this stage goes on, and is not shown while it runs\n")
            self.store = None
            self.waiting = []

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of one step; written at most every two seconds, so that training does not wait."""
        now = int(time.time() * 1000)
        self.waiting += [Metric(name, float(value), now, step) for name, value in values.items()]
        if len(self.waiting) >= BATCH or time.monotonic() - self.last > 2:
            self.flush()

    def show(self, step: int, picture: bytes) -> None:
        """Show a PNG among the run's artifacts, as it is: MLflow's own way would drop the salt that it may carry."""
        if self.store is None:
            return
        with tempfile.TemporaryDirectory() as folder, self.surviving():
            path = Path(folder) / f"step-{step:06d}.png"
            path.write_bytes(picture)
            self.store.client.log_artifact(self.run_id, str(path), "samples")

    def flush(self) -> None:
        """Write what waits."""
        if self.store is None:
            self.waiting = []
            return
        with self.surviving():
            for start in range(0, len(self.waiting), BATCH):
                self.store.client.log_batch(self.run_id, self.waiting[start : start + BATCH])
        self.waiting = []
        self.last = time.monotonic()

    def close(self, *, failed: bool) -> None:
        """Write what waits and end the run."""
        self.flush()
        if self.store is not None:
            with self.surviving():
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


def process() -> str:
    """Return what tells this process from every other: its machine (as a digest), number and start."""
    this = psutil.Process()
    return f"{short(hashlib.sha256(platform.node().encode()).hexdigest())} {this.pid} {this.create_time():.2f}"


def gone(told: str) -> bool:
    """Tell whether the process that `process` told of was one of this machine and runs no more."""
    machine, _, rest = told.partition(" ")
    number, _, began = rest.partition(" ")
    if machine != process().partition(" ")[0]:
        return False
    try:
        return f"{psutil.Process(int(number)).create_time():.2f}" != began
    except psutil.NoSuchProcess:
        return True


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
