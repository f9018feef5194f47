"""Conditions in a codec's own terms: which codes meet them, and a codec that decodes only into what was asked for.

A range cuts through the bins at its ends. Such a bin meets it by the share of it that lies inside, as rows in a bin
are taken to lie evenly; and in the codec that comes back the bin ends where the range does.

    >>> from synthtrail.data.conditions import parse
    >>> from synthtrail.data.schema import infer
    >>> table = pd.DataFrame({"age": range(20, 60)})
    >>> codec = TableCodec.fit(table, infer(table), bins=4)     # 20-29, 30-39, 40-49, 50-59
    >>> narrow, shares = narrowed(codec, parse({"age": "45..52"}, codec.schema).filters)
    >>> shares[0].tolist()
    [0.0, 0.0, 0.5, 0.3]
    >>> sorted(set(narrow.decode(np.full((99, 1), 3), np.random.default_rng(0))["age"]))
    [50, 51, 52]
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd  # noqa: F401 - used by the example
from numpy.typing import NDArray

from synthtrail.data.codec import ColumnCodec, TableCodec
from synthtrail.data.conditions import Filter, OneOf, Within

Floats = NDArray[np.float64]


def narrowed(codec: TableCodec, filters: Sequence[Filter]) -> tuple[TableCodec, dict[int, Floats]]:
    """Return the codec that decodes into what the filters keep, and by column the share of each code (K,) they keep.

    Codes of which nothing is kept decode to anything; they are not to be drawn.
    """
    columns, shares = list(codec.columns), dict[int, Floats]()
    for item in filters:
        at = codec.schema.names.index(item.column.name)
        narrow = _within if isinstance(item, Within) else _one_of
        columns[at], own = narrow(columns[at], item)  # type: ignore[arg-type]
        shares[at] = own * shares.get(at, 1.0)
    return replace(codec, columns=tuple(columns)), shares


def _within(codec: ColumnCodec, item: Within) -> tuple[ColumnCodec, Floats]:
    digits = item.column.decimals if item.column.kind == "continuous" else (item.column.decimals or 0)
    reach = 0.0 if digits is None else 0.5 * 10.0**-digits  # a number on a grid owns half a step on either side
    values, edges = np.asarray(codec.values, dtype=np.float64), np.asarray(codec.edges, dtype=np.float64)
    inner = edges.clip(item.low - reach, item.high + reach)
    kept = np.diff(codec.spread(inner)) / np.diff(codec.spread(edges)) if codec.bins else np.zeros(0)
    whole = ((values >= item.low) & (values <= item.high)).astype(np.float64)
    return replace(codec, edges=tuple(inner.tolist())), np.concatenate([whole, kept, np.zeros(int(codec.missing))])


def _one_of(codec: ColumnCodec, item: OneOf) -> tuple[ColumnCodec, Floats]:
    own = np.array([value in item.values for value in codec.values], dtype=np.float64)
    if not codec.tail:
        return codec, np.concatenate([own, np.zeros(int(codec.missing))])
    asked = np.array([value in item.values for value in codec.tail])
    weights = np.asarray(codec.weights, dtype=np.int64)
    kept = weights * asked
    share = kept.sum() / weights.sum()
    narrow = replace(codec, weights=tuple(kept.tolist())) if share else codec
    return narrow, np.concatenate([own, [share], np.zeros(int(codec.missing))])
