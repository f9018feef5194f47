"""The figures of a report, as SVG text: real beside synthetic, drawn the same way every time.

    columns       distribution of each column, the least alike first
    correlations  Pearson's r among columns of numbers: real, synthetic, difference
    embedding     rows on the first two principal axes of the real data
    utility       models trained on synthetic beside models trained on real
    privacy       distance to the closest training row: synthetic rows beside the holdout's
    images        images of each class, real beside synthetic

Of a confidential source only aggregates of real rows are drawn: cells of fewer than five real rows are left empty,
ranges are those of the synthetic data, there are no points, and real images appear as class means of at least five.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.data.schema import Column, Schema
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
from synthtrail.evaluation.features import Features, codes, even_edges, is_number, read
from synthtrail.evaluation.fidelity import correlations
from synthtrail.evaluation.images import components
from synthtrail.evaluation.metric import Score
from synthtrail.evaluation.nearest import nearest
from synthtrail.evaluation.pixels import SMALL_SIDE, shrink

Floats = NDArray[np.float64]

MOST_COLUMNS = 12
MOST_CATEGORIES = 6
MOST_NAMES = 16  # beside a matrix; more would not be legible
MOST_POINTS = 400
MOST_DRAWN = 2_000  # rows behind a histogram of distances
EACH_CLASS = 8  # images of one class and kind


def table_figures(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    *,
    scores: Sequence[Score],
    data_class: str,
) -> dict[str, str]:
    """Return the figures for tables by name; those that the data do not allow are left out."""
    known = {score.name: score for score in scores}
    private = data_class != "public"
    features = Features.fit(train, schema)
    real, held, made = (features.dense(side) for side in (train, holdout, synthetic))
    drawn = {
        "columns": _columns(train, synthetic, schema, known, private),
        "correlations": _correlations(train, synthetic, schema),
        "embedding": _embedding(real, made, private),
        "utility": _utility(known),
        "privacy": _distances(real, held, made, "rows", private),
    }
    return {name: svg for name, svg in drawn.items() if svg}


def image_figures(
    train: ImageSet,
    holdout: ImageSet,
    synthetic: ImageSet,
    schema: ImageSchema,
    *,
    scores: Sequence[Score],
    data_class: str,
) -> dict[str, str]:
    """Return the figures for images by name."""
    known = {score.name: score for score in scores}
    private = data_class != "public"
    real, held, made = (shrink(side.pixels[:MOST_DRAWN], SMALL_SIDE) for side in (train, holdout, synthetic))
    drawn = {
        "images": _images(train, synthetic, schema, private),
        "embedding": _embedding(real, made, private),
        "utility": _utility(known),
        "privacy": _distances(real, held, made, "images", private),
    }
    return {name: svg for name, svg in drawn.items() if svg}


def _columns(real: pd.DataFrame, made: pd.DataFrame, schema: Schema, known: Mapping[str, Score], private: bool) -> str:
    similarity = known["shapes"].detail
    order = sorted(schema, key=lambda column: similarity.get(column.name, 0.0))[:MOST_COLUMNS]
    wide = 4 if len(order) > 3 else max(1, len(order))
    high = -(-len(order) // wide)
    left = 0.03 if all(is_number(column) for column in order) else 0.11
    with mpl.rc_context(dict(STYLE)):
        figure = blank(0.5 + 1.75 * high)
        grid = figure.subplots(high, wide, squeeze=False)
        for axes, column in zip(grid.flat, order, strict=False):
            draw = _draw_numbers if is_number(column) else _draw_categories
            draw(axes, real, made, column, private)
            axes.set_title(clean(column.name, 22 if wide == 4 else 40))
            axes.set_title(f"{similarity.get(column.name, 0.0):.2f}", loc="right", color=SOFT, fontsize=7.5)
        for axes in grid.flat[len(order) :]:
            axes.set_axis_off()
        inch = 1 / figure.get_figheight()
        figure.subplots_adjust(left, 0.3 * inch, 0.985, 1 - 0.55 * inch, 0.1 + 4 * left, 0.55)
        legend(figure)
        return svg(figure, "columns")


def _draw_numbers(axes: Axes, real: pd.DataFrame, made: pd.DataFrame, column: Column, private: bool) -> None:
    sides = [side[~np.isnan(side)] for side in (read(real, column), read(made, column))]
    span = sides[1] if private else np.concatenate(sides)
    edges = even_edges(span, 20) if span.size else np.linspace(0, 1, 21)
    for values, colour, hides in zip(sides, (REAL, SYNTHETIC), (private, False), strict=True):
        fill(axes, counts(values, edges, hides=hides) / max(1, values.size), edges, colour)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=4)
    if np.abs(edges).max() >= 10_000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 50k, not 50000
    if column.kind == "datetime":
        axes.set_xlabel("days" if column.decimals is None else "seconds", fontsize=7, labelpad=1)


def _draw_categories(axes: Axes, real: pd.DataFrame, made: pd.DataFrame, column: Column, private: bool) -> None:
    width = len(column.categories)
    found = [np.bincount(c[(c >= 0) & (c < width)], minlength=width).astype(float) for c in _codes(real, made, column)]
    if private:
        found[0][found[0] < LEAST_CELL] = 0
    both = found[0] + found[1] * (found[0] > 0 if private else 1)  # a category that few have goes by no name
    shown = np.argsort(-both, kind="stable")[: min(MOST_CATEGORIES, int((both > 0).sum()))]
    place = np.arange(len(shown))
    for offset, values, colour in zip((-0.2, 0.2), found, (REAL, SYNTHETIC), strict=True):
        axes.barh(place + offset, values[shown] / max(1.0, values.sum()), height=0.38, color=colour, alpha=0.85)
    axes.set_yticks(place, [clean(str(column.categories[i]), 11) for i in shown])
    axes.invert_yaxis()
    axes.set_xticks([])


def _codes(real: pd.DataFrame, made: pd.DataFrame, column: Column) -> list[NDArray[np.int64]]:
    return [codes(side[column.name], column) for side in (real, made)]


def _correlations(real: pd.DataFrame, made: pd.DataFrame, schema: Schema) -> str:
    one, other = correlations(real, schema), correlations(made, schema)
    if len(one) < 2:
        return ""
    names = [clean(str(name), 18) for name in one.columns]
    few = len(names) <= MOST_NAMES
    panels = {"real (training)": one, "synthetic": other, "difference": other - one}
    with mpl.rc_context(dict(STYLE)):
        figure = blank(3.5 if few else 3.1)
        for axes, (title, matrix) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            picture = axes.imshow(matrix.to_numpy(), vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
            axes.set_title(title)
            _name_ticks(axes, names if few else [], first=title.startswith("real"))
        figure.subplots_adjust(0.12 if few else 0.02, 0.24 if few else 0.02, 0.92, 0.92, 0.08)
        figure.colorbar(picture, cax=figure.add_axes((0.94, 0.3, 0.012, 0.56)), ticks=[-1, 0, 1])
        return svg(figure, "correlations")


def _name_ticks(axes: Axes, names: Sequence[str], *, first: bool) -> None:
    beside = list(names) if first else []
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
    axes.set_yticks(range(len(beside)), beside, fontsize=6)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _embedding(real: Floats, made: Floats, private: bool) -> str:
    if min(len(real), len(made)) < 2 or real.shape[1] < 2:
        return ""
    centre, axes_found = components(real)
    if axes_found.shape[1] < 2:
        return ""
    sides = [(side - centre) @ axes_found[:, :2] for side in (real, made)]
    with mpl.rc_context(dict(STYLE)):
        figure = blank(3.6)
        grid = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, points, colour, title in zip(
            grid, sides, (REAL, SYNTHETIC), ("real (training)", "synthetic"), strict=True
        ):
            if private:
                _density(axes, points, sides[1], colour)
            else:
                axes.scatter(*points[:MOST_POINTS].T, s=9, color=colour, alpha=0.55, lw=0)
            axes.set_title(title)
            axes.set_xlabel("first principal axis")
        grid[0].set_ylabel("second principal axis")
        figure.subplots_adjust(0.07, 0.13, 0.99, 0.92, 0.06)
        return svg(figure, "embedding")


def _density(axes: Axes, points: Floats, span: Floats, colour: str) -> None:
    edges = [np.linspace(side.min(), side.max() + 1e-9, 25) for side in span.T]
    found, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=(edges[0], edges[1]))
    shades = mpl.colors.LinearSegmentedColormap.from_list("shade", ["#ffffff", colour])
    axes.pcolormesh(*edges, np.where(found < LEAST_CELL, 0, found).T, cmap=shades, rasterized=True)


def _utility(known: Mapping[str, Score]) -> str:
    name = "r2" if "tstr_r2" in known else "balanced_accuracy"
    made, real = (known[f"{side}_{name}"] for side in ("tstr", "trtr"))
    if made.value is None or not made.detail:
        return ""
    parts = list(made.detail)
    with mpl.rc_context(dict(STYLE)):
        figure = blank(0.95 + 0.36 * len(parts))
        axes = figure.subplots()
        place = np.arange(len(parts))
        for offset, score, colour in ((-0.19, real, REAL), (0.19, made, SYNTHETIC)):
            values = [score.detail.get(part, 0.0) for part in parts]
            axes.barh(place + offset, values, height=0.36, color=colour, alpha=0.85)
            for y, x in zip(place + offset, values, strict=True):
                axes.text(max(x, 0) + 0.006, y, f"{x:.3f}", va="center", fontsize=7.5)
        axes.set_yticks(place, [clean(part) for part in parts])
        axes.invert_yaxis()
        axes.set_xlim(min(0.0, *made.detail.values()), 1.08)
        axes.set_xlabel({"r2": "R²", "balanced_accuracy": "balanced accuracy (recall)"}[name] + " on the real holdout")
        figure.subplots_adjust(0.11, 0.45 / figure.get_figheight(), 0.99, 1 - 0.28 / figure.get_figheight())
        legend(figure, "trained on real", "trained on synthetic")
        return svg(figure, "utility")


def _distances(real: Floats, held: Floats, made: Floats, unit: str, private: bool) -> str:
    if min(len(real), len(held), len(made)) < 2:
        return ""
    sides = [nearest(side[:MOST_DRAWN], real[: 4 * MOST_DRAWN])[0] for side in (held, made)]
    edges = np.linspace(0, float(np.percentile(np.concatenate(sides), 99)) or 1.0, 31)
    with mpl.rc_context(dict(STYLE)):
        figure = blank(2.5)
        axes = figure.subplots()
        for values, colour, hides in zip(sides, (REAL, SYNTHETIC), (private, False), strict=True):
            fill(axes, counts(values, edges, hides=hides) / len(values), edges, colour)
        axes.set_xlabel(f"distance to the closest training {unit[:-1]}")
        axes.set_ylabel(f"share of {unit}")
        axes.set_xlim(0, edges[-1])
        figure.subplots_adjust(0.08, 0.19, 0.99, 0.9)
        legend(figure, f"fresh real {unit} (holdout)", f"synthetic {unit}")
        return svg(figure, "privacy")


def _images(real: ImageSet, made: ImageSet, schema: ImageSchema, private: bool) -> str:
    classes = schema.classes[:10]
    with mpl.rc_context(dict(STYLE)):
        figure = blank(0.45 + 0.56 * len(classes))
        titles = ("real: class means" if private else "real (training)", "synthetic")
        for axes, side, title in zip(figure.subplots(1, 2), (real, made), titles, strict=True):
            means = private and side is real
            sheet = np.vstack([_strip(side, label, schema, means) for label in classes])
            axes.imshow(sheet.squeeze(), cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", aspect="equal")
            axes.set_title(title)
            axes.set_xticks([])
            middle = len(sheet) / len(classes) * (np.arange(len(classes)) + 0.5)
            axes.set_yticks(middle, [clean(label, 10) for label in classes])
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
        figure.subplots_adjust(0.05, 0.02, 0.995, 1 - 0.3 / figure.get_figheight(), 0.1)
        return svg(figure, "images")


def _strip(images: ImageSet, label: str, schema: ImageSchema, means: bool) -> NDArray[np.uint8]:
    """Return the first images of a class side by side, (H + gap, 8 (W + gap), C), white where there are none."""
    found = images.pixels[images.labels == label]
    if means:
        found = found.mean(axis=0, keepdims=True).astype(np.uint8) if len(found) >= LEAST_CELL else found[:0]
    gap = 1 + schema.width // 16
    blank = 0 if schema.channels == 1 else 255  # grey is drawn dark on light
    strip = np.full((schema.height + gap, (schema.width + gap) * EACH_CLASS, schema.channels), blank, np.uint8)
    for i, image in enumerate(found[:EACH_CLASS]):
        left = i * (schema.width + gap)
        strip[: schema.height, left : left + schema.width] = image
    return strip
