"""Differentiable augmentation: what the critic sees of real and of generated images is changed at random alike.

So it cannot learn a few thousand images by heart, and since the change passes gradients, the generator still learns
the images as they are (Zhao et al. 2020, arXiv 2006.10738). Three changes, in this order, to images (B, C, H, W) in
[-1, 1], each image with draws of its own:

    colour        brightness -0.5 ... 0.5; in colour images saturation 0 ... 2; contrast 0.5 ... 1.5
    translation   up to an eighth of the side each way; grey (0) moves in
    cutout        a grey square of half the side, anywhere, partly outside too

`share` of the images are changed, the others left alone: what is only sometimes changed cannot be mistaken for a
property of the images (Karras et al. 2020, arXiv 2006.06676).

    >>> images = torch.zeros(2, 1, 28, 28)
    >>> changed(images, 0.0, torch.Generator()) is images
    True
    >>> changed(images, 1.0, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 28, 28])
"""

import torch
from torch import Tensor

BRIGHTNESS = 0.5  # either way, of the 2 from black to white
SHIFT = 1 / 8  # of the side
HOLE = 1 / 2  # of the side


def changed(images: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Return the images with about `share` of them changed in all three ways."""
    if share == 0:
        return images
    kept = _uniform(images, random) >= share
    return torch.where(kept, images, cutout(translation(colour(images, random), random), random))


def colour(images: Tensor, random: torch.Generator) -> Tensor:
    """Change brightness, saturation and contrast; values may leave [-1, 1]."""
    brighter = images + (2 * _uniform(images, random) - 1) * BRIGHTNESS
    if images.shape[1] > 1:
        grey = brighter.mean(1, keepdim=True)
        brighter = grey + (brighter - grey) * 2 * _uniform(images, random)
    middle = brighter.mean((1, 2, 3), keepdim=True)
    return middle + (brighter - middle) * (0.5 + _uniform(images, random))


def translation(images: Tensor, random: torch.Generator) -> Tensor:
    """Shift each image by whole pixels.

    By products with shifted unit matrices, whose gradients are the same every time on a GPU too, as those of
    scattered reads are not.
    """
    down, across = (_shifts(images, side, random) for side in images.shape[2:])
    return torch.einsum("bij,bcjk,blk->bcil", down, images, across)


def _shifts(images: Tensor, side: int, random: torch.Generator) -> Tensor:
    """Return a matrix (side, side) for each image that moves its lines."""
    most = round(side * SHIFT)
    by = torch.randint(-most, most + 1, (len(images), 1, 1), generator=random, device=images.device)
    line = torch.arange(side, device=images.device)
    return (line[:, None] + by == line).to(images.dtype)


def cutout(images: Tensor, random: torch.Generator) -> Tensor:
    """Blank a square of each image."""
    down, across = (_stripes(images, side, random) for side in images.shape[2:])
    return images.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0.0)


def _stripes(images: Tensor, side: int, random: torch.Generator) -> Tensor:
    """Return which lines (B, side) lie in a stripe around a point of each image."""
    middle = torch.rand(len(images), 1, generator=random, device=images.device) * side
    line = torch.arange(side, device=images.device) + 0.5
    return (line - middle).abs() < side * HOLE / 2


def _uniform(images: Tensor, random: torch.Generator) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, generator=random, device=images.device)
