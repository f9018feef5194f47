"""A last layer whose columns see one another: beside the body, each column is told the code of one other column.

    logits of column c = head(body) + told(known(code of c's parent))

Parents form a tree (`dependence_tree`), so columns are learnt from all at once, each beside its parent's real code, and
drawn one after the other, parents first. What two columns share exactly (one cost computed from another, a group and
its class) need not pass through the body, which for that would have to be as precise as the columns are.

`known` is an embedding of `rank` numbers for each code, beside smooth functions of a number's rank; `told` is a `Head`.
What single codes add is drawn towards 0 as by a normal prior of deviation `SPREAD` (`price`), so that the fewer rows
there are, the less is learnt of single pairs of codes.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.models.dependence_tree import ROOT, order
from synthtrail.models.digits import Digits
from synthtrail.models.masked_network import Head, cosines

SPREAD = 1.0
START = 0.3  # deviation of fresh embeddings


class CoupledHead(Head):
    """`Head` for columns of `sizes` codes with `parents` (-1: none); as it is without any."""

    ranks: Tensor
    starts: Tensor
    curves: Tensor
    columns: Tensor

    def __init__(self, width: int, sizes: tuple[int, ...], ranks: Tensor, parents: tuple[int, ...], rank: int) -> None:
        """Take the rank of every code (W,), 0 where it has none."""
        digits = Digits(sizes, max(sizes))
        spread = digits.ranks(ranks)  # with a row more for each column, "hidden"
        super().__init__(width, digits, spread)
        self.sizes, self.parents, self.order = list(sizes), parents, order(parents)
        hidden = np.cumsum(np.array(sizes) + 1) - 1
        self.register_buffer("ranks", torch.from_numpy(np.delete(spread.numpy(), hidden, axis=0)), persistent=False)
        self.coupled = any(at != ROOT for at in parents)
        if not self.coupled:
            return
        self.known = nn.Embedding(len(ranks), rank)
        nn.init.normal_(self.known.weight, std=START)
        place = self.ranks[:, :1] * self.ranks[:, 1:]
        curves = torch.cat([cosines(self.ranks), place, place**2], 1)
        self.bent = nn.Parameter(torch.randn(len(sizes), curves.shape[1], rank) * START)
        self.told = Head(rank, digits, spread)
        nn.init.zeros_(self.told.smooth)
        self.register_buffer("curves", curves, persistent=False)
        self.register_buffer("starts", torch.tensor(np.cumsum([0, *sizes[:-1]])), persistent=False)
        self.register_buffer(
            "columns", torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)), persistent=False
        )

    def beside(self, body: Tensor, codes: Tensor) -> list[Tensor]:
        """Return the logits (B, K) of each column beside its parent's code of `codes` (B, C)."""
        logits = list(torch.split(self(body), self.sizes, 1))
        if not self.coupled:
            return logits
        known, weights = self.telling()
        # One row of memory for each column, since every column's product takes its own.
        seen = known[(codes + self.starts).T]
        return [
            mine if parent == ROOT else torch.addmm(mine, seen[parent], weight.T)
            for mine, parent, weight in zip(logits, self.parents, weights, strict=True)
        ]

    def draw(self, body: Tensor, random: torch.Generator, given: Mapping[int, Tensor]) -> Tensor:
        """Draw codes (B, C), parents first; of the columns `given` they are known (B,)."""
        logits, codes = torch.split(self(body), self.sizes, 1), body.new_zeros(len(body), len(self.sizes)).long()
        for at, known_codes in given.items():
            codes[:, at] = known_codes
        known, weights = self.telling() if self.coupled else (body, ())
        for at in self.order:
            if at in given:
                continue
            mine, parent = logits[at], self.parents[at]
            if parent != ROOT:
                mine = torch.addmm(mine, known[codes[:, parent] + self.starts[parent]], weights[at].T)
            codes[:, at] = torch.multinomial(mine.softmax(1), 1, generator=random).squeeze(1)
        return codes

    def telling(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return what every code tells a child (W, rank), and what each column makes of it (K, rank)."""
        smooth = torch.einsum("wf,wfr->wr", self.curves, self.bent[self.columns])
        return self.known.weight + smooth, torch.split(self.told.matrix(slice(None))[0], self.sizes)

    def price(self) -> Tensor:
        """Return minus the logarithm of the prior of what single codes add, up to a constant."""
        if not self.coupled:
            return self.free.weight.new_zeros(())
        return (self.known.weight.square().sum() + self.told.free.weight.square().sum()) / (2 * SPREAD**2)


def cross_entropies(logits: list[Tensor], codes: Tensor, without: int | None) -> Tensor:
    """Return the cross-entropies of a row's columns but one, summed (B,)."""
    counted = [at for at in range(len(logits)) if at != without]
    if not counted:
        return logits[0].sum(1) * 0.0
    return torch.stack([functional.cross_entropy(logits[at], codes[:, at], reduction="none") for at in counted]).sum(0)
