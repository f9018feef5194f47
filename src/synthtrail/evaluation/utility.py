"""Is the synthetic table as useful as the real one? Train on synthetic, test on real (TSTR), beside train on real
(TRTR).

Two models predict the target column: gradient-boosted trees and a linear model (logistic or ridge regression). Both are
trained once on the training rows and once on the synthetic rows, with the same settings, and tested on the same real
holdout, which neither has seen (Esteban et al. 2017, arXiv 1706.02633).

The headline is *one* model on both sides: the one that is better when trained on real rows, so the choice can only
favour the real side. `utility_ratio` is its TSTR over its TRTR. The detail of every score has both models.

    TRTR  trees .97  linear .95   ->  trees are the headline
    TSTR  trees .92  linear .96   ->  utility_ratio = .92 / .97, not .96 / .97

A target of categories, booleans or at most ten different integers is classified; any other is regressed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from synthtrail.data.schema import Column, Schema
from synthtrail.evaluation.features import Features, is_number, read, without_empty
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MODELS = ("trees", "linear")
FEW_CLASSES = 10  # integers with no more different values than this are classes

RATIO = Scale(
    "utility_ratio", "Usefulness for training, over that of real data (TSTR / TRTR)", "higher",
    "0: useless for training", "1: as good as real rows; more is luck or noise removed",
)  # fmt: skip
WORST = {
    "accuracy": "0: always wrong",
    "balanced_accuracy": "1/classes: guessing",
    "auroc": "0.5: guessing",
    "r2": "0: guessing the mean",
}
BEST = {
    "accuracy": "1: always right",
    "balanced_accuracy": "1: every class right",
    "auroc": "1: perfect order",
    "r2": "1: exact",
}
TITLES = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "auroc": "AUROC", "r2": "R²"}
SIDES = {"tstr": "trained on synthetic", "trtr": "trained on real"}


@dataclass(frozen=True)
class Task:
    """What is predicted: the target, and its classes (none for a regression)."""

    target: Column
    classes: tuple[float, ...]

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of what is measured; the first decides which model is the headline."""
        return ("balanced_accuracy", "accuracy", "auroc") if self.classes else ("r2",)


@dataclass(frozen=True)
class Exam:
    """Training rows `x` (N, D) with answers `y` (N,), and holdout rows `asked` (M, D) with the `truth` (M,)."""

    x: Floats
    y: Floats
    asked: Floats
    truth: Floats


def classifies(schema: Schema) -> bool:
    """Return whether the target of `schema` is a class; no target counts as one, since classification is the usual."""
    if schema.target is None:
        return True
    column = schema.column(schema.target)
    if column.kind != "integer":
        return not is_number(column)
    return float(column.maximum or 0) - float(column.minimum or 0) < FEW_CLASSES


def measure(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return TSTR and TRTR of the headline model for each measure, and the ratio of the first."""
    task = _task(train, schema)
    features = Features.fit(train, schema, without=(task.target.name,))
    if not features.columns:
        raise UnmeasurableError("the target is the only column, so there is nothing to predict it from")
    seed = int(rng.integers(2**31))
    results = {
        side: _examine(table, holdout, task, features, seed) for side, table in (("trtr", train), ("tstr", synthetic))
    }
    first = task.measures[0]
    headline = max(MODELS, key=lambda model: results["trtr"][model][first])
    readings = {
        f"{side}_{name}": Reading(
            results[side][headline][name], f"model: {headline}", {model: results[side][model][name] for model in MODELS}
        )
        for side in SIDES
        for name in task.measures
    }
    return {**readings, "utility_ratio": _ratio(results, headline, first)}


@dataclass(frozen=True)
class Decisions:
    """The holdout rows `asked` (M, ...), their true class `truth` (M,) of 0 to `classes` - 1, and by the side that
    boosted trees learnt from, which class they decide for (M,).
    """

    asked: pd.DataFrame
    truth: Ints
    chosen: Mapping[str, Ints]
    classes: int


def decisions(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    sides: Mapping[str, pd.DataFrame],
    schema: Schema,
    rng: np.random.Generator,
) -> Decisions:
    """Return what boosted trees decide that have learnt from each of `sides`; the target is one of classes."""
    task = _task(train, schema)
    features = Features.fit(train, schema, without=(task.target.name,))
    asked = _labelled(holdout, task)
    if not features.columns or not len(asked):
        raise UnmeasurableError("nothing to predict the target from, or no holdout row that has one")
    seed, chosen = int(rng.integers(2**31)), dict[str, Ints]()
    for side, table in sides.items():
        known = _labelled(table, task)
        x, x_asked = without_empty(features.trees(known), features.trees(asked))
        model = _model("trees", len(known), True, features.categorical, seed)
        exam = Exam(x, read(known, task.target), x_asked, read(asked, task.target))
        chosen[side] = _probabilities(exam, task.classes, model).argmax(axis=1)
    truth = np.searchsorted(task.classes, read(asked, task.target))
    return Decisions(asked.reset_index(drop=True), truth, chosen, len(task.classes))


def auroc(labels: Ints, probabilities: Floats) -> float:
    """Return the area under the ROC curve, one class against the rest, mean over classes that occur and have a rest.

    `labels` (N,) are class numbers, `probabilities` (N, K). With two classes this is the usual area.

    >>> auroc(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]]))
    0.75
    """
    areas = [_area(labels == k, probabilities[:, k]) for k in np.unique(labels)]
    known = [area for area in areas if area is not None]
    if not known:
        return float("nan")
    return float(np.mean(known))


def _area(positive: NDArray[np.bool_], score: Floats) -> float | None:
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return None
    return float((rankdata(score)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _task(train: pd.DataFrame, schema: Schema) -> Task:
    if schema.target is None:
        raise UnmeasurableError("no target column is named, so there is nothing to predict")
    column = schema.column(schema.target)
    values = read(train, column)
    classes = tuple(float(x) for x in np.unique(values[~np.isnan(values)])) if classifies(schema) else ()
    if classifies(schema) and len(classes) < 2:
        raise UnmeasurableError(f"the target {schema.target!r} has a single value in the training rows")
    return Task(column, classes)


def _examine(
    table: pd.DataFrame, holdout: pd.DataFrame, task: Task, features: Features, seed: int
) -> dict[str, dict[str, float]]:
    """Return each model's results on the holdout after training on `table`; rows without a target are left out."""
    known, asked = _labelled(table, task), _labelled(holdout, task)
    if not len(asked):
        raise UnmeasurableError("no holdout row has a target")
    found = {}
    for name, encode in (("trees", features.trees), ("linear", features.dense)):
        x, x_asked = without_empty(encode(known), encode(asked))
        exam = Exam(x, read(known, task.target), x_asked, read(asked, task.target))
        model = _model(name, len(known), bool(task.classes), features.categorical, seed)
        found[name] = _classify(exam, task.classes, model) if task.classes else {"r2": _regress(exam, model)}
    return found


def _labelled(table: pd.DataFrame, task: Task) -> pd.DataFrame:
    values = read(table, task.target)
    return table[np.isin(values, task.classes) if task.classes else ~np.isnan(values)]


def _classify(exam: Exam, classes: tuple[float, ...], model: Any) -> dict[str, float]:
    truth = np.searchsorted(classes, exam.truth)
    probabilities = _probabilities(exam, classes, model)
    right = probabilities.argmax(axis=1) == truth
    recalls = [float(right[truth == k].mean()) for k in np.unique(truth)]
    return {
        "balanced_accuracy": float(np.mean(recalls)),
        "accuracy": float(right.mean()),
        "auroc": auroc(truth, probabilities),
    }


def _probabilities(exam: Exam, classes: tuple[float, ...], model: Any) -> Floats:
    """Return how probable each class is for the rows that are asked for (M, K)."""
    labels = np.searchsorted(classes, exam.y)
    probabilities = np.zeros((len(exam.asked), len(classes)))
    seen = np.unique(labels)
    if seen.size < 2:  # rows of one class, or no rows: the only answer is that class
        probabilities[:, seen if seen.size else 0] = 1.0
    else:
        probabilities[:, seen] = model.fit(exam.x, labels).predict_proba(exam.asked)
    return probabilities


def _regress(exam: Exam, model: Any) -> float:
    if len(exam.y) < 2 or exam.truth.std() == 0:
        return float("nan")
    error = float(((model.fit(exam.x, exam.y).predict(exam.asked) - exam.truth) ** 2).mean())
    return 1.0 - error / float(exam.truth.var())


def _model(name: str, size: int, classifies: bool, categorical: list[bool], seed: int) -> Any:
    """Return an untrained scikit-learn model; the library has no types to name."""
    from sklearn import ensemble, linear_model  # noqa: PLC0415 - a second of start-up

    if name == "linear":
        return linear_model.LogisticRegression(max_iter=1000) if classifies else linear_model.Ridge()
    leaf = min(20, max(3, size // 20))  # scikit-learn's own 20 leaves trees without a split on small tables
    kind = ensemble.HistGradientBoostingClassifier if classifies else ensemble.HistGradientBoostingRegressor
    return kind(min_samples_leaf=leaf, categorical_features=categorical, random_state=seed)


def _ratio(results: Mapping[str, Mapping[str, Mapping[str, float]]], headline: str, first: str) -> Reading:
    real, made = results["trtr"][headline][first], results["tstr"][headline][first]
    if not real > 0:
        return Reading(None, "the target cannot be predicted from real rows either, so there is no ratio")
    note = f"{TITLES[first]} of {headline}, the better model on real rows: {made:.3f} over {real:.3f}"
    models = {m: results["tstr"][m][first] / results["trtr"][m][first] for m in MODELS if results["trtr"][m][first] > 0}
    return Reading(made / real, note, models)


def _scales(measures: tuple[str, ...]) -> tuple[Scale, ...]:
    sides = [(side, name) for name in measures for side in SIDES]
    named = [
        Scale(f"{side}_{name}", f"{TITLES[name]}, {SIDES[side]}", "higher", WORST[name], BEST[name])
        for side, name in sides
    ]
    return (RATIO, *named)


CLASSIFICATION: Metric[pd.DataFrame, Schema] = Metric(
    "utility", "utility", _scales(("balanced_accuracy", "accuracy", "auroc")), measure
)
REGRESSION: Metric[pd.DataFrame, Schema] = Metric("utility", "utility", _scales(("r2",)), measure)
