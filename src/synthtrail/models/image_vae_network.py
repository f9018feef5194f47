"""The networks of `image_vae`: an encoder and a decoder that know the class.

With F = `width` features, images (B, C, H, W) that halve k times (see `image_layers`), F_i = F * min(2^i, 8):

    encoder   k strided 3x3 convolutions to F_1 ... F_k features, group normalisation, SiLU
              -> beside the one-hot class -> mean and log-variance of the code (B, 2Z)
    decoder   code and one-hot class -> (B, F_k, h, w), k times: 3x3 convolution to F_i, group normalisation, SiLU,
              doubled -> 3x3 convolution -> logits (B, C, H, W) of the pixels between black (0) and white (1)

Group instead of batch normalisation, and convolutions that are not transposed: so every image has a gradient of its
own whose length can be told, as differential privacy wants it (`dp_training`).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.models.image_layers import Plan, features, last, lay_out, unfolded

GROUPS = 4


class ImageVae(nn.Module):
    """Encoder and decoder of the module docstring."""

    def __init__(self, plan: Plan, channels: int, width: int, latent: int, classes: int) -> None:
        super().__init__()
        self.plan, self.classes, self.latent = plan, classes, latent
        sizes = [features(width, level) for level in range(plan.doublings + 1)]
        downs = [_step(a, b, stride=2) for a, b in pairwise([channels, *sizes[1:]])]
        self.downs = nn.Sequential(*(downs or [_step(channels, sizes[0], stride=1)]))
        height, wide = plan.height, plan.width
        for _ in downs:
            height, wide = (height + 1) // 2, (wide + 1) // 2
        self.code = nn.Linear(sizes[-1] * height * wide + classes, 2 * latent)
        self.first = nn.Linear(latent + classes, sizes[-1] * plan.start[0] * plan.start[1])
        ups = [nn.Sequential(_step(a, b, stride=1), nn.Upsample(scale_factor=2)) for a, b in pairwise(sizes[::-1])]
        self.ups = nn.Sequential(*ups)
        self.last = nn.Conv2d(sizes[0], channels, 3, padding=1)
        lay_out(self)

    def encode(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance (B, Z) each of the codes of images (B, C, H, W) in [0, 1]."""
        h = self.downs(last(images) * 2 - 1).flatten(1)
        mean, spread = self.code(torch.cat([h, self._one_hot(classes)], 1)).chunk(2, 1)
        return mean, spread.clamp(-10, 4)

    def decode(self, codes: Tensor, classes: Tensor) -> Tensor:
        """Return logits (B, C, H, W) of codes (B, Z)."""
        h = self.first(torch.cat([codes, self._one_hot(classes)], 1))
        return self.plan.cropped(self.last(self.ups(unfolded(h, self.plan.start))))

    def _one_hot(self, classes: Tensor) -> Tensor:
        return functional.one_hot(classes, self.classes).float()

    def forward(self, images: Tensor, classes: Tensor, jitter: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of the images, drawn by the standard normal `jitter` (B, Z), and their codes' distribution."""
        mean, spread = self.encode(images, classes)
        return self.decode(mean + torch.exp(spread / 2) * jitter, classes), mean, spread


def _step(inputs: int, outputs: int, stride: int) -> nn.Module:
    groups = GROUPS if outputs % GROUPS == 0 else 1
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.GroupNorm(groups, outputs), nn.SiLU()
    )


def packed(pixels: Tensor, classes: Tensor) -> Tensor:
    """Return images (N, C, H, W) uint8 and their class numbers as rows of bytes (N, C * H * W + 2)."""
    two = torch.stack([classes // 256, classes % 256], 1).to(torch.uint8)
    return torch.cat([pixels.flatten(1), two], 1)


def unpacked(rows: Tensor, channels: int, plan: Plan) -> tuple[Tensor, Tensor]:
    """Return images (B, C, H, W) in [0, 1] and class numbers (B,) of what `packed` gave."""
    images = rows[:, :-2].view(-1, channels, plan.height, plan.width).float().div_(255)
    return images, rows[:, -2].long() * 256 + rows[:, -1].long()
