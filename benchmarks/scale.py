"""What large tables cost: CPU seconds and memory of each stage over rows and columns, on this machine.

    python benchmarks/scale.py                 run what has no result yet, the cheapest first, then write docs
    python benchmarks/scale.py --only NAME     one case; --docs writes page and plots from the results alone

Each case makes a table of mixed columns (numbers, amounts, counts, categories of 5 to 200 levels, dates, truth values;
all of them lean on three hidden factors), writes it as CSV and runs the stages of the pipeline on it as DVC would, each
in a process of its own, in a checkout of its own. CPU seconds and greatest resident memory are those that the kernel
counts for the process and what it started. Results lie in `benchmarks/results/scale/`, one file a case, with the
versions they were measured with, and are kept stage by stage: what has one is not run again, and a run that was
stopped goes on with the next stage (its files wait in `benchmarks/cache/scale/`).
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from pyarrow import csv

from pipeline import copied
from scale_page import write

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/scale"
WORK = Path(os.environ.get("SCALE_WORK", ROOT / "benchmarks/cache/scale"))
STAGES = ("ingest", "preprocess", "train", "generate", "validate")
COPIED = ("dvc.yaml", "pipelines", "src")
CHUNK = 50_000  # rows
NAME = "big"


@dataclass(frozen=True)
class Case:
    """One table and one generator; `count` rows are generated (None: as many as training rows)."""

    name: str
    rows: int
    columns: int
    model: Mapping[str, Any]
    levels: int = 0  # of one column more, where not 0
    count: int | None = None
    stages: tuple[str, ...] = STAGES
    series: str = field(default="")


CART, VAE, WGAN, MASKED = ({"name": name} for name in ("cart", "vae", "wgan_gp", "masked"))
CASES = (
    *(Case(f"cart-{rows}", rows, 40, CART, series="rows") for rows in (10_000, 50_000, 200_000)),
    *(Case(f"cart-50000x{columns}", 50_000, columns, CART, series="columns") for columns in (10, 160)),
    *(Case(f"vae-{rows}", rows, 40, VAE, stages=STAGES[:4], series="rows") for rows in (10_000, 50_000)),
    *(Case(f"vae-50000x{columns}", 50_000, columns, VAE, stages=STAGES[:4], series="columns") for columns in (10, 160)),
    Case("levels-50000", 200_000, 9, CART, levels=50_000),
    Case("levels-50000-masked", 200_000, 9, MASKED, levels=50_000, stages=STAGES[:4], count=10_000),
    Case("masked-10000", 10_000, 40, MASKED, series="rows"),
    Case("masked-50000", 50_000, 40, MASKED, series="rows"),
    Case("ten-million", 50_000, 10, CART, count=10_000_000, stages=STAGES[:4]),
    Case("cart-1000000", 1_000_000, 40, CART, stages=STAGES[:4], series="rows"),
    *(
        Case(f"{model['name']}-1000000", 1_000_000, 40, model, stages=STAGES[:4], count=100_000, series="rows")
        for model in (VAE, WGAN, MASKED)
    ),
)


def batches(rows: int, columns: int, levels: int) -> Iterator[pa.RecordBatch]:
    """Yield the table in chunks, the same for the same numbers."""
    for start in range(0, rows, CHUNK):
        rng = np.random.default_rng([rows, columns, levels, start])
        yield chunk(min(CHUNK, rows - start), columns, levels, rng)


def chunk(n: int, columns: int, levels: int, rng: np.random.Generator) -> pa.RecordBatch:
    """Return n rows."""
    hidden = rng.standard_normal((n, 3))
    mixing = np.random.default_rng(columns).normal(0, 1, (columns, 3))
    found: dict[str, pa.Array] = {}
    for at in range(columns - 1):
        lean = hidden @ mixing[at] / 2 + rng.standard_normal(n) * 0.7
        found[f"c{at:03d}"] = pa.array(KINDS[at % len(KINDS)](lean, rng))
    if levels:
        found["place"] = pa.array([f"place {number}" for number in (rng.pareto(0.5, n) * 10).astype(int) % levels])
    found["outcome"] = pa.array(np.where(hidden.sum(1) + rng.standard_normal(n) > 1, "yes", "no").tolist())
    return pa.record_batch(found)


def categories(k: int) -> Any:
    """Return what makes a category of k levels of a number."""
    return lambda lean, _: [f"level {number}" for number in ((lean + 3) / 6 * k).clip(0, k - 1).astype(int)]


KINDS: tuple[Any, ...] = (
    lambda lean, _: lean.round(4),
    lambda lean, _: np.exp(lean * 1.5 + 3).round(2),
    lambda lean, _: np.floor(np.exp(lean)).astype(np.int64),
    lambda lean, rng: np.where(rng.random(len(lean)) < 0.6, 0, np.exp(lean + 4).round()),
    categories(5),
    categories(30),
    lambda lean, _: np.where(lean > 0.5, "yes", "no").tolist(),
    lambda lean, _: (np.datetime64("2015-01-01") + ((lean + 3) * 500).clip(0).astype(int)).astype("datetime64[D]"),
    lambda lean, _: ((lean + 3) * 15).clip(0, 99).astype(np.int64),
    categories(200),
)


def run(case: Case) -> None:
    """Carry out the stages of a case that were not measured yet; what each took is kept as soon as it is known."""
    base = WORK / case.name
    root, told = base / "checkout", measured(case)
    if not root.exists():  # begun elsewhere, or not at all: earlier stages have to be run again
        told = {"case": asdict(case), "csv_bytes": written(case, base, root), "stages": {}}
    for stage in case.stages:
        if stage in told["stages"]:
            continue
        told["stages"][stage] = timed(stage, root, base)
        told |= {"generated": generated(root), "python": platform.python_version(), "versions": versions()}
        told["load"] = round(os.getloadavg()[0], 1)
        kept(case).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        print(f"  {stage}: {told['stages'][stage]}", flush=True)
        if "error" in told["stages"][stage]:
            break
    shutil.rmtree(base)


def written(case: Case, base: Path, root: Path) -> int:
    """Make checkout and table in a temporary place that becomes `base` when they are whole; return the table's size."""
    part = base.with_name(f".{base.name}.part")
    shutil.rmtree(base, ignore_errors=True)
    shutil.rmtree(part, ignore_errors=True)
    fresh = checkout(part / "checkout", case)
    schema = chunk(1, case.columns, case.levels, np.random.default_rng(0)).schema
    with csv.CSVWriter(fresh / "big.csv", schema) as out:
        for batch in batches(case.rows, case.columns, case.levels):
            out.write_batch(batch)
    part.replace(base)
    return (root / "big.csv").stat().st_size


def generated(root: Path) -> int:
    """Return how many rows the record of `generate` states, 0 without one."""
    record = root / f"data/records/{NAME}/generate.json"
    facts = json.loads(record.read_bytes())["facts"] if record.exists() else []
    return next((int(pair["value"]) for pair in facts if pair["name"] == "items"), 0)


def measured(case: Case) -> dict[str, Any]:
    """Return what is known of a case."""
    return dict(json.loads(kept(case).read_bytes())) if kept(case).exists() else {"stages": {}}


def over(case: Case) -> bool:
    """Tell whether nothing is left to measure of a case."""
    stages = measured(case)["stages"]
    return set(case.stages) <= set(stages) or any("error" in stage for stage in stages.values())


def checkout(root: Path, case: Case) -> Path:
    """Make a checkout at `root` in which this one experiment is on."""
    copied(root, COPIED)
    block: dict[str, Any] = {"source": "big.csv", "licence": "CC0-1.0", "legal_basis": "made up", "retention": "P1Y"}
    block |= {"class": "public", "target": "outcome", "model": dict(case.model)}
    if case.count is not None:
        block["generate"] = {"count": case.count}
    (root / "params.yaml").write_text(yaml.safe_dump({"experiments": {NAME: block}}), encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def timed(stage: str, root: Path, base: Path) -> dict[str, Any]:
    """Run a stage; return its CPU seconds and its greatest resident memory in MiB, and how it failed if it did."""
    folders = {name: str(base / name) for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    environment = os.environ | folders | {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(root / "src")}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, f"pipelines/{stage}.py", NAME], cwd=root, env=environment, stdout=said, stderr=said
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    told: dict[str, Any] = {"cpu": round(used.ru_utime + used.ru_stime, 1), "mib": round(used.ru_maxrss / 1024)}
    return told if child.returncode == 0 else told | {"error": text[-300:], "code": child.returncode}


def versions() -> dict[str, str]:
    """Return the versions of what does the work."""
    return {name: metadata.version(name) for name in ("numpy", "pandas", "pyarrow", "torch", "scikit-learn")}


def kept(case: Case) -> Path:
    """Return where the result of a case lies."""
    return RESULTS / f"{case.name}.json"


def main() -> int:
    """Run what is asked for, and write page and plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[case.name for case in CASES], help="one case")
    parser.add_argument("--docs", action="store_true", help="write page and plots, run nothing")
    asked = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for case in () if asked.docs else CASES:
        if asked.only in (None, case.name) and not over(case):
            print(case.name, flush=True)
            run(case)
    there = [case for case in CASES if kept(case).exists()]
    missing = [case.name for case in CASES if case not in there]
    write([json.loads(kept(case).read_bytes()) for case in there], ROOT / "docs", missing)
    return 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
