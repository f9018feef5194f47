"""The diagnostics page of an experiment: what `validate` has at hand, beside what training left behind.

In: the parts that were judged, `curves/` (a CSV file for each figure that was watched), `samples/` (what the generator
made along the way: `step-000100.json` and `step-000100.png`). Out: one HTML text. A file that training left out, or
wrote in a way that is not known here, is not shown.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthtrail.evaluation import diagnostics, gallery, relation_pages
from synthtrail.evaluation.diagnostics import Subject
from synthtrail.evaluation.history import History, Snapshot
from synthtrail.stages.context import Context
from synthtrail.stages.layout import Layout
from synthtrail.stages.parts import FILM, read_json

PAGES: Mapping[str, Any] = {
    "tabular": diagnostics.table_page,
    "image": gallery.image_page,
    "relational": relation_pages.relations_page,
}


def page(context: Context, parts: tuple[Any, Any, Any], schema: Any, facts: Mapping[str, str]) -> str:
    """Return the page; `parts` are training, holdout and synthetic data."""
    subject = Subject(context.name, context.plan["class"], facts, context.plan["seed"])
    return str(PAGES[context.plan["modality"]](subject, *parts, schema, history(context.layout)))


def history(layout: Layout) -> History:
    """Return what training left in the workspace."""
    curves = {path.stem: points(path) for path in sorted(layout.curves.glob("*.csv"))}
    film = layout.samples / FILM
    told = tuple(map(snapshot, sorted(layout.samples.glob("step-*.json"))))
    layers = tuple(read_json(path) for path in sorted(layout.samples.glob("layers-*.json")))
    return History(curves, told, film.read_bytes() if film.exists() else b"", layers)


def points(path: Path) -> list[tuple[float, float]]:
    """Return the points (step, value) of one curve."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(float(row["step"]), float(row["value"])) for row in csv.DictReader(file)]


def snapshot(path: Path) -> Snapshot:
    """Return what the generator made at one step."""
    content = json.loads(path.read_bytes())
    picture = path.with_suffix(".png")
    return Snapshot(int(content["step"]), content, picture.read_bytes() if picture.exists() else None)
