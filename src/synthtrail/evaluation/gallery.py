"""The diagnostics page of images: samples of every class, pixels' means and spreads, counts, principal axes; and what
networks make of them (`judged`).

Of a confidential source no real image is shown; class means of at least five stand for them.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.evaluation import diagnostics, drawing, history, page
from synthtrail.evaluation.canvas import LEAST_CELL
from synthtrail.evaluation.diagnostics import EMBEDDED, NAMES, Subject
from synthtrail.evaluation.history import History
from synthtrail.evaluation.pictures import png
from synthtrail.evaluation.pixels import SMALL_SIDE, shrink

MOST_CLASSES = 12
EACH = 8  # images of a class and side
PIECE = 1_000  # images at a time
FIELD = 12  # pixels at least on each side of a sheet's cell, so that small images are not lost

Sides = Mapping[str, ImageSet]


def image_page(
    subject: Subject, train: ImageSet, holdout: ImageSet, synthetic: ImageSet, schema: ImageSchema, past: History
) -> str:
    """Return the page of an image set."""
    from synthtrail.evaluation import judged  # noqa: PLC0415 - torch: two seconds that tables save

    sides = {"real": train, "held": holdout, "made": synthetic}
    dense = {name: shrink(side.pixels[:EMBEDDED], SMALL_SIDE) for name, side in sides.items()}
    sections = "".join(
        (
            history.curves(past),
            history.layers(past),
            history.snapshots(past),
            _samples(sides, schema, subject.private),
            _classes(sides, schema, subject.private),
            _pixels(sides, subject.private),
            diagnostics.axes(dense, subject.private),
            judged.sections(judged.Sides(train, holdout, synthetic, subject.private, subject.seed), schema),
        )
    )
    return diagnostics.whole(subject, sections, judged.SECTIONS)


def _samples(sides: Sides, schema: ImageSchema, private: bool) -> str:
    classes = schema.classes[:MOST_CLASSES]
    cards = []
    for name, side in sides.items():
        hides = private and name != "made"
        title = f"{NAMES[name]}{': class means' if hides else ''}"
        cards.append(
            page.card(
                title, history.picture(png(sheet(side, classes, schema, hides)), f"{title}, a row for each class")
            )
        )
    shown = "The first images of each class in the file, not chosen"
    if private:
        shown = "The mean of each class of the real images, of at least five, and the first synthetic images of each"
    lead = f"{shown}; a row for each class: {', '.join(classes)}."
    return page.section("samples", "Samples", lead, page.grid(cards, "third"))


def sheet(side: ImageSet, classes: tuple[str, ...], schema: ImageSchema, means: bool) -> NDArray[np.uint8]:
    """Return images as one sheet, a row for each class, (R, W, C)."""
    rows = []
    for label in classes:
        found = side.pixels[side.labels == label]
        if means:
            found = found.mean(axis=0, keepdims=True).astype(np.uint8) if len(found) >= LEAST_CELL else found[:0]
        rows.append(_row(found[:EACH], schema, 1 if means else EACH))
    gap = _gap(schema)
    return np.vstack(rows)[:-gap, :-gap]


def _gap(schema: ImageSchema) -> int:
    return 1 + schema.width // 16


def _row(found: NDArray[np.uint8], schema: ImageSchema, places: int) -> NDArray[np.uint8]:
    gap = _gap(schema)
    row = np.zeros((schema.height + gap, (schema.width + gap) * places, schema.channels), np.uint8)
    for i, image in enumerate(found):
        row[: schema.height, i * (schema.width + gap) : i * (schema.width + gap) + schema.width] = image
    return row


def _classes(sides: Sides, schema: ImageSchema, private: bool) -> str:
    shares = {}
    for name, side in sides.items():
        counted = np.array([np.count_nonzero(side.labels == label) for label in schema.classes], dtype=np.float64)
        hides = private and name != "made"
        shares[name] = (
            np.where(counted < LEAST_CELL, 0, counted) / max(1, len(side)) if hides else counted / max(1, len(side))
        )
    drawn = drawing.bars(
        [str(label) for label in schema.classes[:40]], {k: v[:40] for k, v in shares.items()}, label="classes"
    )
    lead = "The share of every class."
    return page.section("classes", "Classes", lead, page.legend(), page.grid([page.card("class", drawn)], "third"))


def _pixels(sides: Sides, private: bool) -> str:
    cards = []
    shown = {name: side for name, side in sides.items() if not private or name == "made" or len(side) >= LEAST_CELL}
    found = {name: moments(side.pixels) for name, side in shown.items()}
    for number, what in enumerate(("mean", "spread")):
        drawings = {}
        for name, both in found.items():
            scaled = both[number] * (255 / 127.5 if what == "spread" else 1)
            drawings[NAMES[name]] = history.picture(png(scaled.clip(0, 255).astype(np.uint8)), f"{what}: {NAMES[name]}")
        cards.append(page.card(f"{what} of each pixel", page.side_by_side(drawings)))
    lead = "Where images are bright on average, and where they differ from each other."
    return page.section("pixels", "Pixels", lead, page.grid(cards, "wide"))


def moments(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each pixel (H, W, C) of images (N, H, W, C), N above 0, in little memory.

    >>> moments(np.array([[[[0]]], [[[4]]]], np.uint8))
    (array([[[2.]]]), array([[[2.]]]))
    """
    mean = pixels.mean(axis=0, dtype=np.float64)
    squares = np.zeros(pixels.shape[1:])
    for start in range(0, len(pixels), PIECE):
        squares += ((pixels[start : start + PIECE] - mean) ** 2).sum(axis=0)
    return mean, np.sqrt(squares / len(pixels))
