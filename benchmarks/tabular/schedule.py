"""Which runs there are, in which order, and what each is expected to cost.

The most telling come first, and among equals the cheap ones, so that one that is stopped says as much as it can.
Adult, on which the goals look most, counts as a quarter of its cost:

    1  every generator on every table at its defaults, split 0, seed 0
    2  the other splits
    3  other lengths of training on split 0 (quality against processor seconds)
    4  the settings to choose from, on the inner parts of split 0; then the best of them on every split
    5  the other seeds
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabular.data import TABLES, Table, whole
from tabular.generators import Generator
from tabular.runs import Result, Run, Store, code_of_judge, digest

SEEDS = 3
JUDGING_S = {"adult": 20.0, "support2": 15.0}
OVERHEAD_S = 8.0  # of starting a process and judging a small table
WEIGHTS = {"adult": 4.0, "adult_1000": 2.0}
CURVED = frozenset({"steps", "epochs", "max_epochs"})  # settings that say how long to train


@dataclass(frozen=True)
class Planned:
    """A run, its digest now and that of its rows, and the processor seconds it is expected to take."""

    run: Run
    digest: str
    rows: str
    seconds: float


def plan(store: Store, generators: Mapping[str, Generator], digests: Mapping[str, str]) -> list[Planned]:
    """Return every run in order; `digests` are those of the tables that can be read."""
    tables = [TABLES[name] for name in TABLES if name in digests]
    there = [one for one in generators.values() if one.there]
    planned: dict[str, Planned] = {}
    for phase in phases(tables, there, store):
        ready = [_planned(run, generators[run.generator], digests[run.table], store) for run in phase]
        for one in sorted(ready, key=lambda one: one.seconds / WEIGHTS.get(one.run.table, 1.0)):
            planned.setdefault(one.run.key, one)
    return list(planned.values())


def phases(tables: Sequence[Table], generators: Sequence[Generator], store: Store) -> Iterator[list[Run]]:
    """Yield the runs phase by phase (see the module docstring)."""
    pairs = [(table, one) for table in tables for one in generators]
    yield [Run(table.name, one.name) for table, one in pairs]
    for split in range(1, max((table.splits for table in tables), default=0)):
        yield [Run(table.name, one.name, split) for table, one in pairs if split < table.splits]
    yield [
        Run(table.name, one.name, 0, 0, settings)
        for table, one in pairs
        for settings in one.tuned
        if set(settings) & CURVED
    ]
    yield [
        Run(table.name, one.name, 0, 0, settings, "inner")
        for table, one in pairs
        if len(one.tuned) > 1
        for settings in one.tuned
    ]
    best = [(table, one, chosen) for table, one in pairs if (chosen := best_settings(store, table.name, one))]
    yield [Run(table.name, one.name, split, 0, chosen) for table, one, chosen in best for split in range(table.splits)]
    for seed in range(1, SEEDS):
        yield [Run(table.name, one.name, split, seed) for table, one in pairs for split in range(table.splits)]


def best_settings(store: Store, table: str, generator: Generator) -> Mapping[str, Any] | None:
    """Return the settings with the best mean of usefulness and likeness on the inner parts; None until all are run."""
    results = [store.latest(Run(table, generator.name, 0, 0, settings, "inner")) for settings in generator.tuned]
    if len(generator.tuned) < 2 or None in results:
        return None
    scores = [merit(result) for result in results if result]
    return generator.tuned[scores.index(max(scores))]


def merit(result: Result) -> float:
    """Return what settings are chosen by: the mean of quality, TSTR of the trees, and 1 - |2 * detection - 1|."""
    metrics = result.get("metrics", {})
    useful = metrics.get("tstr_auroc.trees", metrics.get("tstr_r2.trees", 0.0))
    told_apart = abs(2 * metrics.get("detection_auc", 1.0) - 1)
    return float(metrics.get("quality", 0.0) + useful + 1 - told_apart) / 3


def expected(run: Run, generator: Generator, store: Store) -> float:
    """Return the processor seconds that a run is expected to take, judging included."""
    judging = JUDGING_S.get(run.table, OVERHEAD_S)
    known = store.latest(Run(run.table, run.generator)) or {}
    if "cost" in known and not run.settings:
        return judging + float(known["cost"]["fit_cpu_s"]) + float(known["cost"]["sample_cpu_s"])
    rows, schema = whole(run.table)
    return judging + len(schema.names) * (generator.columns + generator.pace * len(rows) / 1e6)


def _planned(run: Run, generator: Generator, data: str, store: Store) -> Planned:
    judged, made = digest(run, generator, data, code_of_judge()), digest(run, generator, data)
    return Planned(run, judged, made, expected(run, generator, store))
