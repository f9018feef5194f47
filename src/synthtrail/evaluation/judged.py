"""Images as networks judge them, for the diagnostics page: what is confused, mistaken, found out, and looked at.

    confusion      a classifier trained on real and one trained on synthetic images, both asked about the holdout
    mistakes       the holdout images that the second is wrong about, the commonest confusions first
    discriminator  a fresh network that learns real from synthetic on one half of each, asked about the other half:
                   real judged real, real judged synthetic, and so on; all four alike if nothing gives images away
    attention      Grad-CAM: where the first classifier looks, in real and in synthetic images

The generator's own critic is not asked: it ends with its training, and another generator has none. Of a confidential
source no real image is shown, and counts of fewer than five real images are left out.
"""

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.evaluation import drawing, history, page
from synthtrail.evaluation.attention import attention, overlaid
from synthtrail.evaluation.canvas import LEAST_CELL, clean
from synthtrail.evaluation.classifier import Classifier, Results, fit
from synthtrail.evaluation.domain import settings_for
from synthtrail.evaluation.pictures import png, tiled

Pixels = NDArray[np.uint8]

SECTIONS = {
    "confusion": "Confusion",
    "mistakes": "Mistakes",
    "discriminator": "Real or synthetic",
    "attention": "Attention",
}
WORST = 12  # confusions shown
EACH = 8  # images of a confusion, a verdict, or a class
MOST_CLASSES = 10
MOST_ASKED = 4_000  # images of a side that the discriminator learns from, and is asked about
REAL, SYNTHETIC = "real", "synthetic"


@dataclass(frozen=True)
class Sides:
    """Training, holdout and synthetic images, whether real ones are confidential, and the seed of the networks."""

    real: ImageSet
    held: ImageSet
    made: ImageSet
    private: bool
    seed: int = 0


def sections(sides: Sides, schema: ImageSchema) -> str:
    """Return the four sections; those that need two classes are left out where there is one."""
    if min(len(sides.real), len(sides.held), len(sides.made)) < 4:
        return ""
    shown = discriminator(sides)
    if len(schema.classes) < 2 or np.unique(sides.made.labels.astype(str)).size < 2:
        return shown
    settings = settings_for(len(sides.real))
    by_real, by_made = (
        fit(side.pixels, side.labels, seed=sides.seed, settings=settings) for side in (sides.real, sides.made)
    )
    return "".join(
        (confusion(sides, by_real, by_made), mistakes(sides, by_made), shown, looked_at(sides, by_real, schema))
    )


def confusion(sides: Sides, by_real: Classifier, by_made: Classifier) -> str:
    """Return both confusion matrices, rows the true class, as shares of it."""
    cards = []
    for name, judge in ((REAL, by_real), (SYNTHETIC, by_made)):
        found = judge.test(sides.held.pixels, sides.held.labels)
        title = f"trained on {name} images"
        drawn = drawing.cells(_shares(found, sides.private), label=f"confusion: {title}", name="made", side=280)
        note = f"balanced accuracy {found.balanced:.3f}"
        cards.append(page.card(title, drawn, note, f'<div class="note">{_worst(found, sides.private)}</div>'))
    order = ", ".join(clean(name, 20) for name in by_real.classes[:20])
    lead = (
        f"Holdout images: a row for each true class, a column for each answer, darker the commoner; in order: {order}."
    )
    return page.section("confusion", SECTIONS["confusion"], lead, page.grid(cards, "wide"))


def mistakes(sides: Sides, judge: Classifier) -> str:
    """Return the images that the classifier trained on synthetic images is wrong about, by what they are taken for.

    Of a confidential source they are synthetic ones, which the classifier was trained on.
    """
    asked = sides.made if sides.private else sides.held
    truth, guess = asked.labels.astype(str), judge.predict(asked.pixels).astype(str)
    pairs, counts = np.unique(np.stack([truth, guess])[:, truth != guess], axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:WORST]
    cards = []
    for true, answer, count in ((*pairs[:, at], counts[at]) for at in order):
        rows = np.flatnonzero((truth == true) & (guess == answer))[:EACH]
        label = f"{clean(str(true), 14)} taken for {clean(str(answer), 14)}"
        cards.append(page.card(label, _sheet(asked.pixels[rows], label), f"{count}"))
    whose = "synthetic images (the real ones are confidential)" if sides.private else "holdout images"
    wrong = f"{int(counts.sum())} of {len(asked):,} {whose} are taken for another class"
    lead = f"{wrong} by a classifier trained on synthetic ones."
    return page.section("mistakes", SECTIONS["mistakes"], lead, page.grid(cards, "third") or "<p>None.</p>")


def discriminator(sides: Sides) -> str:
    """Return real and synthetic images by what a fresh network takes them for."""
    size = min(len(sides.held), len(sides.made), MOST_ASKED)
    half = size // 2
    real, made = (_spread(side.pixels, size) for side in (sides.held, sides.made))
    names = np.repeat(np.array([REAL, SYNTHETIC], dtype=object), half)
    judge = fit(np.concatenate([real[:half], made[:half]]), names, seed=sides.seed, settings=settings_for(size))
    cards, right = [], 0
    for name, images in ((REAL, real[half : 2 * half]), (SYNTHETIC, made[half : 2 * half])):
        guess = judge.predict(images).astype(str)
        right += int((guess == name).sum())
        cards += [_verdict(images[guess == taken], name, taken, sides.private) for taken in (REAL, SYNTHETIC)]
    lead = (
        f"A fresh network that learnt real (holdout) from synthetic images on {half:,} of each is right about "
        f"{right / 2 / half:.1%} of {half:,} others of each; 50 % is guessing: then nothing gives them away."
    )
    return page.section("discriminator", SECTIONS["discriminator"], lead, page.grid(cards, "wide"))


def looked_at(sides: Sides, judge: Classifier, schema: ImageSchema) -> str:
    """Return images of each class with what speaks for their class laid over them."""
    cards = []
    shown = ((SYNTHETIC, sides.made),) if sides.private else (("real (holdout)", sides.held), (SYNTHETIC, sides.made))
    known = [name for name in schema.classes if name in judge.classes][:MOST_CLASSES]
    for title, side in shown:
        rows = np.concatenate([np.flatnonzero(side.labels.astype(str) == name)[: EACH // 2] for name in known])
        if len(rows):
            labels = side.labels[rows].astype(str).tolist()
            plain = np.broadcast_to(side.pixels[rows], (*side.pixels[rows].shape[:3], 3)).astype(np.uint8)
            heat = overlaid(side.pixels[rows], attention(judge, side.pixels[rows], labels))
            pairs = np.stack([plain, heat], 1).reshape(-1, *heat.shape[1:])
            cards.append(page.card(title, _sheet(pairs, f"Grad-CAM on {title} images")))
    lead = (
        "Where a classifier trained on real images looks (Grad-CAM): each image, and beside it in red what speaks for "
        f"its class. In order: {', '.join(clean(name, 20) for name in known)}."
    )
    return page.section("attention", SECTIONS["attention"], lead, page.grid(cards, "wide"))


def _verdict(images: Pixels, name: str, taken: str, private: bool) -> str:
    title = f"{name}, judged {taken}"
    if private and name == REAL:
        told = f"{len(images):,}" if len(images) >= LEAST_CELL else f"fewer than {LEAST_CELL}"
        return page.card(title, "<small>not shown: the source is confidential</small>", told)
    return page.card(title, _sheet(images[: 2 * EACH], title) if len(images) else "", f"{len(images):,}")


def _shares(found: Results, private: bool) -> NDArray[np.float64]:
    counts = np.where(found.matrix < LEAST_CELL, 0, found.matrix) if private else found.matrix
    shares: NDArray[np.float64] = counts / np.maximum(found.matrix.sum(1, keepdims=True), 1)
    return shares


def _worst(found: Results, private: bool) -> str:
    counts = found.matrix.copy()
    np.fill_diagonal(counts, 0)
    least = LEAST_CELL if private else 1
    order = [divmod(int(at), len(counts)) for at in np.argsort(-counts, axis=None, kind="stable")[:5]]
    told = [f"{found.classes[i]} as {found.classes[j]}: {counts[i, j]}" for i, j in order if counts[i, j] >= least]
    return escape("; ".join(told) or "next to nothing is confused")


def _sheet(images: Pixels, label: str) -> str:
    return history.picture(png(tiled(images, EACH)), escape(label), "sheet")


def _spread(pixels: Pixels, count: int) -> Pixels:
    """Return so many images, evenly spaced, in an order that alternates between early and late ones.

    Files may be sorted by class, and the first half of these is what is learnt from.
    """
    rows = np.linspace(0, len(pixels) - 1, count).round().astype(int)
    chosen: Pixels = pixels[np.concatenate([rows[::2], rows[1::2]])]
    return chosen
