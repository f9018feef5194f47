"""Where codes lie: for each class a mixture of normals with full covariances, fitted once and then drawn from.

    codes (N, Z), class numbers (N,)  ->  weights (L, K), means (L, K, Z), Cholesky factors (L, K, Z, Z)

An autoencoder's codes follow no simple law, and a generator fed from the wrong one makes images of places where no
image ever was. So the law is fitted to the codes afterwards (Ghosh et al. 2020, arXiv 1903.12436), class by class, by
expectation and maximisation from a k-means++ start (Arthur and Vassilvitskii 2007). A class has one part for every
`EACH` codes, at most `parts`. Each covariance is drawn towards that of all codes together by Z / 2 codes' worth, and a
part that has fewer than `FEWEST` codes is given up, so that none stands for a single image. Where several codes come
from one image, turned (`copies`), all these numbers are of images still.

    >>> codes = torch.cat([torch.randn(300, 2, generator=torch.Generator().manual_seed(0)) + far for far in (0, 9)])
    >>> law = fit(codes, torch.zeros(600, dtype=torch.int64), labels=1, parts=2, seed=0)
    >>> law.weights.shape, law.means[0].round().abs().sort(0).values.tolist()
    (torch.Size([1, 2]), [[0.0, 0.0], [9.0, 9.0]])
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.models.objective import generator_for

EACH = 150  # codes of a class for each of its parts
FEWEST = 20  # codes that a part must have
ROUNDS, STARTING = 25, 8  # of expectation and maximisation, and of k-means before
FLOOR = 0.01  # added to each variance; codes have unit variance
STREAM = 2**44  # the random stream of the starts


class LatentMixture(nn.Module):
    """The law of codes given the class; of a class with fewer parts the others have weight 0."""

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, labels: int, parts: int, latent: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.full((labels, parts), 1 / parts))
        self.register_buffer("means", torch.zeros(labels, parts, latent))
        self.register_buffer("factors", torch.eye(latent).repeat(labels, parts, 1, 1))

    def forward(self, noise: Tensor, classes: Tensor) -> Tensor:
        """Return codes (B, Z) of standard normal noise (B, Z + 1): its first number says which part, the rest where."""
        place = torch.special.ndtr(noise[:, :1])
        part = (place > self.weights.cumsum(1)[classes]).sum(1)
        part = torch.minimum(part, (self.weights > 0).sum(1)[classes] - 1)  # rounding at the end of the sum
        moved = torch.bmm(self.factors[classes, part], noise[:, 1:, None])
        codes: Tensor = self.means[classes, part] + moved.squeeze(2)
        return codes


def fit(codes: Tensor, classes: Tensor, *, labels: int, parts: int, seed: int, copies: int = 1) -> LatentMixture:
    """Return the law of codes (N, Z) given their class (N,) of `labels`; a class without codes has that of all.

    An image has `copies` codes.
    """
    codes = codes.double()
    pooled = torch.cov(codes.T).reshape(codes.shape[1], -1) if len(codes) > 1 else torch.eye(codes.shape[1]).double()
    found = LatentMixture(labels, parts, codes.shape[1])
    found.weights.zero_()
    for label in range(labels):
        mine = codes[classes == label] if bool((classes == label).any()) else codes
        number = max(1, min(parts, len(mine) // (EACH * copies)))
        weights, means, factors = _fit(mine, number, pooled, copies, generator_for(seed, STREAM + label))
        size = len(weights)
        found.weights[label, :size], found.means[label, :size] = weights.float(), means.float()
        found.factors[label, :size] = factors.float()
    return found


def _fit(
    codes: Tensor, number: int, pooled: Tensor, copies: int, random: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights (K,), means (K, Z) and Cholesky factors (K, Z, Z) of at most `number` parts, heaviest first."""
    share = _start(codes, number, random)
    for _ in range(ROUNDS):
        weights, means, factors = _normals(codes, share, pooled, copies)
        share = _log_densities(codes, weights, means, factors).softmax(1)
    kept = share.sum(0) >= min(FEWEST * copies, float(share.sum(0).max()))
    weights, means, factors = _normals(codes, functional.normalize(share[:, kept], p=1, dim=1), pooled, copies)
    order = weights.argsort(descending=True)
    return weights[order], means[order], factors[order]


def _start(codes: Tensor, number: int, random: torch.Generator) -> Tensor:
    """Return the parts' shares in each code (N, K), each code wholly in the nearest of k-means."""
    centres = codes[torch.randint(len(codes), (1,), generator=random)]
    for _ in range(number - 1):
        far = torch.cdist(codes, centres).amin(1).square() + 1e-12  # all codes may be alike
        centres = torch.cat([centres, codes[torch.multinomial(far, 1, generator=random)]])
    for _ in range(STARTING):
        share = functional.one_hot(torch.cdist(codes, centres).argmin(1), number).to(codes.dtype)
        held = share.sum(0)[:, None]
        centres = torch.where(held > 0, share.T @ codes / held.clamp(min=1), centres)
    return share


def _normals(codes: Tensor, share: Tensor, pooled: Tensor, copies: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the parts that have these shares in the codes (the maximisation)."""
    held, latent = share.sum(0).clamp(min=1e-9), codes.shape[1]
    means = share.T @ codes / held[:, None]
    unit, worth = torch.eye(latent, dtype=codes.dtype), copies * latent / 2
    spreads = []
    for part in range(share.shape[1]):
        apart = codes - means[part]
        scatter = (apart * share[:, part : part + 1]).T @ apart
        spreads.append((scatter + worth * pooled) / (held[part] + worth) + FLOOR * unit)
    return held / held.sum(), means, torch.linalg.cholesky(torch.stack(spreads))


def _log_densities(codes: Tensor, weights: Tensor, means: Tensor, factors: Tensor) -> Tensor:
    """Return the log of each part's weight times its density at the codes (N, K) (for the expectation)."""
    lengths = torch.stack([_lengths(codes - mean, factor) for mean, factor in zip(means, factors, strict=True)], 1)
    volumes = factors.diagonal(dim1=1, dim2=2).log().sum(1)
    constant = codes.shape[1] / 2 * math.log(2 * math.pi)
    found: Tensor = weights.log() - lengths / 2 - volumes - constant
    return found


def _lengths(apart: Tensor, factor: Tensor) -> Tensor:
    """Return the squared lengths (N,) of vectors (N, Z) in units of a normal's deviations."""
    lengths: Tensor = torch.linalg.solve_triangular(factor, apart.T, upper=False).square().sum(0)
    return lengths
