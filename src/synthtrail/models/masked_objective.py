"""What `Masked` is trained on: columns hidden at random, and asked for."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.models.likelihood import Likelihood
from synthtrail.models.masked_network import Network
from synthtrail.models.objective import generator_for

JUDGED = 4096  # rows held back that are looked at, at most


class MaskedObjective(Likelihood):
    """The mean cross-entropy of the hidden columns; every number of hidden columns is equally likely."""

    network: Network

    def __init__(self, network: Network, rows: Tensor, held: Tensor, *, seed: int) -> None:
        super().__init__(network, rows, held[:JUDGED])
        self.seed = seed

    def loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the loss on `size` rows drawn with replacement."""
        at = torch.randint(len(self.rows), (size,), generator=random, device=self.rows.device)
        return cross_entropy(self.network, self.rows[at], random)

    def judge(self, network: nn.Module) -> Tensor:
        """Return the loss on the rows held back, columns hidden as at every other check."""
        return cross_entropy(network, self.held, generator_for(self.seed, 2**32 - 1, self.held.device))


def cross_entropy(network: nn.Module, rows: Tensor, random: torch.Generator) -> Tensor:
    """Return the mean over rows (B, D) of the mean cross-entropy of their hidden columns."""
    hidden = hide(rows.shape, random, rows.device)
    logits = network(rows, hidden)
    losses = [functional.cross_entropy(part, rows[:, at], reduction="none") for at, part in enumerate(logits)]
    summed = (torch.stack(losses, 1) * hidden).sum(1)
    mean: Tensor = (summed / hidden.sum(1)).mean()
    return mean


def hide(shape: torch.Size, random: torch.Generator, device: torch.device) -> Tensor:
    """Return which columns are hidden (B, D): 1 to D of them, each number equally likely."""
    rows, columns = shape
    many = torch.randint(1, columns + 1, (rows, 1), generator=random, device=device)
    ranks = torch.rand(rows, columns, generator=random, device=device).argsort(1).argsort(1)
    return ranks < many
