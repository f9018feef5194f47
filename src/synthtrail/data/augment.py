"""Plain augmentation of images: rotation, scale, shift, flips, light, noise and occlusion, on whole batches, seeded.

A batch is float32 (B, C, H, W) in [0, 1] and stays one. Each image draws its own values, evenly between the two ends:

    rotation    degrees, from -rotation to rotation          scale      size, from 1 - scale to 1 + scale
    shift       share of the side, either way, both axes     flip       mirrored by a coin, on both axes
    light       brightness from -light to light, contrast from 1 - light to 1 + light, the same in every channel
    noise       standard deviation of Gaussian noise, from 0 to noise
    occlusion   a square of grey noise; its side, as a share of the image's, from 0 to occlusion

What moves in from beyond the border repeats the border. A zero leaves its kind out.

    >>> batch = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> augment(batch, Augmentation(rotation=10, noise=0.1), torch.Generator().manual_seed(1)).shape
    torch.Size([4, 1, 8, 8])
    >>> bool((augment(batch, NOTHING, torch.Generator()) == batch).all())
    True
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

PIECE = 500  # images augmented at a time


@dataclass(frozen=True)
class Augmentation:
    """How far each kind goes; see the module docstring. The defaults suit signs that have an up and a left."""

    rotation: float = 12.0
    scale: float = 0.1
    shift: float = 0.08
    light: float = 0.15
    noise: float = 0.05
    occlusion: float = 0.3
    flip: bool = False


SIGNS = Augmentation()
"""For digits, letters, clothes: what is upside down or mirrored means something else, or nothing."""
TISSUE = Augmentation(rotation=180.0, scale=0.2, shift=0.08, light=0.15, noise=0.03, occlusion=0.3, flip=True)
"""For pictures without an up: skin, slides, views from above."""
NOTHING = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def augment(batch: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    """Return the batch (B, C, H, W) in [0, 1] with every kind applied; the same generator state gives the same."""
    if how.flip:
        batch = _flipped(batch, random)
    if how.rotation or how.scale or how.shift:
        batch = _moved(batch, how, random)
    if how.light:
        batch = _lit(batch, how.light, random)
    if how.noise:
        spread = how.noise * torch.rand(len(batch), 1, 1, 1, generator=random)
        batch = batch + spread * torch.randn(batch.shape, generator=random)
    if how.occlusion:
        batch = _occluded(batch, how.occlusion, random)
    return batch.clamp(0, 1)


def augmented(
    pixels: NDArray[np.uint8], labels: Sequence[str] | NDArray[np.object_], count: int, how: Augmentation, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.object_]]:
    """Return `count` augmented images of (N, H, W, C) and their labels; each original is used about equally often."""
    random = torch.Generator().manual_seed(seed)
    rounds = [torch.randperm(len(pixels), generator=random) for _ in range(-(-count // len(pixels)))]
    order = torch.cat(rounds)[:count].numpy()
    out = np.empty((count, *pixels.shape[1:]), np.uint8)
    for start in range(0, count, PIECE):
        rows = order[start : start + PIECE]
        batch = augment(to_batch(pixels[rows]), how, random)
        out[start : start + len(rows)] = (batch * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return out, np.asarray(labels, dtype=object)[order]


def to_batch(pixels: NDArray[np.uint8]) -> Tensor:
    """Return pixels (B, H, W, C) as float32 (B, C, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div_(255)


def _between(low: float, high: float, count: int, random: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=random)


def _flipped(batch: Tensor, random: torch.Generator) -> Tensor:
    for axis in (2, 3):
        coin = torch.rand(len(batch), 1, 1, 1, generator=random) < 0.5
        batch = torch.where(coin, batch.flip(axis), batch)
    return batch


def _moved(batch: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    count = len(batch)
    angle = _between(-how.rotation, how.rotation, count, random) * (math.pi / 180)
    size = _between(1 - how.scale, 1 + how.scale, count, random)
    across, down = (2 * _between(-how.shift, how.shift, count, random) for _ in range(2))
    cos, sin = angle.cos() / size, angle.sin() / size
    # Where each pixel of the result is fetched from, so the inverse of what the image undergoes.
    rows = torch.stack([torch.stack([cos, sin, -across], 1), torch.stack([-sin, cos, -down], 1)], 1)
    grid = functional.affine_grid(rows, list(batch.shape), align_corners=False)
    return functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)


def _lit(batch: Tensor, light: float, random: torch.Generator) -> Tensor:
    count = len(batch)
    contrast = _between(1 - light, 1 + light, count, random).view(-1, 1, 1, 1)
    brightness = _between(-light, light, count, random).view(-1, 1, 1, 1)
    middle = batch.mean((1, 2, 3), keepdim=True)
    return (batch - middle) * contrast + middle + brightness


def _occluded(batch: Tensor, most: float, random: torch.Generator) -> Tensor:
    count, _, height, width = batch.shape
    side = _between(0, most, count, random)
    masks = []
    for length in (height, width):
        wide = (side * length).round()
        first = (torch.rand(count, generator=random) * (length - wide + 1)).floor()
        at = torch.arange(length)
        masks.append((at >= first[:, None]) & (at < (first + wide)[:, None]))
    hidden = (masks[0][:, :, None] & masks[1][:, None, :])[:, None]
    return torch.where(hidden, torch.rand(count, 1, height, width, generator=random), batch)
