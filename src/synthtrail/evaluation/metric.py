"""What a measurement is, and what a score says.

A `Metric` compares training data, holdout and synthetic data and gives one `Score` for each `Scale` that it declares:
always all of them. What cannot be measured (a constant column, no target, two rows) has the value `None` and a note
that says why in words; nothing vanishes. A scale says which way is better and what its two ends mean.

    >>> scale = Scale("row_ratio", "Rows made per training row", "middle", "none or far too many", "1: as many")
    >>> def measure(train, holdout, synthetic, schema, rng):
    ...     return {"row_ratio": Reading(len(synthetic) / len(train))}
    >>> metric = Metric("size", "fidelity", (scale,), measure)
    >>> metric.compute([1, 2], [3], [4, 5, 6], None, np.random.default_rng(0))[0].value
    1.5

A metric draws from the generator it is given, never from a global one; `generator` makes one per metric from the
seed, so that adding a metric leaves the others' figures as they were.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np

Aspect = Literal["fidelity", "utility", "privacy", "fairness"]
Better = Literal["higher", "lower", "middle"]

Data = TypeVar("Data")
Shape = TypeVar("Shape")


class UnmeasurableError(Exception):
    """These data do not allow this measurement; the message says why, in words for the report."""


@dataclass(frozen=True)
class Scale:
    """How one number is to be read: its name, which way is better, and what its worst and best ends mean."""

    name: str
    title: str
    better: Better
    worst: str
    best: str


@dataclass(frozen=True)
class Reading:
    """What was measured on one scale: the value, a remark in words, and its parts (by column, by model)."""

    value: float | None
    note: str = ""
    detail: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """One reading on its scale. `value` is `None` if it could not be measured; then `note` says why."""

    aspect: Aspect
    scale: Scale
    value: float | None
    note: str = ""
    detail: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The scale's name, by which thresholds and the flat metrics call this score."""
        return self.scale.name


Measure = Callable[[Data, Data, Data, Shape, np.random.Generator], Mapping[str, Reading]]


@dataclass(frozen=True)
class Metric(Generic[Data, Shape]):
    """A measurement that gives one score on each of its `scales`.

    `measure` returns a reading by scale name, or raises `UnmeasurableError`.
    """

    name: str
    aspect: Aspect
    scales: tuple[Scale, ...]
    measure: Measure[Data, Shape]
    whole: bool = False  # looks at every row of tables so long that other metrics look at a part (`judge`)

    def compute(
        self, train: Data, holdout: Data, synthetic: Data, schema: Shape, rng: np.random.Generator
    ) -> tuple[Score, ...]:
        """Return one score per scale, in their order; `RuntimeError` if the measurement breaks its own declaration."""
        try:
            with one_thread():
                readings = self.measure(train, holdout, synthetic, schema, rng)
        except UnmeasurableError as reason:
            readings = {scale.name: Reading(None, str(reason)) for scale in self.scales}
        if set(readings) != {scale.name for scale in self.scales}:
            raise RuntimeError(f"metric {self.name} gave {sorted(readings)}")
        return tuple(self._score(scale, readings[scale.name]) for scale in self.scales)

    def _score(self, scale: Scale, reading: Reading) -> Score:
        value, note = reading.value, reading.note
        if value is not None and not math.isfinite(value):
            value, note = None, note or "not a finite number on these data"
        detail = {part: float(x) for part, x in reading.detail.items() if math.isfinite(x)}
        return Score(self.aspect, scale, None if value is None else float(value), note, detail)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep numerical libraries on one thread: sums come out the same everywhere, and small tables are done sooner.

    On two busy cores, boosting 150 rows on two threads took a hundred times as long as on one. Only libraries that are
    loaded can be limited, hence the import.
    """
    import sklearn.ensemble  # noqa: F401, PLC0415 - a second of start-up
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # noqa: PLC0415

    with threadpool_limits(limits=1):
        yield


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the generator of the metric called `name` under `seed`."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def as_json(score: Score) -> dict[str, Any]:
    """Return `score` as plain JSON values."""
    return {
        "name": score.name,
        "title": score.scale.title,
        "aspect": score.aspect,
        "value": score.value,
        "better": score.scale.better,
        "worst": score.scale.worst,
        "best": score.scale.best,
        "note": score.note,
        "detail": dict(score.detail),
    }
