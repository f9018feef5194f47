"""What every worker does: read a job, fit, sample, write the rows and what they cost. Needs pandas and nothing of ours.

    python -m tabular.workers.sdv_peer FOLDER

FOLDER holds `job.json` and `train.csv`; `synthetic.csv` and `cost.json` are written into it. A job:

    {"generator": "ctgan", "settings": {"epochs": 100}, "seed": 0, "rows": 455, "target": "class",
     "columns": [{"name": "age", "kind": "integer", "categories": [], "minimum": 17.0, "maximum": 90.0}, ...]}

Numbers are read as float64 or int64, categories as texts; what is missing is empty. Costs are the processor's seconds
of this process and of its children that have ended, around fitting and around sampling, imports and files left out;
memory is the greatest resident size of either. Python 3.11 and pandas 2.1 suffice.
"""

import json
import random
import resource
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Job = dict[str, Any]
Sampler = Callable[[int], pd.DataFrame]
NUMBERS = ("continuous", "integer")


def main(fit: Callable[[pd.DataFrame, Job], Sampler], libraries: Mapping[str, Sequence[str]]) -> None:
    """Run the job of the folder that the command line names; `fit` learns and returns what draws rows.

    `libraries` are the modules that each generator imports, loaded before the clock starts ("" for any other one).
    """
    folder = Path(sys.argv[1])
    job: Job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    table = read(folder / "train.csv", job)
    warnings.simplefilter("ignore")  # peers warn by the page; what matters is raised
    random.seed(job["seed"])
    np.random.seed(job["seed"])
    for module in libraries.get(job["generator"], libraries.get("", ())):
        import_module(module)
    start = used()
    sampler = fit(table, job)
    fitted = used()
    rows = sampler(job["rows"])
    cost = {"fit_cpu_s": fitted - start, "sample_cpu_s": used() - fitted, "memory_mb": memory()}
    rows[list(table.columns)].to_csv(folder / "synthetic.csv", index=False)
    (folder / "cost.json").write_text(json.dumps(cost), encoding="utf-8")


def read(path: Path, job: Job) -> pd.DataFrame:
    """Read the training rows with the types that the job's kinds say."""
    texts = {column["name"]: str for column in job["columns"] if column["kind"] not in NUMBERS}
    return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[""])


def named(job: Job, *kinds: str) -> list[str]:
    """Return the names of the columns of these kinds."""
    return [column["name"] for column in job["columns"] if column["kind"] in kinds]


def used() -> float:
    """Return the processor's seconds of this process and its ended children."""
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def memory() -> float:
    """Return the greatest resident size of this process or of a child that has ended, in MB.

    Linux' own count, since `ru_maxrss` of a process starts at the size of the one that started it.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
