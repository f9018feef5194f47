"""The canvas of every figure: size, colours, type, and SVG text that is the same every time.

Text stays text (searchable, small); names come from data, so they are cut short, cleaned of control characters, and
never read as formulas. No date is written and element ids are salted by the figure's name, so the same data give the
same bytes.

    with mpl.rc_context(dict(STYLE)):
        figure = blank(2.5)
        fill(figure.subplots(), counts(values, edges, hides=True), edges, REAL)
        text = svg(figure, "privacy")
"""

import io
import re
import unicodedata
import warnings
from collections.abc import Mapping
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Axes: TypeAlias = Any  # matplotlib has no types

REAL, SYNTHETIC, INK, SOFT = "#3d5a80", "#e07a3f", "#2b2b2b", "#5d6470"
LEAST_CELL = 5  # real rows; fewer might be someone
WIDTH = 9.6  # inches; the page scales figures to its width

STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none", "text.parse_math": False, "font.family": ["DejaVu Sans"], "font.size": 8.5,
    "axes.titlesize": 8.5, "axes.titlelocation": "left", "axes.edgecolor": "#9a9a9a",
    "axes.linewidth": 0.7, "axes.spines.top": False, "axes.spines.right": False, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": "#5a5a5a", "ytick.color": "#5a5a5a", "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.size": 2.5, "ytick.major.size": 2.5, "legend.frameon": False, "legend.fontsize": 8.5,
}  # fmt: skip
FONTS = "'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"


def clean(name: str, length: int = 26) -> str:
    """Return a name from data fit to be drawn: one line, no control characters, at most `length` characters.

    >>> clean("a\\nb\\x00" + "c" * 40, 8)
    'a b ccc…'
    """
    text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in name)
    text = re.sub(" +", " ", text).strip() or "(unnamed)"
    return text if len(text) <= length else text[: length - 1] + "…"


def blank(height: float) -> Figure:
    """Return an empty figure of the page's width and of `height` inches."""
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasSVG(figure)
    return figure


def svg(figure: Figure, name: str) -> str:
    """Return `figure` as SVG text with ids of its own, without XML declaration."""
    buffer = io.StringIO()
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": f"synthtrail {name}"}):
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")  # a viewer's own fonts may well have it
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace("'DejaVu Sans'", FONTS)


def legend(figure: Figure, real: str = "real (training)", made: str = "synthetic") -> None:
    """Say at the top right which colour is which."""
    marks = [mpl.patches.Patch(color=colour, alpha=0.85, lw=0) for colour in (REAL, SYNTHETIC)]
    figure.legend(marks, [real, made], loc="upper right", ncols=2, borderaxespad=0.2, handlelength=1.2)


def counts(values: Floats, edges: Floats, *, hides: bool) -> Floats:
    """Return a histogram (B,) over edges (B + 1,); `hides` empties cells of fewer than five."""
    found = np.histogram(values, edges)[0].astype(np.float64)
    return np.where(found < LEAST_CELL, 0.0, found) if hides else found


def fill(axes: Axes, heights: Floats, edges: Floats, colour: str) -> None:
    """Draw a histogram as a filled outline."""
    axes.stairs(heights, edges, color=colour, alpha=0.28, fill=True, lw=0)
    axes.stairs(heights, edges, color=colour, lw=1.1)
