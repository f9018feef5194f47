"""SMOTE as a generator of tables: new rows between real rows of one class. A control, for judging only.

From a random row x of the class and one of its k nearest neighbours y in that class comes x + u (y - x), u uniform in
[0, 1) (Chawla, Bowyer, Hall, Kegelmeyer 2002, arXiv 1106.1813, section 4.2). Mixed types as in its SMOTE-NC (section
6.1): a category is the most frequent one among the k neighbours, and each category in which two rows differ adds the
median of the numbers' standard deviations to their distance. Numbers are standardised first; a missing value is a
category of its own in distances, the new row has the gaps of x.

Every new row lies on a line between two real ones, and the model is made of the real rows: that is no protection of
anybody, however useful the rows are. Where the target is a number there is one class, and the target is a number like
others. Beyond `rows` training rows, a random part of so many is taken.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.data.schema import NUMERIC
from synthtrail.models.conditional import shares
from synthtrail.models.kept_rows import Codes, Floats, KeptRows, exact
from synthtrail.models.synthesizer import Training
from synthtrail.models.tables import target_index

CHUNK = 512  # rows whose distances to all others are held at once


@dataclass(frozen=True)
class SmoteSettings:
    """Settings of `Smote`: k `neighbours`; at most so many `rows`, since the time grows with their square."""

    neighbours: int = 5
    rows: int = 50_000


class Smote(KeptRows[SmoteSettings]):
    """Good as a control that is useful and not private. It lies between real rows: never to be released."""

    name: ClassVar[str] = "smote"

    @classmethod
    def settings_class(cls) -> type[SmoteSettings]:
        """Return the dataclass of the settings."""
        return SmoteSettings

    def label_codes(self) -> int:
        """Return the number of classes, 1 without."""
        return max(1, len(self.classes()))

    def learn(self, data: pd.DataFrame, training: Training) -> Floats:
        """Find each row's neighbours in its class; return the share of each class."""
        kept = self._taken(data, training.seed)
        self.facts = {"rows": len(kept)}
        self.rows = exact(kept, self.codec.schema)
        self.kinds = self._kinds(kept)
        numeric = self._numeric()
        self.near = np.zeros((len(kept), self.settings.neighbours), dtype=np.int64)
        near_numbers, choices = standardised(self.rows[:, numeric]), self._choices(numeric)
        for kind in np.unique(self.kinds):
            here = np.flatnonzero(self.kinds == kind)
            self.near[here] = here[nearest(near_numbers[here], choices[here], self.settings.neighbours)]
        for at in np.flatnonzero(~numeric):
            self.rows[:, at] = majority(self.rows[:, at][self.near], self.rows[:, at])
        training.curves.log(1, {"rows": float(len(kept))})
        return shares(self._kinds(data), self.label_codes())

    def state(self) -> dict[str, Tensor]:
        """Return rows, classes and neighbours."""
        return super().state() | {"near": torch.from_numpy(self.near)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take rows, classes and neighbours."""
        super().restore(state)
        self.near = state["near"].numpy()

    def made(self, picked: Codes, rng: np.random.Generator) -> Floats:
        """Return a row between each of the rows `picked` (n,) and one of its neighbours."""
        start = self.rows[picked]
        other = self.rows[self.near[picked, rng.integers(0, self.near.shape[1], len(picked))]]
        between = start + rng.random(len(picked))[:, None] * (other - start)
        return np.where(self._numeric()[None] & ~np.isnan(other), between, start)

    def _taken(self, data: pd.DataFrame, seed: int) -> pd.DataFrame:
        if len(data) <= self.settings.rows:
            return data
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 92])))
        return data.iloc[np.sort(rng.permutation(len(data))[: self.settings.rows])]

    def _kinds(self, data: pd.DataFrame) -> Codes:
        at = target_index(self.codec)
        if at is None or not self.classes():
            return np.zeros(len(data), dtype=np.int64)
        return self.codec.encode(data)[:, at]

    def _numeric(self) -> NDArray[np.bool_]:
        return np.array([column.kind in NUMERIC for column in self.codec.schema])

    def _choices(self, numeric: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return categories, and which numbers are missing, as whole numbers (N, Q)."""
        categories = np.nan_to_num(self.rows[:, ~numeric], nan=-1)
        gaps = np.isnan(self.rows[:, numeric])
        return np.concatenate([categories, gaps[:, gaps.any(0)]], axis=1).astype(np.int32)


def standardised(numbers: Floats) -> Floats:
    """Return columns (N, P) with mean 0 and standard deviation 1, missing values at the mean."""
    known = ~np.isnan(numbers)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, numbers, 0).sum(0) / count
    centred = np.where(known, numbers - mean, 0)
    deviation = np.sqrt((centred**2).sum(0) / count)
    return np.asarray(centred / np.where(deviation > 0, deviation, 1))


def nearest(numbers: Floats, choices: NDArray[np.int32], k: int) -> Codes:
    """Return the k nearest other rows (n, k) of each row, nearest first; a lone row is its own neighbour.

    Fewer than k others are taken again and again.
    """
    n, found = len(numbers), min(k, len(numbers) - 1)
    if not found:
        return np.zeros((n, k), dtype=np.int64)
    penalty = float(np.median(numbers.std(0)) ** 2) if numbers.shape[1] else 1.0
    near = np.zeros((n, found), dtype=np.int64)
    squares = (numbers**2).sum(1)
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        away = squares[rows, None] + squares[None] - 2 * numbers[rows] @ numbers.T
        for column in choices.T:
            away += penalty * (column[rows, None] != column[None])
        away[np.arange(len(away)), np.arange(rows.start, rows.stop)] = np.inf
        some = np.argpartition(away, found - 1, axis=1)[:, :found]
        order = np.argsort(np.take_along_axis(away, some, axis=1), axis=1, kind="stable")
        near[rows] = np.take_along_axis(some, order, axis=1)
    return near[:, np.arange(k) % found]


def majority(around: Floats, own: Floats) -> Floats:
    """Return the most frequent of each row's values `around` (n, k); of equally frequent ones the nearest's.

    NaN stays where the row's `own` value (n,) is missing.
    """
    votes = (around[:, :, None] == around[:, None, :]).sum(2)
    best = np.take_along_axis(around, votes.argmax(1)[:, None], axis=1)[:, 0]
    return np.where(np.isnan(own), np.nan, np.where(np.isnan(best), own, best))
