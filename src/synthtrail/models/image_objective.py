"""What the adversarial objectives of images share: pixels kept as bytes, classes drawn more evenly, a last settling.

Rows are uint8 (N, C, H, W), a quarter of what they are as numbers, and become [-1, 1] batch by batch.

`balance` says how evenly classes are drawn for training: 0 as often as they occur, 1 all equally often, and between
the two each by its share to the power of 1 - balance. It concerns real and generated images alike, so what is learnt
of a class stays true; only more is learnt of the rare ones. What is generated later follows the real shares.

    >>> shares = torch.diff(chances(torch.tensor([0, 0, 0, 1]), 1.0), prepend=torch.zeros(1))
    >>> [round(float(share), 4) for share in shares]
    [0.1667, 0.1667, 0.1667, 0.5]
"""

import torch
from torch import Tensor, nn

from synthtrail.models.image_layers import last, settle
from synthtrail.models.objective import Objective, generator_for

SETTLING = 2**43  # the random stream of the last settling
BATCHES, SIZE = 20, 100  # of generated images from which statistics are counted


def chances(classes: Tensor, balance: float) -> Tensor:
    """Return, for each row (N,), the chance that it or one before it is drawn."""
    weight = torch.bincount(classes).double()[classes] ** -balance
    total = weight.cumsum(0)
    return total / total[-1]


class ImageObjective(Objective):
    """Two networks and images. A child gives the losses; its generator takes noise (B, Z) and class numbers (B,)."""

    chances: Tensor

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        rows: Tensor,
        classes: Tensor,
        *,
        noise: int,
        balance: float = 0.0,
    ) -> None:
        super().__init__(generator, critic, rows, classes)
        self.noise, self.balance = noise, balance
        self.register_buffer("chances", chances(classes, balance), persistent=False)

    def pick(self, size: int, random: torch.Generator) -> Tensor:
        """Return `size` row numbers drawn with replacement, classes as evenly as `balance` says."""
        if self.balance == 0:
            return super().pick(size, random)
        drawn = torch.rand(size, generator=random, device=self.rows.device, dtype=torch.float64)
        return torch.searchsorted(self.chances, drawn, right=True).clamp_(max=len(self.rows) - 1)

    def real(self, at: Tensor) -> Tensor:
        """Return the images of these numbers in [-1, 1]."""
        return last(self.rows[at]).float().div_(127.5).sub_(1)

    def drawn(self, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return noise (size, Z) and the classes (size,) of rows drawn as for training."""
        classes = self.classes[self.pick(size, random)]
        return torch.randn(size, self.noise, generator=random, device=classes.device), classes

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated images (size, C, H, W)."""
        images: Tensor = self.generator(*self.drawn(size, random))
        return images

    def settle(self, generator: nn.Module) -> None:
        """Count the statistics of a trained generator, from classes in their real shares."""
        random = generator_for(0, SETTLING, self.rows.device)
        at = (Objective.pick(self, SIZE, random) for _ in range(BATCHES))
        noise = (torch.randn(SIZE, self.noise, generator=random, device=self.rows.device) for _ in range(BATCHES))
        settle(generator, ((z, self.classes[rows]) for z, rows in zip(noise, at, strict=True)))
