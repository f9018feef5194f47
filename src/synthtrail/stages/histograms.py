"""Real against synthetic, column by column, as counts: what can be shown of a table while a model trains.

    {"v": 1, "modality": "tabular", "least": 5, "rows": {"real": 455, "synthetic": 455},
     "columns": [{"name": "age", "kind": "number", "edges": [...], "real": [...], "synthetic": [...],
                  "missing": {"real": 0, "synthetic": 3}},
                 {"name": "sex", "kind": "choice", "labels": ["f", "m", "(other)"], "real": [...], ...}]}

Edges are the same each time, and round numbers, so that no edge is somebody's value; the first and last bin are open.
Of confidential data, cells of fewer than `LEAST` rows are written as 0, and rarer categories go to "(other)".
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import schema as schemas
from synthtrail.data.schema import NUMERIC, Column, Schema

Floats = NDArray[np.float64]

LEAST = 5  # rows in a cell of confidential data
BINS = 20
MOST_COLUMNS = 40
MOST_LABELS = 12
MOST_ROWS = 20_000  # real rows that are counted
OTHER = "(other)"


@dataclass(frozen=True)
class Scale:
    """How one column is counted: by edges, or by labels."""

    column: Column
    edges: Floats | None
    labels: tuple[str, ...] = ()

    def count(self, table: pd.DataFrame) -> tuple[list[int], int]:
        """Return the count of each cell, and of missing values."""
        series = table[self.column.name]
        missing = int(series.isna().sum())
        if self.edges is not None:
            values = schemas.numbers(series.dropna(), self.column).clip(self.edges[0], self.edges[-1])
            return np.histogram(values, self.edges)[0].tolist(), missing
        known = series.dropna().astype(str).value_counts()
        counts = [int(known.get(label, 0)) for label in self.labels[:-1]]
        return [*counts, int(known.sum()) - sum(counts)], missing


class Histograms:
    """The real side, counted once, to lay synthetic rows beside."""

    def __init__(self, real: pd.DataFrame, schema: Schema, *, private: bool) -> None:
        shown = real.iloc[:: max(1, len(real) // MOST_ROWS)][:MOST_ROWS]
        self._least = LEAST if private else 1
        self._scales = [_scale(shown, column, self._least) for column in list(schema)[:MOST_COLUMNS]]
        self._real = [scale.count(shown) for scale in self._scales]
        self._rows = len(shown)

    def beside(self, made: pd.DataFrame) -> dict[str, Any]:
        """Return the JSON value of the module docstring."""
        columns = [
            self._column(scale, *real, *scale.count(made)) for scale, real in zip(self._scales, self._real, strict=True)
        ]
        rows = {"real": self._rows, "synthetic": len(made)}
        return {"v": 1, "modality": "tabular", "least": self._least, "rows": rows, "columns": columns}

    def _column(self, scale: Scale, real: list[int], gaps: int, made: list[int], made_gaps: int) -> dict[str, Any]:
        told: dict[str, Any] = {"name": scale.column.name, "kind": "choice" if scale.edges is None else "number"}
        told |= {"labels": list(scale.labels)} if scale.edges is None else {"edges": scale.edges.tolist()}
        told |= {"real": self._hide(real), "synthetic": self._hide(made)}
        return told | {"missing": dict(zip(("real", "synthetic"), self._hide([gaps, made_gaps]), strict=True))}

    def _hide(self, counts: list[int]) -> list[int]:
        return [count if count >= self._least else 0 for count in counts]


def _scale(real: pd.DataFrame, column: Column, least: int) -> Scale:
    series = real[column.name].dropna()
    if column.kind not in NUMERIC:
        counts = series.astype(str).value_counts()
        common = sorted(counts[counts >= least].index, key=lambda label: (-counts[label], label))[:MOST_LABELS]
        return Scale(column, None, (*common, OTHER))
    values = np.sort(schemas.numbers(series, column))
    if len(values) < 2 * least:
        return Scale(column, np.array([0.0, 1.0]))
    return Scale(column, round_edges(float(values[least - 1]), float(values[-least])))


def round_edges(low: float, high: float, bins: int = BINS) -> Floats:
    """Return about `bins` + 1 evenly spaced round numbers from below `low` to above `high`.

    >>> round_edges(17.2, 90, 5).tolist()
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    span = (high - low) / bins
    if not span > abs(high) * 1e-9:
        return np.array([math.floor(low), math.floor(low) + 1.0])
    power = 10.0 ** math.floor(math.log10(span))
    step = next(power * lead for lead in (1, 2, 5, 10) if power * lead >= span * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return np.round(np.arange(first, max(last, first + 1) + 1) * step, 12)
