"""The control without dependence: each column drawn by itself, as often as in training, but for the target's class.

A generator that is not better than this in pairs of columns has learnt nothing between them. The class is drawn, or
asked for, like that of any other synthesizer; nothing else depends on it.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.models.conditional import shares
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import TableModel
from synthtrail.models.tables import row_rng, target_index


@dataclass(frozen=True)
class IndependentSettings:
    """No settings."""


class Independent(TableModel[IndependentSettings]):
    """Good as the lower mark in comparisons, and as a table of the right shape that tells nothing between columns."""

    name: ClassVar[str] = "independent"

    @classmethod
    def settings_class(cls) -> type[IndependentSettings]:
        """Return the dataclass of the settings."""
        return IndependentSettings

    def learn(self, data: pd.DataFrame, training: Training) -> NDArray[np.float64]:
        """Count the codes of each column; return the share of each class."""
        codes = self.codec.encode(data)
        sizes = self.codec.cardinalities
        self.counts = [np.bincount(codes[:, at], minlength=size) for at, size in enumerate(sizes)]
        training.curves.log(1, {"columns": float(len(sizes))})
        at = target_index(self.codec)
        return shares(np.zeros(len(codes), dtype=np.int64) if at is None else codes[:, at], self.label_codes())

    def state(self) -> dict[str, Tensor]:
        """Return the counts."""
        return {str(at): torch.from_numpy(counts) for at, counts in enumerate(self.counts)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the counts."""
        self.counts = [state[str(at)].numpy() for at in range(len(state))]

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        rng = row_rng(random, first)
        drawn = [rng.choice(len(count), size=len(classes), p=count / count.sum()) for count in self.counts]
        codes = np.stack(drawn, axis=1)
        at = target_index(self.codec)
        if at is not None:
            codes[:, at] = classes.numpy()
        return self.codec.decode(codes, rng)
