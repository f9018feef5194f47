"""Very small tables: is a model trained on synthetic rows alone as good as one trained on the real rows?

    python benchmarks/tables.py --small

Iris, Wine and Titanic, 30 splits of 80/20 x 3 seeds. Every side is tuned inside the training rows, on two splits:

    real        the model (three logistic regressions, a random forest) that does best on the inner holdouts
    synthetic   generator, settings, rows made per training row (1 or 5) and model, likewise

and is then trained once on all training rows, or on rows of a generator that learnt from all of them. What is measured
is the share of holdout rows predicted rightly. `METHODS` are the rows of the table: ours (whatever the inner splits
choose among our generators that learn in a second), the per-class Gaussian sampler to be beaten, and a network.

The split is the unit: seeds are averaged, and differences have corrected intervals (`intervals`).
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from synthtrail.data.codec import TableCodec
from synthtrail.evaluation.features import Features, read
from synthtrail.evaluation.metric import one_thread
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from synthtrail.storage.files import write_text
from tabular import data
from tabular.data import SMALL, Part, divided, parts
from tabular.intervals import Interval, paired
from tabular.runs import closure, meaning

Floats = NDArray[np.float64]

SEEDS, INNER, BINS = 3, 2, 20
MULTIPLES = (1, 5)  # synthetic rows per training row
MODELS = ("logistic 0.1", "logistic 1", "logistic 10", "forest")
METHODS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "ours": (("cart", {"least": 5}), ("cart", {"least": 20}), ("mixture", {})),
    "gaussian": (("gaussian", {}),),
    "wgan_gp": (("wgan_gp", {}),),
}


@dataclass(frozen=True)
class Choice:
    """What the inner splits chose: generator and settings (none for the real side), rows per row, model."""

    generator: str
    settings: Mapping[str, Any]
    multiple: int
    model: str


def study(folder: Path, ends: float | None) -> int:
    """Run what is missing; stop when the time is over."""
    for table, method, split, seed in track(list(cells()), "small tables", disable=not sys.stderr.isatty()):
        if ends is not None and time.monotonic() > ends:
            break
        once(folder / f"{table}.jsonl", table, method, split, seed)
    return 0


def cells() -> Iterator[tuple[str, str, int, int]]:
    """Yield (table, method, split, seed) of the tables that can be read: the network last, one seed after another."""
    tables = [table for table in SMALL.values() if _readable(table.name)]
    for methods in (("real", "gaussian", "ours"), ("wgan_gp",)):
        for seed, method, table in product(range(SEEDS), methods, tables):
            yield from ((table.name, method, split, seed) for split in range(table.splits))


def once(path: Path, table: str, method: str, split: int, seed: int) -> None:
    """Do one cell of the study unless it is kept already."""
    key, mark = f"{method} split {split} seed {seed}", digest(table, method)
    kept = lines(path)
    if kept.get(key, {}).get("digest") == mark:
        return
    right, choice = examined(divided(table, split), method, seed)
    kept[key] = {"run": key, "digest": mark, "right": round(right, 5), "chosen": vars(choice)}
    write_text(path, "".join(json.dumps(kept[name], sort_keys=True) + "\n" for name in sorted(kept)))


def lines(path: Path) -> dict[str, dict[str, Any]]:
    """Return what is kept, by the run's name."""
    texts = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {line["run"]: line for line in map(json.loads, texts)}


def digest(table: str, method: str) -> str:
    """Return a digest of the table, of this study, and of the generators of the method."""
    modules = [registry.SYNTHESIZERS[name].partition(":")[0] for name, _ in METHODS.get(method, ())]
    code = [meaning(Path(__file__)), *(meaning(path) for module in modules for path in closure(module))]
    return hashlib.sha256("\0".join([data.digest(table), *code]).encode()).hexdigest()[:16]


def examined(part: Part, method: str, seed: int) -> tuple[float, Choice]:
    """Return the share of holdout rows predicted rightly, and what was chosen without looking at them."""
    with one_thread():
        inside = [parts(part.train, part.schema, 100 + number) for number in range(INNER)]
        scores: dict[int, list[float]] = {}
        choices = list(options(method))
        for inner in inside:
            for number, right in tried(inner, choices, seed):
                scores.setdefault(number, []).append(right)
        best = max(scores, key=lambda number: float(np.mean(scores[number])))
        ((_, right),) = tried(part, [choices[best]], seed)
        return right, choices[best]


def options(method: str) -> Iterator[Choice]:
    """Yield what a method can choose from."""
    if method == "real":
        yield from (Choice("", {}, 1, model) for model in MODELS)
        return
    for name, settings in METHODS[method]:
        yield from (Choice(name, settings, multiple, model) for multiple in MULTIPLES for model in MODELS)


def tried(part: Part, choices: Sequence[Choice], seed: int) -> Iterator[tuple[int, float]]:
    """Yield each choice's number and the share of the part's holdout that it predicts rightly; one fit a generator."""
    features = Features.fit(part.train, part.schema, without=(str(part.schema.target),))
    made: dict[str, pd.DataFrame] = {}
    for number, choice in enumerate(choices):
        key = f"{choice.generator} {sorted(choice.settings.items())}"
        if key not in made:
            most = max(c.multiple for c in choices)
            made[key] = rows_of(part, choice, most, seed) if choice.generator else part.train
        yield number, predicted(made[key].iloc[: choice.multiple * len(part.train)], part, features, choice.model, seed)


def rows_of(part: Part, choice: Choice, multiple: int, seed: int) -> pd.DataFrame:
    """Return `multiple` synthetic rows per training row, of which any first part is a sample too."""
    model = registry.create(choice.generator, choice.settings)
    model.fit(part.train, TableCodec.fit(part.train, part.schema, BINS), Training(seed, progress=False))
    rows = pd.concat(list(model.sample(multiple * len(part.train), seed=seed)), ignore_index=True)
    mixed: pd.DataFrame = rows.iloc[np.random.default_rng(seed).permutation(len(rows))].reset_index(drop=True)
    return mixed


def predicted(rows: pd.DataFrame, part: Part, features: Features, name: str, seed: int) -> float:
    """Train the model called `name` on rows; return the share of the holdout that it predicts rightly."""
    from sklearn import ensemble, linear_model  # noqa: PLC0415 - a second of start-up

    target = part.schema.column(str(part.schema.target))
    labels, truth = read(rows, target), read(part.holdout, target)
    if np.unique(labels).size < 2:
        return float((truth == labels[0]).mean()) if len(labels) else 0.0
    kind, _, strength = name.partition(" ")
    model: Any = (
        ensemble.RandomForestClassifier(50, random_state=seed)
        if kind == "forest"
        else linear_model.LogisticRegression(C=float(strength), max_iter=500)
    )
    said: Floats = model.fit(features.dense(rows), labels).predict(features.dense(part.holdout))
    return float((said == truth).mean())


def by_split(path: Path, method: str) -> dict[int, float]:
    """Return each split's mean over the seeds that were run."""
    found: dict[int, list[float]] = {}
    for key, line in lines(path).items():
        name, _, split, *_ = key.split()
        if name == method:
            found.setdefault(int(split), []).append(line["right"])
    return {split: float(np.mean(values)) for split, values in sorted(found.items())}


def compared(path: Path, one: str, other: str) -> Interval:
    """Return the interval of one method's share of right predictions minus another's."""
    return paired(by_split(path, one), by_split(path, other))


def _readable(name: str) -> bool:
    try:
        data.whole(name)
    except OSError:
        print(f"{name}: its file is absent; set SYNTHTRAIL_SHARED", file=sys.stderr)
        return False
    return True
