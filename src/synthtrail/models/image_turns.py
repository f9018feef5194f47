"""Turned and mirrored images, for pictures that have no up and no left: tissue, or ground seen from above.

A square can lie in 8 ways, another rectangle in 4. A way is a number: bit 0 mirrors left and right, bit 1 top and
bottom, bit 2 swaps rows and columns.

    >>> image = torch.tensor([[0, 1], [2, 3]]).reshape(1, 1, 2, 2)
    >>> [turned(image, torch.tensor([way])).flatten().tolist() for way in (0, 1, 2, 4)]
    [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [0, 2, 1, 3]]
"""

import torch
from torch import Tensor


def ways(height: int, width: int) -> int:
    """Return in how many ways an image of this size can lie."""
    return 8 if height == width else 4


def turned(images: Tensor, how: Tensor) -> Tensor:
    """Return images (B, C, H, W), each laid the way (B,) that is said."""
    for bit, dimension in ((1, 3), (2, 2)):
        if bool((how & bit).any()):
            images = torch.where(_asked(how, bit), images.flip(dimension), images)
    if images.shape[2] == images.shape[3] and bool((how & 4).any()):
        images = torch.where(_asked(how, 4), images.transpose(2, 3), images)
    return images


def _asked(how: Tensor, bit: int) -> Tensor:
    return (how & bit).bool().reshape(-1, 1, 1, 1)


def at_random(images: Tensor, number: int, random: torch.Generator) -> Tensor:
    """Return images (B, C, H, W), each laid in one of the first `number` ways; nothing is drawn where there is one."""
    if number == 1:
        return images
    return turned(images, torch.randint(number, (len(images),), generator=random, device=images.device))
