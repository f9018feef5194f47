"""What the autoencoder is trained on: the evidence lower bound of rows given their class.

At first, what a latent code tells costs little, and more from step to step (Bowman et al. 2016, arXiv 1511.06349): a
decoder that starts at full price learns to do without latent codes. The rows held back are judged at full price, and
without what the last layer's prior adds (`CoupledHead.price`), which is shared out among the rows.
"""

from typing import cast

import torch
from torch import Tensor, nn

from synthtrail.models.coupled_head import CoupledHead, cross_entropies
from synthtrail.models.likelihood import Likelihood
from synthtrail.models.objective import generator_for
from synthtrail.models.vae_network import Vae

JUDGED = 4096  # rows held back that are looked at, at most


class Bound(Likelihood):
    """Minus the bound, mean over rows; the target, at place `at`, is given and so costs nothing."""

    network: Vae

    def __init__(
        self,
        network: Vae,
        rows: Tensor,
        held: Tensor,
        *,
        at: int | None,
        seed: int,
        warm_up: int,
    ) -> None:
        super().__init__(network, rows, held[:JUDGED])
        self.at, self.seed, self.warm_up = at, seed, warm_up
        self.price = 1.0

    def begin(self, step: int) -> None:
        """Let what a latent code tells cost little at first, then more from step to step."""
        self.price = min(1.0, (step + 1) / max(1, self.warm_up))

    def loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the loss on `size` rows drawn with replacement."""
        picked = torch.randint(len(self.rows), (size,), generator=random, device=self.rows.device)
        prior = cast("CoupledHead", self.network.head).price()
        return self._of(self.network, self.rows[picked], random, self.price) + prior / len(self.rows)

    def judge(self, network: nn.Module) -> Tensor:
        """Return the loss on the rows held back, with the same draws as at every other check."""
        assert isinstance(network, Vae)  # noqa: S101 - `average` is a copy of ours
        return self._of(network, self.held, generator_for(self.seed, 2**32 - 1, self.held.device), 1.0)

    def _of(self, network: Vae, rows: Tensor, random: torch.Generator, price: float) -> Tensor:
        classes = rows.new_zeros(len(rows)) if self.at is None else rows[:, self.at]
        head = cast("CoupledHead", network.head)
        return network.bound(
            rows, classes, random, lambda body: cross_entropies(head.beside(body, rows), rows, self.at), price
        ).mean()
