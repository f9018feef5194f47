"""What networks under differential privacy are trained on: a loss for each row that depends on no other row."""

import torch
from torch import Tensor

from synthtrail.models.dp_training import RowLosses
from synthtrail.models.masked_objective import hide
from synthtrail.models.one_hot import Layout
from synthtrail.models.private_layers import MaskedCodes, cross_entropies
from synthtrail.models.vae_network import Vae


class MaskedRows(RowLosses):
    """The mean cross-entropy of the columns hidden in a row; every number of hidden columns is equally likely."""

    network: MaskedCodes

    def losses(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """Return the loss of each row (B,)."""
        hidden = hide(rows.shape, random, rows.device)
        losses = cross_entropies(self.network.layout, self.network(rows, hidden), rows)
        return (losses * hidden).sum(1) / hidden.sum(1)


class BoundRows(RowLosses):
    """Minus the evidence lower bound of a row given its class; the target, at place `at`, costs nothing."""

    network: Vae
    counted: Tensor

    def __init__(self, network: Vae, rows: Tensor, layout: Layout, at: int | None) -> None:
        super().__init__(network, rows)
        self.layout, self.at = layout, at
        counted = torch.ones(rows.shape[1])
        if at is not None:
            counted[at] = 0.0
        self.register_buffer("counted", counted, persistent=False)

    def losses(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """Return the loss of each row (B,), over the number of columns so that clipping means the same everywhere."""
        classes = rows.new_zeros(len(rows)) if self.at is None else rows[:, self.at]
        bounds = self.network.bound(rows, classes, random, lambda body: self._unsure(self.network.head(body), rows))
        return bounds / rows.shape[1]

    def _unsure(self, logits: Tensor, rows: Tensor) -> Tensor:
        return (cross_entropies(self.layout, logits, rows) * self.counted).sum(1)
