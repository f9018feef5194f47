"""Sequential CART for tables: column after column from decision trees on the columns before it.

The target comes first, then the columns in the table's order; each has a tree that was grown on the columns before it
(Reiter 2005, J. Official Statistics 21; Nowok, Raab, Dibben 2016, doi:10.18637/jss.v074.i11). A row is drawn by walking
down each tree and taking one of the codes that training rows had at the place reached.

Two things keep it from handing out the rows it has seen. A column's codes stand for ranges of numbers, and a number is
drawn anew inside its range. And a leaf has many rows, or is *smoothed*: at a node with n rows, the walk goes up again
with probability a / (n + a), so that small leaves lend much of their weight to what is around them. What is kept of a
node is how many rows had which code, column by column, and no row (`trees`).
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
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import TableModel
from synthtrail.models.tables import row_rng, target_index
from synthtrail.models.trees import Features, Tree, frequent, grow

FEW, MORE = 30, 50  # rows in a leaf, of small tables and of those with `MANY` rows
MANY = 10_000


@dataclass(frozen=True)
class CartSettings:
    """Settings of `Cart`: `least` rows in a leaf at least; `smoothing` is a in the module docstring.

    Without `least` it is 30 rows, and 50 for tables of 10,000 rows and more: chosen on inner validation parts for
    usefulness and the privacy gate (docs/adr/0015). Trees grow on at most `rows` rows, drawn at random from more.
    """

    least: int | None = None
    smoothing: float = 0.0
    rows: int = 200_000


class Cart(TableModel[CartSettings]):
    """Good for small and medium tables: learns in seconds, and is hard to beat below some tens of thousands of rows.

    Nothing is random in what it learns. Weak with categories of hundreds of levels. Look at the privacy gate: the
    smaller `least` and `smoothing`, the closer it stays to single rows.
    """

    name: ClassVar[str] = "cart"

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.trees: dict[int, Tree] = {}

    @classmethod
    def settings_class(cls) -> type[CartSettings]:
        """Return the dataclass of the settings."""
        return CartSettings

    def learn(self, data: pd.DataFrame, training: Training) -> NDArray[np.float64]:
        """Grow the trees; return the share of each class."""
        whole = self.codec.encode(data)
        codes = whole[taken(len(whole), self.settings.rows, training.seed)]
        order, at = self.order(), target_index(self.codec)
        least = self.settings.least or (FEW if len(codes) < MANY else MORE)
        self.facts = {"least": least, "levels": frequent(codes, self.codec)}
        if len(codes) < len(whole):
            self.facts["rows"] = len(codes)
        features = self._features()
        seen = features.all(codes)
        for number, column in enumerate(order):
            if column != at:
                known = seen[:, : features.ends[number - 1] if number else 0]
                self.trees[column] = grow(known, codes[:, column], self.codec.centres(column), least)
                training.curves.log(number + 1, {"leaves": float(self.trees[column].leaves)})
        return shares(np.zeros(len(whole), dtype=np.int64) if at is None else whole[:, at], self.label_codes())

    def state(self) -> dict[str, Tensor]:
        """Return the trees' arrays."""
        return {f"{at}.{name}": value for at, tree in self.trees.items() for name, value in tree.tensors().items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the trees' arrays."""
        columns: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            at, _, name = key.partition(".")
            columns.setdefault(int(at), {})[name] = value
        self.trees = {at: Tree.of(tensors) for at, tensors in columns.items()}

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        rng = row_rng(random, first)
        order, features = self.order(), self._features()
        seen = np.zeros((len(classes), features.ends[-1]), dtype=np.float32)
        codes = np.zeros((len(classes), len(order)), dtype=np.int64)
        for number, column in enumerate(order):
            tree = self.trees.get(column)
            codes[:, column] = classes.numpy() if tree is None else tree.draw(seen, self.settings.smoothing, rng)
            features.put(seen, number, codes[:, column])
        return self.codec.decode(codes, rng)

    def _features(self) -> Features:
        return Features(self.codec, self.order(), self.facts["levels"])


def taken(count: int, most: int, seed: int) -> NDArray[np.int64]:
    """Return the numbers of the rows that trees grow on: all of them, or `most` at random, in their order."""
    if count <= most:
        return np.arange(count)
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 97])))
    return np.sort(rng.permutation(count)[:most])
