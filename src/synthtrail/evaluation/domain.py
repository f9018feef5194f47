"""Images judged by networks that know this domain: what a classifier learns from them, and where they lie for it.

*Utility*: a domain classifier (`classifier`) is trained on each of

    real                      the training images
    synthetic                 the generated images alone
    real + synthetic          both
    real + augmentation       the training images, each batch augmented anew (`synthtrail.data.augment`)
    real + both               both kinds of images, augmented

for the same number of steps, from `SEEDS` seeds, and tested on the holdout: balanced accuracy, the mean recall over the
classes. Which augmentation suits the images (are there an up and a left?) is asked of a part of the training images.

*Fidelity*: distances in the features of a classifier trained on the training images; named for what they are, not FID
and KID, whose features come from a network trained on photographs. The holdout is cut in two; its halves' distance to
each other is the floor that fresh real images reach, and as many synthetic images are held against either half:

    frechet    distance of Gaussians (Heusel et al. 2017, arXiv 1706.08500); few images make it larger, on both sides
    kernel     unbiased squared MMD, kernel (x·y / D + 1)³ (Bińkowski et al. 2018, arXiv 1801.01401); 0 if alike
    precision, recall, density, coverage    as in `manifold`, beside the holdout, in features and in pixels

Features are divided by the root of the holdout's mean variance, so distances are in units of that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.evaluation.images import frechet
from synthtrail.evaluation.manifold import NEIGHBOURS, balls
from synthtrail.evaluation.metric import Metric, Reading, Scale, UnmeasurableError
from synthtrail.evaluation.pixels import small

if TYPE_CHECKING:
    from synthtrail.data.augment import Augmentation
    from synthtrail.evaluation.classifier import Classifier, Results, Settings

Floats = NDArray[np.float64]

SEEDS = 3
BATCH = 64
STEPS = (60, 300)  # at least, at most; between them three times through the training images
MOST_IMAGES = 5_000  # a side, behind distances in features
GUESSING = "1/classes: guessing"
RIGHT = "1: every class right"
HALL = ("precision", "recall", "density", "coverage")

UTILITY_SCALES = (
    Scale("network_real", "Mean recall of a network trained on real", "higher", GUESSING, RIGHT),
    Scale("network_synthetic", "… on synthetic only", "higher", GUESSING, RIGHT),
    Scale("network_both", "… on real and synthetic", "higher", GUESSING, RIGHT),
    Scale("network_augmented", "… on real with augmentation", "higher", GUESSING, RIGHT),
    Scale("network_hybrid", "… on real and synthetic with augmentation", "higher", GUESSING, RIGHT),
    Scale("network_recall_min", "… on synthetic only: recall of the worst class", "higher", "0: a lost class", RIGHT),
)
FIDELITY_SCALES = (
    Scale("frechet_domain", "Fréchet distance in a domain classifier's features", "lower", "large: unlike", "the next"),
    Scale("frechet_domain_real", "The same between halves of the holdout", "lower", "a property of the data", "0"),
    Scale("kernel_domain", "Kernel distance in a domain classifier's features", "lower", "large: unlike", "0: alike"),
    Scale("kernel_domain_real", "The same between halves of the holdout", "lower", "a property of the data", "0"),
    *(
        Scale(f"{name}{end}", f"{words} ({where})", "higher", "0: none", best)
        for end, where in (("_domain", "features"), ("_pixels", "pixels"))
        for name, words, best in (
            ("precision", "Synthetic images where real ones lie", "1: all"),
            ("recall", "Real images where synthetic ones lie", "1: all"),
            ("density", "Real neighbourhoods around a synthetic image", "1: as around real ones"),
            ("coverage", "Real images with a synthetic one among their neighbours", "1: all"),
        )
    ),
)


@dataclass(frozen=True)
class Arm:
    """One way to train the classifier: on which images, and whether they are augmented."""

    name: str
    images: ImageSet
    augmentation: "Augmentation | None" = None


def measure_utility(
    train: ImageSet, holdout: ImageSet, synthetic: ImageSet, schema: ImageSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return balanced accuracy on the holdout for every way to train."""
    if len(schema.classes) < 2:
        raise UnmeasurableError("there is a single class, so nothing to tell apart")
    if not len(synthetic) or not len(holdout):
        raise UnmeasurableError("needs images of each kind")
    settings = settings_for(len(train))
    first = int(rng.integers(2**31))
    named, augmentation = suited(train, settings, first)
    found = {
        arm.name: [outcome(arm, holdout, settings, first + number) for number in range(SEEDS)]
        for arm in arms(train, synthetic, augmentation)
    }
    readings = {f"network_{name}": reading(results) for name, results in found.items()}
    for name in ("augmented", "hybrid"):
        said = readings[f"network_{name}"]
        readings[f"network_{name}"] = replace(said, note=f"{said.note}; augmented as {named}")
    worst = min(readings["network_synthetic"].detail.items(), key=lambda item: item[1])
    return readings | {"network_recall_min": Reading(worst[1], f"class {worst[0]}")}


def arms(train: ImageSet, synthetic: ImageSet, augmentation: "Augmentation") -> list[Arm]:
    """Return the ways to train, as the module docstring lists them."""
    both = together(train, synthetic)
    return [
        Arm("real", train),
        Arm("synthetic", synthetic),
        Arm("both", both),
        Arm("augmented", train, augmentation),
        Arm("hybrid", both, augmentation),
    ]


def together(one: ImageSet, other: ImageSet) -> ImageSet:
    """Return the images of both sets."""
    pixels, labels = np.concatenate([one.pixels, other.pixels]), np.concatenate([one.labels, other.labels])
    return ImageSet(pixels, labels, (*one.names, *other.names))


def settings_for(images: int) -> "Settings":
    """Return how to train a judge on so many images."""
    from synthtrail.evaluation.classifier import Settings  # noqa: PLC0415 - torch: two seconds that tables save

    return Settings(steps=min(max(3 * images // BATCH, STEPS[0]), STEPS[1]), batch=BATCH)


def outcome(arm: Arm, holdout: ImageSet, settings: "Settings", seed: int) -> "Results":
    """Return what a classifier trained on the arm's images makes of the holdout."""
    from synthtrail.evaluation.classifier import fit  # noqa: PLC0415 - torch

    chosen = replace(settings, augmentation=arm.augmentation)
    return fit(arm.images.pixels, arm.images.labels, seed=seed, settings=chosen).test(holdout.pixels, holdout.labels)


def reading(results: "list[Results]") -> Reading:
    """Return the mean balanced accuracy over seeds, its range, and each class's mean recall."""
    balanced = [one.balanced for one in results]
    recalls = [one.recalls for one in results]
    detail = {name: float(np.mean([one[name] for one in recalls])) for name in recalls[0]}
    return Reading(
        float(np.mean(balanced)), f"{len(results)} seeds: {min(balanced):.3f} to {max(balanced):.3f}", detail
    )


def suited(train: ImageSet, settings: "Settings", seed: int) -> "tuple[str, Augmentation]":
    """Return the augmentation, with its name, that helps more on a fifth of the training images held back for this."""
    from synthtrail.data.augment import SIGNS, TISSUE  # noqa: PLC0415 - torch

    kept = np.random.default_rng(seed).permutation(len(train)) % 5 > 0
    if not kept.any() or kept.all():
        return "signs", SIGNS
    inner, asked = (ImageSet(train.pixels[rows], train.labels[rows], ()) for rows in (kept, ~kept))
    scores = {
        name: outcome(Arm(name, inner, how), asked, settings, seed).balanced
        for name, how in (("signs", SIGNS), ("tissue", TISSUE))
    }
    return ("tissue", TISSUE) if scores["tissue"] > scores["signs"] else ("signs", SIGNS)


def measure_fidelity(
    train: ImageSet, holdout: ImageSet, synthetic: ImageSet, schema: ImageSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return distances, precision, recall, density and coverage."""
    from synthtrail.evaluation.classifier import fit  # noqa: PLC0415 - torch

    del schema
    size = min(len(holdout), len(synthetic), MOST_IMAGES)
    if size < 2 * (NEIGHBOURS + 1):
        raise UnmeasurableError(f"needs at least {2 * (NEIGHBOURS + 1)} holdout and synthetic images; there are {size}")
    judge = fit(train.pixels, train.labels, seed=int(rng.integers(2**31)), settings=settings_for(len(train)))
    real, made = (side.pixels[rng.permutation(len(side))[:size]] for side in (holdout, synthetic))
    found = distances(judge, real, made)
    spaces: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[Any]]] = {
        "domain": judge.features,
        "pixels": small,
    }
    for name, space in spaces.items():
        about = balls(space(real).astype(np.float64), space(made).astype(np.float64))
        found |= {f"{kind}_{name}": about[kind] for kind in HALL}
    note = f"{size // 2:,} images against as many"
    return {
        name: Reading(value, note if name.startswith(("frechet", "kernel")) else "") for name, value in found.items()
    }


def distances(judge: "Classifier", real: NDArray[np.uint8], made: NDArray[np.uint8]) -> dict[str, float]:
    """Return Fréchet and kernel distance of as many fresh real and synthetic images (N, H, W, C), and their floors."""
    half = len(real) // 2
    truth, drawn = (_features(judge, side) for side in (real, made))
    scale = float(np.sqrt(truth.var(axis=0).mean())) or 1.0
    truth, drawn = truth / scale, drawn / scale
    halves, parts = (truth[:half], truth[half : 2 * half]), (drawn[:half], drawn[half : 2 * half])
    found = {}
    for name, distance in (("frechet", frechet), ("kernel", kernel)):
        found[f"{name}_domain"] = float(np.mean([distance(*pair) for pair in zip(halves, parts, strict=True)]))
        found[f"{name}_domain_real"] = distance(*halves)
    return found


def kernel(one: Floats, other: Floats) -> float:
    """Return the unbiased squared maximum mean discrepancy of rows (N, D) and (M, D), kernel (x·y / D + 1)³.

    >>> near = kernel(np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]))
    >>> near < kernel(np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]]))
    True
    """
    within = []
    for rows in (one, other):
        gram = _cubed(rows, rows)
        within.append((gram.sum() - np.trace(gram)) / (len(rows) * (len(rows) - 1)))
    return float(sum(within) - 2 * _cubed(one, other).mean())


def _cubed(one: Floats, other: Floats) -> Floats:
    cubed: Floats = (one @ other.T / one.shape[1] + 1) ** 3
    return cubed


def _features(judge: "Classifier", pixels: NDArray[np.uint8]) -> Floats:
    return judge.features(pixels).astype(np.float64)


METRICS: tuple[Metric[ImageSet, ImageSchema], ...] = (
    Metric("network_utility", "utility", UTILITY_SCALES, measure_utility),
    Metric("network_fidelity", "fidelity", FIDELITY_SCALES, measure_fidelity),
)
