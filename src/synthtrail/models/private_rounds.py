"""Which pairs of columns are counted, in rounds: those of which the model so far knows least.

    share of the budget   spent on
    columns, target       as in `private_counts`: every column, and every column with the target
    tree                  the choice of each pair, and of how roughly it is counted
    edges                 a count of each chosen pair with the target

`PER_COLUMN` pairs a column are counted in `ROUNDS` rounds. Before each round the mixture (`private_mixture`) is fitted
to all counts so far; a pair is chosen by the exponential mechanism, by how far its count is from what the mixture
expects, less what noise of that many cells adds (the scores of AIM, McKenna et al. 2022, arXiv 2201.12677). A pair can
be counted on 4, 8 or 16 rough codes a column or on all: rough counts have fewer cells, so less noise.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import NUMERIC
from synthtrail.models.dp_accounting import choice_epsilon
from synthtrail.models.dp_noise import exponential_choice
from synthtrail.models.private_counts import SHARES, Counter, Taken, candidates, noisy
from synthtrail.models.private_mixture import Maps, PairMixture

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Candidate = tuple[tuple[int, int], Maps]
PER_COLUMN = 2  # pairs
ROUNDS = 6
LAST = 3  # times the steps of a round, at the end
ROUGH = (4, 8, 16)  # codes a column
MOST_WEIGHTS = 2**20  # numbers that a mixture holds


@dataclass(frozen=True)
class Size:
    """How large the mixture is: kinds of rows in all classes together, and at most how many steps fit it in a round."""

    components: int
    steps: int = 150


class Rounds(Counter):
    """Noisy counts of one table within a budget of `rho`-zCDP, and the mixture fitted to them."""

    def __init__(self, codec: TableCodec, data: pd.DataFrame, *, rho: float, bins: int, size: Size) -> None:
        super().__init__(codec, data, rho=rho, bins=bins)
        self._codec, self._steps = codec, size.steps
        self.places = min(PER_COLUMN * len(self.others), len(self.others) * (len(self.others) - 1) // 2)
        self._per_choice = rho * SHARES["tree"] / max(1, self.places)
        self._per_edge = rho * SHARES["edges"] / max(1, self.places)
        width = sum(self.sizes[i] for i in self.others)
        each = min(size.components, MOST_WEIGHTS // max(1, width)) // self.classes
        starts = {i: self.pairs[i].counts for i in self.others}
        self.mixture = PairMixture(starts, totals=self._totals(), components=max(1, each))
        for i in self.others:
            self.mixture.add(Taken((i,), False, self.pairs[i], (np.arange(self.sizes[i]),)))

    def fitted(self) -> tuple[Floats, dict[int, Floats]]:
        """Count pair after pair; return the weights of kinds (L, K) and of each column its probabilities (L, K, S)."""
        left, free = self.places, self._candidates()
        for turn in range(ROUNDS):
            count = -(-left // (ROUNDS - turn))
            self.mixture.fit(self._steps)
            chosen = self._chosen(free, count)
            for columns, maps in chosen:
                self.taken.append(Taken(columns, False, noisy(self._rough(columns, maps), self._per_edge), maps))
                self.mixture.add(self.taken[-1])
            left -= len(chosen)
        self.mixture.fit(LAST * self._steps)
        return self.mixture.shares()

    def expected(self) -> dict[int, Floats]:
        """Return of each column the mixture's count with the target (L, S), which all noisy counts have smoothed."""
        asked = [((i,), (np.arange(self.sizes[i]),)) for i in self.others]
        return dict(zip(self.others, self.mixture.counts(asked), strict=True))

    @property
    def pair_noise(self) -> float:
        """Standard deviation of the noise on a count of one column with the target."""
        return max((count.deviation for count in self.pairs.values()), default=0.0)

    def _totals(self) -> Floats:
        """Return the noisy number of rows of each class (L,)."""
        if self.at is not None:
            grouping = self.groupings[self.at]
            return np.asarray(np.bincount(grouping.group, grouping.weight, grouping.size), dtype=np.float64)
        sums = [count.counts.sum() for count in self.pairs.values()]
        return np.array([max(1.0, float(np.mean(sums)) if sums else 1.0)])

    def _candidates(self) -> list[Candidate]:
        """Return all pairs on all ways of counting them that differ."""
        ways = {i: [self._map(i, most) for most in ROUGH] + [np.arange(self.sizes[i])] for i in self.others}
        found: dict[tuple[int, ...], Candidate] = {}
        for i, j in candidates(self.others):
            for one, other in zip(ways[i], ways[j], strict=True):
                found.setdefault((i, j, int(one.max()), int(other.max())), ((i, j), (one, other)))
        return list(found.values())

    def _map(self, at: int, most: int) -> Ints:
        grouping, codes = self.groupings[at], self._codec.columns[at]
        weight = np.asarray(np.bincount(grouping.group, grouping.weight, grouping.size), dtype=np.float64)
        numeric = self._codec.schema.columns[at].kind in NUMERIC
        return roughly(weight, most, ordered=numeric, missing=codes.missing)

    def _chosen(self, free: list[Candidate], count: int) -> list[Candidate]:
        """Choose pairs, none twice in a round, each by the exponential mechanism."""
        epsilon, scores = choice_epsilon(self._per_choice), self._gains(free)
        chosen: list[Candidate] = []
        for _ in range(count):
            taken = {columns for columns, _ in chosen}
            left = [k for k, (columns, _) in enumerate(free) if columns not in taken]
            if left:
                chosen.append(free[left[exponential_choice([scores[k] for k in left], epsilon)]])
        return chosen

    def _gains(self, free: list[Candidate]) -> list[int]:
        """Return how far each pair's count is from the mixture's, less the noise.

        What is expected follows from noisy counts and is a whole number in each cell, so one row changes a score by 1.
        """
        gains, noise = [], self.noise * math.sqrt(2 / math.pi)
        for (columns, maps), count in zip(free, self.mixture.counts(free), strict=True):
            away = np.abs(self._rough(columns, maps) - np.rint(count).astype(np.int64))
            gains.append(int(away.sum()) - round(noise * away.size))
        return gains

    def _rough(self, columns: tuple[int, ...], maps: Maps) -> Ints:
        """Return the exact count of rough codes of the columns with the target."""
        shape = (self.classes, *(int(to.max()) + 1 for to in maps))
        codes = (to[self._coarse[:, i]] for i, to in zip(columns, maps, strict=True))
        flat = np.ravel_multi_index((self._target, *codes), shape)
        return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)


def roughly(weight: Floats, most: int, *, ordered: bool, missing: bool) -> Ints:
    """Return the rough code of each code: at most `most`, neighbours of about equal weight, or the rarest together.

    >>> roughly(np.array([5.0, 5.0, 5.0, 5.0, 2.0]), 3, ordered=True, missing=True)
    array([0, 0, 1, 1, 2])
    >>> roughly(np.array([1.0, 9.0, 2.0]), 2, ordered=False, missing=False)
    array([1, 0, 1])
    """
    if len(weight) <= most:
        return np.arange(len(weight))
    own, most = weight[: len(weight) - missing], most - missing
    if ordered:
        middles = (np.cumsum(own) - own / 2) / max(own.sum(), 1e-12)
        to = np.unique(np.minimum((middles * most).astype(np.int64), most - 1), return_inverse=True)[1]
    else:
        to = np.zeros(len(own), dtype=np.int64)
        to[np.argsort(-own, kind="stable")] = np.minimum(np.arange(len(own)), most - 1)
    return np.append(to, to.max() + 1) if missing else to
