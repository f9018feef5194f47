"""Images as rows of numbers, small enough that distances between all of them can be taken.

>>> shrink(np.full((2, 28, 28, 1), 255, np.uint8), 16).shape
(2, 196)
"""

import numpy as np
from numpy.typing import NDArray

SMALL_SIDE = 16  # pixels a side at most, of images as distances see them
PIECE = 2_000  # images shrunk at a time: the means are taken in double precision


def shrink(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float64]:
    """Return images (N, H, W, C) as rows of brightness in [0, 1], block means making each side at most `side` long."""
    count, height, width, channels = pixels.shape
    block = max(1, -(-max(height, width) // side))
    high, wide = max(1, height // block), max(1, width // block)
    tall, broad = (block if height >= block else height), (block if width >= block else width)
    cut = pixels[:, : high * tall, : wide * broad].reshape(count, high, tall, wide, broad, channels)
    return np.asarray(cut.mean(axis=(2, 4)).reshape(count, -1) / 255.0, dtype=np.float64)


def small(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images (N, H, W, C) as distances see them, float32 (N, D); as many as there are, in bounded memory.

    >>> round(float(small(np.full((1, 4, 4, 3), 51, np.uint8))[0, 0]), 6)
    0.2
    """
    parts = [shrink(pixels[at : at + PIECE], SMALL_SIDE).astype(np.float32) for at in range(0, len(pixels), PIECE)]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def levels(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how often each of the 256 levels occurs in each channel of images (N, H, W, C), (C, 256).

    >>> levels(np.full((2, 3, 4, 1), 7, np.uint8))[0, 7].item()
    24
    """
    counts = np.zeros((pixels.shape[3], 256), np.int64)
    for at in range(0, len(pixels), PIECE):
        for channel in range(len(counts)):
            counts[channel] += np.bincount(pixels[at : at + PIECE, ..., channel].ravel(), minlength=256)
    return counts
