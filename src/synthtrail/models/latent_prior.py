"""A density over latent codes given the class, that is learnt with the network whose codes they are.

Each number of a code is drawn from a mixture of normals whose weights, means and deviations follow from the numbers
before it and from the class: an autoregressive network with masked weights (Germain et al. 2015, arXiv 1502.03509; as
the prior of an autoencoder Chen et al. 2017, arXiv 1611.02731). Its likelihood takes one pass, a draw one for each
number.

    prior   codes (B, Z), classes (B, L) one-hot -> log-density (B,);  classes -> codes (B, Z)
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SPREAD = 1.5  # of the means at the start
NARROW, WIDE = -7.0, 3.0  # logarithms of the deviations, at least and at most


class Ordered(nn.Linear):
    """A linear layer whose weights are used only where `kept` (outputs, inputs) is 1."""

    kept: Tensor

    def __init__(self, kept: Tensor) -> None:
        super().__init__(kept.shape[1], kept.shape[0])
        self.register_buffer("kept", kept, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs)."""
        return functional.linear(x, self.weight * self.kept, self.bias)


class Prior(nn.Module):
    """The density of the module docstring: `latent` numbers, `parts` normals for each, L classes."""

    def __init__(self, latent: int, width: int, parts: int, classes: int, layers: int = 2) -> None:
        super().__init__()
        self.latent, self.parts = latent, parts
        inside, numbers = torch.arange(width) % max(1, latent - 1) + 1, torch.arange(1, latent + 1)
        outside = numbers.repeat_interleave(3 * parts)
        self.first = Ordered(_kept(inside, numbers))
        self.of_class = nn.Linear(classes, width, bias=False)
        self.layers = nn.ModuleList(Ordered(_kept(inside, inside)) for _ in range(layers))
        self.last = Ordered((outside[:, None] > inside).float())
        self.last_of_class = nn.Linear(classes, 3 * parts * latent, bias=False)
        nn.init.zeros_(self.last_of_class.weight)
        means = torch.zeros(latent, parts, 3)
        means[:, :, 1] = torch.linspace(-SPREAD, SPREAD, parts) if parts > 1 else 0.0
        with torch.no_grad():
            self.last.weight.mul_(0.3)
            self.last.bias.copy_(means.flatten())

    def density(self, codes: Tensor, classes: Tensor) -> Tensor:
        """Return the log-density of each code (B,)."""
        weight, mean, deviation = self._parts(codes, classes)
        away = (codes[:, :, None] - mean) * torch.exp(-deviation)
        logs = weight - 0.5 * away**2 - deviation - 0.5 * math.log(2 * math.pi)
        return logs.logsumexp(2).sum(1)

    def draw(self, classes: Tensor, random: torch.Generator) -> Tensor:
        """Draw a code for each class."""
        codes = torch.zeros(len(classes), self.latent)
        for at in range(self.latent):
            weight, mean, deviation = (part[:, at] for part in self._parts(codes, classes))
            chosen = torch.multinomial(weight.exp(), 1, generator=random)
            noise = torch.randn(len(classes), 1, generator=random)
            codes[:, at] = (mean.gather(1, chosen) + deviation.gather(1, chosen).exp() * noise).squeeze(1)
        return codes

    def _parts(self, codes: Tensor, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-weights, means and log-deviations (B, Z, P)."""
        x = self.first(codes) + self.of_class(classes)
        for layer in self.layers:
            x = layer(functional.silu(x))
        made = self.last(functional.silu(x)) + self.last_of_class(classes)
        weight, mean, deviation = made.view(len(codes), self.latent, self.parts, 3).unbind(3)
        return weight.log_softmax(2), mean, deviation.clamp(NARROW, WIDE)


def _kept(after: Tensor, before: Tensor) -> Tensor:
    """Return which weights (outputs, inputs) lead from no later number to an earlier one."""
    return (after[:, None] >= before).float()
