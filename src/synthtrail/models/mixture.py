"""A mixture of products of categoricals: the control between independent columns and those who learn every dependence.

Rows come from K kinds of rows; within a kind, columns are independent (McLachlan, Peel 2000, Finite Mixture Models).
The number of kinds and their smoothing are chosen on a tenth of the training rows, and no kind stands for fewer than
`least` rows (`mixture_em`). A row is drawn by choosing a kind given the class, then each column from the kind's own
frequencies. Beyond `rows` training rows, a random part of so many is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.models.conditional import shares
from synthtrail.models.mixture_em import Rules, choose
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import TableModel
from synthtrail.models.tables import row_rng, target_index
from synthtrail.models.threads import threads

NUMBERS = (1, 2, 5, 10, 20, 50, 100, 200, 400)
SMOOTHINGS = (2.0, 20.0)  # rows' worth
HELD = 0.1  # share of the rows that chooses


@dataclass(frozen=True)
class MixtureSettings:
    """Settings of `Mixture`: number of `components`, and what keeps them from single rows; None is chosen."""

    components: int | None = None
    smoothing: float | None = None
    least: int = 10
    rows: int = 100_000


class Mixture(TableModel[MixtureSettings]):
    """Good as a quick control, and where a model is wanted that can be read: K kinds of rows, a table each."""

    name: ClassVar[str] = "mixture"
    batch: ClassVar[int] = 8192

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.weights: NDArray[np.float64]
        self.table: NDArray[np.float64]

    @classmethod
    def settings_class(cls) -> type[MixtureSettings]:
        """Return the dataclass of the settings."""
        return MixtureSettings

    def learn(self, data: pd.DataFrame, training: Training) -> NDArray[np.float64]:
        """Fit the kinds; return the share of each class."""
        codes, at, seed = self.codec.encode(data), target_index(self.codec), training.seed
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 93])))
        order = rng.permutation(len(codes))[: self.settings.rows]
        held = max(1, round(len(order) * HELD))
        rows, judges = (torch.from_numpy(codes[part]) for part in (order[held:], order[:held]))
        numbers = NUMBERS if self.settings.components is None else (self.settings.components,)
        strengths = SMOOTHINGS if self.settings.smoothing is None else (self.settings.smoothing,)
        with threads(1):
            fits = [
                choose(rows, judges, self.codec.cardinalities, numbers, Rules(strength, self.settings.least), seed)
                for strength in strengths
            ]
        found = max(fits, key=lambda fit: fit.score)
        self.restore({"weights": found.weights.double(), "table": found.table.double()})
        self.facts = {"components": len(self.weights), "rows": len(order)}
        training.curves.log(1, {"components": float(len(self.weights)), "held_log_likelihood": found.score})
        return shares(np.zeros(len(codes), dtype=np.int64) if at is None else codes[:, at], self.label_codes())

    def state(self) -> dict[str, Tensor]:
        """Return weights (K,) and tables (W, K)."""
        return {"weights": torch.from_numpy(self.weights), "table": torch.from_numpy(self.table)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take weights and tables."""
        self.weights, self.table = state["weights"].numpy(), state["table"].numpy()

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        rng, asked, at = row_rng(random, first), classes.numpy(), target_index(self.codec)
        ends = np.cumsum([0, *self.codec.cardinalities])
        tables = [self.table[ends[i] : ends[i + 1]] for i in range(len(ends) - 1)]  # (codes, K) each
        given = np.ones((1, len(self.weights))) if at is None else tables[at]
        kinds = picked(given * self.weights, asked if at is not None else np.zeros_like(asked), rng)
        drawn = [asked if i == at else picked(table.T, kinds, rng) for i, table in enumerate(tables)]
        return self.codec.decode(np.stack(drawn, axis=1), rng)


def picked(weights: NDArray[np.float64], rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each of `rows` (n,) a place in that row of `weights` (R, P), drawn by its weight."""
    ends = np.cumsum(weights, axis=1)
    found = np.zeros(len(rows), dtype=np.int64)
    places = rng.random(len(rows))
    for row in np.unique(rows):
        here = rows == row
        found[here] = np.searchsorted(ends[row], places[here] * ends[row, -1], side="right")
    return found.clip(max=weights.shape[1] - 1)
