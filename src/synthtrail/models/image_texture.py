"""What a decoder leaves out of images, as noise with the right colours and grain: skin without it is smooth like wax.

A decoder that reconstructs gives the mean of all images with a code. What is missing is not learnt image by image, but
as a law of what differs, over all training images: normal noise, of which each spatial frequency has a power and a
covariance of the channels, and which is stronger here and weaker there as the code says.

    images (B, C, H, W) in [-1, 1], codes (B, Z)  ->  images + strength(codes) * noise

`GRID` x `GRID` strengths: by regression of the logarithm of what was left out on the codes, stretched to the picture.
So it has grain and no hairs; edges stay as soft as they are. It moves images away from the average, near which
everything smooth lies, and therefore no nearer to training images than other real images are.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

GRID = 8
LEAST = 1e-5  # added to squared values in [-1, 1] before the logarithm
RIDGE = 10.0  # images' worth of no dependence on the codes


class Texture(nn.Module):
    """The law of what is left out: `strengths` (Z + 1, GRID^2), and of each frequency `colours` (H, W // 2 + 1, C, C).

    `share` (0 to 1) of it is added.
    """

    strengths: Tensor
    colours: Tensor
    share: Tensor

    def __init__(self, channels: int, height: int, width: int, latent: int) -> None:
        super().__init__()
        self.size = (height, width)
        self.register_buffer("strengths", torch.zeros(latent + 1, GRID**2))
        self.register_buffer("colours", torch.zeros(height, width // 2 + 1, channels, channels))
        self.register_buffer("share", torch.ones(()))

    def forward(self, images: Tensor, codes: Tensor, random: torch.Generator) -> Tensor:
        """Return the images with noise of these codes, in [-1, 1]."""
        noise = torch.fft.rfft2(torch.randn(images.shape, generator=random))
        grain = torch.einsum("hwij,bjhw->bihw", self.colours.to(noise.dtype), noise)
        added = torch.fft.irfft2(grain, s=self.size) * self._strong(_one_more(codes) @ self.strengths)
        grained: Tensor = (images + self.share * added).clamp(-1, 1)
        return grained

    def fit(self, left_out: Tensor, codes: Tensor) -> None:
        """Learn the law of what images (N, C, H, W) have beyond their reconstructions from codes (N, Z)."""
        local = functional.adaptive_avg_pool2d(left_out.square().mean(1, keepdim=True), GRID).flatten(1)
        logs, told = (local + LEAST).log().double() / 2, _one_more(codes).double()
        unit = torch.eye(told.shape[1], dtype=torch.float64)
        unit[-1, -1] = 1e-6  # the mean is not drawn to anything
        self.strengths.copy_(torch.linalg.solve(told.T @ told + RIDGE * unit, told.T @ logs).float())
        even = torch.fft.rfft2(left_out / self._strong(logs.float()))
        power = torch.einsum("bihw,bjhw->hwij", even, even.conj()).real.double()
        power /= len(left_out) * self.size[0] * self.size[1]
        floor = LEAST * torch.eye(power.shape[-1], dtype=torch.float64)
        self.colours.copy_(torch.linalg.cholesky(power + floor).float())

    def _strong(self, logs: Tensor) -> Tensor:
        """Return strengths (B, 1, H, W) of their logarithms on the grid (B, GRID^2)."""
        grid = logs.exp().reshape(-1, 1, GRID, GRID)
        return functional.interpolate(grid, size=self.size, mode="bilinear", align_corners=False)


def _one_more(codes: Tensor) -> Tensor:
    return torch.cat([codes, torch.ones(len(codes), 1)], 1)
