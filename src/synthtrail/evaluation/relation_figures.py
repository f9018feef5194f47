"""The figures of a report on related tables, as SVG text: numbers of children, spans, what follows what.

    children       how many rows there are below each parent, real beside synthetic
    timing         spans from a moment to the next, the least alike first
    transitions    which level comes after which, of the most frequent ones: real, synthetic

Of a confidential source cells of fewer than five real rows are left empty, ranges are those of the synthetic data, and
a level that fewer real rows have goes by no name.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from synthtrail.data.columns import Column
from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.unrolled import Flat, unroll
from synthtrail.evaluation.canvas import (
    LEAST_CELL,
    REAL,
    SOFT,
    STYLE,
    SYNTHETIC,
    Axes,
    blank,
    clean,
    counts,
    fill,
    legend,
    svg,
)
from synthtrail.evaluation.features import codes, even_edges
from synthtrail.evaluation.metric import Score

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Drawn = tuple[str, Floats, Floats, float | None]  # a title, real and synthetic numbers, how alike they are

MOST_SPANS = 8
MOST_LEVELS = 10
MOST_PAIRS = 3
BINS = 24


def figures(
    train: Relations,
    holdout: Relations,
    synthetic: Relations,
    schema: RelationalSchema,
    *,
    scores: Sequence[Score],
    data_class: str,
) -> dict[str, str]:
    """Return the figures by name; those that the tables do not allow are left out."""
    del holdout
    known = {score.name: score for score in scores}
    real, made = unroll(train, schema), unroll(synthetic, schema)
    private = data_class != "public"
    drawn = {
        "children": histograms("children", _children(real, made, schema, known), private, "rows below one parent"),
        "timing": histograms("timing", _spans(real, made, schema, known), private, ""),
        "transitions": _transitions(real, made, schema, known, private),
    }
    return {name: picture for name, picture in drawn.items() if picture}


def histograms(name: str, drawn: Sequence[Drawn], private: bool, below: str) -> str:
    """Return histograms of numbers, four in a row; an empty text if there are none."""
    if not drawn:
        return ""
    wide = min(4, len(drawn))
    high = -(-len(drawn) // wide)
    with mpl.rc_context(dict(STYLE)):
        figure = blank(0.6 + 1.75 * high)
        grid = figure.subplots(high, wide, squeeze=False)
        for axes, (title, real, made, alike) in zip(grid.flat, drawn, strict=False):
            _pair(axes, real, made, private)
            axes.set_title(clean(title, 34 if wide == 4 else 60), fontsize=7.5)
            axes.set_xlabel(below, fontsize=7, labelpad=1)
            if alike is not None:
                axes.set_title(f"{alike:.2f}", loc="right", color=SOFT, fontsize=7.5)
        for axes in grid.flat[len(drawn) :]:
            axes.set_axis_off()
        inch = 1 / figure.get_figheight()
        figure.subplots_adjust(0.03, 0.4 * inch, 0.985, 1 - 0.55 * inch, 0.14, 0.6)
        legend(figure)
        return svg(figure, name)


def _pair(axes: Axes, real: Floats, made: Floats, private: bool) -> None:
    sides = [side[~np.isnan(side)] for side in (real, made)]
    span = sides[1] if private else np.concatenate(sides)
    high = float(np.quantile(span, 0.98)) if span.size else 1.0  # a few far away would leave the rest in one cell
    low = float(np.quantile(span, 0.02)) if span.size else 0.0
    whole = high - low < BINS
    edges = np.arange(np.floor(low), np.floor(high) + 2) - 0.5 if whole else even_edges(np.array([low, high]), BINS)
    for values, colour, hides in zip(sides, (REAL, SYNTHETIC), (private, False), strict=True):
        near = values.clip(edges[0], edges[-1])
        fill(axes, counts(near, edges, hides=hides) / max(1, values.size), edges, colour)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=4, integer=True)


def _children(
    real: Mapping[str, Flat], made: Mapping[str, Flat], schema: RelationalSchema, known: Mapping[str, Score]
) -> list[Drawn]:
    alike = known["children"].detail
    return [
        (
            f"{child} of {name}",
            _numbers(real[name], column),
            _numbers(made[name], column),
            alike.get(f"{child} of {name}"),
        )
        for name, telling in schema.told.items()
        for child, column in telling.counts.items()
    ]


def _spans(
    real: Mapping[str, Flat], made: Mapping[str, Flat], schema: RelationalSchema, known: Mapping[str, Score]
) -> list[Drawn]:
    """Return spans in days, or in hours where they are short, the least alike first."""
    found: list[Drawn] = []
    for name, telling in schema.told.items():
        for moment in telling.moments:
            alike = known["timing"].detail.get(f"{name}.{moment.learned}")
            if alike is None:
                continue
            sides = [_numbers(flats[name], moment.learned) * moment.unit / 86_400 for flats in (real, made)]
            hours = (
                moment.unit < 86_400 and np.nanquantile(np.abs(sides[1]), 0.9) < 2
                if len(sides[1]) and not np.isnan(sides[1]).all()
                else False
            )
            scale, unit = (24, "hours") if hours else (1, "days")
            found.append((f"{moment.learned}, {unit}", sides[0] * scale, sides[1] * scale, alike))
    return sorted(found, key=lambda one: one[3] or 0.0)[:MOST_SPANS]


def _numbers(flat: Flat, column: str) -> Floats:
    return flat.rows[column].to_numpy(dtype=np.float64, na_value=np.nan)


def _transitions(
    real: Mapping[str, Flat],
    made: Mapping[str, Flat],
    schema: RelationalSchema,
    known: Mapping[str, Score],
    private: bool,
) -> str:
    alike = known["transitions"].detail
    later = {name: int((real[name.partition(".")[0]].place > 0).sum()) for name in alike}
    shown = sorted(alike, key=lambda name: (-later[name], alike[name]))[:MOST_PAIRS]
    if not shown:
        return ""
    with mpl.rc_context(dict(STYLE)):
        figure = blank(0.8 + 2.3 * len(shown))
        grid = figure.subplots(len(shown), 2, squeeze=False)
        for row, name in zip(grid, shown, strict=True):
            table, _, column = name.partition(".")
            _heat(
                row,
                real[table],
                made[table],
                schema.learned[table].column(column),
                f"{name} {alike[name]:.2f}",
                private,
            )
        inch = 1 / figure.get_figheight()
        figure.subplots_adjust(0.16, 0.95 * inch, 0.99, 1 - 0.35 * inch, 0.35, 0.85)
        return svg(figure, "transitions")


def _heat(row: Sequence[Axes], real: Flat, made: Flat, column: Column, title: str, private: bool) -> None:
    found = codes(real.rows[column.name], column)
    frequent = np.bincount(found[(found >= 0) & (found < len(column.categories))], minlength=len(column.categories))
    named = [
        int(i)
        for i in np.argsort(-frequent, kind="stable")[:MOST_LEVELS]
        if frequent[i] >= (LEAST_CELL if private else 1)
    ]
    labels = [clean(str(column.categories[i]), 14) for i in named]
    for axes, flat, side in zip(row, (real, made), ("real (training)", "synthetic"), strict=True):
        cells = _follows(flat, column, named)
        shown = np.where(cells < LEAST_CELL, 0, cells) if private and flat is real else cells
        axes.imshow(
            shown / np.maximum(cells.sum(1, keepdims=True), 1),
            vmin=0,
            vmax=1,
            cmap="Blues" if flat is real else "Oranges",
        )
        axes.set_title(f"{title}: {side}")
        axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=6)
        axes.set_yticks(range(len(labels)), labels, fontsize=6)
        axes.tick_params(length=0)


def _follows(flat: Flat, column: Column, named: Sequence[int]) -> Floats:
    """Return how often each named level (row) is followed by each (column)."""
    place = np.full(len(column.categories) + 2, -1)
    place[list(named)] = np.arange(len(named))
    at = place[codes(flat.rows[column.name], column)]
    later = np.flatnonzero(flat.place > 0)
    before, after = at[later - 1], at[later]
    both = (before >= 0) & (after >= 0)
    width = len(named)
    return (
        np.bincount(before[both] * width + after[both], minlength=width * width)
        .reshape(width, width)
        .astype(np.float64)
    )
