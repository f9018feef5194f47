"""One run in a process of its own, on one thread, and the judge's finding of what it made.

    result = perform(run, Place(cache, environments), key)

A result says either what was measured or why there is nothing: {"failed": "..."}; both are kept, so that what cannot be
done is not tried again and again. A run that is killed leaves nothing but a scratch folder, and is done anew. Synthetic
rows are kept in the cache, so that a judge that has changed judges them without making them again.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from synthtrail.data.columns import NUMERIC, Column, Schema
from synthtrail.data.tabular import TableWriter, read_table
from synthtrail.storage.files import write_text
from tabular.data import SMALL, TABLES, Part, divided, inner
from tabular.generators import Generator, known
from tabular.judge import judged
from tabular.runs import Result, Run

LIMIT_CPU_S = 5400  # of one run: beyond it a generator counts as not finishing
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1")
QUIET = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1"}


class RunFailedError(Exception):
    """A worker did not deliver; the message is its last line."""


@dataclass(frozen=True)
class Place:
    """Where things are: the folder that is the cache, and the Python of each environment by name."""

    cache: Path
    pythons: Mapping[str, Path]
    generators: Mapping[str, Generator] = field(default_factory=known)


def perform(run: Run, place: Place, key: str, seconds: float | None = None) -> Result:
    """Run, judge, and return the result (see the module docstring), without its digest.

    `key` names the rows in the cache: it has to change with whatever makes other rows. `subprocess.TimeoutExpired` if
    making them takes more than `seconds` by the clock.
    """
    generator = place.generators[run.generator]
    part = divided(run.table, run.split)
    part = inner(part) if run.part == "inner" else part
    try:
        synthetic, cost = cached(run, generator, part, place, key, seconds)
    except RunFailedError as reason:
        return {"failed": str(reason)}
    return {"cost": cost, **judged(part, synthetic, (TABLES | SMALL)[run.table].sex)}


def cached(
    run: Run, generator: Generator, part: Part, place: Place, key: str, seconds: float | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return synthetic rows and their cost, from the cache if they are there."""
    kept = place.cache / "rows" / key
    if not (kept / "cost.json").exists():
        place.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="run-", dir=place.cache) as name:
            texts, cost = made(run, generator, part, Path(name), place.pythons, seconds)
        write_parquet(texts, kept / "synthetic.parquet")
        write_text(kept / "cost.json", json.dumps(cost))  # last: what has a cost is whole
    return conforming(read_table(kept / "synthetic.parquet"), part.schema), json.loads(
        (kept / "cost.json").read_bytes()
    )


def write_parquet(texts: pd.DataFrame, path: Path) -> None:
    """Write rows of texts whole or not at all."""
    with TableWriter(path) as writer:
        writer.write(texts)


def made(
    run: Run, generator: Generator, part: Part, folder: Path, pythons: Mapping[str, Path], seconds: float | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return as many synthetic rows as training rows, as texts, and what they cost; `RunFailedError` if none came."""
    if generator.environment not in pythons:
        raise RunFailedError(f"its environment ({generator.environment}) could not be built")
    write_job(folder, run, generator, part)
    command = [str(pythons[generator.environment]), "-m", f"tabular.workers.{generator.worker}", str(folder)]
    if generator.script.parent.name != "workers":  # a worker from elsewhere, as tests have it
        command[1:3] = [str(generator.script)]
    environment = os.environ | ONE_THREAD | QUIET | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        ["prlimit", f"--cpu={LIMIT_CPU_S}", *command] if shutil.which("prlimit") else command,
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip
    if done.returncode or not (folder / "cost.json").exists():
        raise RunFailedError(_last_line(done.stderr, done.returncode))
    cost = {name: round(value, 3) for name, value in json.loads((folder / "cost.json").read_bytes()).items()}
    return pd.read_csv(folder / "synthetic.csv", dtype=str, keep_default_na=False), cost


def write_job(folder: Path, run: Run, generator: Generator, part: Part) -> None:
    """Write what a worker reads (see `workers.measured`)."""
    columns = [
        {"name": c.name, "kind": c.kind, "categories": [str(value) for value in c.categories],
         "minimum": c.minimum, "maximum": c.maximum}
        for c in part.schema
    ]  # fmt: skip
    job: dict[str, Any] = {
        "generator": generator.name, "settings": dict(run.settings), "seed": run.seed,
        "rows": len(part.train), "target": part.schema.target, "columns": columns,
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(part.schema.to_json()), encoding="utf-8")
    part.train.to_csv(folder / "train.csv", index=False)
    with TableWriter(folder / "train.parquet") as writer:
        writer.write(part.train)


def conforming(texts: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return rows that were written as texts in the schema's types; whole numbers are rounded, strange levels stay.

    >>> from synthtrail.data.schema import infer
    >>> schema = infer(pd.DataFrame({"age": [31, 64], "sex": ["f", "m"]}))
    >>> conforming(pd.DataFrame({"age": ["30.6", ""], "sex": ["m", "x"]}), schema).to_dict("list")
    {'age': [31.0, nan], 'sex': ['m', 'x']}
    """
    return pd.DataFrame({column.name: _column(texts[column.name], column) for column in schema})


def _column(texts: pd.Series, column: Column) -> pd.Series:
    if column.kind in NUMERIC:
        numbers = pd.to_numeric(texts, errors="coerce")
        return numbers.round() if column.kind == "integer" else numbers
    values = {str(value): value for value in column.categories}
    return texts.map(lambda text: None if text == "" else values.get(text, text)).astype(object)


def _last_line(said: str, code: int) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if code in (-24, -9, 137, 152):
        return f"ended by the system: more than {LIMIT_CPU_S} processor seconds, or too much memory"
    return lines[-1][:200] if lines else f"ended with code {code} and said nothing"


def python() -> Path:
    """Return the Python of our own environment."""
    return Path(sys.executable)
