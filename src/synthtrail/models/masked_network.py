"""The network of `masked`: codes of some columns in, the distribution of every column out.

    network   codes (B, D) and which of them are hidden (B, D) -> logits of every column's codes (B, W)

D are the columns, those with very many codes as two digits each. Numeric columns tell the network, beside their code's
embedding, the code's rank, and their part of the last layer changes smoothly from code to code: neighbouring bins look
alike.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.models.digits import Digits

WAVES = 8  # cosines of a numeric column


@dataclass(frozen=True)
class Shape:
    """How large a network is."""

    width: int
    layers: int
    embedding: int
    dropout: float


class Network(nn.Module):
    """An embedding for each digit's value (one more: hidden), two or more residual blocks, a head for each digit."""

    ranks: Tensor
    starts: Tensor
    hidden_codes: Tensor

    def __init__(self, digits: Digits, shape: Shape, ranks: Tensor) -> None:
        super().__init__()
        self.digits = digits
        sizes = digits.sizes
        starts = np.concatenate([[0], np.cumsum([size + 1 for size in sizes])[:-1]])
        self.register_buffer("starts", torch.from_numpy(starts), persistent=False)
        self.register_buffer("hidden_codes", torch.tensor(sizes), persistent=False)
        self.register_buffer("ranks", digits.ranks(ranks), persistent=False)
        self.embed = nn.Embedding(sum(sizes) + len(sizes), shape.embedding)
        inputs = len(sizes) * (shape.embedding + 3)
        self.first = nn.Linear(inputs, shape.width)
        self.blocks = nn.ModuleList(block(shape.width, shape.dropout) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.head = Head(shape.width, digits, self.ranks)

    def body(self, codes: Tensor, hidden: Tensor) -> Tensor:
        """Return what is known of each row: (B, C), (B, C) -> (B, width)."""
        shown = torch.where(hidden, self.hidden_codes, codes) + self.starts
        parts = [self.embed(shown).flatten(1), hidden.float(), self.ranks[shown].flatten(1)]
        x: Tensor = self.first(torch.cat(parts, 1))
        for layer in self.blocks:
            x = x + layer(x)
        normed: Tensor = self.norm(x)
        return normed

    def forward(self, codes: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of each digit."""
        return torch.split(self.head(self.body(codes, hidden)), list(self.digits.sizes), 1)

    def column(self, codes: Tensor, hidden: Tensor, at: int) -> Tensor:
        """Return the logits of digit `at` alone."""
        start = sum(self.digits.sizes[:at])
        logits: Tensor = self.head(self.body(codes, hidden), slice(start, start + self.digits.sizes[at]))
        return logits


class Head(nn.Module):
    """The last layer, (B, width) -> logits (B, W); a numeric column's weights change smoothly from code to code.

    They are free weights plus a few cosines over the column's ranks: what neighbouring bins share is learnt through the
    cosines, which takes a fraction of the rows. Both are summed to one matrix, so that it costs nothing per row.
    """

    basis: Tensor
    places: Tensor

    def __init__(self, width: int, digits: Digits, ranks: Tensor) -> None:
        super().__init__()
        self.free = nn.Linear(width, sum(digits.sizes))
        nn.init.zeros_(self.free.weight)
        self.smooth = nn.Parameter(torch.randn(len(digits.sizes), WAVES, width) / width**0.5)
        self.offset = nn.Parameter(torch.zeros(len(digits.sizes), WAVES))
        starts = np.cumsum([0, *(size + 1 for size in digits.sizes)])  # one more: hidden
        rows = [cosines(ranks[start : start + size]) for start, size in zip(starts, digits.sizes, strict=False)]
        self.register_buffer("basis", torch.cat(rows), persistent=False)
        sizes = torch.tensor(digits.sizes)
        self.register_buffer("places", torch.arange(len(sizes)).repeat_interleave(sizes), persistent=False)

    def matrix(self, part: slice) -> tuple[Tensor, Tensor]:
        """Return weights (K, width) and biases (K,) of some of the codes."""
        basis, at = self.basis[part], self.places[part]
        weight = self.free.weight[part] + torch.einsum("kw,kwd->kd", basis, self.smooth[at])
        return weight, self.free.bias[part] + (basis * self.offset[at]).sum(1)

    def forward(self, body: Tensor, part: slice = slice(None)) -> Tensor:
        """Return the logits of some of the codes."""
        return functional.linear(body, *self.matrix(part))


def cosines(ranks: Tensor) -> Tensor:
    """Return the cosines (K, WAVES) over the ranks of a column's codes, (K, 2) with whether there is one."""
    angle = (ranks[:, :1] / 3**0.5 + 1) / 2 * math.pi
    waves = torch.arange(1, WAVES + 1)
    return torch.cos(angle * waves) / waves**0.5 * ranks[:, 1:]


def block(width: int, dropout: float) -> nn.Module:
    """Return one residual block's inside."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width)
    )
