"""What training left behind, drawn: its curves, and what the generator made along the way.

    History(curves={"d_loss": [(50, 1.31), …]}, snapshots=(Snapshot(10, {...}, b"\\x89PNG…"), …))

Curves are whatever was watched, by name; known ones share a chart. Snapshots are counts for tables and a picture for
images (`docs/guide.md` says where they lie); what is not understood is left out.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from synthtrail.evaluation import drawing, page
from synthtrail.evaluation.drawing import Points

TOGETHER = (
    ("The autoencoder's loss", ("code_loss", "code_held_loss"), ("learnt images", "images held back")),
    ("The labelling networks' loss", ("label_loss", "label_held_loss"), ("changed images", "images held back")),
    ("Losses", ("d_loss", "g_loss"), ("discriminator", "generator")),
    ("D(x) and D(G(z)): how real the discriminator finds both", ("d_real", "d_fake"), ("real rows", "generated rows")),
    ("The critic's scores", ("d_score_real", "d_score_fake"), ("real rows", "generated rows")),
    ("Gradient norms", ("d_gradient_norm", "g_gradient_norm"), ("discriminator", "generator")),
    ("Weight norms", ("d_weight_norm", "g_weight_norm"), ("discriminator", "generator")),
)
TITLES = {
    "variety": "Variety of what is generated, over that of the real (about 1 is healthy)",
    "code_gradient_norm": "The autoencoder's gradient norm",
    "label_gradient_norm": "The labelling networks' gradient norm",
    "loss": "Loss",
    "reconstruction": "Reconstruction",
    "divergence": "Divergence",
}
MOST_STEPS = 6
MOST_LAYERS = 12  # of a network
MOST_SHOWN = 5  # columns of a table whose way is drawn


@dataclass(frozen=True)
class Snapshot:
    """What the generator made after `step` steps: counts or a description, and a picture if there is one."""

    step: int
    content: Mapping[str, Any]
    picture: bytes | None = None


@dataclass(frozen=True)
class History:
    """Points (step, value) of every curve by name, and snapshots in the order of their steps."""

    curves: Mapping[str, Points] = field(default_factory=dict)
    snapshots: Sequence[Snapshot] = ()
    film: bytes = b""  # an animated GIF of the snapshots' pictures
    layers: Sequence[Mapping[str, Any]] = ()  # what `synthtrail.models.layers` tells, in the order of steps


def curves(history: History) -> str:
    """Return the section of training curves."""
    left = {name: points for name, points in history.curves.items() if len(points) > 1}
    cards = []
    for title, names, words in TOGETHER:
        found = {word: left.pop(name) for name, word in zip(names, words, strict=True) if name in left}
        if found:
            cards.append(_chart(title, found))
    cards += [_chart(TITLES.get(name, name.replace("_", " ")), {"": points}) for name, points in sorted(left.items())]
    lead = "What was watched while training, by step."
    return page.section("training", "Training", lead, page.grid(cards, "wide"))


def snapshots(history: History) -> str:
    """Return the section of what the generator made along the way."""
    chosen = _spread(history.snapshots)
    tables = [one for one in chosen if one.content.get("columns") and isinstance(one.content["columns"], list)]
    pictures = [one for one in chosen if one.picture is not None]
    lead = "What the generator made at a few steps, always from the same noise."
    if tables:
        return page.section("steps", "On the way", lead, page.legend(_two()), *_table_rows(tables))
    means = any(one.content.get("shows") == "class means" for one in pictures)
    if means:
        lead += " Each class has a row: the mean of its real images, and of the generated ones."
    cards = [
        page.card(f"step {one.step:,}", picture(one.picture, f"samples at step {one.step}"))
        for one in pictures
        if one.picture
    ]
    if history.film:
        moving = base64.b64encode(history.film).decode()
        shown = f'<img class="pixels" src="data:image/gif;base64,{moving}" alt="all steps, one after another">'
        cards.insert(0, page.card("all steps, one after another", shown))
    return page.section("steps", "On the way", lead, page.grid(cards, "" if means else "third"))


def layers(history: History) -> str:
    """Return the section of how weights and gradients are spread in each layer, at the first and at the last step."""
    if not history.layers:
        return ""
    parts = []
    for name in sorted(history.layers[-1]["networks"]):
        cards = [
            _layer(name, number, layer["layer"], history)
            for number, layer in enumerate(_last(history, name)[:MOST_LAYERS])
        ]
        parts.append(page.grid(cards, "wide"))
    lead = (
        f"Weights and gradients of each layer at step {history.layers[-1]['step']:,}, and in outline at step "
        f"{history.layers[0]['step']:,}. Gradients that are all next to 0, or weights that run away, stop a training."
    )
    return page.section("layers", "Weights and gradients", lead, *parts)


def _last(history: History, network: str) -> list[Mapping[str, Any]]:
    return list(history.layers[-1]["networks"][network])


def _layer(network: str, number: int, layer: str, history: History) -> str:
    drawings = {}
    for what in ("weights", "gradients"):
        first, last = (one["networks"][network][number].get(what) for one in (history.layers[0], history.layers[-1]))
        if first and last:
            drawings[what] = _spans(first, last, f"{what} of {network}, {layer}")
    return page.card(f"{network}: {layer}", page.side_by_side(drawings))


def _spans(first: Mapping[str, Any], last: Mapping[str, Any], label: str) -> str:
    """Return two histograms on one axis that is as wide as the last one's values."""
    edges = np.linspace(last["low"], last["high"], len(last["counts"]) + 1)
    old = np.linspace(first["low"], first["high"], len(first["counts"]) + 1)
    middles = (old[:-1] + old[1:]) / 2
    before = np.histogram(middles.clip(edges[0], edges[-1]), edges, weights=first["counts"])[0]
    after = np.asarray(last["counts"], dtype=np.float64)
    sides = {"made": after / max(1.0, after.sum()), "held": before / max(1.0, float(before.sum()))}
    return drawing.histogram(edges, sides, label=escape(label))


def picture(png: bytes, label: str, kind: str = "") -> str:
    """Return a PNG as an image whose pixels stay square; of kind `sheet` as wide as its card."""
    data = base64.b64encode(png).decode()
    return f'<img class="{f"pixels {kind}".strip()}" src="data:image/png;base64,{data}" alt="{label}">'


def _two() -> dict[str, str]:
    return {name: page.SIDES[name] for name in ("real", "made")}


def _chart(title: str, series: Mapping[str, Points]) -> str:
    names = {f"c{i}": word for i, word in enumerate(series) if word}
    drawn = drawing.lines(series, label=f"{title} by training step")
    return page.card(title, drawn, below=page.legend(names) if names else "")


def _spread(found: Sequence[Snapshot]) -> list[Snapshot]:
    """Return at most `MOST_STEPS` of the snapshots, the last among them."""
    if len(found) <= MOST_STEPS:
        return list(found)
    at = np.unique(np.linspace(0, len(found) - 1, MOST_STEPS).round().astype(int))
    return [found[i] for i in at]


def _table_rows(tables: Sequence[Snapshot]) -> list[str]:
    """Return for the first columns a row of small drawings, one for each step."""
    last = tables[-1].content["columns"]
    rows = []
    for number, column in enumerate(last[:MOST_SHOWN]):
        drawings = {f"step {one.step:,}": _small(one, number) for one in tables}
        rows.append(page.card(str(column["name"]), page.side_by_side({k: v for k, v in drawings.items() if v})))
    return rows


def _small(one: Snapshot, number: int) -> str:
    column, rows = one.content["columns"][number], one.content["rows"]
    sides = {
        name: np.asarray(column[side], dtype=np.float64) / max(1, rows[side])
        for name, side in (("real", "real"), ("made", "synthetic"))
    }
    label = f"{column['name']} at step {one.step}"
    if column["kind"] == "number":
        words = _no_words if "unit" in column else drawing.number
        return drawing.histogram(np.asarray(column["edges"], dtype=np.float64), sides, label=label, words=words)
    return drawing.bars([str(text) for text in column["labels"]], sides, label=label)


def _no_words(_value: float) -> str:
    return ""
