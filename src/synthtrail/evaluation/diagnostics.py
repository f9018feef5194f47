"""The diagnostics page: everything that helps to see how a generator was trained and what it makes.

Curves and snapshots of training; every column, real training and holdout rows beside synthetic ones; the pairs of
columns most strongly related and those least alike, as densities; correlations; the first two principal axes. For
images: samples of every class, means and spreads of pixels, counts of classes.

    page = table_page(subject, train, holdout, synthetic, schema, history)

One self-contained file without script. Of a confidential source nothing but aggregates of at least five real rows goes
into it (`synthtrail.evaluation.tallies`): no row, and no value that only some rows have.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.schema import Column, Schema
from synthtrail.evaluation import drawing, history, page
from synthtrail.evaluation.canvas import clean
from synthtrail.evaluation.features import Features
from synthtrail.evaluation.fidelity import correlations
from synthtrail.evaluation.history import History
from synthtrail.evaluation.images import components
from synthtrail.evaluation.tallies import Pair, Tally, density, pairs, tally, worth_showing

Floats = NDArray[np.float64]

MOST_COLUMNS = 60
MOST_NAMED = 12  # rows of a correlation matrix that are named beside it
STRONGEST, LEAST_ALIKE = 6, 3
MOST_DOTS = 600
EMBEDDED = 5_000  # rows behind the principal axes
SQUARE = 36  # cells on each side of a density of points
NAMES = {"real": "real (training)", "held": "real (holdout)", "made": "synthetic"}
SECTIONS = {
    "training": "Training",
    "layers": "Weights and gradients",
    "steps": "On the way",
    "samples": "Samples",
    "columns": "Columns",
    "classes": "Classes",
    "pairs": "Pairs",
    "correlations": "Correlations",
    "axes": "Principal axes",
    "pixels": "Pixels",
}


@dataclass(frozen=True)
class Subject:
    """What the page is about: the experiment's name, its class, and what heads the page."""

    name: str
    data_class: str
    facts: Mapping[str, str]
    seed: int = 0  # of networks that are trained for the page

    @property
    def private(self) -> bool:
        """Whether real rows may be shown as aggregates only."""
        return self.data_class != "public"


def table_page(
    subject: Subject,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    past: History,
) -> str:
    """Return the page of a table."""
    return whole(subject, table_sections(subject, train, holdout, synthetic, schema, past))


def table_sections(
    subject: Subject,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    past: History,
) -> str:
    """Return the sections of a table's page."""
    parts = {"real": train, "held": holdout, "made": synthetic}
    features = Features.fit(train, schema)
    dense = {side: features.dense(table.iloc[:EMBEDDED]) for side, table in parts.items()}
    return "".join(
        (
            history.curves(past),
            history.layers(past),
            history.snapshots(past),
            _columns(parts, schema, subject.private),
            _pairs(parts, schema, subject.private),
            _correlations(parts, schema),
            axes(dense, subject.private),
        )
    )


def whole(subject: Subject, sections: str, more: Mapping[str, str] = {}) -> str:
    """Return the page around its sections; `more` are titles of sections that only this page has, by their name."""
    titles = {**SECTIONS, **more}
    there = {name: text for name, text in titles.items() if f'<section id="{name}"' in sections}
    facts = "\n".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in subject.facts.items())
    rule = f'<p class="lead">{page.AGGREGATES}</p>' if subject.private else ""
    body = (
        f'<header>\n<p class="kicker">Diagnostics · source: {escape(subject.data_class)}</p>\n'
        f"<h1>{escape(subject.name)}</h1>\n</header>\n<dl>\n{facts}\n</dl>\n{rule}{page.menu(there)}\n{sections}"
        "<footer>Training rows were seen by the generator; holdout rows were not. Where synthetic rows lie nearer to "
        "the training rows than the holdout does, look at the report's section on privacy.</footer>"
    )
    return page.shell(f"{subject.name}: diagnostics", body)


def axes(dense: Mapping[str, Floats], private: bool) -> str:
    """Return the section of points (N, D) of each side on the first two principal axes of the real ones."""
    real = dense["real"]
    if min(len(side) for side in dense.values()) < 2 or real.shape[1] < 2:
        return ""
    centre, found = components(real)
    if found.shape[1] < 2:
        return ""
    points = {name: (side - centre) @ found[:, :2] for name, side in dense.items()}
    draw = _clouds if private or len(real) > MOST_DOTS else _scatters
    cards = [page.card(NAMES[name], picture) for name, picture in draw(points, private).items()]
    lead = "The data on the first two principal axes of the real training rows; each picture has the same axes."
    return page.section("axes", "Principal axes", lead, page.grid(cards, "third"))


def _clouds(points: Mapping[str, Floats], private: bool) -> dict[str, str]:
    shares = density(points, SQUARE, private=private)
    top = max(float(share.max()) for share in shares.values()) or 1.0
    return {
        name: drawing.cells(
            np.sqrt(share / top), label=f"density of the {NAMES[name]} rows", name=name, side=280, high=210
        )
        for name, share in shares.items()
    }


def _scatters(points: Mapping[str, Floats], private: bool) -> dict[str, str]:
    del private  # points are drawn of public data alone
    every = np.concatenate([side[:MOST_DOTS] for side in points.values()])
    low, high = every.min(0), every.max(0)
    room = 0.03 * (high - low)
    spans = ((float(low[0] - room[0]), float(high[0] + room[0])), (float(low[1] - room[1]), float(high[1] + room[1])))
    return {
        name: drawing.dots(side[:MOST_DOTS], spans, name, label=f"the {NAMES[name]} rows")
        for name, side in points.items()
    }


def _columns(parts: Mapping[str, pd.DataFrame], schema: Schema, private: bool) -> str:
    columns = list(schema)
    cards = [column_card(tally(parts, column, private=private)) for column in columns[:MOST_COLUMNS]]
    more = f" The first {MOST_COLUMNS} of {len(columns)} are shown." if len(columns) > MOST_COLUMNS else ""
    lead = f"Each column's distribution on all three sides.{more}"
    return page.section("columns", "Columns", lead, page.legend(), page.grid(cards))


def column_card(found: Tally) -> str:
    """Return the drawing of one column."""
    column, label = found.column, f"{found.column.name}: real against synthetic"
    gap = found.missing
    note = f"missing {gap['real']:.0%} | {gap['made']:.0%}" if max(gap.values()) > 0 else ""
    if found.labels:
        return page.card(column.name, drawing.bars(found.labels, found.shares, label=label), note)
    return page.card(column.name, drawing.histogram(found.edges, found.shares, label=label, words=words(column)), note)


def words(column: Column) -> Callable[[float], str]:
    """Return how a column's numbers are written on an axis: dates as year and month."""
    if column.kind != "datetime":
        return drawing.number
    unit = "datetime64[D]" if column.decimals is None else "datetime64[s]"
    return lambda value: str(np.int64(round(value)).astype(unit).astype("datetime64[M]"))


def _pairs(parts: Mapping[str, pd.DataFrame], schema: Schema, private: bool) -> str:
    shown = worth_showing(pairs(parts, schema, private=private), STRONGEST, LEAST_ALIKE)
    lead = (
        "Two columns at a time: the pairs that the real data relate most strongly, then those least alike. "
        "The number is the share of rows that would have to move."
    )
    return page.section("pairs", "Pairs of columns", lead, page.grid([_pair(pair) for pair in shown], "third"))


def _pair(pair: Pair) -> str:
    top = max(float(pair.cells[side].max()) for side in ("real", "made")) or 1.0
    drawings = {
        NAMES[side]: drawing.cells(
            np.sqrt(pair.cells[side][::-1] / top), label=f"{pair.names}: {NAMES[side]}", name=side, high=150
        )
        for side in ("real", "made")
    }
    title = f"{clean(pair.names[1], 18)} over {clean(pair.names[0], 18)}"
    return page.card(title, page.side_by_side(drawings), f"{pair.difference:.2f}")


def _correlations(parts: Mapping[str, pd.DataFrame], schema: Schema) -> str:
    real, made = correlations(parts["real"], schema), correlations(parts["made"], schema)
    if len(real) < 2:
        return ""
    names = [str(name) for name in real.columns]
    away = (made - real).to_numpy()
    panels = {"real (training)": real.to_numpy(), "synthetic": made.to_numpy(), "synthetic less real": away}
    cards = [
        page.card(title, drawing.cells(matrix, label=f"correlations: {title}", side=280))
        for title, matrix in panels.items()
    ]
    worst = sorted(((abs(away[i, j]), i, j) for i in range(len(names)) for j in range(i)), reverse=True)[:4]
    told = "; ".join(f"{clean(names[j], 20)} and {clean(names[i], 20)} by {away[i, j]:+.2f}" for _, i, j in worst)
    order = f": {', '.join(clean(name, 20) for name in names)}" if len(names) <= MOST_NAMED else ""
    lead = f"Pearson's r of columns of numbers, in the table's order{order}. Furthest from the real: {told}."
    signs = {"more": "positive", "less": "negative"}
    return page.section("correlations", "Correlations", lead, page.legend(signs), page.grid(cards, "third"))
