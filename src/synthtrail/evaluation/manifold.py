"""Do the synthetic rows lie where real rows lie, and do they reach everywhere that real rows lie?

Every real row owns the ball around it that reaches its k-th nearest real neighbour, k = 5; every synthetic row likewise
(Kynkäänniemi et al. 2019, arXiv 1904.06991; Naeem et al. 2020, arXiv 2002.09797):

    precision   share of synthetic rows inside some real row's ball
    recall      share of real rows inside some synthetic row's ball
    density     mean number of real balls around a synthetic row, over k; above 1 where rows crowd together
    coverage    share of real rows whose ball holds a synthetic row: hard to raise by strays, so the one to look at

Balls around the centre ask the same in layers (Alaa et al. 2022, arXiv 2102.08921), here on the rows themselves and
not on a learnt embedding:

    alpha-precision   P(a): share of synthetic rows in the ball around the real mean that holds a share a of the real
                      rows. Score 1 - 2 * the area between P(a) and a
    beta-recall       R(b): share of real rows at least as near to a synthetic row as to their nearest real row, that
                      synthetic row being among the share b nearest to the synthetic mean. Score likewise; real rows
                      themselves reach about 0.5, since half of them find a stranger nearer than their neighbour

The real side are holdout rows, which a copy of the training rows meets as a fresh sample would; as many synthetic rows
are drawn, at most 5,000 of either. Distances as in `Features.dense`.

    >>> line = np.arange(10.0)[:, None]
    >>> balls(line, line + 0.1)["coverage"], balls(line, line + 100)["coverage"]
    (1.0, 0.0)
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.schema import Schema
from synthtrail.evaluation.features import Features
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError
from synthtrail.evaluation.nearest import blocks, nearest, several

Floats = NDArray[np.float64]

NEIGHBOURS = 5
MOST_ROWS = 5_000  # a side
LAYERS = np.linspace(0.0, 1.0, 31)

SCALES = (
    Scale("precision", "Synthetic rows where real rows lie", "higher", "0: none", "1: all, as of real rows"),
    Scale("recall", "Real rows where synthetic rows lie", "higher", "0: none", "1: all"),
    Scale("density", "Real neighbourhoods around a synthetic row", "higher", "0: none", "1: as around real rows"),
    Scale("coverage", "Real rows with a synthetic row among their neighbours", "higher", "0: none", "1: all"),
    Scale(
        "alpha_precision", "Typical and rare rows in the real proportion", "higher", "0: all elsewhere", "1: as real"
    ),
    Scale("beta_recall", "Real rows met as closely as by real rows", "higher", "0: none", "0.5: as by real rows"),
)


def measure(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the readings for tables."""
    size = min(len(holdout), len(synthetic), MOST_ROWS)
    if size <= NEIGHBOURS:
        raise UnmeasurableError(f"needs more than {NEIGHBOURS} holdout and synthetic rows; there are {size}")
    features = Features.fit(train, schema)
    real, made = (features.dense(table.iloc[rng.permutation(len(table))[:size]]) for table in (holdout, synthetic))
    few = f"only {size} rows a side: rough figures" if size < 200 else ""
    found = balls(real, made) | {"alpha_precision": alpha_precision(real, made), "beta_recall": beta_recall(real, made)}
    return {name: Reading(value, few) for name, value in found.items()}


def balls(real: Floats, made: Floats, k: int = NEIGHBOURS) -> dict[str, float]:
    """Return precision, recall, density and coverage of synthetic rows (M, D) beside real rows (N, D)."""
    reach_real, reach_made = (several(side, side, k, among_themselves=True)[:, -1] ** 2 for side in (real, made))
    around = np.zeros(len(made))
    met, covered = [], []
    for start, squares in blocks(real, made):
        inside = squares <= reach_real[start : start + len(squares), None]
        around += inside.sum(axis=0)
        covered.append(inside.any(axis=1))
        met.append((squares <= reach_made[None, :]).any(axis=1))
    return {
        "precision": float((around > 0).mean()),
        "recall": float(np.concatenate(met).mean()),
        "density": float(around.mean() / k),
        "coverage": float(np.concatenate(covered).mean()),
    }


def alpha_precision(real: Floats, made: Floats) -> float:
    """Return the score of P(a) for synthetic rows (M, D) beside real rows (N, D), in [0, 1]."""
    centre = real.mean(axis=0)
    radii = np.quantile(np.linalg.norm(real - centre, axis=1), LAYERS)
    away = np.linalg.norm(made - centre, axis=1)
    return _score(np.array([(away <= radius).mean() for radius in radii]))


def beta_recall(real: Floats, made: Floats) -> float:
    """Return the score of R(b) for synthetic rows (M, D) beside real rows (N, D), in [0, 1]."""
    own, _ = nearest(real, real, among_themselves=True)
    away, which = nearest(real, made)
    depth = np.linalg.norm(made[which] - made.mean(axis=0), axis=1)
    met = away <= own
    return _score(np.array([(met & (depth <= radius)).mean() for radius in np.quantile(depth, LAYERS)]))


def _score(curve: Floats) -> float:
    """Return 1 - 2 * the area between a curve over `LAYERS` and the diagonal."""
    return float(1.0 - 2.0 * np.trapezoid(np.abs(curve - LAYERS), LAYERS))


METRICS: tuple[Metric[pd.DataFrame, Schema], ...] = (Metric("manifold", "fidelity", SCALES, measure),)
