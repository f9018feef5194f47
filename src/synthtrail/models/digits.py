"""Columns with very many codes as two digits each, so that a network's size grows with the root of their number.

    >>> digits = Digits((3, 10_000), most=256)
    >>> digits.sizes, digits.places
    ((3, 100, 100), ((0,), (1, 2)))
    >>> digits.split(torch.tensor([[2, 1234]])).tolist()
    [[2, 12, 34]]
    >>> digits.join(torch.tensor([[2, 12, 34]])).tolist()
    [[2, 1234]]

Where the number of codes is no product of the digits' sizes, some pairs of digits mean nothing; `forbidden` keeps them
from being drawn.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

MOST = 512  # codes of a column that is left whole


class Digits:
    """How C columns of codes become D >= C columns of digits, and back."""

    def __init__(self, cardinalities: tuple[int, ...], most: int = MOST) -> None:
        self.cardinalities = cardinalities
        self.radix = tuple(0 if k <= most else math.ceil(math.sqrt(k)) for k in cardinalities)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each digit, (D,)."""
        return tuple(size for k, r in zip(self.cardinalities, self.radix, strict=True) for size in _sizes(k, r))

    @cached_property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """For each column the numbers of its digits."""
        found: list[tuple[int, ...]] = []
        start = 0
        for radix in self.radix:
            width = 2 if radix else 1
            found.append(tuple(range(start, start + width)))
            start += width
        return tuple(found)

    def split(self, codes: Tensor) -> Tensor:
        """Turn codes (B, C) into digits (B, D)."""
        parts = []
        for column, radix in enumerate(self.radix):
            code = codes[:, column]
            parts += [code // radix, code % radix] if radix else [code]
        return torch.stack(parts, 1)

    def join(self, digits: Tensor) -> Tensor:
        """Turn digits (B, D) into codes (B, C)."""
        parts = []
        for places, radix in zip(self.places, self.radix, strict=True):
            high = digits[:, places[0]]
            parts.append(high * radix + digits[:, places[1]] if radix else high)
        return torch.stack(parts, 1)

    def repeated(self, columns: Tensor) -> Tensor:
        """Turn what is said of columns (B, C) into the same of their digits (B, D)."""
        return torch.repeat_interleave(columns, torch.tensor([len(places) for places in self.places]), dim=1)

    def forbidden(self, digits: Tensor, hidden: Tensor, at: int, without_last: Sequence[int] = ()) -> Tensor:
        """Return 0 for each value (B, K) that digit `at` may take beside what is known, and minus infinity else.

        Of the columns `without_last`, the last code is forbidden too.
        """
        size = self.sizes[at]
        column = next(i for i, places in enumerate(self.places) if at in places)
        radix, last = self.radix[column], self.cardinalities[column] - (column in without_last)
        if not radix:
            return torch.where(torch.arange(size) < last, 0.0, -math.inf)[None]
        high, low = self.places[column]
        values = torch.arange(size)
        if at == low:
            known = torch.where(hidden[:, high], 0, digits[:, high])
            codes = known[:, None] * radix + values
        else:
            known = torch.where(hidden[:, low], 0, digits[:, low])
            codes = values * radix + known[:, None]
        return torch.where(codes < last, 0.0, -math.inf)

    def ranks(self, ranks: Tensor) -> Tensor:
        """Turn a rank for each code of all columns (W,) into one for each digit's value and for "hidden" (V, 2).

        The second figure tells whether there is one: a low digit has none, a high digit the mean of its codes'.
        """
        out: list[list[float]] = []
        start = 0
        for k, radix in zip(self.cardinalities, self.radix, strict=True):
            own = ranks[start : start + k]
            ranked = float(bool(own.abs().sum() > 0))
            if radix:
                means = [float(part.mean()) for part in torch.split(own, radix)]
                out += [[mean, ranked] for mean in means] + [[0.0, 0.0]] * (radix + 2)
            else:
                out += [[float(rank), ranked] for rank in own] + [[0.0, 0.0]]
            start += k
        return torch.tensor(out)


def _sizes(k: int, radix: int) -> tuple[int, ...]:
    return (math.ceil(k / radix), radix) if radix else (k,)
