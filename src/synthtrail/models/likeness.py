"""How alike the codes of one column are, so that what is seen of a number's code tells of its neighbours too.

>>> alike = likeness(np.array([10.0, 20.0, np.nan]), near=1.0)
>>> (100 * alike).round().int().tolist()
[[62, 38, 0], [38, 62, 0], [0, 0, 100]]
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FAR = 1e6  # codes away from all others


def likeness(centres: NDArray[np.float64] | None, near: float) -> Tensor | None:
    """Return how alike the codes of a number are (K, K), None of words: rows of sum 1.

    Each row is a normal curve over the order of `centres`, `near` codes wide. A code for missing, whose centre is no
    number, is like none other.
    """
    if centres is None:
        return None
    places = np.argsort(np.argsort(centres)).astype(np.float64)
    places[np.isnan(centres)] = FAR
    curves = np.exp(-0.5 * ((places[:, None] - places) / near) ** 2)
    return torch.from_numpy(curves / curves.sum(1, keepdims=True)).float()
