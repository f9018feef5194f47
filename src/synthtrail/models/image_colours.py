"""How far colours are from each other, measured by how much the colours of an image set differ.

In pictures of one kind of thing red, green and blue rise and fall together. What is left, a hue, varies a hundredth as
much, and may be what tells one kind from another: of skin lesions, whether a spot is brown or blue. A loss that counts
each channel by itself all but ignores it. So differences are also taken along the principal axes of the colours, each
in units of its own deviation (Mahalanobis distance):

    apart(a, b) = mean over pixels and axes of (colours @ (a - b))^2,      colours = D^-1/2 U^T,  cov = U D U^T

    >>> red_and_green = torch.tensor([[0, 0, 9], [200, 190, 9], [100, 110, 9]], dtype=torch.uint8)[:, :, None, None]
    >>> colours = colours_of(red_and_green)
    >>> at = torch.zeros(1, 3, 1, 1)
    >>> hue, light = (torch.tensor(value).reshape(1, 3, 1, 1) for value in ([0.1, -0.1, 0.0], [0.1, 0.1, 0.0]))
    >>> bool(apart(hue, at, colours) > 50 * apart(light, at, colours))
    True
"""

import torch
from torch import Tensor

LEAST = (4 / 127.5) ** 2  # variance that an axis has at least: four levels, below which there is little but noise
MOST_PIXELS = 1_000_000  # of which the covariance is taken


def colours_of(images: Tensor) -> Tensor:
    """Return the whitening (C, C) of the colours of images (N, C, H, W) uint8, as they are in [-1, 1]."""
    step = max(1, images.numel() // images.shape[1] // MOST_PIXELS)
    pixels = images.movedim(1, -1).reshape(-1, images.shape[1])[::step].double().div(127.5).sub(1)
    variance, axes = torch.linalg.eigh(torch.cov(pixels.T, correction=0).reshape(images.shape[1], -1))
    whitening: Tensor = (axes / variance.clamp(min=LEAST).sqrt()).T.float().contiguous()
    return whitening


def apart(images: Tensor, others: Tensor, colours: Tensor) -> Tensor:
    """Return the mean squared distance of images (B, C, H, W) in [-1, 1] along the axes of `colours`."""
    return torch.einsum("ij,bjhw->bihw", colours, images - others).square().mean()
