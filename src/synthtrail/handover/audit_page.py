"""The audit as one page without a network: what disagrees, and the custody of every artifact, drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from synthtrail.handover import timeline
from synthtrail.handover.timeline import Mark

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
STYLE = """
body { overflow-wrap: anywhere; font: 15px/1.45 system-ui, sans-serif; color: #111; max-width: 64rem; margin: 2rem auto;
padding: 0 1rem } h1 { margin: 0 0 .3rem; font-size: 1.6rem } h2 { margin: 2rem 0 .5rem; font-size: 1.2rem } h3 {
margin: 1.4rem 0 .2rem; font-size: 1rem } code { font: 12px ui-monospace, monospace; color: #444; overflow-wrap:
anywhere } table { border-collapse: collapse; width: 100%; font-size: 14px } td, th { text-align: left; vertical-align:
top; border-top: 1px solid #ccc; padding: .3rem .6rem .3rem 0 } .error { color: #a11; font-weight: 700 } .warning {
color: #8a5a00 } .state { display: inline-block; font-size: 12px; border: 1px solid #888; border-radius: .6rem; padding:
0 .5rem; margin-left: .5rem } .scroll { overflow-x: auto } pre { white-space: pre-wrap; background: #f4f4f4; padding:
.7rem; font-size: 13px }
"""


@dataclass(frozen=True)
class Row:
    """One finding."""

    severity: str
    code: str
    place: str
    text: str


@dataclass(frozen=True)
class Custody:
    """One artifact with everything that happened to it."""

    path: str
    sha256: str
    state: str
    held: bool
    marks: Sequence[Mark]


def page(
    origin: str, at: str, verdict: str, checked: Sequence[str], rows: Sequence[Row], kept: Iterable[Custody]
) -> str:
    """Return the page: `verdict` is the report of `verify`, `checked` says what else was looked at."""
    errors = sum(row.severity == "error" for row in rows)
    parts = [
        f"<h1>Audit of {escape(origin)}</h1><p>{escape(at)}. {errors} errors, {len(rows) - errors} warnings.</p>",
        "<h2>Where ledger and world disagree</h2>",
        _table(rows),
        "<h2>What was looked at</h2><ul>" + "".join(f"<li>{escape(line)}" for line in checked) + "</ul>",
        f"<pre>{escape(verdict)}</pre>",
        f"<h2>The custody of every artifact</h2><div class=scroll>{timeline.legend()}</div>",
        *map(_custody, kept),
    ]
    head = f"{HEAD}<title>Audit of {escape(origin)}</title><style>{STYLE}</style>"
    return head + "\n".join(parts) + "</html>\n"


def _table(rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>Nowhere.</p>"
    lines = (
        f"<tr><td class={row.severity}>{row.severity}<td>{escape(row.code)}<td><code>{escape(row.place)}</code>"
        f"<td>{escape(row.text)}"
        for row in rows
    )
    return "<table><tr><th><th>code<th>where<th>what" + "".join(lines) + "</table>"


def _custody(kept: Custody) -> str:
    state = kept.state + (", held" if kept.held else "")
    return (
        f"<h3>{escape(kept.path)}<span class=state>{escape(state)}</span></h3><code>{kept.sha256}</code>"
        f"<div class=scroll>{timeline.draw(kept.marks, ended=kept.state == 'disposed')}</div>"
    )
