"""The custody of an artifact, drawn: its events in order as marks on a line, from where it was made to where it ended.

The marks are evenly spaced, since a pipeline writes five entries in a second and then none for a year; each has its
date. Colours tell kinds of events apart (Okabe and Ito's, which colour-blind readers can), and shapes do so again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, STEP, LEFT, ROW = 980, 118, 60, 92
PER_ROW = (WIDTH - LEFT) // STEP


@dataclass(frozen=True)
class Mark:
    """One event: its entry, what it says happened, the outcome it states, who signed, when (a ledger time)."""

    entry: int
    event: str
    outcome: str
    actor: str
    at: str


@dataclass(frozen=True)
class Kind:
    """How a group of events is drawn."""

    name: str
    colour: str
    shape: str


MADE = Kind("made", "#0072B2", "circle")
JUDGED = Kind("judged", "#56B4E9", "diamond")
KEPT = Kind("stored, retained, held", "#009E73", "square")
SHARED = Kind("accessed, transferred, released", "#E69F00", "triangle")
ENDED = Kind("disposed of", "#D55E00", "cross")
KINDS = (MADE, JUDGED, KEPT, SHARED, ENDED)
_OF = {
    **dict.fromkeys(("acquired", "derived", "trained", "generated", "reused", "reproduced"), MADE),
    **dict.fromkeys(("validated", "reviewed", "approved", "rejected"), JUDGED),
    **dict.fromkeys(("stored", "retention-set", "hold-placed", "hold-lifted"), KEPT),
}


def kind(event: str) -> Kind:
    """Return how an event is drawn."""
    return _OF.get(event) or (ENDED if event.startswith("disposal") else SHARED)


def draw(marks: Sequence[Mark], *, ended: bool) -> str:
    """Return the timeline as SVG; `ended` says that the artifact was disposed of."""
    rows = max(1, -(-len(marks) // PER_ROW))
    parts = [_line(row, min(PER_ROW, len(marks) - row * PER_ROW), row == rows - 1, ended) for row in range(rows)]
    parts += [_mark(number, mark) for number, mark in enumerate(marks)]
    height = rows * ROW
    named = escape(", ".join(mark.event for mark in marks))
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{named}">{"".join(parts)}</svg>'


def legend() -> str:
    """Return what shapes and colours mean, as SVG."""
    parts = []
    for number, item in enumerate(KINDS):
        x = 10 + sum(40 + 7 * len(before.name) for before in KINDS[:number])
        parts.append(_shape(item, x, 12) + f'<text x="{x + 12}" y="16" font-size="12">{item.name}</text>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 24" width="{WIDTH}">{"".join(parts)}</svg>'


def _line(row: int, count: int, last: bool, ended: bool) -> str:
    y, right = row * ROW + 34, LEFT + (count - 1) * STEP
    to = right + (0 if last and ended else 40)
    dashed = "" if last else ' stroke-dasharray="2 4"'
    whole = f'<line x1="{LEFT - 20 * bool(row)}" y1="{y}" x2="{right}" y2="{y}" stroke="#888" stroke-width="3"/>'
    return whole + f'<line x1="{right}" y1="{y}" x2="{to}" y2="{y}" stroke="#888" stroke-width="3"{dashed}/>'


def _mark(number: int, mark: Mark) -> str:
    x, y = LEFT + number % PER_ROW * STEP, number // PER_ROW * ROW + 34
    said = f"{mark.event}: {mark.outcome}" if mark.outcome else mark.event
    tip = f"entry {mark.entry}: {said}, {mark.actor}, {mark.at}"
    label = (
        f'<text x="{x}" y="{y - 16}" font-size="11" text-anchor="middle" fill="#666">{mark.at[:10]}</text>'
        f'<text x="{x}" y="{y + 22}" font-size="11.5" text-anchor="middle">{escape(mark.event)}</text>'
        f'<text x="{x}" y="{y + 36}" font-size="10.5" text-anchor="middle" fill="#666">'
        f"{escape(mark.outcome or mark.actor.rpartition('/')[2])} · {mark.entry}</text>"
    )
    return f"<g><title>{escape(tip)}</title>{_shape(kind(mark.event), x, y)}{label}</g>"


def _shape(item: Kind, x: int, y: int) -> str:
    fill = f'fill="{item.colour}" stroke="#fff" stroke-width="1.5"'
    match item.shape:
        case "circle":
            return f'<circle cx="{x}" cy="{y}" r="7" {fill}/>'
        case "square":
            return f'<rect x="{x - 6}" y="{y - 6}" width="12" height="12" {fill}/>'
        case "diamond":
            return f'<path d="M{x} {y - 8}L{x + 8} {y}L{x} {y + 8}L{x - 8} {y}Z" {fill}/>'
        case "triangle":
            return f'<path d="M{x} {y - 8}L{x + 8} {y + 6}L{x - 8} {y + 6}Z" {fill}/>'
    arms = f"M{x - 6} {y - 6}L{x + 6} {y + 6}M{x + 6} {y - 6}L{x - 6} {y + 6}"
    return f'<path d="{arms}" stroke="{item.colour}" stroke-width="4" stroke-linecap="round"/>'
