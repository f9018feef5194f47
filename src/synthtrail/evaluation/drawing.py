"""Charts as inline SVG that takes its colours from the page, so that one drawing serves light, dark and paper.

Nothing here has a colour of its own: shapes carry a class (`real`, `held`, `made`, `more`, `less`, `axis`, `word`),
and the page's style says what that looks like. How full a cell is, is its opacity, which works on any ground. Texts are
escaped and cut short; numbers on axes are round ones, so no value of a row is ever written out. The same data give the
same bytes.

    histogram(edges, {"real": shares, "made": shares}, label="age")     ->  '<svg viewBox="0 0 210 110" …>…</svg>'

Shapes: edges (B + 1,), shares (B,), matrices (R, C) with values from 0 to 1 (or -1 to 1 where signed).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from synthtrail.evaluation.canvas import clean

Floats = NDArray[np.float64]
Points = Sequence[tuple[float, float]]
Words = Callable[[float], str]

LEVELS = 12  # of opacity: more cannot be told apart, and cells of one level are one path


@dataclass(frozen=True)
class Frame:
    """Where data lie in a drawing: its size in pixels, the margins, and the spans of both axes."""

    width: float
    height: float
    x_span: tuple[float, float]
    y_span: tuple[float, float]
    left: float = 11
    right: float = 11
    top: float = 4
    bottom: float = 18

    def x(self, value: float) -> float:
        """Return the place of a value on the horizontal axis."""
        low, high = self.x_span
        return self.left + (self.width - self.left - self.right) * (value - low) / ((high - low) or 1.0)

    def y(self, value: float) -> float:
        """Return the place of a value on the vertical axis, which grows upwards."""
        low, high = self.y_span
        inner = self.height - self.top - self.bottom
        return self.height - self.bottom - inner * (value - low) / ((high - low) or 1.0)

    def svg(self, parts: Sequence[str], label: str) -> str:
        """Return the drawing with its parts, described by `label` for who cannot see it."""
        size = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        return f'<svg {size} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return at most about `most` round numbers from `low` to `high`.

    >>> ticks(0.3, 9.7)
    [2.0, 4.0, 6.0, 8.0]
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    step = stride(low, high, most)
    first = math.ceil(low / step - 1e-9)
    return [float(round(i * step, 12)) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def stride(low: float, high: float, most: int) -> float:
    """Return the round step (1, 2 or 5 times a power of ten) that divides a span into at most `most` parts."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999999))


def number(value: float) -> str:
    """Return a number as a short text.

    >>> [number(x) for x in (0, 0.25, 1200, 25000, 3.2e6)]
    ['0', '0.25', '1200', '25k', '3.2M']
    """
    size = abs(value)
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= 10 * unit or (unit > 1e3 and size >= unit):
            return f"{value / unit:.4g}{name}"
    return f"{value:.4g}"


def axis(frame: Frame, words: Words = number, most: int = 4) -> list[str]:
    """Return the horizontal axis with round numbers."""
    base = frame.height - frame.bottom
    parts = [_line(frame.left, base, frame.width - frame.right, base, "axis")]
    for value in ticks(*frame.x_span, most):
        parts.append(_line(frame.x(value), base, frame.x(value), base + 3, "axis"))
        parts.append(word(frame.x(value), base + 13, words(value), "middle"))
    return parts


def upright(frame: Frame, most: int = 4) -> list[str]:
    """Return faint lines across the drawing with their numbers at the left."""
    parts = []
    for value in ticks(*frame.y_span, most):
        parts.append(_line(frame.left, frame.y(value), frame.width - frame.right, frame.y(value), "grid"))
        parts.append(word(frame.left - 5, frame.y(value) + 3, number(value), "end"))
    return parts


def histogram(edges: Floats, sides: Mapping[str, Floats], *, label: str, words: Words = number) -> str:
    """Return histograms over the same edges: `real` filled, the others as outlines."""
    top = max([float(shares.max()) for shares in sides.values() if shares.size] + [1e-9])
    frame = Frame(210, 96, (float(edges[0]), float(edges[-1])), (0, top))
    parts = [stairs(frame, edges, shares, name) for name, shares in sides.items()]
    return frame.svg([*parts, *axis(frame, words)], label)


def stairs(frame: Frame, edges: Floats, shares: Floats, name: str) -> str:
    """Return one histogram as a path of class `name`."""
    steps = [
        f"V{_n(frame.y(float(share)))}H{_n(frame.x(float(edge)))}"
        for share, edge in zip(shares, edges[1:], strict=True)
    ]
    path = f"M{_n(frame.x(float(edges[0])))} {_n(frame.y(0))}{''.join(steps)}V{_n(frame.y(0))}"
    return f'<path class="area {name}" d="{path}"/>'


def bars(labels: Sequence[str], sides: Mapping[str, Floats], *, label: str) -> str:
    """Return horizontal bars, for each label that some side has one for every side."""
    there = [i for i in range(len(labels)) if any(shares[i] > 0 for shares in sides.values())] or [0]
    labels, sides = [labels[i] for i in there], {name: shares[there] for name, shares in sides.items()}
    thick, gap, left = 6.0, 5.0, 74.0
    row = thick * len(sides) + gap
    top = max([float(shares.max()) for shares in sides.values() if shares.size] + [1e-9])
    frame = Frame(210, row * len(labels) + 4, (0, top), (0, 1), left=left, right=34, bottom=0)
    parts = []
    for i, text in enumerate(labels):
        y = 2 + i * row
        parts.append(word(left - 5, y + row / 2, clean(text, 13), "end"))
        for j, (name, shares) in enumerate(sides.items()):
            wide = frame.x(float(shares[i])) - left
            parts.append(
                f'<rect class="bar {name}" x="{_n(left)}" y="{_n(y + j * thick)}" '
                f'width="{_n(wide)}" height="{_n(thick - 1)}"/>'
            )
        most = max(float(shares[i]) for shares in sides.values())
        parts.append(word(frame.x(most) + 4, y + row / 2, "<1%" if 0 < most < 0.005 else f"{most:.0%}", "start"))
    return frame.svg(parts, label)


def lines(series: Mapping[str, Points], *, label: str, width: float = 430, height: float = 190) -> str:
    """Return curves over one horizontal axis of steps, each with its name at its end."""
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    low, high = min(ys), max(ys)
    room = (high - low or abs(high) or 1.0) * 0.06
    frame = Frame(width, height, (0, max(xs)), (low - room, high + room), left=46, right=12, top=8, bottom=20)
    parts = [*upright(frame, 6), *axis(frame, most=6)]
    for i, points in enumerate(series.values()):
        path = "L".join(f"{_n(frame.x(x))} {_n(frame.y(y))}" for x, y in points)
        parts.append(f'<path class="curve c{i}" d="M{path}"/>')
    return frame.svg(parts, label)


def cells(matrix: Floats, *, label: str, name: str = "", side: float = 210, high: float | None = None) -> str:
    """Return a matrix (R, C) as cells, row 0 at the top; of class `name`, else `more` or `less` by their sign."""
    rows, columns = matrix.shape
    tall = side * rows / columns if high is None else high
    frame = Frame(side, tall, (0, columns), (0, rows), left=0, right=0, top=0, bottom=0)
    ground = f'<rect class="ground" width="{_n(side)}" height="{_n(tall)}"/>'
    signs = ((matrix, name),) if name else ((matrix, "more"), (-matrix, "less"))
    parts = [_levels(np.nan_to_num(part), cls, side / columns, tall / rows) for part, cls in signs]
    return frame.svg([ground, *parts], label)


def dots(points: Floats, spans: tuple[tuple[float, float], tuple[float, float]], name: str, *, label: str) -> str:
    """Return points (N, 2) as dots."""
    frame = Frame(280, 210, *spans, left=4, right=4, top=4, bottom=4)
    path = "".join(f"M{_n(frame.x(float(x)))} {_n(frame.y(float(y)))}h0" for x, y in points)
    return frame.svg(
        ['<rect class="ground" width="280" height="210"/>', f'<path class="dots {name}" d="{path}"/>'], label
    )


def word(x: float, y: float, text: str, anchor: str) -> str:
    """Return a text at a place."""
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _levels(matrix: Floats, name: str, wide: float, tall: float) -> str:
    """Cells of one opacity are one path."""
    level = np.ceil(np.clip(matrix, 0, 1) * LEVELS).astype(int)
    parts = []
    for value in range(1, LEVELS + 1):
        found = np.argwhere(level == value)
        if len(found):
            path = "".join(f"M{_n(c * wide)} {_n(r * tall)}h{_n(wide)}v{_n(tall)}h-{_n(wide)}z" for r, c in found)
            parts.append(f'<path class="cell {name}" fill-opacity="{value / LEVELS:.2f}" d="{path}"/>')
    return "".join(parts)


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    return f'<line class="{name}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
