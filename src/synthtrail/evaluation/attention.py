"""Where a classifier looks: Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391).

The maps of the last convolution, weighted by the mean gradient of a class's logit with respect to each, summed, what is
negative cut off, enlarged to the image's size, and divided by its maximum:

    heat = attention(judge, pixels, ["7", "7", "1"])     # float32 (N, H, W) in [0, 1]; 0 where nothing speaks for it
    overlaid(pixels, heat)                               # uint8 (N, H, W, 3): grey image, heat in red
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from synthtrail.evaluation.classifier import LOOKED_AT, Classifier, threads

WARM = np.array([255.0, 60.0, 0.0])


def attention(judge: Classifier, pixels: NDArray[np.uint8], classes: Sequence[str]) -> NDArray[np.float32]:
    """Return for each image (N, H, W, C) what speaks for the class named with it, (N, H, W).

    Raises `ValueError` for a class that the classifier does not know.
    """
    strange = sorted(set(classes) - set(judge.classes))
    if strange:
        raise ValueError(f"class {strange[0]!r} is none of the classifier's: {', '.join(judge.classes)}")
    numbers = torch.tensor([judge.classes.index(name) for name in classes])
    out = np.empty(pixels.shape[:3], np.float32)
    for at in range(0, len(pixels), LOOKED_AT):
        rows = slice(at, at + LOOKED_AT)
        out[rows] = _attention(judge, pixels[rows], numbers[rows])
    return out


def _attention(judge: Classifier, pixels: NDArray[np.uint8], numbers: torch.Tensor) -> NDArray[np.float32]:
    with threads(judge.threads), torch.enable_grad():
        maps = judge.network.maps(judge.scaled(pixels)).detach().requires_grad_(True)
        chosen = judge.network.head(maps).gather(1, numbers[:, None]).sum()
        (slope,) = torch.autograd.grad(chosen, maps)
        heat = functional.relu((slope.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True))
        large = functional.interpolate(heat, size=pixels.shape[1:3], mode="bilinear", align_corners=False)[:, 0]
    top = large.amax((1, 2), keepdim=True)
    found: NDArray[np.float32] = torch.where(top > 0, large / top.clamp(min=1e-12), 0.0).numpy()
    return found


def overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return images (N, H, W, C) in grey with the heat (N, H, W) in red over them, uint8 (N, H, W, 3)."""
    grey = pixels.mean(axis=3, keepdims=True).repeat(3, axis=3)
    share = 0.65 * heat[..., None]
    mixed: NDArray[np.uint8] = (grey * (1 - share) + WARM * share).round().astype(np.uint8)
    return mixed
