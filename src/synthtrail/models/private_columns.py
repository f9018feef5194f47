"""The columns of a table for a network that learns under differential privacy: coarse codes from noisy counts.

The codec that `preprocess` fits knows bins and levels of real rows, so a private network does without it. Its codes
follow from the public schema (`private_domain`), merged by one noisy count of each column, `rho`-zCDP in all: runs of
numbers of about equal weight, rare categories together. Only `count_columns` looks at rows.

    fine codes     of the public codec; what the table is decoded from
    coarse codes   what the network reads and writes, (N, C); `sizes` of each column, its noisy `shares`, its `ranks`
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.data.codec import Codes, TableCodec
from synthtrail.models.private_counts import Taken, groupings_of, noisy
from synthtrail.models.private_domain import Grouping, public_codec
from synthtrail.models.tables import target_index

Floats = NDArray[np.float64]


class PrivateColumns:
    """Coarse codes of a table; stands before `TableModel` in a class, whose codec it replaces."""

    codec: TableCodec
    groupings: list[Grouping]
    taken: list[Taken]  # after a count; not kept in files

    def count_columns(self, rows: pd.DataFrame, rho: float, bins: int) -> Codes:
        """Take the public codec and a noisy count of each column; return the rows' coarse codes (N, C)."""
        self.codec = public_codec(self.codec.schema)
        fine = self.codec.encode(rows)
        each = rho / fine.shape[1]
        counts = [noisy(np.bincount(fine[:, i], minlength=k), each) for i, k in enumerate(self.codec.cardinalities)]
        self.taken = [Taken((i,), True, count) for i, count in enumerate(counts)]
        self.groupings = groupings_of(self.codec, counts, bins)
        return self._merged(fine)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of coarse codes of each column, (C,)."""
        return tuple(grouping.size for grouping in self.groupings)

    def class_shares(self) -> Floats:
        """Return the noisy share of each class (L,), 1 without a target."""
        at = target_index(self.codec)
        if at is None:
            return np.ones(1)
        weight = self.groupings[at].weight
        return np.asarray(weight / weight.sum())

    def shown_classes(self, count: int) -> Tensor:
        """Return about `count` classes in the noisy shares, for samples of a network that still trains."""
        shares = self.class_shares()
        return torch.from_numpy(np.repeat(np.arange(len(shares)), np.rint(shares * count).astype(np.int64)))

    def shares(self) -> Tensor:
        """Return the noisy share of each coarse code in its column, all columns side by side (W,)."""
        parts = []
        for grouping in self.groupings:
            weight = np.bincount(grouping.group, grouping.weight, grouping.size) + 1.0
            parts.append(weight / weight.sum())
        return torch.from_numpy(np.concatenate(parts)).float()

    def ranks(self) -> Tensor:
        """Return each coarse code's place among its column's numbers, from -1 to 1, and whether it has one (W, 2)."""
        parts = []
        for at, grouping in enumerate(self.groupings):
            centres = self.codec.centres(at)
            middles = np.full(grouping.size, np.nan)
            if centres is not None:
                known = ~np.isnan(centres)
                weight = np.bincount(grouping.group[known], minlength=grouping.size)
                sums = np.bincount(grouping.group[known], centres[known], grouping.size)
                middles = np.where(weight > 0, sums / np.maximum(weight, 1), np.nan)
            order = np.argsort(np.argsort(middles)).astype(np.float64)  # NaN comes last
            last = max(1, int((~np.isnan(middles)).sum()) - 1)
            place = np.where(np.isnan(middles), 0.0, 2 * order / last - 1)
            parts.append(np.stack([place, ~np.isnan(middles)], 1))
        return torch.from_numpy(np.concatenate(parts)).float()

    def coded(self, rows: pd.DataFrame) -> Codes:
        """Return the coarse codes of rows (N, C)."""
        return self._merged(self.codec.encode(rows))

    def decoded(self, codes: Codes, rng: np.random.Generator, classes: Codes | None = None) -> pd.DataFrame:
        """Return rows of coarse codes (N, C); the target's fine codes are `classes` (N,), where they are given."""
        fine = np.stack([grouping.spread(codes[:, i], rng) for i, grouping in enumerate(self.groupings)], 1)
        at = target_index(self.codec)
        if at is not None and classes is not None:
            fine[:, at] = classes
        return self.codec.decode(fine, rng)

    def coarse(self, classes: Tensor) -> Tensor:
        """Return the target's coarse codes for its fine ones (N,)."""
        at = target_index(self.codec)
        return classes if at is None else torch.from_numpy(self.groupings[at].group)[classes]

    def _merged(self, fine: Codes) -> Codes:
        return np.stack([grouping.group[fine[:, i]] for i, grouping in enumerate(self.groupings)], 1)


def grouping_state(groupings: list[Grouping]) -> dict[str, Tensor]:
    """Return groupings as named tensors."""
    state = {f"group.{i}": torch.from_numpy(grouping.group) for i, grouping in enumerate(groupings)}
    return state | {f"weight.{i}": torch.from_numpy(grouping.weight) for i, grouping in enumerate(groupings)}


def groupings_from(state: dict[str, Tensor]) -> list[Grouping]:
    """Return what `grouping_state` was given."""
    columns = sum(key.startswith("group.") for key in state)
    return [Grouping(state[f"group.{i}"].numpy(), state[f"weight.{i}"].numpy()) for i in range(columns)]
