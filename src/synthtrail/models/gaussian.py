"""The control with one bell for each class: mean and covariance of scaled rows, categories as one-hot places.

    rows (N, D) of class l  ->  mean (D,), factor F (D, D) with F F' = covariance;  new row = mean + F z, z ~ N(0, 1)

Numbers come back on their grid and in their range, a category is the largest of its places (`data.scaling`). Without
classes (no target, or a number as target) there is one bell for all rows.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.data.scaling import TableScaler
from synthtrail.data.schema import Schema
from synthtrail.models.conditional import shares
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import TableModel
from synthtrail.models.tables import row_rng, target_index

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianSettings:
    """No settings."""


class Gaussian(TableModel[GaussianSettings]):
    """Good for tables of real numbers nearly normal within a class; the mark that a small network must pass."""

    name: ClassVar[str] = "gaussian"
    batch: ClassVar[int] = 8192

    @classmethod
    def settings_class(cls) -> type[GaussianSettings]:
        """Return the dataclass of the settings."""
        return GaussianSettings

    def label_codes(self) -> int:
        """Return the number of classes, 1 without."""
        return max(1, len(self.classes()))

    def learn(self, data: pd.DataFrame, training: Training) -> Floats:
        """Take the moments of each class; return the share of each class."""
        scaler = TableScaler.fit(data, self._schema())
        self.facts = scaler.to_json()
        rows, at = scaler.encode(data).astype(np.float64), target_index(self.codec)
        known = self.classes() and at is not None
        classes = self.codec.encode(data)[:, at] if known else np.zeros(len(rows), dtype=np.int64)
        parts = [rows[classes == number] for number in range(self.label_codes())]
        self.means = np.stack([(part if len(part) else rows).mean(0) for part in parts])
        self.factors = np.stack([factor(part if len(part) > 1 else rows) for part in parts])
        training.curves.log(1, {"classes": float(len(parts))})
        return shares(classes, self.label_codes())

    def state(self) -> dict[str, Tensor]:
        """Return the moments."""
        return {"means": torch.from_numpy(self.means), "factors": torch.from_numpy(self.factors)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the moments."""
        self.means, self.factors = state["means"].numpy(), state["factors"].numpy()

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        rng, numbers, schema = row_rng(random, first), classes.numpy(), self._schema()
        noise = rng.standard_normal((len(numbers), self.means.shape[1]))
        rows = self.means[numbers]
        for number in np.unique(numbers):
            rows[numbers == number] += noise[numbers == number] @ self.factors[number].T
        table = TableScaler.from_json(self.facts, schema).decode(rows.astype(np.float32))
        at = target_index(self.codec)
        if schema.target is not None and at is not None:
            table.insert(at, schema.target, self.codec.decode_column(at, numbers, rng))
        return table

    def _schema(self) -> Schema:
        schema = self.codec.schema
        return schema if self.classes() else replace(schema, target=None)


def factor(rows: Floats) -> Floats:
    """Return F (D, D) with F F' the covariance of rows (N, D)."""
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(rows, rowvar=False, bias=True)))
    return np.asarray(vectors * np.sqrt(values.clip(0)))
