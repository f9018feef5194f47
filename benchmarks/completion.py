"""How well gaps are filled: `masked` beside simple ways, on inner splits of Adult and SUPPORT2.

    python benchmarks/completion.py [--only adult-0]     runs what has no result yet, then writes docs/tables.md

The tables and their inner splits are those of `tabular.data`: the outer holdout has no part in this. Of the inner
judging rows some thousand are completed: three tenths of their known cells are hidden at random, and a method that has
learnt from the other rows fills them. Of the hidden cells: root mean square error of numbers over the training rows'
deviation, share of right categories; and, since filled columns are used as columns, the Kolmogorov-Smirnov distance of
filled numbers from the hidden ones and the total variation of filled categories, means over columns; and of the rows as
wholes, how well boosted trees tell them from training rows (area under the ROC curve, .5 is best; cells that were empty
before anything was hidden stay empty). A way that draws cannot have the least error: the best single guess of a number
is its mean. So `masked` stands there twice, one draw and the mean (mode) of ten. CPU seconds are those of learning and
filling. Results lie in `benchmarks/results/completion/`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import NUMERIC, Schema
from synthtrail.evaluation.fidelity import measure_detection
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from tabular.data import divided, inner
from tabular.markdown import between, grid, number, seconds

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/completion"
HIDDEN = 0.3
MOST = 3_000  # rows that are completed
DRAWS = 10
OURS = "masked, one draw"  # what `synthtrail complete` does
FIGURES = {
    "rmse": "error of numbers (deviations)",
    "accuracy": "right categories",
    "ks": "KS of filled numbers",
    "tv": "TV of filled categories",
    "detection": "detection of rows",
    "cpu": "CPU-s",
}
Cells = NDArray[np.bool_]
Fill = Callable[[pd.DataFrame, pd.DataFrame, Schema, int], dict[str, pd.DataFrame]]


def encoded(table: pd.DataFrame, train: pd.DataFrame, schema: Schema) -> tuple[NDArray[np.float64], list[slice]]:
    """Return rows as numbers, standardised or one-hot, NaN where missing, and the places of each column."""
    parts, places, start = [], [], 0
    for column in schema:
        if column.kind in NUMERIC:
            known = train[column.name].astype(float)
            part = ((table[column.name].astype(float) - known.mean()) / (known.std() or 1.0)).to_numpy()[:, None]
        else:
            levels = list(column.categories)
            codes = pd.Index(levels, dtype=object).get_indexer(pd.Index(table[column.name].astype(object)))
            part = np.where(codes[:, None] < 0, np.nan, np.eye(len(levels))[codes.clip(0)])
        parts.append(part)
        places.append(slice(start, start + part.shape[1]))
        start += part.shape[1]
    return np.hstack(parts), places


def decoded(rows: NDArray[np.float64], places: list[slice], train: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Undo `encoded`."""
    made = {}
    for column, place in zip(schema, places, strict=True):
        if column.kind in NUMERIC:
            known = train[column.name].astype(float)
            made[column.name] = rows[:, place.start] * (known.std() or 1.0) + known.mean()
        else:
            made[column.name] = np.array(column.categories, dtype=object)[rows[:, place].argmax(1)]
    return pd.DataFrame(made)


def mean_mode(train: pd.DataFrame, gaps: pd.DataFrame, schema: Schema, seed: int) -> dict[str, pd.DataFrame]:
    """Fill with the training rows' mean or most frequent category."""
    del seed
    x, places = encoded(train, train, schema)
    return {"mean or mode": decoded(np.tile(np.nanmean(x, 0), (len(gaps), 1)), places, train, schema)}


def neighbours(train: pd.DataFrame, gaps: pd.DataFrame, schema: Schema, seed: int) -> dict[str, pd.DataFrame]:
    """Fill with the mean (most frequent category) of the ten nearest training rows, and with one of them."""
    from sklearn.impute import KNNImputer  # noqa: PLC0415 - one of several ways

    x, places = encoded(train, train, schema)
    some = np.random.default_rng(seed).permutation(len(x))[:5000]
    filled = (
        KNNImputer(n_neighbors=10, keep_empty_features=True).fit(x[some]).transform(encoded(gaps, train, schema)[0])
    )
    return {"10 nearest rows": decoded(filled, places, train, schema)}


def iterative(train: pd.DataFrame, gaps: pd.DataFrame, schema: Schema, seed: int) -> dict[str, pd.DataFrame]:
    """Fill by linear regressions on each other, in turn (scikit-learn's IterativeImputer)."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401, PLC0415 - switches it on
    from sklearn.impute import IterativeImputer  # noqa: PLC0415 - one of several ways

    x, places = encoded(train, train, schema)
    some = np.random.default_rng(seed).permutation(len(x))[:5000]
    imputer = IterativeImputer(max_iter=5, random_state=seed, keep_empty_features=True, n_nearest_features=30)
    filled = imputer.fit(x[some]).transform(encoded(gaps, train, schema)[0])
    return {"iterative linear": decoded(filled, places, train, schema)}


def trees(train: pd.DataFrame, gaps: pd.DataFrame, schema: Schema, seed: int) -> dict[str, pd.DataFrame]:
    """Fill by decision trees on all other columns, three rounds, each cell drawn from its leaf (MICE with CART)."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor  # noqa: PLC0415 - one of several ways

    rng = np.random.default_rng(seed)
    start = decoded(np.tile(np.nanmean(encoded(train, train, schema)[0], 0), (len(gaps), 1)),
                    encoded(train, train, schema)[1], train, schema)  # fmt: skip
    now = pd.DataFrame(
        {name: gaps[name].astype(object).where(gaps[name].notna(), start[name]) for name in schema.names}
    )
    means = np.nanmean(encoded(train, train, schema)[0], 0)
    x, places = encoded(train, train, schema)
    x = np.where(np.isnan(x), means, x)
    grown: dict[str, Any] = {}
    for _ in range(3):
        for column, place in zip(schema, places, strict=True):
            missing = gaps[column.name].isna().to_numpy()
            known = train[column.name].notna().to_numpy()
            if not missing.any() or known.sum() < 60:
                continue
            others = np.delete(np.arange(x.shape[1]), np.arange(place.start, place.stop))
            kind = DecisionTreeRegressor if column.kind in NUMERIC else DecisionTreeClassifier
            if column.name not in grown:
                tree = kind(min_samples_leaf=30, random_state=0).fit(x[known][:, others], train[column.name][known])
                leaves = tree.apply(x[known][:, others])
                order = np.argsort(leaves, kind="stable")
                grown[column.name] = (tree, leaves[order], train[column.name][known].to_numpy()[order])
            tree, leaves, values = grown[column.name]
            at = tree.apply(encoded(now, train, schema)[0][missing][:, others])
            first, last = np.searchsorted(leaves, at), np.searchsorted(leaves, at, side="right")
            filled = now[column.name].to_numpy(dtype=object, copy=True)
            filled[missing] = values[first + (rng.random(len(at)) * (last - first)).astype(int)]
            now[column.name] = filled
    return {"CART, drawn": now}


def masked(train: pd.DataFrame, gaps: pd.DataFrame, schema: Schema, seed: int) -> dict[str, pd.DataFrame]:
    """Fill with the network: one draw, and the mean or mode of ten."""
    model: Any = registry.create("masked", {})
    model.fit(train, TableCodec.fit(train, schema, 100), Training(seed, progress=False))
    draws = [model.complete(gaps, seed=number) for number in range(DRAWS)]
    middle = {}
    for column in schema:
        every = pd.DataFrame({number: drawn[column.name].to_numpy() for number, drawn in enumerate(draws)})
        numeric = column.kind in NUMERIC
        middle[column.name] = every.astype(float).mean(axis=1) if numeric else every.mode(axis=1)[0]
    return {OURS: draws[0].reset_index(drop=True), "masked, mean of ten": pd.DataFrame(middle)}


WAYS: Mapping[str, Fill] = {
    "mean": mean_mode, "neighbours": neighbours, "iterative": iterative, "trees": trees, "masked": masked,
}  # fmt: skip


def judged(filled: pd.DataFrame, truth: pd.DataFrame, hidden: Cells, train: pd.DataFrame, schema: Schema) -> Any:
    """Return the measures of the module docstring."""
    errors, distances, right, variations = [], [], [], []
    for at, column in enumerate(schema):
        here = hidden[:, at]
        if not here.any():
            continue
        made, real = filled[column.name][here], truth[column.name][here]
        if column.kind in NUMERIC:
            ours, theirs = made.astype(float).to_numpy(), real.astype(float).to_numpy()
            spread = float(train[column.name].astype(float).std()) or 1.0
            errors.append(float(np.sqrt(((ours - theirs) ** 2).mean())) / spread)
            distances.append(float(ks_2samp(ours, theirs).statistic))
        else:
            ours_said, real_said = said(made), said(real)
            right.append(float((ours_said.to_numpy() == real_said.to_numpy()).mean()))
            shares = [part.value_counts(normalize=True) for part in (ours_said, real_said)]
            variations.append(float(shares[0].sub(shares[1], fill_value=0).abs().sum()) / 2)
    found = {"rmse": errors, "ks": distances, "accuracy": right, "tv": variations}
    return {name: round(float(np.mean(values)), 4) for name, values in found.items() if values}


def detected(rows: pd.DataFrame, train: pd.DataFrame, schema: Schema, seed: int) -> float:
    """Return how well completed rows are told from as many training rows; whole numbers are rounded for every way."""
    made = rows.copy()
    for column in schema:
        if column.kind in NUMERIC:
            numbers = made[column.name].astype(float)
            made[column.name] = numbers.round() if column.kind == "integer" else numbers
    rng = np.random.default_rng([11, seed])
    real = known_only(train, schema).iloc[rng.permutation(len(train))[: len(made)]].reset_index(drop=True)
    told: Any = measure_detection(train, real, made, schema, rng)["detection_auc"]
    return float(round(told.value, 4))


def said(cells: pd.Series) -> pd.Series:
    """Return categories as texts, whole numbers alike whether a gap beside them made them 1.0 or not."""
    return cells.astype(object).map(lambda cell: str(int(cell)) if isinstance(cell, float) else str(cell))


def known_only(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return the learnt columns, levels that no training row has left empty."""
    levels = {column.name: list(column.categories) for column in schema if column.kind not in NUMERIC}
    found = {name: table[name].where(table[name].isin(levels[name])) if name in levels else table[name]
             for name in schema.names}  # fmt: skip
    return pd.DataFrame(found)


def run(name: str, split: int, ways: Mapping[str, Fill]) -> dict[str, Any]:
    """Return the measures of some ways on one inner split."""
    part, rng = inner(divided(name, split)), np.random.default_rng([7, split])
    schema, train = part.schema, part.train.reset_index(drop=True)
    truth = known_only(part.holdout.reset_index(drop=True)[:MOST], schema)
    hidden = (rng.random(truth.shape) < HIDDEN) & truth.notna().to_numpy()
    gaps = pd.DataFrame({column: truth[column].mask(hidden[:, at]) for at, column in enumerate(schema.names)})
    found = {}
    for way, fill in ways.items():
        start = time.process_time()
        made = fill(train[list(schema.names)], gaps, schema, split)
        spent = time.process_time() - start
        for title, filled in made.items():
            rows = truth.astype(object).where(~hidden, filled.reset_index(drop=True).astype(object))
            whole = {"detection": detected(rows, train, schema, split), "cpu": round(spent, 1)}
            found[title] = judged(filled, truth, hidden, train, schema) | whole
            print(f"{name} {split} {way}: {title} {found[title]}", flush=True)
    return {"table": name, "split": split, "rows": len(train), "columns": len(schema.names), "ways": found}


def table() -> str:
    """Return the table of what there is: means over the splits of a table."""
    found: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        told = json.loads(path.read_bytes())
        for way, figures in told["ways"].items():
            found.setdefault((told["table"], way), []).append(figures)
    rows = [
        [place, f"**{way}**" if way == OURS else way, *(shown(name, splits) for name in FIGURES), str(len(splits))]
        for (place, way), splits in found.items()
    ]
    return grid(("table", "way", *FIGURES.values(), "splits"), rows)


def shown(name: str, splits: Sequence[Mapping[str, float]]) -> str:
    """Return the mean of a figure over splits."""
    mean = float(np.mean([split[name] for split in splits]))
    return seconds(mean) if name == "cpu" else number(mean)


def main() -> int:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cases = [(name, split) for split in range(3) for name in ("support2", "adult")]
    parser.add_argument("--only", choices=[f"{name}-{split}" for name, split in cases])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, split in cases:
        path = RESULTS / f"{name}-{split}.json"
        if (asked.only is None and not path.exists()) or asked.only == path.stem:
            path.write_text(json.dumps(run(name, split, WAYS), indent=1) + "\n", encoding="utf-8")
    between(ROOT / "docs/tables.md", table(), "completion")
    return 0


if __name__ == "__main__":
    sys.exit(main())
