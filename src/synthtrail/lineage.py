"""A stage that ran -> its record, and the facts of this one run.

A **record** is deterministic: the same inputs, parameters, seed and code give the same bytes, so DVC can restore it
and the ledger can recognise it. It states the subject (what was made) and the inputs by digest, the parameters, the
digest of the code and the versions of the tools. What differs from run to run (when, how long, which tracked run) is
**spooled** under the record's digest, beside the tracking database, and joins the event when the record is signed.

    record bytes --sha256--> spool/<digest>.json = {"started": ..., "seconds": ..., "run": ...}
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from synthtrail.custody import canonical, digest
from synthtrail.custody.events import STAGE_EVENT
from synthtrail.storage.files import Json, write_json
from synthtrail.storage.home import shared_root

TOOLS = {
    "ingest": ("numpy", "pandas", "pillow", "pyarrow", "scikit-learn"),
    "preprocess": ("numpy", "pandas", "pyarrow"),
    "train": ("lightning", "numpy", "pandas", "pillow", "safetensors", "torch"),
    "generate": ("numpy", "pandas", "pyarrow", "safetensors", "torch"),
    "validate": ("great-expectations", "matplotlib", "numpy", "pandas", "scikit-learn", "scipy", "torch"),
}
Pairs = Mapping[str, object]


@dataclass(frozen=True)
class Work:
    """What a stage has done: the subject it made, from which inputs, with what settings and which results.

    `views` are written beside the subject for people and tools. `inputs` are paths of artifacts of earlier stages.
    `source` says where bytes from outside came from; it is given by `ingest` alone. `verdict` is given by `validate`
    alone.
    """

    subject: Path
    inputs: Sequence[Path] = ()
    views: Sequence[Path] = ()
    params: Pairs = field(default_factory=dict)
    facts: Pairs = field(default_factory=dict)
    privacy: Pairs = field(default_factory=dict)
    source: Pairs = field(default_factory=dict)
    verdict: str | None = None
    like: str = ""  # the stage whose code and tools did the work, where it was not the record's own
    also: Sequence[str] = ()  # files of code beyond that stage's


def record(experiment: str, stage: str, data_class: str, seed: int, work: Work) -> bytes:
    """Return the record of `work` as canonical JSON."""
    value: dict[str, Any] = {
        "v": 1,
        "experiment": experiment,
        "stage": stage,
        "event": STAGE_EVENT[stage],
        "subjects": [reference(work.subject)],
        "views": [reference(path) for path in work.views],
        "inputs": [reference(path) for path in work.inputs],
        "params": pairs(work.params),
        "seed": seed,
        "code": code_digest(Path(), work.like or stage, work.also),
        "tools": tools(work.like or stage),
        "class": data_class,
        "privacy": pairs(work.privacy),
        "facts": pairs(work.facts),
    }
    if work.source:
        value["source"] = pairs(work.source)
    if work.verdict is not None:
        value["verdict"] = work.verdict
    return canonical.encode(value)


def reference(path: Path) -> dict[str, Any]:
    """Return how a record names the file or folder at `path`: kind, path, SHA-256, size in bytes, number of files."""
    found = digest.artifact(path)
    named = {"kind": found.kind, "path": path.as_posix(), "sha256": found.sha256, "size": found.size}
    return named if found.files is None else named | {"files": found.files}


def pairs(values: Pairs) -> list[dict[str, str]]:
    """Return `values` as name/value pairs of text, in the order of their names; nested mappings become dotted names."""
    return [{"name": name, "value": as_text(value)} for name, value in sorted(flat(values).items())]


def flat(values: Pairs, prefix: str = "") -> dict[str, object]:
    """Flatten nested mappings: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    out: dict[str, object] = {}
    for name, value in values.items():
        out |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return out


def as_text(value: object) -> str:
    """Return `value` as the text that a record holds: JSON for what is not text, with the shortest decimals."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


def tools(stage: str) -> list[dict[str, str]]:
    """Return the versions of what affects the stage's bytes, Python and the kind of processor among them."""
    versions = {name: metadata.version(name) for name in TOOLS[stage]}
    versions |= {"python": platform.python_version(), "machine": platform.machine()}
    return [{"name": name, "version": versions[name]} for name in sorted(versions)]


def code_digest(root: Path, stage: str, also: Sequence[str] = ()) -> dict[str, Any]:
    """Return digest and number of the source files that `dvc.yaml` names for `stage`, and of those named in `also`.

    The digest is that of their manifest: `sha256sum FILES... | sha256sum`, files in the order of their paths.
    """
    files = sorted({*code_files(root, stage), *also})
    lines = "".join(f"{digest.file(root / name).sha256}  {name}\n" for name in files)
    return {"sha256": hashlib.sha256(lines.encode()).hexdigest(), "files": len(files)}


@cache
def code_files(root: Path, stage: str) -> frozenset[str]:
    """Return the Python files below the code dependencies that `dvc.yaml` states for `stage`, as paths from `root`."""
    import yaml  # noqa: PLC0415 - an auditor's commands read this package without PyYAML

    stages = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    named = [root / dep for dep in stages[stage]["do"]["deps"] if dep.startswith(("src/", "pipelines/"))]
    found = (file for path in named for file in ([path] if path.is_file() else path.rglob("*.py")))
    return frozenset(file.relative_to(root).as_posix() for file in found)


def spool(content: bytes, facts: Mapping[str, Json], started: datetime) -> None:
    """Keep the facts of the run that made the record `content`, with its times, under the record's digest."""
    finished = datetime.now(UTC)
    times: dict[str, Json] = {
        "started": canonical.format_time(started),
        "finished": canonical.format_time(finished),
        "seconds": round((finished - started).total_seconds(), 3),
    }
    write_json(spool_path(content), {**facts, **times})


def spool_path(record_bytes: bytes) -> Path:
    """Return where the facts of the run that made this record are spooled."""
    return shared_root() / "mlruns" / "spool" / f"{hashlib.sha256(record_bytes).hexdigest()}.json"


def spooled(record_bytes: bytes) -> dict[str, Any]:
    """Return the spooled facts of the run that made this record; empty if it was restored, not run."""
    path = spool_path(record_bytes)
    return dict(json.loads(path.read_bytes())) if path.exists() else {}
