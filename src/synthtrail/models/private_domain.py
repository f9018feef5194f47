"""What a differentially private generator may know of a table beforehand: its schema, which is declared public.

Column names, kinds, ranges, decimals, categories and whether values can be missing are taken as public knowledge; the
record and the report of a private model say so. No edge of a bin depends on a row: a number's range is cut into cells
of equal width. What else a schema tells (shares of missing values, how numbers lie) is left out of it.

    fine codes     categories, integers or equal cells, missing: what a private count is taken of, column by column
    coarse codes   runs of fine codes, merged by their noisy counts until each weighs something
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthtrail.data.codec import ColumnCodec, TableCodec
from synthtrail.data.schema import NUMERIC, Column, Schema, bounds
from synthtrail.models.errors import ModelError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CELLS = 256  # fine codes of a number's range
SOME = 0.5  # stands for any share other than none and all


def public_codec(schema: Schema) -> TableCodec:
    """Return a codec whose codes follow from the public part of the schema alone."""
    safe = public_schema(schema)
    return TableCodec(safe, tuple(_public(column) for column in safe))


def public_schema(schema: Schema) -> Schema:
    """Return the schema without what is measured on rows; `ModelError` if one of its rules lists combinations of rows.

    Dates, categories, ranges and decimals stay: they are declared public.
    """
    if schema.combinations:
        names = ", ".join(schema.combinations[0].columns)
        raise ModelError(
            f"the constraint `together: [{names}]` lists combinations of real rows, which a private model cannot "
            "protect; leave it out, or take a synthesizer without differential privacy"
        )
    columns = tuple(replace(c, missing_rate=_some(c.missing_rate), shape="") for c in schema)
    keys = tuple(replace(key, distinct=1.0, missing_rate=0.0) for key in schema.identifiers)
    return replace(schema, columns=columns, identifiers=keys)


def _some(share: float) -> float:
    return share if share in (0.0, 1.0) else SOME


def _public(column: Column) -> ColumnCodec:
    missing = column.missing_rate > 0
    if column.kind not in NUMERIC:
        return ColumnCodec(column.categories, (), missing)
    if column.minimum is None or column.maximum is None:
        return ColumnCodec((), (), missing)
    low, high = bounds(column)
    if low == high:
        return ColumnCodec((low,), (), missing)
    if column.kind == "integer" and high - low < CELLS:
        return ColumnCodec(tuple(float(v) for v in range(int(low), int(high) + 1)), (), missing)
    zero = (0.0,) if low <= 0 <= high else ()  # amounts are often nothing at all
    return ColumnCodec(zero, tuple(np.linspace(low, high, CELLS + 1).tolist()), missing)


@dataclass(frozen=True)
class Grouping:
    """How fine codes of one column are merged: `group[fine]` is the coarse code; `weight` the noisy fine counts."""

    group: Ints
    weight: Floats

    @property
    def size(self) -> int:
        """Number of coarse codes."""
        return int(self.group.max()) + 1

    def spread(self, coarse: Ints, rng: np.random.Generator) -> Ints:
        """Draw a fine code for each coarse one."""
        order = np.argsort(self.group, kind="stable")
        sums = np.cumsum(self.weight[order])
        ends = np.cumsum(np.bincount(self.group, minlength=self.size))
        high = sums[ends - 1]
        low = np.concatenate([[0.0], high[:-1]])
        drawn = low[coarse] + rng.random(len(coarse)) * (high - low)[coarse]
        place = np.searchsorted(sums, drawn, side="right")  # a cell without weight is never met
        first = np.concatenate([[0], ends[:-1]])
        return np.asarray(order[np.clip(place, first[coarse], ends[coarse] - 1)])


def merge(noisy: Floats, column: Column, *, missing: bool, most: int, floor: float) -> Grouping:
    """Group the fine codes of a column by their noisy counts (K,): at most about `most` groups of at least `floor`.

    Numbers are merged with their neighbours; the rarer categories with one another. Missing stays alone.
    """
    own = len(noisy) - missing
    if column.kind in NUMERIC:
        group = _runs(noisy[:own], max(floor, noisy[:own].sum() / most))
    else:
        group = _rare(noisy[:own], most, floor)
    if missing:
        group = np.append(group, group.max() + 1 if own else 0)
    weight = np.zeros(len(noisy))
    for number in range(group.max() + 1):
        part = group == number
        weight[part] = _projected(noisy[part], max(float(noisy[part].sum()), 1.0))
    return Grouping(group, weight)


def _projected(noisy: Floats, total: float) -> Floats:
    """Return the counts nearest to `noisy` (K,) that are not negative and add up to `total`."""
    ordered = np.sort(noisy)[::-1]
    over = np.cumsum(ordered) - total
    used = np.flatnonzero(ordered - over / np.arange(1, len(noisy) + 1) > 0)[-1]
    return np.asarray(np.maximum(noisy - over[used] / (used + 1), 0.0))


def _runs(counts: Floats, least: float) -> Ints:
    group = np.zeros(len(counts), dtype=np.int64)
    at, held = 0, 0.0
    for i, count in enumerate(counts):
        if held >= least or (i > 0 and group[i - 1] == at and count >= least):
            at, held = at + 1, 0.0
        group[i] = at
        held += count
    if held < least / 2 and at:
        group[group == at] = at - 1
    return group


def _rare(counts: Floats, most: int, floor: float) -> Ints:
    rare = counts < floor
    rare[np.argsort(-counts, kind="stable")[most - 1 :]] |= len(counts) > most
    if rare.sum() < 2:
        return np.arange(len(counts), dtype=np.int64)
    group = np.zeros(len(counts), dtype=np.int64)
    group[~rare] = np.arange((~rare).sum())
    group[rare] = (~rare).sum()
    return group
