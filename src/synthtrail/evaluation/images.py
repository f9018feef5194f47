"""The metrics for labelled images of one size: usefulness, likeness, and whether they are copies of each other or of
real ones.

*Utility*: a classifier (support vectors with a Gaussian kernel on the first 50 principal components of the pixels, both
fitted on the images that it is trained on) is trained on synthetic images only and on real ones, and tested on the real
holdout; `domain` does the same with a network. *Fidelity*: the Fréchet distance between Gaussians fitted to the first
50 principal components of real training pixels. It is named for what it is: a distance in pixels, not the FID, whose
features come from a network trained on photographs. Beside it the mean image, the pixels' spread and the class balance;
the brightness of each channel (a cast of colour) and the contrast of single images (a generator's images that were
stretched one by one all reach from black to white). *Distinctness*: of all images, how many are near-duplicates of
another or near copies of a training image (`distinct`), and whether they lie nearer to training images than held-out
real ones do, with bootstrap intervals. *Privacy*: as for tables (`synthtrail.evaluation.privacy`), in pixel distance.

Distances are taken between images shrunk by block means to at most 16 pixels a side, brightness in [0, 1].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.evaluation import distinct, privacy, utility
from synthtrail.evaluation.distinct import Reference
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError
from synthtrail.evaluation.nearest import nearest
from synthtrail.evaluation.pixels import SMALL_SIDE, levels, shrink, small

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COMPONENTS = 50
MOST_IMAGES = 4_000  # for training and for testing the classifier, whose cost grows with their square
SIDE = 28  # of images as the classifier sees them
REDRAWN = 200  # bootstrap samples behind an interval
TAIL = 5  # per cent of images: the nearest ones, among which copies would be

UTILITY_SCALES = (
    utility.RATIO,
    Scale(
        "tstr_balanced_accuracy",
        "Mean recall, trained on synthetic",
        "higher",
        "1/classes: guessing",
        "1: every class right",
    ),
    Scale(
        "trtr_balanced_accuracy",
        "Mean recall, trained on real",
        "higher",
        "1/classes: guessing",
        "1: every class right",
    ),
    Scale("tstr_accuracy", "Accuracy, trained on synthetic", "higher", "0: always wrong", "1: always right"),
    Scale("trtr_accuracy", "Accuracy, trained on real", "higher", "0: always wrong", "1: always right"),
)
FIDELITY_SCALES = (
    Scale(
        "frechet_pixels",
        "Fréchet distance of pixels (principal components)",
        "lower",
        "large: unlike",
        "the holdout's own",
    ),
    Scale("frechet_pixels_holdout", "The holdout's own Fréchet distance", "lower", "a property of the data", "0"),
    Scale("pixel_mean", "Mean image", "higher", "0: black against white", "1: the same"),
    Scale("pixel_spread", "Standard deviation of each pixel", "higher", "0: opposite", "1: the same"),
    Scale("class_balance", "Class balance", "higher", "0: no class in common", "1: the same shares"),
    Scale("colours", "Brightness of each channel", "higher", "0: black against white", "1: the same"),
    Scale("contrast", "Contrast of single images", "higher", "0: flat against stretched", "1: the same"),
)
DISTINCT_SCALES = (
    Scale(
        "distinct", "Images unlike every other synthetic one", "higher", "0: one image repeated", "0.99: as real images"
    ),
    Scale("near_copies", "Near copies of training images", "lower", "1: all", "0.01: as the holdout"),
    Scale("nearest_ratio", "Distance to the nearest training image, over the holdout's", "middle", "0: copies", "1"),
    Scale("nearest_ratio_lower", "The same, lower 95 % bound", "higher", "0: copies", "1 or more: not nearer"),
    Scale("nearest_tail", "The same of the nearest 5 %", "middle", "0: copies", "1: as the holdout's nearest 5 %"),
    Scale("nearest_tail_lower", "The same, lower 95 % bound", "higher", "0: copies", "1 or more: not nearer"),
)


@dataclass(frozen=True)
class Classified:
    """A classifier's results on the holdout: accuracy, and recall by class."""

    accuracy: float
    recalls: Mapping[str, float]

    @property
    def balanced(self) -> float:
        """Mean recall over the classes of the holdout."""
        return float(np.mean(list(self.recalls.values())))


def measure_utility(
    train: ImageSet, holdout: ImageSet, synthetic: ImageSet, schema: ImageSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return accuracy and recall on the holdout of classifiers trained on synthetic and on real images."""
    if len(schema.classes) < 2:
        raise UnmeasurableError("there is a single class, so nothing to tell apart")
    tested = _some(holdout, rng)
    tstr, trtr = (classify(_some(side, rng), tested) for side in (synthetic, train))
    ratio = tstr.balanced / trtr.balanced if trtr.balanced > 0 else None
    return {
        "tstr_balanced_accuracy": Reading(tstr.balanced, "", tstr.recalls),
        "trtr_balanced_accuracy": Reading(trtr.balanced, "", trtr.recalls),
        "tstr_accuracy": Reading(tstr.accuracy),
        "trtr_accuracy": Reading(trtr.accuracy),
        "utility_ratio": Reading(ratio, f"mean recall {tstr.balanced:.3f} over {trtr.balanced:.3f}"),
    }


def classify(known: ImageSet, tested: ImageSet) -> Classified:
    """Train the classifier on `known`, test it on `tested`."""
    from sklearn.svm import SVC  # noqa: PLC0415 - a second of start-up

    pixels, asked = shrink(known.pixels, SIDE), shrink(tested.pixels, SIDE)
    centre, axes = components(pixels)
    labels, truth = known.labels.astype(str), tested.labels.astype(str)
    if np.unique(labels).size < 2:  # images of one class, or none: the only answer is that class
        guess = np.full(len(truth), labels[0] if labels.size else "")
    else:
        guess = SVC(C=10.0).fit((pixels - centre) @ axes, labels).predict((asked - centre) @ axes)
    right = guess == truth
    return Classified(float(right.mean()), {str(k): float(right[truth == k].mean()) for k in np.unique(truth)})


def components(pixels: Floats) -> tuple[Floats, Floats]:
    """Return the mean (D,) and the first principal axes (D, K) of rows (N, D): at most 50, each with some variance."""
    centre = pixels.mean(axis=0)
    moved = pixels - centre
    variances, axes = np.linalg.eigh(moved.T @ moved / max(1, len(pixels) - 1))
    kept = np.flatnonzero(variances > 1e-9 * max(float(variances[-1]), 1e-12))[::-1][:COMPONENTS]
    return centre, axes[:, kept]


def frechet(one: Floats, other: Floats) -> float:
    """Return the Fréchet distance of Gaussians fitted to rows (N, K) and (M, K) (Dowson and Landau 1982).

    >>> round(frechet(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]])), 6)
    9.0
    """
    gap = float(((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum())
    covariances = [np.atleast_2d(np.cov(side, rowvar=False)) for side in (one, other)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0)).sum()
    return gap + float(np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared)


def measure_fidelity(
    train: ImageSet, holdout: ImageSet, synthetic: ImageSet, schema: ImageSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return likeness of the synthetic to the training images, and the holdout's Fréchet distance for comparison."""
    del rng
    if min(len(train), len(holdout), len(synthetic)) < 2:
        raise UnmeasurableError("needs at least two images of each kind")
    real, held, made = (shrink(side.pixels, SIDE) for side in (train, holdout, synthetic))
    centre, axes = components(real)
    distances = [frechet((real - centre) @ axes, (side - centre) @ axes) for side in (made, held)]
    shares = {
        str(k): (float((train.labels == k).mean()), float((synthetic.labels == k).mean())) for k in schema.classes
    }
    unknown = 1.0 - sum(made_share for _, made_share in shares.values())
    return colours(train.pixels, synthetic.pixels) | {
        "frechet_pixels": Reading(distances[0]),
        "frechet_pixels_holdout": Reading(distances[1], f"from {len(holdout)} images; fewer make it larger"),
        "pixel_mean": Reading(1.0 - float(np.abs(real.mean(axis=0) - made.mean(axis=0)).mean())),
        "pixel_spread": Reading(1.0 - 2 * float(np.abs(real.std(axis=0) - made.std(axis=0)).mean())),
        "class_balance": Reading(
            1.0 - 0.5 * (unknown + sum(abs(a - b) for a, b in shares.values())),
            "",
            {name: made_share for name, (_, made_share) in shares.items()},
        ),
    }


def colours(real: NDArray[np.uint8], made: NDArray[np.uint8]) -> dict[str, Reading]:
    """Return the likeness of brightness in each channel, and of the range from darkest to brightest pixel of an image.

    Each is 1 less the earth mover's distance between the two distributions, brightness in [0, 1].
    """
    gaps = [_moved(one, other) for one, other in zip(levels(real), levels(made), strict=True)]
    names = ("grey",) if real.shape[3] == 1 else ("red", "green", "blue")
    ranges = [np.bincount(side.max((1, 2, 3)) - side.min((1, 2, 3)), minlength=256) for side in (real, made)]
    detail = {name: 1.0 - gap for name, gap in zip(names, gaps, strict=True)}
    return {
        "colours": Reading(1.0 - float(np.mean(gaps)), "", detail),
        "contrast": Reading(1.0 - _moved(ranges[0], ranges[1])),
    }


def _moved(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Return the earth mover's distance of two histograms over 256 levels, as a share of the whole range."""
    return float(np.abs(np.cumsum(one / one.sum() - other / other.sum())).sum() / 255)


def measure_distinctness(
    train: ImageSet, holdout: ImageSet, synthetic: ImageSet, schema: ImageSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the share of distinct images and of near copies, of all; and how far they are from training images."""
    del schema
    if min(len(train), len(holdout), len(synthetic)) < 2:
        raise UnmeasurableError("needs at least two images of each kind")
    reference = Reference.marks(train.pixels, holdout.pixels)
    unlike, copied = distinct.shares(reference, synthetic.pixels)
    held, made = (nearest(small(side.pixels), reference.train)[0] for side in (holdout, synthetic))
    marks = f"nearer than {reference.own:.3g}, the real images' own first percentile"
    return {
        "distinct": Reading(unlike, f"of all {len(synthetic):,}; not distinct is what lies {marks}"),
        "near_copies": Reading(copied, f"of all {len(synthetic):,}; mark {reference.held:.3g}"),
        **_nearer("nearest_ratio", held, made, 50, rng),
        **_nearer("nearest_tail", held, made, TAIL, rng),
    }


def _nearer(name: str, held: Floats, made: Floats, percent: float, rng: np.random.Generator) -> dict[str, Reading]:
    """Return the ratio of a percentile of distances, synthetic over holdout, and its lower 95 % bound (bootstrap)."""
    own = float(np.percentile(held, percent))
    if own == 0:
        why = "so many holdout images equal a training image that distances say nothing"
        return {name: Reading(None, why), f"{name}_lower": Reading(None, why)}
    drawn = [[np.percentile(rng.choice(side, len(side)), percent) for side in (made, held)] for _ in range(REDRAWN)]
    ratios = np.array([a / b for a, b in drawn if b > 0])
    low, high = np.percentile(ratios, (2.5, 97.5))
    value = float(np.percentile(made, percent)) / own
    note = f"95 % interval {low:.3f} to {high:.3f}" + ("; nearer beyond doubt" if high < 1 else "")
    detail = {"synthetic": value * own, "holdout": own}
    return {name: Reading(value, note, detail), f"{name}_lower": Reading(float(low))}


def measure_privacy(
    train: ImageSet, holdout: ImageSet, synthetic: ImageSet, schema: ImageSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the readings of `synthtrail.evaluation.privacy` for images, in pixel distance."""
    del schema
    members, others = (shrink(_some(side, rng, privacy.MOST_REAL).pixels, SMALL_SIDE) for side in (train, holdout))
    sizes = [len(train), len(train) + len(holdout)]
    _, number = np.unique(_digests(train, holdout, synthetic), return_inverse=True)
    first, second, third = np.split(number.astype(np.int64), sizes)
    return privacy.readings(members, others, shrink(synthetic.pixels, SMALL_SIDE), (first, second, third), rng)


def _digests(*sides: ImageSet) -> NDArray[np.void]:
    """Return a hash of each image of all sides (N,): pixels themselves would take their whole size once more."""
    hashes = (blake2b(image.tobytes(), digest_size=16).digest() for side in sides for image in side.pixels)
    return np.frombuffer(b"".join(hashes), np.dtype((np.void, 16)))


def _some(images: ImageSet, rng: np.random.Generator, most: int = MOST_IMAGES) -> ImageSet:
    kept = np.sort(rng.permutation(len(images))[:most])
    return ImageSet(images.pixels[kept], images.labels[kept], tuple(images.names[i] for i in kept))


METRICS: tuple[Metric[ImageSet, ImageSchema], ...] = (
    Metric("utility", "utility", UTILITY_SCALES, measure_utility),
    Metric("fidelity", "fidelity", FIDELITY_SCALES, measure_fidelity),
    Metric("distinctness", "privacy", DISTINCT_SCALES, measure_distinctness),
    Metric("privacy", "privacy", privacy.SCALES, measure_privacy),
)
