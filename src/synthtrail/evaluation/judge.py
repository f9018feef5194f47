"""The one entry: everything measured, decided and drawn for one set of synthetic data.

    judgement = judge_table(train, holdout, synthetic, schema, name="iris", seed=0, data_class="public",
                            thresholds=Thresholds(utility_min=0.95))
    judgement.verdict.level, judgement.verdict.reasons     # "review", (Reason("review", "Too few rows to …"), …)
    judgement.metrics                                      # {"utility_ratio": 0.98, …}: flat, unmeasured ones left out
    judgement.report_json(), judgement.report_html()       # texts to write
    judgement.expectations, judgement.suite                # GX result as JSON values; suite text for git
    judgement.figures                                      # {"columns": "<svg …>", …}

The same inputs and seed give the same bytes: each metric has a generator of its own, made from the seed and its name,
and numerical libraries run on one thread, which is also the fastest on small tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.data.schema import Schema
from synthtrail.evaluation import expectations, fairness, plots, registry, report
from synthtrail.evaluation.metric import Metric, Score, generator, one_thread
from synthtrail.evaluation.verdict import Thresholds, Verdict, decide

__all__ = ["Judgement", "Thresholds", "judge_images", "judge_table"]

Data = TypeVar("Data")
Shape = TypeVar("Shape")
Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
MOST_ROWS = 100_000  # of each table that scores and figures are computed from; more do not change their third digit


@dataclass(frozen=True)
class Judgement:
    """What was found; `facts` (row counts and the like) head the report."""

    name: str
    data_class: str
    facts: Mapping[str, str]
    scores: tuple[Score, ...]
    verdict: Verdict
    expectations: Mapping[str, Any]
    suite: str
    figures: Mapping[str, str]

    @property
    def metrics(self) -> dict[str, float]:
        """The scores that have a value, by name, for DVC and MLflow."""
        return {score.name: score.value for score in self.scores if score.value is not None}

    def report_json(self) -> dict[str, Any]:
        """Return the whole judgement but the figures as JSON values."""
        return report.as_json(self.page())

    def report_html(self) -> str:
        """Return the page for people: one file, no script, nothing loaded from elsewhere."""
        return report.as_html(self.page())

    def page(self) -> report.Page:
        """Return what the report shows."""
        return report.Page(
            self.name, self.data_class, self.facts, self.scores, self.verdict, self.expectations, self.figures
        )


def judge_table(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    *,
    name: str,
    seed: int,
    data_class: str,
    thresholds: Thresholds,
    count: int | None = None,
    sensitive: Sequence[str] = (),
) -> Judgement:
    """Judge synthetic rows by the training rows and by a holdout that the generator has not seen.

    `count` is the number of rows asked for, if that is to be checked; `sensitive` are columns whose groups are to be
    treated alike. The index of each table does not matter.
    Columns that are absent raise `KeyError`; everything else is found and reported.
    """
    train, holdout, synthetic = tables = _without_index(train), _without_index(holdout), _without_index(synthetic)
    rules = expectations.table_rules(schema, count)
    checked = expectations.run(synthetic, name, rules, data_class, schema)
    metrics = {**registry.for_table(schema), **{one.name: one for one in fairness.metrics(sensitive)}}
    some = _some(tables, seed)
    scores = measured(metrics, tables, schema, seed, some)
    with one_thread():
        figures = plots.table_figures(*some, schema, scores=scores, data_class=data_class)
    facts = {
        "Kind": f"table, {len(schema.names)} columns",
        "Target": schema.target or "none",
        **_sizes(tables, "rows"),
        **_stated(tables),
    }
    verdict = decide(scores, thresholds, checked)
    suite = expectations.suite_text(name, rules, data_class)
    return Judgement(name, data_class, facts, scores, verdict, checked, suite, figures)


def judge_images(
    train: ImageSet,
    holdout: ImageSet,
    synthetic: ImageSet,
    schema: ImageSchema,
    *,
    name: str,
    seed: int,
    data_class: str,
    thresholds: Thresholds,
    count: int | None = None,
) -> Judgement:
    """Judge synthetic images by the training images and by a holdout; arguments as of `judge_table`."""
    rules = expectations.image_rules((schema.height, schema.width, schema.channels), schema.classes, count)
    table = expectations.image_facts(synthetic.pixels, [str(label) for label in synthetic.labels])
    checked = expectations.run(table, name, rules, data_class)
    scores = measured(registry.IMAGES, (train, holdout, synthetic), schema, seed)
    with one_thread():
        figures = plots.image_figures(train, holdout, synthetic, schema, scores=scores, data_class=data_class)
    facts = {
        "Kind": f"images, {schema.width} × {schema.height} pixels, {'grey' if schema.channels == 1 else 'colour'}",
        "Classes": str(len(schema.classes)),
        **_sizes((train, holdout, synthetic), "images"),
    }
    verdict = decide(scores, thresholds, checked)
    suite = expectations.suite_text(name, rules, data_class)
    return Judgement(name, data_class, facts, scores, verdict, checked, suite, figures)


def measured(
    metrics: Mapping[str, Metric[Data, Shape]],
    sides: tuple[Data, Data, Data],
    schema: Shape,
    seed: int,
    some: tuple[Data, Data, Data] | None = None,
) -> tuple[Score, ...]:
    """Return every score; `sides` are training, holdout and synthetic data, `some` the rows that most metrics see."""
    found: list[Score] = []
    for metric in metrics.values():
        seen = sides if metric.whole or some is None else some
        found += metric.compute(*seen, schema, generator(seed, metric.name))
    return tuple(found)


def _some(tables: Tables, seed: int) -> Tables:
    """Return each table with at most `MOST_ROWS` of its rows, drawn at random, in their order."""
    rng = generator(seed, "rows that are judged")
    parts = []
    for table in tables:
        few = len(table) <= MOST_ROWS
        parts.append(table if few else table.iloc[np.sort(rng.permutation(len(table))[:MOST_ROWS])])
    return _without_index(parts[0]), _without_index(parts[1]), _without_index(parts[2])


def _stated(tables: Tables) -> dict[str, str]:
    """Return what the report says where only a part of the rows was looked at."""
    if max(map(len, tables)) <= MOST_ROWS:
        return {}
    return {"Scores and figures": f"at most {MOST_ROWS:,} rows of each, at random; expectations and copies: all rows"}


def _without_index(table: pd.DataFrame) -> pd.DataFrame:
    return table.reset_index(drop=True)


def _sizes(sides: Sequence[Any], unit: str) -> dict[str, str]:
    names = ("Training (real)", "Holdout (real)", "Synthetic")
    return {name: f"{len(side):,} {unit}" for name, side in zip(names, sides, strict=True)}
