"""The networks of a variational autoencoder for rows of codes: encoder, decoder, and the density of its latent codes.

    encoder   codes (B, C)                            -> mean and log-variance of a latent code (B, Z)
    prior     class (B, L), one-hot or nearly         -> density of latent codes (`latent_prior`)
    decoder   latent code (B, Z), class (B, L)        -> body (B, width), of which `head` makes the columns' logits

`bound` is minus the evidence lower bound (Kingma, Welling 2014, arXiv 1312.6114): what the decoder is unsure of, plus
what the latent code tells beyond what the prior expects. The prior is learnt with the rest, so that what is drawn from
it is what the decoder has seen; with a fixed one, decoders of tables blur (TVAE; Xu et al. 2019, arXiv 1907.00503).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from synthtrail.models.latent_prior import Prior
from synthtrail.models.masked_network import block

QUIET, LOUD = -10.0, 2.0  # logarithms of the latent codes' variances, at least and at most


@dataclass(frozen=True)
class VaeShape:
    """How large the networks are: `layers` blocks of `width` each side, `latent` numbers of `parts` normals each."""

    width: int
    layers: int
    latent: int
    parts: int
    dropout: float = 0.0


class Vae(nn.Module):
    """Encoder, prior and decoder; `entrance` makes codes (B, C) to (B, width), `head` makes logits of a body.

    `alike` (L, L) tells what each class shares with the others; without it, classes have nothing to do with each other.
    """

    alike: Tensor

    def __init__(
        self, entrance: nn.Module, head: nn.Module, shape: VaeShape, classes: int, alike: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("alike", torch.eye(classes) if alike is None else alike, persistent=False)
        self.entrance = entrance
        self.encoder = Blocks(shape)
        self.code = nn.Linear(shape.width, 2 * shape.latent)
        self.prior = Prior(shape.latent, shape.width, shape.parts, classes)
        self.of_latent = nn.Linear(shape.latent, shape.width)
        self.of_class = nn.Linear(classes, shape.width, bias=False)
        self.decoder = Blocks(shape)
        self.head = head

    def label(self, classes: Tensor) -> Tensor:
        """Turn classes (B,) into rows of `alike` (B, L), one-hot ones where classes are all unlike."""
        return self.alike[classes]

    def bound(
        self,
        codes: Tensor,
        classes: Tensor,
        random: torch.Generator,
        unsure: Callable[[Tensor], Tensor],
        price: float = 1.0,
    ) -> Tensor:
        """Return minus the bound for each row (B,); `unsure` turns bodies into the cross-entropy of each (B,).

        At a `price` other than 1, what the latent code tells counts more or less than in the bound.
        """
        label = self.label(classes)
        mean, spread = self.code(self.encoder(self.entrance(codes))).chunk(2, 1)
        spread = spread.clamp(QUIET, LOUD)
        noise = torch.randn(mean.shape, generator=random, device=mean.device)
        latent = mean + torch.exp(0.5 * spread) * noise
        entropy = 0.5 * (spread + 1 + math.log(2 * math.pi)).sum(1)
        told: Tensor = -entropy - self.prior.density(latent, label)
        return unsure(self.decode(latent, label)) + price * told

    def decode(self, latent: Tensor, label: Tensor) -> Tensor:
        """Return bodies (B, width)."""
        made: Tensor = self.decoder(self.of_latent(latent) + self.of_class(label))
        return made

    def draw(self, classes: Tensor, random: torch.Generator) -> Tensor:
        """Return the body (B, width) of a latent code drawn for each class."""
        label = self.label(classes)
        return self.decode(self.prior.draw(label, random), label)


class Blocks(nn.Module):
    """Residual blocks and a norm at their end, (B, width) -> (B, width)."""

    def __init__(self, shape: VaeShape) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block(shape.width, shape.dropout) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the blocks make of it."""
        for layer in self.blocks:
            x = x + layer(x)
        normed: Tensor = self.norm(x)
        return normed


class Entrance(nn.Module):
    """An embedding for each code, and of numbers their rank, through one linear layer: (B, C) -> (B, width)."""

    starts: Tensor
    ranks: Tensor

    def __init__(self, sizes: tuple[int, ...], ranks: Tensor, embedding: int, width: int) -> None:
        super().__init__()
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.register_buffer("starts", torch.from_numpy(starts), persistent=False)
        self.register_buffer("ranks", ranks, persistent=False)
        self.embed = nn.Embedding(sum(sizes), embedding)
        self.linear = nn.Linear(len(sizes) * (embedding + ranks.shape[1]), width)

    def forward(self, codes: Tensor) -> Tensor:
        """Return (B, width)."""
        at = codes + self.starts
        made: Tensor = self.linear(torch.cat([self.embed(at).flatten(1), self.ranks[at].flatten(1)], 1))
        return made


def drawn_codes(logits: Tensor, sizes: tuple[int, ...], random: torch.Generator) -> Tensor:
    """Draw codes (B, C) from logits (B, W), each column by itself."""
    parts = torch.split(logits, list(sizes), 1)
    return torch.stack([torch.multinomial(part.softmax(1), 1, generator=random).squeeze(1) for part in parts], 1)
