"""What the controls that keep real rows share: the rows as exact numbers, and drawing them by class.

    rows (N, C)   numbers as `data.values` has them; categories by their place in the schema; NaN is missing
    kinds (N,)    each row's class: the code of its target

Rows come back as they went in, to the last digit. So a model of this kind, saved, is a copy of the training rows, and
all that it makes are real rows or next to them: such synthesizers serve for judging only, and stages refuse them
(`registry.JUDGING_ONLY`).

    >>> from synthtrail.data.schema import infer
    >>> table = pd.DataFrame({"age": [30, 41], "sex": ["m", "f"]})
    >>> exact(table, infer(table)).tolist()
    [[30.0, 1.0], [41.0, 0.0]]
    >>> as_table(exact(table, infer(table)), infer(table)).equals(table)
    True
"""

from typing import TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.data import values
from synthtrail.data.schema import NUMERIC, Column, Schema
from synthtrail.models.conditional import shares
from synthtrail.models.errors import ConditionError
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import TableModel
from synthtrail.models.tables import row_rng, target_index

SettingsT = TypeVar("SettingsT")
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


class KeptRows(TableModel[SettingsT]):
    """Makes rows from training rows that it keeps."""

    rows: Floats
    kinds: Codes

    def learn(self, data: pd.DataFrame, training: Training) -> Floats:
        """Keep the rows; return the share of each class."""
        self.rows = exact(data, self.codec.schema)
        at = target_index(self.codec)
        self.kinds = np.zeros(len(data), dtype=np.int64) if at is None else self.codec.encode(data)[:, at]
        training.curves.log(1, {"rows": float(len(data))})
        return shares(self.kinds, self.label_codes())

    def state(self) -> dict[str, Tensor]:
        """Return rows and classes."""
        return {"rows": torch.from_numpy(self.rows), "kinds": torch.from_numpy(self.kinds)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take rows and classes."""
        self.rows, self.kinds = state["rows"].numpy(), state["kinds"].numpy()

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        rng, asked = row_rng(random, first), classes.numpy()
        picked = np.zeros(len(asked), dtype=np.int64)
        for kind in np.unique(asked):
            here = asked == kind
            picked[here] = rng.choice(self.of_kind(int(kind)), size=int(here.sum()))
        return as_table(self.made(picked, rng), self.codec.schema)

    def made(self, picked: Codes, rng: np.random.Generator) -> Floats:
        """Return a row for each of the rows numbered `picked` (n,): the row itself."""
        del rng
        return self.rows[picked]

    def of_kind(self, kind: int) -> Codes:
        """Return the numbers of the rows of a class; `ConditionError` if there is none."""
        found = np.flatnonzero(self.kinds == kind)
        if not len(found):
            raise ConditionError(f"{self.name}: no training row is of class number {kind}, so none can be drawn")
        return found


def exact(table: pd.DataFrame, schema: Schema) -> Floats:
    """Return the learnt columns of a table as numbers (N, C)."""
    return np.stack([_exact(table[column.name], column) for column in schema], axis=1)


def as_table(rows: Floats, schema: Schema) -> pd.DataFrame:
    """Turn numbers (N, C) back into the learnt columns."""
    return pd.DataFrame({column.name: _column(rows[:, at], column) for at, column in enumerate(schema)})


def _exact(series: pd.Series, column: Column) -> Floats:
    if column.kind in NUMERIC:
        return values.numbers(series, column)
    places = pd.Index(list(column.categories), dtype=object).get_indexer(pd.Index(series.to_numpy(dtype=object)))
    return np.where(places < 0, np.nan, places.astype(np.float64))


def _column(numbers: Floats, column: Column) -> pd.Series:
    if column.kind in NUMERIC:
        return values.restore(numbers, column)
    places = np.where(np.isnan(numbers), len(column.categories), np.nan_to_num(numbers)).astype(np.int64)
    return values.choices(places, column.categories, column)
