"""What the networks of images share: sizes, class-conditional normalisation, and statistics that stand.

Sizes. Images are built from a small picture by doubling, as often as at least `LEAST` pixels remain at the shorter
side: 28 from 7, 48 from 6, 64 and 128 from 4. Where halving leaves a rest, what is built is larger, and its middle is
kept: 50 from 7 by way of 56.

    >>> Plan.of(28, 28), Plan.of(50, 100).start
    (Plan(height=28, width=28, doublings=2), (7, 13))

Batch normalisation makes a training converge, but a running mean of what the generator did while it learnt says little
of its moving average. So once training is over, `settle` counts mean and variance anew from what the averaged
generator makes itself ("standing statistics", Brock et al. 2019, arXiv 1809.11096), and an image never depends on the
batch it is made in.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LEAST = 4  # pixels at the shorter side at which halving stops
WIDEST = 8  # times the width that a layer has at most


@dataclass(frozen=True)
class Plan:
    """How images of a size are built."""

    height: int
    width: int
    doublings: int

    @classmethod
    def of(cls, height: int, width: int) -> "Plan":
        """Return the plan for images of this size."""
        doublings = 0
        while min(height, width) >= LEAST * 2 ** (doublings + 1):
            doublings += 1
        return cls(height, width, doublings)

    @property
    def start(self) -> tuple[int, int]:
        """Height and width of the small picture."""
        return -(-self.height >> self.doublings), -(-self.width >> self.doublings)

    def cropped(self, images: Tensor) -> Tensor:
        """Return the middle (B, C, height, width) of images that may be larger."""
        top, left = (images.shape[2] - self.height) // 2, (images.shape[3] - self.width) // 2
        return images[:, :, top : top + self.height, left : left + self.width]


def features(width: int, halvings: int) -> int:
    """Return the features of a layer whose picture was halved so often: doubled each time, up to `WIDEST` times."""
    return width * min(1 << halvings, WIDEST)


class ClassNorm(nn.Module):
    """Batch normalisation (B, F, H, W), gain and bias by class (de Vries et al. 2017, arXiv 1707.00683)."""

    def __init__(self, count: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(count, affine=False)
        self.gain = nn.Embedding(classes, count)
        self.bias = nn.Embedding(classes, count)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        """Return (B, F, H, W); `classes` are numbers (B,)."""
        return torch.addcmul(self.bias(classes)[:, :, None, None], self.norm(x), self.gain(classes)[:, :, None, None])


def last(images: Tensor) -> Tensor:
    """Return the images with channels last in memory, in which convolutions on a CPU are faster (see `precision`)."""
    return images.contiguous(memory_format=torch.channels_last)


def lay_out(network: nn.Module) -> None:
    """Put a network's convolutions in memory with channels last."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch documents it


def unfolded(features: Tensor, start: tuple[int, int]) -> Tensor:
    """Return pictures (B, F, h, w) of rows (B, h * w * F), with channels last as they lie in memory."""
    return features.view(len(features), *start, -1).permute(0, 3, 1, 2)


@torch.no_grad()
def settle(network: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Count the statistics of every batch normalisation anew from what `network` makes of these inputs."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    network.train()
    for inputs in batches if norms else ():
        network(*inputs)
    network.eval()
