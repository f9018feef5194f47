"""The report: one page for people, one JSON document for programs.

The page is a single file: style and figures inside, no script, nothing fetched. It begins with the verdict and its
reasons, because that is what its reader must decide on; then figures, scores with both ends in words, and the
expectations. Every text that comes from data (column names, categories, notes) is escaped; figures are embedded as
images, where a viewer runs nothing that might hide in them.

    as_json(page)["verdict"]  ->  {"level": "review", "reasons": [{"level": "review", "text": "Too few rows to …"}]}
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from synthtrail.evaluation import expectations, metric
from synthtrail.evaluation.canvas import INK, REAL, SOFT
from synthtrail.evaluation.metric import Score
from synthtrail.evaluation.page import AGGREGATES, shell, template
from synthtrail.evaluation.verdict import Verdict

HEADINGS = {
    "utility": "Utility: can it stand in for the real data?",
    "fidelity": "Fidelity: does it look like the real data?",
    "privacy": "Privacy: does it give anyone away?",
    "fairness": "Fairness: is every group treated alike?",
}
CAPTIONS = {
    "columns": "Columns, the least alike first (at most twelve). The number is the similarity of shape, 1 at best.",
    "correlations": "Correlation of numeric columns. The right panel is blank where they were kept.",
    "embedding": "The data on the first two principal axes of the real data.",
    "utility": "Models trained on real and on synthetic data, tested on the same real holdout.",
    "privacy": "Distance to the closest training record. Far to the left of fresh real records lie copies.",
    "images": "Images of each class, first in the file, not chosen.",
    "children": "How many rows there are below each parent.",
    "timing": "Spans between moments, the least alike first (at most eight). The number is the similarity, 1 at best.",
    "transitions": "Which level (row) is followed by which (column), of the most frequent ones: the longest sequences.",
}
LEVELS = {
    "pass": ("Pass", "Everything that was asked for was measured and holds."),
    "review": ("Review", "A person must decide: see the reasons marked below."),
    "refuse": ("Refuse", "Not to be released: see the reasons marked below."),
}
DARK = (
    ("fill", f"fill: {INK}", "#d5dae2"),
    ("fill", "fill: #5a5a5a", "#9aa4b2"),
    ("fill", f"fill: {SOFT}", "#9aa4b2"),
    ("stroke", "stroke: #5a5a5a", "#7d8797"),
    ("stroke", "stroke: #9a9a9a", "#7d8797"),
    ("fill", f"fill: {REAL}", "#8fb3e0"),
    ("stroke", f"stroke: {REAL}", "#8fb3e0"),
)
"""What a figure's inks become on a dark page: the property, the ink as matplotlib writes it, the lighter ink."""
MARKS = {"pass": "✓", "review": "?", "refuse": "✕"}


@dataclass(frozen=True)
class Page:
    """What a report shows; see `synthtrail.evaluation.judge.Judgement`."""

    name: str
    data_class: str
    facts: Mapping[str, str]
    scores: Sequence[Score]
    verdict: Verdict
    expectations: Mapping[str, Any]
    figures: Mapping[str, str]


def as_json(page: Page) -> dict[str, Any]:
    """Return everything but the figures as JSON values."""
    return {
        "experiment": page.name,
        "class": page.data_class,
        "facts": dict(page.facts),
        "verdict": {
            "level": page.verdict.level,
            "reasons": [{"level": reason.level, "text": reason.text} for reason in page.verdict.reasons],
        },
        "scores": [metric.as_json(score) for score in page.scores],
        "expectations": dict(page.expectations),
        "figures": sorted(page.figures),
    }


def as_html(page: Page) -> str:
    """Return the page for people."""
    title, _ = LEVELS[page.verdict.level]
    return shell(f"{page.name}: {title}", body(page))


def body(page: Page, kicker: str = "Evaluation of synthetic data", more: str = "") -> str:
    """Return what the page's shell surrounds; `more` is HTML between the facts and the scores."""
    title, sentence = LEVELS[page.verdict.level]
    aspects = dict.fromkeys(score.aspect for score in page.scores)
    return template("report.html").substitute(
        kicker=escape(kicker),
        more=more,
        name=escape(page.name),
        data_class=escape(page.data_class),
        level=page.verdict.level,
        level_title=title,
        level_sentence=sentence,
        reasons="\n".join(_reason(reason.level, reason.text) for reason in page.verdict.reasons),
        facts="\n".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in page.facts.items()),
        glance=_glance(page.scores),
        sections="\n".join(_section(aspect, page) for aspect in aspects),
        expectations=_expectations(page.expectations),
    )


GLANCE = {
    "utility_ratio": ("Usefulness", "over that of real data; 1 is as good"),
    "quality": ("Likeness", "of columns and pairs; 1 is the same"),
    "class_balance": ("Class balance", "1 is the same shares"),
    "transitions": ("What follows", "1 is as in the real data"),
    "foreign_keys": ("Keys", "rows that have their parent; all must"),
    "distinct": ("Distinct", "share unlike every other one"),
    "detection_auc": ("Told apart", "from real rows; 0.5 is not at all"),
    "mia_auc": ("Recognised", "training records; 0.5 is guessing"),
}
"""What a reader looks for first: the title of a score's tile, and how to read it."""


def _glance(scores: Sequence[Score]) -> str:
    known = {score.name: score.value for score in scores}
    tiles = "".join(
        f'<li><strong>{known[name]:.2f}</strong><span class="name">{title}</span><span>{words}</span></li>'
        for name, (title, words) in GLANCE.items()
        if known.get(name) is not None
    )
    return f'<ul class="tiles">{tiles}</ul>' if tiles else ""


def _reason(level: str, text: str) -> str:
    return f'<li class="{level}">{_mark(level)}<span>{escape(text)}</span></li>'


def _mark(level: str) -> str:
    return f'<span class="mark" aria-label="{level}">{MARKS[level]}</span>'


PLACES = {
    "utility": ("utility",),
    "fidelity": ("images", "columns", "children", "timing", "transitions", "correlations", "embedding"),
    "privacy": ("privacy",),
}


def _section(aspect: str, page: Page) -> str:
    drawn = [_figure(name, page) for name in PLACES.get(aspect, ()) if name in page.figures]
    rows = "\n".join(_row(score) for score in page.scores if score.aspect == aspect)
    return (
        f"<section><h2>{escape(HEADINGS[aspect])}</h2>\n"
        '<table class="scores"><thead><tr><th>Score</th><th class="number">Value</th><th>At worst</th>'
        f"<th>At best</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table>\n{''.join(drawn)}</section>"
    )


def _figure(name: str, page: Page) -> str:
    data = base64.b64encode(themed(page.figures[name]).encode()).decode()
    caption = CAPTIONS[name] + ("" if page.data_class == "public" or name in ("utility",) else " " + AGGREGATES)
    source = f"data:image/svg+xml;base64,{data}"
    return f'<figure><img src="{source}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>\n'


def themed(svg: str) -> str:
    """Return a figure that turns its inks about where the page is dark."""
    rules = "".join(f'[style*="{old}"]{{{what}:{new}!important}}' for what, old, new in DARK)
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    start = svg.index(">", svg.index("<svg")) + 1
    return svg[:start] + style + svg[start:]


def _row(score: Score) -> str:
    value = "not measured" if score.value is None else f"{score.value:.3f}"
    note = f'<div class="note">{escape(score.note)}</div>' if score.note else ""
    return (
        f"<tr><td>{escape(score.scale.title)} <code>{escape(score.name)}</code>{note}</td>"
        f'<td class="number">{value}</td><td>{escape(score.scale.worst)}</td><td>{escape(score.scale.best)}</td></tr>'
    )


def _expectations(result: Mapping[str, Any]) -> str:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for one in result["results"]:
        groups.setdefault("" if one["column"] is None else str(one["column"]), []).append(one)
    # Broken rules first: they are what the reader looks for.
    ordered = sorted(groups.items(), key=lambda item: all(one["success"] for one in item[1]))
    rows = "\n".join(_group(name, outcomes) for name, outcomes in ordered)
    return (
        f"<p>{result['successful']} of {result['evaluated']} hold.</p>\n"
        f'<table class="rules"><thead><tr><th>Column</th><th>Rules</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
    )


def _group(name: str, outcomes: Sequence[Mapping[str, Any]]) -> str:
    shown = escape(name) if name else "<em>whole table</em>"
    return f"<tr><td>{shown}</td><td><ul>{''.join(_rule(one) for one in outcomes)}</ul></td></tr>"


def _rule(one: Mapping[str, Any]) -> str:
    level = "pass" if one["success"] else "refuse"
    found = ""
    if not one["success"] and "unexpected_count" in one:
        found = f" — {one['unexpected_count']} of {one['element_count']} values break it"
    text = escape(expectations.words(one) + found + (f" — {one['error']}" if "error" in one else ""))
    return f'<li class="{level}">{_mark(level)}<span>{text}</span></li>'
