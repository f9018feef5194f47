"""The final judge: networks of another width and other seeds than any that a choice was made with.

Trained on each way to use the images, tested on images that nothing else saw:

    real                   the training images            synthetic              the generated images alone
    real + augmentation    each batch changed anew        real + synthetic       both
                                                          hybrid                 both, each batch changed anew

and asked for its features of the test images (trained on the training images): Fréchet and kernel distance of generated
images from them, beside the distance of the test images' halves from each other, which is the floor.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from imaging.data import Part, Source
from synthtrail.data.image import Images, ImageSet
from synthtrail.evaluation import domain, images
from synthtrail.evaluation.classifier import Results, Settings, fit
from synthtrail.evaluation.domain import together
from synthtrail.evaluation.manifold import balls

SETTINGS = Settings(steps=1_000, batch=128, width=20, features=96)
FEW = Settings(steps=600, batch=64, width=20, features=96, balanced=True)
FIRST_SEED = 9_001  # of the judge's own seeds
SEEDS = 2
FEATURES_SEED = 9_101
MANY = 30_000  # training images from which classes are even enough to be taken as they come

Outcome = dict[str, Any]


def settings_for(part: Part) -> Settings:
    """Return how the judge is trained on a set."""
    return SETTINGS if len(part.train) >= MANY else FEW


def of_real(part: Part, source: Source, seeds: int | None = None) -> Outcome:
    """Return the lines without a generator."""
    return {
        "real": taught(part.train, part, source, seeds, augmented=False),
        "real + augmentation": taught(part.train, part, source, seeds, augmented=True),
    }


def of_synthetic(part: Part, made: ImageSet, source: Source, seeds: int | None = None) -> Outcome:
    """Return the lines of one generator: what its images teach, how they lie, how many are distinct."""
    both = together(part.train, made)
    few = len(part.train) < MANY
    hybrid = {"hybrid": taught(both, part, source, seeds, augmented=True)} if few else {}
    return {
        "synthetic": taught(made, part, source, seeds, augmented=False),
        "real + synthetic": taught(both, part, source, seeds, augmented=False),
        **hybrid,
        "distances": placed(part, made),
        "distinctness": unlike(part, made),
    }


def taught(images_: ImageSet, part: Part, source: Source, seeds: int | None, *, augmented: bool) -> Outcome:
    """Return the judge's accuracy, balanced accuracy and recalls on the test images, a value for each of its seeds."""
    settings = replace(settings_for(part), augmentation=source.augmentation if augmented else None)
    found: list[Results] = []
    for number in range(seeds or SEEDS):
        judge = fit(images_.pixels, images_.labels, seed=FIRST_SEED + number, settings=settings)
        found.append(judge.test(part.test.pixels, part.test.labels))
    return {
        "accuracy": [round(one.accuracy, 5) for one in found],
        "balanced": [round(one.balanced, 5) for one in found],
        "recalls": {name: round(float(np.mean([one.recalls[name] for one in found])), 4) for name in found[0].recalls},
    }


def placed(part: Part, made: ImageSet) -> Outcome:
    """Return the distances in the features of a judge trained on the training images, and precision and its kin."""
    judge = fit(part.train.pixels, part.train.labels, seed=FEATURES_SEED, settings=settings_for(part))
    rng = np.random.default_rng(FEATURES_SEED)
    size = min(len(part.test), len(made))
    real, drawn = (side.pixels[rng.permutation(len(side))[:size]] for side in (part.test, matching(made, part.test)))
    found = domain.distances(judge, real, drawn)
    some = slice(0, domain.MOST_IMAGES)
    there, here = (judge.features(side[some]).astype(np.float64) for side in (real, drawn))
    about = balls(there, here)
    return {name: round(value, 5) for name, value in (found | about).items()}


def matching(made: ImageSet, real: ImageSet) -> ImageSet:
    """Return generated images in the classes' shares of the real ones, lest the mixture be a distance of its own."""
    names, counts = np.unique(real.labels.astype(str), return_counts=True)
    there = {name: np.flatnonzero(made.labels.astype(str) == name) for name in names}
    share = min(1.0, *(len(there[name]) / count for name, count in zip(names, counts, strict=True)))
    rows = [there[name][: max(1, int(share * count))] for name, count in zip(names, counts, strict=True)]
    kept = np.sort(np.concatenate(rows))
    return ImageSet(made.pixels[kept], made.labels[kept], tuple(made.names[i] for i in kept))


def unlike(part: Part, made: ImageSet) -> Outcome:
    """Return the share of distinct images, of near copies, and the ratios of distances with their intervals."""
    rng = np.random.default_rng(0)
    schema = Images().infer(part.train)
    found = images.measure_distinctness(part.train, part.test, matching(made, part.test), schema, rng)
    told: Outcome = {name: one.value for name, one in found.items()}
    return told | {"notes": {name: found[name].note for name in ("nearest_ratio", "nearest_tail")}}
