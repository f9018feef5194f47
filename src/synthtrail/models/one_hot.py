"""Rows of codes as one-hot vectors side by side, and what the codes of numbers stand for.

With K_c codes in column c of C, a row is W = sum of K_c wide:

    >>> Layout((2, 3), target=None).one_hot(torch.tensor([[1, 2]])).tolist()
    [[0.0, 1.0, 0.0, 0.0, 1.0]]
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.data.codec import TableCodec


class Layout(nn.Module):
    """Where each column's codes lie among the W one-hot positions.

    Columns are spread onto a rectangle (B, C, K), K being the largest cardinality, so that one softmax serves all.
    """

    slots: Tensor

    def __init__(self, cardinalities: tuple[int, ...], target: int | None) -> None:
        super().__init__()
        self.cardinalities, self.target = cardinalities, target
        self.width, self.largest = sum(cardinalities), max(cardinalities)
        slots = [torch.arange(k) + self.largest * i for i, k in enumerate(cardinalities)]
        self.register_buffer("slots", torch.cat(slots), persistent=False)

    def spread(self, logits: Tensor) -> Tensor:
        """Turn logits (B, W) into (B, C, K), positions without a code at -1e9."""
        flat = logits.new_full((len(logits), len(self.cardinalities) * self.largest), -1e9)
        return flat.index_copy(1, self.slots, logits).view(len(logits), -1, self.largest)

    def one_hot(self, codes: Tensor) -> Tensor:
        """Turn codes (B, C) into one-hot rows (B, W)."""
        return functional.one_hot(codes, self.largest).flatten(1)[:, self.slots].float()

    def codes(self, rows: Tensor) -> Tensor:
        """Turn one-hot rows (B, W) into codes (B, C)."""
        return self.spread(rows).argmax(2)


def gumbel(like: Tensor, random: torch.Generator) -> Tensor:
    """Return standard Gumbel noise of the shape of `like`."""
    uniform = torch.rand(like.shape, generator=random, device=like.device)
    # In place: at a batch of 8,192 rows, fresh memory for each step costs as much as the step.
    return uniform.clamp_(1e-9, 1 - 1e-7).log_().neg_().log_().neg_()


def ranks_of_codes(codec: TableCodec) -> tuple[Tensor, Tensor]:
    """Return (W, M) twice: the rank of each code within its numeric column, from -sqrt(3) to sqrt(3) so that the
    deviation is about 1, and a mask of the codes that have one; missing has none.
    """
    ranks: list[np.ndarray[Any, Any]] = []
    width, start = sum(codec.cardinalities), 0
    for at, cardinality in enumerate(codec.cardinalities):
        centres = codec.centres(at)
        if centres is not None:
            order = np.argsort(np.argsort(centres)).astype(np.float64)  # NaN comes last
            last = max(1, int((~np.isnan(centres)).sum()) - 1)
            column = np.full(width, np.nan)
            column[start : start + cardinality] = np.where(np.isnan(centres), np.nan, (2 * order / last - 1) * 3**0.5)
            ranks.append(column)
        start += cardinality
    table = torch.from_numpy(np.stack(ranks, 1) if ranks else np.zeros((width, 0))).float()
    return table.nan_to_num(0.0), (~table.isnan()).float()


def numbers_of_codes(codec: TableCodec, rows: Tensor) -> Tensor:
    """Return (W, M): what each code stands for in each of the M numeric columns, standardised over the rows (N, C)."""
    width, columns, start = sum(codec.cardinalities), [], 0
    for at, cardinality in enumerate(codec.cardinalities):
        centres = codec.centres(at)
        if centres is not None:
            values = centres[rows[:, at].numpy()]
            known = values[~np.isnan(values)]
            mean, deviation = (known.mean(), known.std() or 1.0) if known.size else (0.0, 1.0)
            column = np.zeros(width)
            column[start : start + cardinality] = np.nan_to_num((centres - mean) / deviation)
            columns.append(column)
        start += cardinality
    return torch.from_numpy(np.stack(columns, 1) if columns else np.zeros((width, 0))).float()
