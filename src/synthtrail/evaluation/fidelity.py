"""Do the synthetic rows look like the real ones? Columns alone, columns in pairs, and whole rows.

*Column shapes* and *pair trends* are SDMetrics' definitions (docs.sdv.dev/sdmetrics, Quality Report), computed here
anew:

    shape of numbers and dates    1 - the Kolmogorov-Smirnov distance; missing values left out
    shape of categories           1 - the total variation distance; missing values left out
    two columns of numbers        1 - |r_real - r_synthetic| / 2 with Pearson's r; rows where either is missing left out
    any other two columns         1 - the total variation distance of the two-way tables; numbers in 10 equal bins over
                                  the real range and one beyond each end, missing values as a category of their own

    >>> shape_of_numbers(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 9.0]))
    0.75

Where SDMetrics leaves a column or pair out because it is undefined, a value is stated instead: a column that is empty
on one side only scores 0, on both sides 1; a constant column has r = 0. The note counts such cases.

*Detection* is the area under the ROC curve of a boosted discriminator that tells synthetic rows from the holdout's.
Equal rows always fall into the same fold, so that it cannot win by having seen a copy.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from synthtrail.data.schema import Column, Schema
from synthtrail.evaluation.features import Features, codes, even_edges, is_number, read, rows, without_empty
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 10  # SDMetrics' number of bins for numbers beside categories
FOLDS = 5
FEW_ROWS = 200  # below this, the discriminator has little to learn from
MOST_ROWS = 10_000  # per side; more rows do not change the area in its second digit

SHAPES = Scale(
    "shapes", "Column shapes", "higher", "0: no value in common", "1: every column distributed as in the real"
)
TRENDS = Scale(
    "trends", "Pair trends", "higher", "0: every pair contradicts", "1: every pair of columns related as in the real"
)
QUALITY = Scale(
    "quality",
    "Quality, the mean of shapes and trends",
    "higher",
    "0: nothing alike",
    "1: alike in columns and in pairs",
)
DETECTION = Scale(
    "detection_auc", "Detection by a boosted discriminator", "middle",
    "1: always told apart; well below 0.5: copies", "0.5: cannot be told from real rows",
)  # fmt: skip


def measure_quality(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return shapes, trends and their mean, the synthetic rows against the training rows."""
    del holdout, rng  # SDMetrics compares with the data that the generator has seen, and draws nothing
    if not len(train) or not len(synthetic):
        raise UnmeasurableError("there are no rows to compare")
    shapes = {column.name: shape(train, synthetic, column) for column in schema}
    trends = pair_trends(train, synthetic, schema)
    mean_shape = float(np.mean(list(shapes.values())))
    mean_trend = float(np.mean(list(trends.values()))) if trends else None
    return {
        "shapes": Reading(mean_shape, _remark(train, synthetic, schema), shapes),
        "trends": Reading(mean_trend, "" if trends else "a single column has no pairs", by_column(trends)),
        "quality": Reading(mean_shape if mean_trend is None else (mean_shape + mean_trend) / 2),
    }


def shape(real: pd.DataFrame, synthetic: pd.DataFrame, column: Column) -> float:
    """Return the similarity of one column's two distributions, in [0, 1]."""
    if is_number(column):
        return shape_of_numbers(read(real, column), read(synthetic, column))
    unknown = len(column.categories)
    one, other = codes(real[column.name], column), codes(synthetic[column.name], column)
    return shape_of_codes(one[one != unknown], other[other != unknown])


def shape_of_numbers(real: Floats, synthetic: Floats) -> float:
    """Return 1 - the Kolmogorov-Smirnov distance of two samples (N,) and (M,), NaN left out."""
    one, other = real[~np.isnan(real)], synthetic[~np.isnan(synthetic)]
    if not one.size or not other.size:
        return float(one.size == other.size)
    return 1.0 - float(ks_2samp(one, other, method="asymp").statistic)


def shape_of_codes(real: Ints, synthetic: Ints) -> float:
    """Return 1 - the total variation distance of two samples of codes (N,) and (M,)."""
    if not real.size or not synthetic.size:
        return float(real.size == synthetic.size)
    _, place = np.unique(np.concatenate([real, synthetic]), return_inverse=True)
    width = int(place.max()) + 1
    shares = [np.bincount(part, minlength=width) / part.size for part in (place[: real.size], place[real.size :])]
    return 1.0 - 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def pair_trends(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    pairs: Iterable[tuple[Column, Column]] | None = None,
) -> dict[tuple[str, str], float]:
    """Return the similarity of every pair of columns, or of these `pairs`, in [0, 1], by the pair's names."""
    r_real, r_synthetic = correlations(real, schema), correlations(synthetic, schema)
    alike = 1.0 - (r_real - r_synthetic).abs() / 2
    binned = {column.name: _discrete(real, synthetic, column) for column in schema}
    found: dict[tuple[str, str], float] = {}
    for one, other in combinations(schema, 2) if pairs is None else pairs:
        names = (one.name, other.name)
        if is_number(one) and is_number(other):
            found[names] = float(alike.loc[names])  # type: ignore[arg-type]
        else:
            found[names] = _contingency(binned[one.name], binned[other.name])
    return found


def correlations(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return Pearson's r of all columns of numbers, pairwise complete; 0 where a column is constant or empty."""
    frame = pd.DataFrame({column.name: read(table, column) for column in schema if is_number(column)})
    return frame.corr(min_periods=2).fillna(0.0)


def by_column(trends: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Return each column's mean over its pairs, which shows where the trends break."""
    names = dict.fromkeys(name for pair in trends for name in pair)
    return {name: float(np.mean([x for pair, x in trends.items() if name in pair])) for name in names}


def measure_detection(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the discriminator's area under the ROC curve, the mean over folds; as many synthetic as real rows."""
    real, made = _sample(holdout, MOST_ROWS, rng), _sample(synthetic, min(len(holdout), MOST_ROWS), rng)
    if min(len(real), len(made)) < 2 * FOLDS:
        raise UnmeasurableError(
            f"needs {2 * FOLDS} holdout rows and as many synthetic ones; there are {len(real)}, {len(made)}"
        )
    both = pd.concat([real.astype(object), made.astype(object)], ignore_index=True)
    features = Features.fit(train, schema)
    matrix = np.vstack([features.trees(real), features.trees(made)])
    is_made = np.repeat([0, 1], [len(real), len(made)])
    area = discriminate(matrix, is_made, rows(both, schema), features.categorical, rng)
    few = f"only {len(real)} real rows: a weak discriminator, so 0.5 proves little" if len(real) < FEW_ROWS else ""
    return {"detection_auc": Reading(area, few)}


def discriminate(
    matrix: Floats, is_made: Ints, groups: Ints, categorical: list[bool], rng: np.random.Generator
) -> float:
    """Return the mean area over folds for telling the rows of `matrix` (N, C) apart by `is_made` (N,)."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - a second of start-up
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415

    seed = int(rng.integers(2**31))
    areas = []
    for fit, test in folds(is_made, groups, rng):
        model = HistGradientBoostingClassifier(
            max_iter=60, min_samples_leaf=min(20, max(3, len(fit) // 20)), categorical_features=categorical,
            early_stopping=False, random_state=seed,
        )  # fmt: skip
        known, asked = without_empty(matrix[fit], matrix[test])
        chances = model.fit(known, is_made[fit]).predict_proba(asked)[:, 1]
        areas.append(float(roc_auc_score(is_made[test], chances)))
    if not areas:
        raise UnmeasurableError("nearly all rows are the same, so no fold holds both kinds")
    return float(np.mean(areas))


def folds(is_made: Ints, groups: Ints, rng: np.random.Generator) -> list[tuple[Ints, Ints]]:
    """Split rows into `FOLDS` (training, test) index pairs that keep groups whole and hold both kinds on both sides."""
    _, group = np.unique(groups, return_inverse=True)
    place = rng.permutation(int(group.max()) + 1) % FOLDS
    fold = place[group]
    pairs = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    return [pair for pair in pairs if all(np.unique(is_made[side]).size == 2 for side in pair)]


def _sample(table: pd.DataFrame, size: int, rng: np.random.Generator) -> pd.DataFrame:
    return table if len(table) <= size else table.iloc[np.sort(rng.choice(len(table), size, replace=False))]


def _discrete(real: pd.DataFrame, synthetic: pd.DataFrame, column: Column) -> tuple[Ints, Ints]:
    if not is_number(column):
        return codes(real[column.name], column), codes(synthetic[column.name], column)
    one, other = read(real, column), read(synthetic, column)
    present = one[~np.isnan(one)]
    edges = even_edges(present, BINS) if present.size else np.zeros(1)
    edges[-1] = np.nextafter(edges[-1], np.inf)  # the greatest real value belongs to the last bin
    return _binned(one, edges), _binned(other, edges)


def _binned(values: Floats, edges: Floats) -> Ints:
    return np.where(np.isnan(values), len(edges) + 1, np.digitize(values, edges)).astype(np.int64)


def _contingency(one: tuple[Ints, Ints], other: tuple[Ints, Ints]) -> float:
    width = 2 + max(int(side.max(initial=0)) for side in other)
    real, synthetic = ((a + 1) * width + (b + 1) for a, b in zip(one, other, strict=True))
    return shape_of_codes(real, synthetic)


def _remark(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema) -> str:
    empty = [c.name for c in schema if real[c.name].isna().all() != synthetic[c.name].isna().all()]
    constant = sum(real[c.name].nunique(dropna=True) <= 1 for c in schema)
    parts = [f"{len(empty)} columns are empty on one side only and score 0"] if empty else []
    parts += [f"{constant} columns are constant or empty in the real data"] if constant else []
    return "; ".join(parts)


METRICS: tuple[Metric[pd.DataFrame, Schema], ...] = (
    Metric("quality", "fidelity", (SHAPES, TRENDS, QUALITY), measure_quality),
    Metric("detection", "fidelity", (DETECTION,), measure_detection),
)
