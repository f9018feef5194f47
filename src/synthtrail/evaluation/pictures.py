"""Images as PNG and GIF bytes: sheets of many, and films of pictures of one size.

png(tiled(pixels, 8))         # eight in a row, a pixel apart
film([first, second])         # PNG bytes -> an animated GIF
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def png(pixels: Pixels) -> bytes:
    """Return pixels (H, W, C) as PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, format="PNG", optimize=True)
    return out.getvalue()


def tiled(images: Pixels, wide: int) -> Pixels:
    """Return images (N, H, W, C) side by side on white, `wide` in a row, a pixel apart, as one picture (R, S, C).

    >>> tiled(np.zeros((5, 4, 4, 1), np.uint8), 3).shape
    (11, 16, 1)
    """
    count, height, width, channels = images.shape
    rows = max(1, -(-count // wide))
    sheet = np.full((rows * (height + 1) + 1, wide * (width + 1) + 1, channels), 255, np.uint8)
    for at, image in enumerate(images):
        top, left = at // wide * (height + 1) + 1, at % wide * (width + 1) + 1
        sheet[top : top + height, left : left + width] = image
    return sheet
