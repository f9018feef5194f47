"""A table's marginals under differential privacy, joined by a tree: each column drawn given the target and one other.

    1. a count of every column's values, with noise            -> coarse codes of about equal weight
    2. a count of every column with the target, with noise
    3. a spanning tree over the columns, edge after edge by the exponential mechanism: the pairs whose counts with the
       target differ most from what step 2 lets expect
    4. a count of every edge with the target, with noise
    5. for every edge the table of probabilities nearest to all noisy counts that it has a part in

Rows are drawn along the tree. In the manner of MST (McKenna, Miklau, Sheldon 2021, arXiv 2108.04978) and of AIM's
scores (McKenna et al. 2022, arXiv 2201.12677), with the target a part of every count because that is what data are
mostly used for.

The guarantee is (epsilon, delta) for tables that differ by one row added or removed, by zCDP (`dp_accounting`), with
the shares of the budget in `private_counts.SHARES`. Noise is secret and exact (`dp_noise`); so the same seed does not
give the same model, while a model gives the same rows for a seed. Covered is all that the model holds and makes, but
for what is declared public (`private_domain`); `PrivateTree.privacy` says all this in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.models import private_terms
from synthtrail.models.dp_accounting import rho_of
from synthtrail.models.dp_audit import Audit, audit
from synthtrail.models.private_audit import attack_counts
from synthtrail.models.private_columns import grouping_state, groupings_from
from synthtrail.models.private_counts import Counter, Taken
from synthtrail.models.private_domain import Grouping, public_codec
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import TableModel
from synthtrail.models.tables import row_rng, target_index

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PrivateTreeSettings:
    """Settings of `PrivateTree`: the guarantee, and at most how many coarse codes a column gets."""

    epsilon: float = 1.0
    delta: float = 1e-6
    bins: int = 32


class PrivateTree(TableModel[PrivateTreeSettings]):
    """Good where rows of people must be protected by differential privacy, from some thousand rows on.

    Needs no training and no seed: its noise is secret, so two fits differ. Ranges and categories are declared public.
    """

    name: ClassVar[str] = "private_tree"

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        private_terms.asked(self.settings.epsilon, self.settings.delta)

    @property
    def privacy(self) -> Mapping[str, object]:
        """The guarantee, its terms, and what it does not cover."""
        return private_terms.of_counts(self.settings.epsilon, self.settings.delta, self.facts.get("audit"))

    @classmethod
    def settings_class(cls) -> type[PrivateTreeSettings]:
        """Return the dataclass of the settings."""
        return PrivateTreeSettings

    def learn(self, data: pd.DataFrame, training: Training) -> Floats:
        """Take the noisy counts; return the share of each class."""
        self.codec = public_codec(self.codec.schema)
        rho = rho_of(self.settings.epsilon, self.settings.delta)
        counter = Counter(self.codec, data, rho=rho, bins=self.settings.bins)
        self.groupings = counter.groupings
        self.tables, self.parents = counter.tree()
        self.facts = {"rows": len(data)}
        self.facts |= {"audit": self.audited().to_json()}
        training.curves.log(1, {"columns": float(len(self.groupings)), "noise": counter.noise})
        return counter.shares_of(target_index(self.codec))

    def audited(self) -> Audit:
        """Return what an attack proves of counts like those of the fit; `ModelError` if the promise is broken."""
        rho = rho_of(self.settings.epsilon, self.settings.delta)

        def count(rows: pd.DataFrame) -> tuple[list[Taken], list[Grouping]]:
            counter = Counter(self.codec, rows, rho=rho, bins=self.settings.bins)
            counter.tree()
            return counter.taken, counter.groupings

        attack = attack_counts(self.codec, self.facts["rows"], count)
        return audit([attack], self.settings.epsilon, self.settings.delta)

    def state(self) -> dict[str, Tensor]:
        """Return groupings, tables and the tree."""
        state = grouping_state(self.groupings)
        state |= {f"table.{i}": torch.from_numpy(table) for i, table in self.tables.items()}
        order = [[child, parent] for child, parent in self.parents]
        return state | {"tree": torch.tensor(order, dtype=torch.int64).reshape(-1, 2)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take what `state` gave."""
        self.groupings = groupings_from(state)
        self.parents = [(int(child), int(parent)) for child, parent in state["tree"].tolist()]
        self.tables = {child: state[f"table.{child}"].numpy() for child, _ in self.parents}

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        rng = row_rng(random, first)
        at, fine = target_index(self.codec), classes.numpy()
        target = np.zeros(len(fine), dtype=np.int64) if at is None else self.groupings[at].group[fine]
        coarse = {-1: np.zeros(len(fine), dtype=np.int64)}
        codes = np.zeros((len(fine), len(self.groupings)), dtype=np.int64)
        for child, parent in self.parents:
            sums = np.cumsum(self.tables[child], axis=2)[target, coarse[parent]]
            drawn = rng.random(len(fine))[:, None] * sums[:, -1:]
            coarse[child] = np.minimum((sums < drawn).sum(1), sums.shape[1] - 1)
            codes[:, child] = self.groupings[child].spread(coarse[child], rng)
        if at is not None:
            codes[:, at] = fine
        return self.codec.decode(codes, rng)
