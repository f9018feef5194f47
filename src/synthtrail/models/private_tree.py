"""A table's marginals under differential privacy, of pairs of columns chosen in rounds, joined by a mixture.

    1. a count of every column's values, with noise            -> coarse codes of about equal weight
    2. a count of every column with the target, with noise
    3. in rounds: a mixture of products is fitted to all counts so far (`private_mixture`); the pairs that it knows
       least of are chosen by the exponential mechanism and counted with the target, with noise (`private_rounds`)
    4. the mixture fitted to all counts makes rows: a kind of row given the class, then every column by itself
    5. the class is then drawn anew, by a logistic model of the other columns that agrees with the counts, where it
       explains nearly all that they say of the target (`private_labels`)

In the manner of AIM (McKenna et al. 2022, arXiv 2201.12677), with the target a part of every count because that is what
data are mostly used for. With `pairs: tree` pairs are joined by a tree instead, as in MST (McKenna, Miklau, Sheldon
2021, arXiv 2108.04978): steps 3 and 4 are then a spanning tree over the columns, edge after edge by the exponential
mechanism, a noisy count of every edge with the target, and for every edge the table nearest to all counts that it has a
part in. That is fitted in a second, and loses what the tree leaves out.

The guarantee is (epsilon, delta) for tables that differ by one row added or removed, by zCDP (`dp_accounting`), with
the shares of the budget in `private_counts.SHARES`. Noise is secret and exact (`dp_noise`); so the same seed does not
give the same model, while a model gives the same rows for a seed. Covered is all that the model holds and makes, but
for what is declared public (`private_domain`); `PrivateTree.privacy` says all this in words.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.models import private_labels, private_terms
from synthtrail.models.dp_accounting import rho_of
from synthtrail.models.dp_audit import Audit, audit
from synthtrail.models.private_audit import attack_counts
from synthtrail.models.private_columns import grouping_state, groupings_from
from synthtrail.models.private_counts import Counter, Taken
from synthtrail.models.private_domain import Grouping, public_codec
from synthtrail.models.private_labels import Labels, pick
from synthtrail.models.private_rounds import Rounds, Size
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import TableModel
from synthtrail.models.tables import row_rng, target_index

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SAMPLE = 30_000  # rows of the mixture by which the target's model is fitted
AUDITED = Size(100, steps=10)  # in an audit the mixture only says which pairs are counted, so a rough one will do


@dataclass(frozen=True)
class PrivateTreeSettings:
    """Settings of `PrivateTree`: the guarantee, at most how many coarse codes a column gets, the kinds of rows in all.

    `pairs` are chosen in rounds, or joined by a tree, without kinds of rows.
    """

    epsilon: float = 1.0
    delta: float = 1e-6
    bins: int = 32
    components: int = 4000
    pairs: Literal["rounds", "tree"] = "rounds"


class PrivateTree(TableModel[PrivateTreeSettings]):
    """Good where rows of people must be protected by differential privacy, from some thousand rows on.

    Its noise is secret, so no seed gives the same model again. Ranges and categories are declared public.
    """

    name: ClassVar[str] = "private_tree"

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.labels: Labels | None = None
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
        counter = self._count(data, Size(self.settings.components))
        self.labels = self._labelled(counter) if isinstance(counter, Rounds) else None
        self.facts = {"rows": len(data)}
        self.facts |= {"audit": self.audited().to_json()}
        training.curves.log(1, {"columns": float(len(self.groupings)), "noise": counter.noise})
        return counter.shares_of(target_index(self.codec))

    def _count(self, rows: pd.DataFrame, size: Size) -> Counter:
        """Take the noisy counts of rows, and what the model keeps of them."""
        s = self.settings
        rho = rho_of(s.epsilon, s.delta)
        if s.pairs == "tree":
            counter = Counter(self.codec, rows, rho=rho, bins=s.bins)
            self.tables, self.parents = counter.tree()
        else:
            counter = rounds = Rounds(self.codec, rows, rho=rho, bins=s.bins, size=size)
            self.kinds, self.tables = rounds.fitted()
        self.groupings = counter.groupings
        return counter

    def _labelled(self, rounds: Rounds) -> Labels | None:
        """Return the logistic model of the target, None where the mixture's own classes are to stay."""
        rng, shares = np.random.default_rng(), self._coarse_shares()
        classes = rng.choice(len(shares), SAMPLE, p=shares)
        codes = dict(self._of_kinds(classes, rng))
        counts = rounds.expected()
        labels = private_labels.fit(codes, counts, rounds.pair_noise) if counts else None
        if labels is None:
            return None
        rows = float(np.mean([count.sum() for count in counts.values()]))
        missed = private_labels.missed(labels, codes, classes, rounds.taken, rows)
        return labels if missed <= private_labels.MOST_MISSED else None

    def audited(self) -> Audit:
        """Return what an attack proves of counts like those of the fit; `ModelError` if the promise is broken."""
        other = type(self)(asdict(self.settings))
        other.codec = self.codec

        def count(rows: pd.DataFrame) -> tuple[list[Taken], list[Grouping]]:
            counter = other._count(rows, AUDITED)
            return counter.taken, counter.groupings

        attack = attack_counts(self.codec, self.facts["rows"], count)
        return audit([attack], self.settings.epsilon, self.settings.delta)

    def state(self) -> dict[str, Tensor]:
        """Return groupings and tables, and the kinds or the tree."""
        state = grouping_state(self.groupings)
        state |= {f"table.{i}": torch.from_numpy(table) for i, table in self.tables.items()}
        if self.settings.pairs == "rounds":
            labels = {} if self.labels is None else {"labels": torch.from_numpy(self.labels.weights)}
            return state | {"kinds": torch.from_numpy(self.kinds)} | labels
        order = [[child, parent] for child, parent in self.parents]
        return state | {"tree": torch.tensor(order, dtype=torch.int64).reshape(-1, 2)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take what `state` gave."""
        self.groupings = groupings_from(state)
        self.tables = {int(name[6:]): table.numpy() for name, table in state.items() if name.startswith("table.")}
        if self.settings.pairs == "rounds":
            self.kinds = state["kinds"].numpy()
            sizes = {i: table.shape[2] for i, table in sorted(self.tables.items())}
            self.labels = Labels(sizes, state["labels"].numpy()) if "labels" in state else None
        else:
            self.parents = [(int(child), int(parent)) for child, parent in state["tree"].tolist()]

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        rng = row_rng(random, first)
        at, fine = target_index(self.codec), classes.numpy()
        target = np.zeros(len(fine), dtype=np.int64) if at is None else self.groupings[at].group[fine]
        drawn = self._of_tree(target, rng) if self.settings.pairs == "tree" else self._of_class(target, rng)
        codes = np.zeros((len(fine), len(self.groupings)), dtype=np.int64)
        for column, coarse in drawn:
            codes[:, column] = self.groupings[column].spread(coarse, rng)
        if at is not None:
            codes[:, at] = fine
        return self.codec.decode(codes, rng)

    def _of_class(self, target: Ints, rng: np.random.Generator) -> Iterator[tuple[int, Ints]]:
        """Yield each column and its coarse codes (N,), of rows that have these classes."""
        if self.labels is None:
            yield from self._of_kinds(target, rng)
            return
        shares = self._coarse_shares()

        def draw(count: int) -> dict[int, Ints]:
            return dict(self._of_kinds(rng.choice(len(shares), count, p=shares), rng))

        found = private_labels.filled(target, draw, self.labels, rng)
        lacking = np.flatnonzero(next(iter(found.values())) < 0)
        for column, codes in self._of_kinds(target[lacking], rng) if lacking.size else ():
            found[column][lacking] = codes
        yield from found.items()

    def _coarse_shares(self) -> Floats:
        """Return the noisy share of each of the target's coarse codes (L,), 1 without a target."""
        at = target_index(self.codec)
        if at is None:
            return np.ones(1)
        weight = np.bincount(self.groupings[at].group, self.groupings[at].weight)
        return np.asarray(weight / weight.sum())

    def _of_kinds(self, target: Ints, rng: np.random.Generator) -> Iterator[tuple[int, Ints]]:
        """Yield each column and its coarse codes (N,), rows drawn from the kinds of their class."""
        sums, even, kind = np.cumsum(self.kinds, axis=1), rng.random(len(target)), np.zeros(len(target), dtype=np.int64)
        for own in np.unique(target):
            rows = target == own
            kind[rows] = np.searchsorted(sums[own], even[rows] * sums[own, -1], side="right")
        kind = kind.clip(0, sums.shape[1] - 1)
        for column, table in sorted(self.tables.items()):
            yield column, pick(np.cumsum(table, axis=2)[target, kind], rng)

    def _of_tree(self, target: Ints, rng: np.random.Generator) -> Iterator[tuple[int, Ints]]:
        """Yield each column and its coarse codes (N,), each drawn given its parent and the class."""
        coarse = {-1: np.zeros(len(target), dtype=np.int64)}
        for child, parent in self.parents:
            coarse[child] = pick(np.cumsum(self.tables[child], axis=2)[target, coarse[parent]], rng)
            yield child, coarse[child]
