"""The judge of every generator alike: all metrics of a user's report, and two gaps in fairness.

    judged(part, synthetic, sex="sex", seed=0)
    {"metrics": {"shapes": .996, ..., "tstr_auroc.trees": .923, ...}, "attack": {...}}

`attack` keeps the attack's lowest ratios so that several splits can be pooled: over all of them the threshold is the
ratio that 0.1 % of all non-members stay below, which a single small holdout cannot give.

*Gap between the sexes*: boosted trees trained on the synthetic rows predict the holdout; the difference between men and
women in the share of rows predicted positive (demographic parity), and the difference in true-positive rates (equal
opportunity). Of real training rows the first is about .17 on Adult.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.evaluation import privacy, registry
from synthtrail.evaluation.features import Features, read, without_empty
from synthtrail.evaluation.metric import generator, one_thread
from tabular.data import Part

Floats = NDArray[np.float64]
METRIC_SEED = 0
KEPT_OTHERS, KEPT_MEMBERS = 60, 300  # of the lowest ratios; a pool of 12 splits of 5,000 non-members needs 61


def judged(part: Part, synthetic: pd.DataFrame, sex: str | None) -> dict[str, Any]:
    """Return every figure of synthetic rows beside the training and holdout rows of `part`."""
    train, holdout, schema = part.train, part.holdout, part.schema
    figures: dict[str, float] = {}
    for name, metric in registry.for_table(schema).items():
        for score in metric.compute(train, holdout, synthetic, schema, generator(METRIC_SEED, name)):
            if score.value is not None:
                figures[score.name] = score.value
                if score.scale.name.startswith(("tstr", "trtr")):
                    figures |= {f"{score.name}.{model}": value for model, value in score.detail.items()}
    with one_thread():
        if sex is not None:
            figures |= gaps(part, synthetic, sex)
        attack = lowest(part, synthetic)
    return {"metrics": {name: round(value, 5) for name, value in figures.items()}, "attack": attack}


def lowest(part: Part, synthetic: pd.DataFrame) -> dict[str, Any]:
    """Return the attack's lowest ratios of members and of non-members, and how many of each there were."""
    rng = generator(METRIC_SEED, "privacy")
    features = Features.fit(part.train, part.schema)
    real = [table.iloc[rng.permutation(len(table))[: privacy.MOST_REAL]] for table in (part.train, part.holdout)]
    members, others = privacy.calibrated(features.dense(real[0]), features.dense(real[1]), features.dense(synthetic))
    return {
        "members": len(members),
        "others": len(others),
        "lowest_members": _lowest(members, KEPT_MEMBERS),
        "lowest_others": _lowest(others, KEPT_OTHERS),
    }


def gaps(part: Part, synthetic: pd.DataFrame, sex: str) -> dict[str, float]:
    """Return the two gaps between the sexes for trees trained on real and on synthetic rows."""
    features = Features.fit(part.train, part.schema, without=(str(part.schema.target),))
    target = part.schema.column(str(part.schema.target))
    truth, groups = read(part.holdout, target), part.holdout[sex].to_numpy()
    found = {}
    for side, rows in (("real", part.train), ("synthetic", synthetic)):
        labels = read(rows, target)
        known = rows[~np.isnan(labels)]
        x, asked = without_empty(features.trees(known), features.trees(part.holdout))
        said = _predicted(x, labels[~np.isnan(labels)], asked, features.categorical)
        found[f"selection_gap_{side}"] = spread(said, groups)
        found[f"opportunity_gap_{side}"] = spread(said[truth == 1], groups[truth == 1])
    return found


def spread(said: Floats, groups: NDArray[Any]) -> float:
    """Return the difference between the greatest and the least mean of `said` (N,) over groups (N,).

    >>> spread(np.array([1.0, 0.0, 1.0, 1.0]), np.array(["f", "f", "m", "m"]))
    0.5
    """
    means = [float(said[groups == one].mean()) for one in np.unique(groups)]
    return max(means) - min(means) if means else float("nan")


def _predicted(x: Floats, labels: Floats, asked: Floats, categorical: list[bool]) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - a second of start-up

    if np.unique(labels).size < 2:
        return np.full(len(asked), float(labels[0]) if labels.size else 0.0)
    model = HistGradientBoostingClassifier(categorical_features=categorical, random_state=METRIC_SEED)
    return np.asarray(model.fit(x, labels).predict(asked), dtype=np.float64)


def _lowest(ratios: Floats, most: int) -> list[float]:
    return [float(f"{value:.4g}") for value in np.sort(ratios)[:most]]
