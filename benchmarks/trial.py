"""What `synthtrail try` costs, from the command to the page, and what it gives, for tables of several sizes.

Built-in tables, one made up of 50,000 rows and 30 columns, and those of `../shared/data` (or SYNTHTRAIL_SHARED) where
there are any. Nothing is left behind.
"""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

from figures import Figure, main

LIMIT = 60.0  # seconds on two cores, for up to 50,000 rows
SHARED = Path(os.environ.get("SYNTHTRAIL_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
ADULT = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race",
    "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
]  # fmt: skip


def measure(quick: bool) -> list[Figure]:
    """Return wall and processor seconds and the likeness for each table."""
    with tempfile.TemporaryDirectory(prefix="synthtrail-try-") as name:
        return [figure for file, target in tables(Path(name), quick) for figure in tried(file, target)]


def tables(folder: Path, quick: bool) -> Iterator[tuple[Path, str]]:
    """Yield tables as CSV files in `folder`, each with its target."""
    frame = load_breast_cancer(as_frame=True).frame
    yield (
        saved(frame.assign(target=np.where(frame["target"] == 1, "benign", "malignant")), folder / "cancer.csv"),
        "target",
    )
    if quick:
        return
    yield saved(made_up(50_000, 30), folder / "made_up.csv"), "outcome"
    if (SHARED / "adult/adult.data").exists():
        adult = pd.read_csv(SHARED / "adult/adult.data", names=ADULT, skipinitialspace=True)
        yield saved(adult, folder / "adult.csv"), "income"
    for path, target in ((SHARED / "titanic/train.csv", "Survived"), (SHARED / "support2/support2.csv", "hospdead")):
        if path.exists():
            yield saved(pd.read_csv(path), folder / f"{path.parent.name}.csv"), target


def saved(frame: pd.DataFrame, path: Path) -> Path:
    """Write a table and return where."""
    frame.to_csv(path, index=False)
    return path


def made_up(rows: int, columns: int) -> pd.DataFrame:
    """Return a table of numbers, categories and counts that hang together by six hidden ones."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(rows, 6))
    numbers = {f"x{i}": np.round(hidden @ rng.normal(size=6) + rng.normal(size=rows), 3) for i in range(columns - 10)}
    chosen = {
        f"c{i}": np.char.add("v", np.clip((hidden[:, i] + 3) / 6 * k, 0, k - 1).astype(int).astype(str))
        for i, k in enumerate((2, 3, 5, 8, 20, 50))
    }
    counts = {f"n{i}": rng.poisson(np.exp(hidden[:, i])) for i in range(3)}
    target = np.where(hidden[:, 0] + hidden[:, 1] * hidden[:, 2] + rng.normal(size=rows) > 0.5, "yes", "no")
    return pd.DataFrame(numbers | chosen | counts | {"outcome": target})


def tried(file: Path, target: str) -> list[Figure]:
    """Run the command on one table and return its figures."""
    command = [str(Path(sys.executable).with_name("synthtrail")), "try", str(file), "--target", target]
    before, start = used(), time.monotonic()
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=True)
    wall, processor = time.monotonic() - start, used() - before
    likeness = re.search(r"([\d.]+)  likeness", done.stdout)
    useful = re.search(r"([\d.]+)  usefulness", done.stdout)
    told = re.search(r"learning from (.*)", done.stderr)
    name, note = f"try {file.stem}", told.group(1) if told else ""
    return [
        Figure(f"{name}: from command to page", wall, "s", LIMIT, note=note),
        Figure(f"{name}: processor", processor, "s"),
        Figure(f"{name}: likeness", json.loads(likeness.group(1)) if likeness else None, ""),
        Figure(f"{name}: usefulness", json.loads(useful.group(1)) if useful else None, ""),
    ]


def used() -> float:
    """Return the processor seconds of all programs that were run so far."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


if __name__ == "__main__":
    sys.exit(main("What a first try costs", measure))
