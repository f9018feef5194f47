"""What the target is, given the rest of a row: a logistic model that agrees with what noisy counts say of each column.

A mixture given the class (`private_mixture`) knows well how columns go together, and less well what they say of the
target: columns that say the same are counted twice, once for each pair that nobody measured. So rows are drawn from the
mixture without regard to their class, and the class is drawn anew: the logistic model, additive in the columns, whose
expected number of rows of each class for each code of each column is that of the counts.

    z(y | x) = b_y + sum over columns i of w_i,y[x_i]        p(y | x) = softmax z        x_i a coarse code

The numbers of rows by code and class, which the fitted mixture has smoothed by all counts, are the sufficient
statistics S of such a model, so nothing more is asked of the rows. With S = E(w) + sampling error + noise of the counts
(of variance `deviation`^2) and a normal prior on w, the most probable w is found by Gauss-Newton: the derivative of E
and the sampling error's covariance are both the Fisher information F, so a step solves

    (F V^-1 F + P) w' = F V^-1 (S - E + F w)                 V = F + deviation^2 I,  P = I / PRIOR^2

An additive model is blind to what only two columns together say. So it is measured how much of the counts of pairs it
leaves unexplained (`missed`), and where that is more than `MOST_MISSED` the mixture's own classes stay.

Rows of a class that was asked for are those of many that got this class (`filled`).

(Noise-aware regression by differentially private sufficient statistics: Bernstein and Sheldon 2019, arXiv 1910.13153.)
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthtrail.models.private_counts import Taken

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = Mapping[int, Ints]
"""Of each column the coarse codes of rows (N,)."""

PRIOR = 1.0  # standard deviation of a weight
STEPS = 8  # of Gauss-Newton at most
STILL = 1e-3  # change of a weight at which they end
MOST_WEIGHTS = 1_000  # beyond it there is no such model: solving for n weights takes n^3
MOST_MISSED = 0.1  # share of what pairs of columns say of the target
AT_ONCE = 5_000  # rows of a design
LEAST_DRAWN, MOST_DRAWN = 1_000, 2**17  # rows at a time, until every class has as many as are wanted
TURNS = 60  # beyond them a class is taken to be too rare


@dataclass(frozen=True)
class Labels:
    """The logistic model: weights (D + 1, L), the last row for b, of columns with `sizes` codes, one after another."""

    sizes: Mapping[int, int]
    weights: Floats

    @property
    def starts(self) -> dict[int, int]:
        """Of each column the row of its first code."""
        places = np.cumsum([0, *self.sizes.values()]).tolist()
        return dict(zip(self.sizes, places, strict=False))

    def probabilities(self, codes: Codes) -> Floats:
        """Return p(y | x) (N, L) of rows."""
        z = np.broadcast_to(self.weights[-1], (length(codes), self.weights.shape[1])).copy()
        for column, start in self.starts.items():
            z += self.weights[start + codes[column]]
        powers = np.exp(z - z.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))

    def design(self, codes: Codes) -> NDArray[np.float32]:
        """Return which weights count for each row, (N, D + 1)."""
        rows = np.zeros((length(codes), len(self.weights)), dtype=np.float32)
        rows[:, -1] = 1
        for column, start in self.starts.items():
            rows[np.arange(len(rows)), start + codes[column]] = 1
        return rows

    def moments(self, codes: Codes, worth: float) -> tuple[Floats, Floats]:
        """Return the expected counts (D + 1, L), and their derivative by the weights (L (D + 1), L (D + 1)).

        `codes` are a sample, of which each row is `worth` so many.
        """
        width, classes = self.weights.shape
        expected, information = np.zeros((width, classes)), np.zeros((classes, width, classes, width))
        for first in range(0, length(codes), AT_ONCE):
            part = {column: own[first : first + AT_ONCE] for column, own in codes.items()}
            share, rows = self.probabilities(part).astype(np.float32), self.design(part)
            expected += rows.T @ share
            for one in range(classes):
                for other in range(one, classes):
                    slope = share[:, one] * ((one == other) - share[:, other])
                    information[one, :, other] += rows.T @ (rows * slope[:, None])
        for one in range(classes):
            for other in range(one):
                information[one, :, other] = information[other, :, one]
        return expected * worth, information.reshape(classes * width, -1) * worth


def fit(codes: Codes, counts: Mapping[int, Floats], deviation: float) -> Labels | None:
    """Return the model that agrees with `counts` (L, S) of each column; `codes` are a sample of the rows.

    `deviation` is that of the noise on a count. None where there is one class, no column or too many weights.
    """
    sizes = {column: count.shape[1] for column, count in counts.items()}
    classes, width = (len(next(iter(counts.values()))) if counts else 1), sum(sizes.values()) + 1
    if classes == 1 or width * classes > MOST_WEIGHTS:
        return None
    told = np.concatenate([count.T for count in counts.values()])
    told = np.vstack([told, np.mean([count.sum(1) for count in counts.values()], axis=0)])
    prior = np.full(told.shape, PRIOR**-2)
    prior[-1] = 1e-9  # how frequent a class is, is not drawn to anything
    model = Labels(sizes, np.zeros(told.shape))
    model.weights[-1] = np.log(told[-1].clip(1.0))
    worth = float(told[-1].sum()) / length(codes)
    for _ in range(STEPS):
        before, model = model.weights, _nearer(model, codes, told, worth, deviation, prior)
        if np.abs(model.weights - before).max() < STILL:
            break
    return model


def _nearer(model: Labels, codes: Codes, told: Floats, worth: float, deviation: float, prior: Floats) -> Labels:
    """Return the model after one step of the module docstring, for which all classes' weights stand in one row."""
    expected, information = model.moments(codes, worth)
    width, classes = told.shape
    old, away = model.weights.T.ravel(), (told - expected).T.ravel()
    through = np.linalg.solve(information + deviation**2 * np.eye(len(old)), information)
    left = information @ through + np.diag(prior.T.ravel())
    found = np.linalg.solve(left, through.T @ (away + information @ old))
    return Labels(model.sizes, found.reshape(classes, width).T)


def missed(model: Labels, codes: Codes, classes: Ints, taken: Iterable[Taken], rows: float) -> float:
    """Return the share of what counts of pairs say of the target that the model leaves unexplained: 0 all, 1 nothing.

    Beside the classes (N,) of a sample's `codes`, as the mixture has drawn them, and beside classes by chance.
    `rows` is how many the counts are of.
    """
    share = model.probabilities(codes)
    own = np.eye(share.shape[1])[classes]
    chance = np.broadcast_to(own.mean(0), own.shape)
    away = np.zeros(3)
    for one in taken:
        if len(one.columns) == 2 and one.maps:
            cell = np.ravel_multi_index(
                tuple(to[codes[column]] for column, to in zip(one.columns, one.maps, strict=True)),
                shape := tuple(int(to.max()) + 1 for to in one.maps),
            )
            for at, told in enumerate((share, own, chance)):
                flat = np.stack([np.bincount(cell, column, int(np.prod(shape))) for column in told.T])
                count = flat.reshape(-1, *shape) * rows / len(classes)
                away[at] += float(np.square((count - one.noisy.counts) / one.noisy.deviation).sum())
    additive, mixture, nothing = away
    return float((additive - mixture) / (nothing - mixture)) if nothing > mixture else 0.0


def filled(target: Ints, draw: Callable[[int], Codes], labels: Labels, rng: np.random.Generator) -> dict[int, Ints]:
    """Return codes of rows whose classes are `target` (N,): of rows that `draw` makes, those that got the class.

    Rows of a class that is still lacking after `TURNS` turns have -1 in every column.
    """
    found = {column: np.full(len(target), -1, dtype=np.int64) for column in labels.sizes}
    order = np.argsort(target, kind="stable")
    ends = np.searchsorted(target[order], np.arange(labels.weights.shape[1] + 1))
    left = [order[low:high] for low, high in pairwise(ends)]
    for _ in range(TURNS):
        lacking = sum(map(len, left))
        if not lacking:
            break
        codes = draw(min(MOST_DRAWN, max(LEAST_DRAWN, lacking)))
        drawn = pick(labels.probabilities(codes).cumsum(1), rng)
        for kind, places in enumerate(left):
            rows = np.flatnonzero(drawn == kind)[: len(places)]
            for column, own in found.items():
                own[places[: len(rows)]] = codes[column][rows]
            left[kind] = places[len(rows) :]
    return found


def pick(sums: Floats, rng: np.random.Generator) -> Ints:
    """Draw a place in each row of running sums (N, K)."""
    drawn = rng.random(len(sums))[:, None] * sums[:, -1:]
    return np.asarray((sums < drawn).sum(1).clip(0, sums.shape[1] - 1), dtype=np.int64)


def length(codes: Codes) -> int:
    """Return the number of rows."""
    return len(next(iter(codes.values())))
