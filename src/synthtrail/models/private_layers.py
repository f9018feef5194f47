"""Layers of which each row's own gradient has a length that can be told without taking it: for `dp_training`.

    CodeInput   codes (B, C), some of them hidden -> (B, width); one linear layer on one-hot codes and their ranks
    CodeHead    (B, width) -> logits (B, W) of all columns' codes; it starts at the noisy shares, whatever the row
    MaskedCodes the network of `private_masked`, of the two

All weights lie in linear layers, on inputs of one vector a row: the length of a row's gradient is then that of its
input times that of its output's gradient (Goodfellow 2015, arXiv 1510.01799; Opacus calls it ghost clipping).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.models.digits import Digits
from synthtrail.models.masked_network import WAVES, block, cosines
from synthtrail.models.one_hot import Layout

WHOLE = 10**9  # codes of a column that is left whole: coarse ones are few


class CodeInput(nn.Module):
    """What is known of a row as one vector: one-hot codes, ranks of numbers, which columns are hidden."""

    ranks: Tensor
    columns: Tensor

    def __init__(self, layout: Layout, ranks: Tensor, width: int) -> None:
        super().__init__()
        self.layout = layout
        sizes = torch.tensor(layout.cardinalities)
        self.register_buffer("ranks", ranks[:, 0], persistent=False)
        self.register_buffer("columns", torch.arange(len(sizes)).repeat_interleave(sizes), persistent=False)
        self.linear = nn.Linear(layout.width + 2 * len(sizes), width)

    def forward(self, codes: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return (B, width)."""
        away = torch.zeros_like(codes, dtype=torch.bool) if hidden is None else hidden
        shown = self.layout.one_hot(codes) * ~away[:, self.columns]
        ranked = torch.zeros_like(away, dtype=shown.dtype).index_add_(1, self.columns, shown * self.ranks)
        made: Tensor = self.linear(torch.cat([shown, ranked, away.float()], 1))
        return made


class CodeHead(nn.Module):
    """The last layer; of numbers, what neighbouring codes share is learnt through cosines over their ranks."""

    basis: Tensor

    def __init__(self, width: int, layout: Layout, ranks: Tensor, shares: Tensor) -> None:
        super().__init__()
        sizes = layout.cardinalities
        self.free, self.smooth = nn.Linear(width, layout.width), nn.Linear(width, len(sizes) * WAVES)
        waves, basis = cosines(ranks * torch.tensor([3**0.5, 1.0])), torch.zeros(layout.width, len(sizes) * WAVES)
        start = 0
        for at, size in enumerate(sizes):
            basis[start : start + size, at * WAVES : (at + 1) * WAVES] = waves[start : start + size]
            start += size
        self.register_buffer("basis", basis, persistent=False)
        for weight in (self.free.weight, self.smooth.weight, self.smooth.bias):
            nn.init.zeros_(weight)
        with torch.no_grad():
            self.free.bias.copy_(shares.log())

    def forward(self, body: Tensor) -> Tensor:
        """Return logits (B, W)."""
        made: Tensor = self.free(body) + functional.linear(self.smooth(body), self.basis)
        return made


class MaskedCodes(nn.Module):
    """As `masked_network.Network`, of these layers: every column's logits, from any others."""

    def __init__(self, sizes: tuple[int, ...], width: int, layers: int, ranks: Tensor, shares: Tensor) -> None:
        super().__init__()
        self.digits, self.layout = Digits(sizes, WHOLE), Layout(sizes, None)
        self.first = CodeInput(self.layout, ranks, width)
        self.blocks = nn.ModuleList(block(width, 0.0) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = CodeHead(width, self.layout, ranks, shares)

    def forward(self, codes: Tensor, hidden: Tensor) -> Tensor:
        """Return the logits of all columns' codes: (B, C), (B, C) -> (B, W)."""
        x = self.first(codes, hidden)
        for layer in self.blocks:
            x = x + layer(x)
        made: Tensor = self.head(self.norm(x))
        return made

    def column(self, codes: Tensor, hidden: Tensor, at: int) -> Tensor:
        """Return the logits of column `at` (B, K)."""
        start = sum(self.digits.sizes[:at])
        logits: Tensor = self(codes, hidden)
        return logits[:, start : start + self.digits.sizes[at]]


def cross_entropies(layout: Layout, logits: Tensor, codes: Tensor) -> Tensor:
    """Return the cross-entropy of every column (B, C) of logits (B, W) for codes (B, C)."""
    chances = layout.spread(logits).log_softmax(2)
    return -chances.gather(2, codes[:, :, None]).squeeze(2)
