"""A mixture of products that fits noisy counts of one and two columns: what `private_rounds` measured, as a model.

Each class has K kinds of rows, of which each has a weight and draws every column by itself. All counts of pairs follow
from their probabilities as products of matrices, so they can be fitted by gradients, in the manner of the relaxed
projection with softmax (Aydore et al. 2021, arXiv 2103.06641; Liu, Vietri, Wu 2021, arXiv 2106.07153). Nothing is asked
of a network, and pairs need no tree. Kinds begin close to each other, at the noisy shares of each column given the
class, so what was not measured stays close to independent.

Descent ends where the counts are as far off as their noise lets expect, since fitting more would be fitting noise, or
where it gets nowhere.

    mixture = PairMixture(starts, totals=totals, components=100)
    mixture.add(Taken((0, 1), False, Noisy(counts, deviation), maps))
    mixture.fit(200)
    next(mixture.counts([((0, 1), maps)]))  # the expected count (L, A, B)
"""

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.models.private_counts import Taken

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Maps = tuple[Ints, ...]
"""For each column of a count the rough code of each of its codes (S,)."""

RATE = 0.05
NEAR = 0.3  # logits by which a kind prefers one code of each column at the start
JITTER = 0.1
PATIENCE, SLOW = 25, 0.999  # steps, and the share of the distance that has to be left behind in them at least
ENOUGH = 1.0  # squared distance in units of noise, a cell


class PairMixture:
    """Kinds of rows in each class (L, K); `starts` are noisy counts of each column with the target (L, S)."""

    def __init__(self, starts: Mapping[int, Floats], *, totals: Floats, components: int) -> None:
        rng = np.random.default_rng()  # a fit of private counts cannot be repeated anyway
        self.totals = torch.from_numpy(totals).float()
        self.logits = {i: _start(counts, components, rng) for i, counts in starts.items()}
        self.weights = torch.zeros((len(totals), components), requires_grad=True)
        self._taken: list[tuple[Taken, Tensor]] = []

    def add(self, taken: Taken) -> None:
        """Take one more count with the target, its codes told by `maps`, into the fit."""
        self._taken.append((taken, torch.from_numpy(taken.noisy.counts).float()))

    def fit(self, steps: int) -> None:
        """Descend at most so many steps."""
        optimizer = torch.optim.Adam([*self.logits.values(), self.weights], lr=RATE)
        cells = sum(counts.numel() for _, counts in self._taken)
        before = math.inf
        for step in range(steps):
            loss = self._distance() / max(1, cells)
            now = float(loss.detach())
            if now < ENOUGH or (step % PATIENCE == 0 and now > SLOW * before):
                break
            before = now if step % PATIENCE == 0 else before
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def shares(self) -> tuple[Floats, dict[int, Floats]]:
        """Return the weights of kinds (L, K), and of each column the probabilities of its codes (L, K, S)."""
        with torch.no_grad():
            tables = {i: logits.double().softmax(2).numpy() for i, logits in self.logits.items()}
            return self.weights.double().softmax(1).numpy(), tables

    def counts(self, asked: Iterable[tuple[tuple[int, ...], Maps]]) -> Iterator[Floats]:
        """Yield the expected count, with the target, of each of the columns on these rough codes."""
        with torch.no_grad():
            tables = self._tables()
            for columns, maps in asked:
                yield np.asarray(self._expected(columns, maps, tables).double().numpy())

    def _distance(self) -> Tensor:
        tables = self._tables()
        parts = [
            ((self._expected(one.columns, one.maps, tables) - counts) / one.noisy.deviation).square().sum()
            for one, counts in self._taken
        ]
        return torch.stack(parts).sum() if parts else torch.zeros(())

    def _tables(self) -> dict[int, Tensor]:
        return {i: logits.softmax(2) for i, logits in self.logits.items()}

    def _expected(self, columns: tuple[int, ...], maps: Maps, tables: Mapping[int, Tensor]) -> Tensor:
        rough = [_rough(tables[i], to) for i, to in zip(columns, maps, strict=True)]
        weighed = rough[0] * (self.weights.softmax(1) * self.totals[:, None])[:, :, None]
        return weighed.sum(1) if len(rough) == 1 else weighed.transpose(1, 2) @ rough[1]


def _start(counts: Floats, components: int, rng: np.random.Generator) -> Tensor:
    """Return logits (L, K, S) near the shares of noisy counts (L, S), each kind preferring a code drawn from them."""
    shares = counts.clip(1.0)
    shares /= shares.sum(1, keepdims=True)
    logits = np.log(shares)[:, None, :] + rng.normal(0, JITTER, (len(shares), components, shares.shape[1]))
    for own, share in zip(logits, shares, strict=True):
        own[np.arange(components), rng.choice(len(share), components, p=share)] += NEAR
    return torch.from_numpy(logits).float().requires_grad_()


def _rough(table: Tensor, to: Ints) -> Tensor:
    """Return the probabilities (L, K, A) of rough codes."""
    merged = int(to.max()) + 1
    if merged == len(to):
        return table
    return table @ torch.nn.functional.one_hot(torch.from_numpy(to), merged).to(table.dtype)
