"""What an attacker makes of private counts: canaries are rows of nobody, one fit, a score for each.

All rows are drawn evenly from the public schema, so no real row takes part. The attacker knows them all, and for which
canaries a coin was tossed; the noisy counts tell him sums over canaries, from which he estimates each one's coin by
least squares, the noise and the coins' own spread weighed against each other. `dp_audit` turns these scores into an
epsilon; `dp_canaries` does the same for training in steps.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from synthtrail.data.codec import Codes, TableCodec
from synthtrail.models.dp_audit import CANARIES, Flags, Floats, coins, even_codes
from synthtrail.models.private_counts import Taken
from synthtrail.models.private_domain import Grouping
from synthtrail.models.tables import target_index

MOST_ROWS = 20_000  # rows of nobody beside the canaries
SPREAD = 0.25  # variance of a coin

Count = Callable[[pd.DataFrame], tuple[Sequence[Taken], list[Grouping]]]
"""Counts a table's rows with noise; returns the counts, and how codes were merged."""


def attack_counts(codec: TableCodec, rows: int, count: Count) -> tuple[Floats, Flags]:
    """Return scores (M,) and coins (M,) of canaries in the counts of a table of about so many rows."""
    rng = np.random.default_rng()  # the system's randomness: an audit that can be foreseen is none
    inside = coins(CANARIES, rng)
    known, planted = (codec.decode(even_codes(codec, n, rng), rng) for n in (max(1, min(rows, MOST_ROWS)), CANARIES))
    taken, groupings = count(pd.concat([known, planted[inside]], ignore_index=True))
    sides, at = (codec.encode(known), codec.encode(planted)), target_index(codec)
    shared, told = np.eye(CANARIES) / SPREAD, np.zeros(CANARIES)
    for one in taken:
        weight, counts = one.noisy.deviation**-2, one.noisy.counts.ravel()
        base, cells = (cells_of(one, groupings, at, side) for side in sides)
        expected = np.bincount(base, minlength=counts.size) + np.bincount(cells, minlength=counts.size) / 2
        shared += weight * (cells[:, None] == cells)
        told += weight * (counts - expected)[cells]
    return np.linalg.solve(shared, told).astype(np.float64), inside


def cells_of(taken: Taken, groupings: list[Grouping], at: int | None, fine: Codes) -> Codes:
    """Return the cell of the count in which each row of fine codes (N, C) lies (N,)."""
    if taken.fine:
        return fine[:, taken.columns[0]]
    target = np.zeros(len(fine), dtype=np.int64) if at is None else groupings[at].group[fine[:, at]]
    codes = [groupings[i].group[fine[:, i]] for i in taken.columns]
    if taken.maps:
        codes = [to[own] for to, own in zip(taken.maps, codes, strict=True)]
    parts = [target, *codes]
    return np.asarray(np.ravel_multi_index(tuple(parts), taken.noisy.counts.shape), dtype=np.int64)
