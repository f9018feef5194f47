"""The image sets of the benchmark, fixed before any figure was seen, and how each is divided.

    part = divided("mnist", 0)      # part.train, part.test: the official test set, or a fold of whole lesions

MNIST and Fashion-MNIST: 60,000 training images, the official 10,000 to test on, 28 pixels, grey. HAM10000: 10,015
images at 64 pixels in colour, the square in the middle; five folds that keep all images of a lesion together and the
classes' shares as far as that goes. Read from ../shared/data or SYNTHTRAIL_SHARED; HAM10000's pictures are decoded once
and kept in the cache.
"""

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from synthtrail.data import imagesource
from synthtrail.data.augment import SIGNS, TISSUE, Augmentation
from synthtrail.data.image import ImageSet, decode_png, numbered
from synthtrail.data.imagehow import ImageHow

FOLDS = 5
SIDE = 64  # of HAM10000
FOLD_SEED = 5


@dataclass(frozen=True)
class Source:
    """An image set: over how many folds it is measured, its plain augmentation, and what is generated for its judge.

    `generated` is the number of images of each class; None: as many as there are to learn from.
    """

    name: str
    folds: int
    augmentation: Augmentation
    about: str
    generated: int | None = None


@dataclass(frozen=True)
class Part:
    """Training images, and images that nothing but the final judge sees; what the training images belong to (N,).

    Without groups every training image is one of its own.
    """

    train: ImageSet
    test: ImageSet
    groups: NDArray[np.str_] | None = None


class Classed(np.ndarray[Any, np.dtype[np.uint8]]):
    """Pixels (N, H, W, C) that know their classes (N,): who is handed pixels alone can still go class by class."""

    classes: NDArray[Any]

    @classmethod
    def of(cls, images: ImageSet) -> ImageSet:
        """Return the same images with such pixels."""
        pixels = images.pixels.view(cls)
        pixels.classes = images.labels
        return replace(images, pixels=pixels)


SOURCES = {
    one.name: one
    for one in (
        Source("mnist", 1, SIGNS, "28×28 grey, official test set"),
        Source("fashion_mnist", 1, SIGNS, "28×28 grey, official test set"),
        Source("ham10000", FOLDS, TISSUE, "64×64 colour, five folds by lesion", 1_500),
    )
}


def shared() -> Path:
    """Return the folder of data that no package ships."""
    place = os.environ.get("SYNTHTRAIL_SHARED", Path(__file__).resolve().parents[3] / "shared")
    return Path(place) / "data"


def divided(name: str, fold: int, cached: Path) -> Part:
    """Return the parts of a fold; `OSError` where the data are absent."""
    if name == "ham10000":
        return _lesions(fold, cached)
    with np.load(shared() / name / f"{name}.npz", allow_pickle=False) as arrays:
        train, test = (_set(arrays[f"x_{part}"][..., None], arrays[f"y_{part}"]) for part in ("train", "test"))
        return Part(train, test)


def inner(part: Part, seed: int = 7919) -> Part:
    """Return the training images divided once more, for choices: a fifth of the groups is the test set of this part.

    Photographs of one lesion are alike: divided by chance they would stand for strangers that they are not.
    """
    groups = np.arange(len(part.train)) if part.groups is None else part.groups
    names, group = np.unique(groups, return_inverse=True)
    held = (np.random.default_rng(seed).permutation(len(names)) % 5 == 0)[group]
    known = None if part.groups is None else part.groups[~held]
    return Part(taken(part.train, ~held), Classed.of(taken(part.train, held)), known)


def taken(images: ImageSet, rows: NDArray[np.bool_]) -> ImageSet:
    """Return the images of a mask."""
    return _set(images.pixels[rows], images.labels[rows])


@cache
def digest(name: str) -> str:
    """Return a digest of the files that a set is read from."""
    found = hashlib.sha256()
    for path in sorted((shared() / name).iterdir()):
        found.update(f"{path.name} {path.stat().st_size}".encode())
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]


def _set(pixels: NDArray[np.uint8], labels: NDArray[np.generic]) -> ImageSet:
    return ImageSet(pixels, labels.astype(str).astype(object), numbered(0, len(pixels)))


def _lesions(fold: int, cached: Path) -> Part:
    path = cached / f"ham10000-{SIDE}-{digest('ham10000')}.npz"
    if not path.exists():
        _decode(path)
    with np.load(path, allow_pickle=False) as arrays:
        pixels, labels, lesions = arrays["pixels"], arrays["labels"], arrays["lesions"]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=FOLD_SEED).split(pixels, labels, lesions)
    rows = list(folds)[fold]
    train, test = (_set(pixels[part], labels[part]) for part in rows)
    return Part(train, test, lesions[rows[0]])


def _decode(path: Path) -> None:
    """Read HAM10000 by the pipeline's own reader and keep it as arrays."""
    how = ImageHow(size=SIDE, colour="rgb", fit="crop", name="image_id")
    stream = imagesource.read(shared() / "ham10000", "dx", "lesion_id", how).stream
    pixels, labels, lesions = [], [], []
    for batch in stream.batches():
        pixels += [decode_png(png, name) for png, name in zip(batch.png, batch.names, strict=True)]
        labels += batch.labels.tolist()
        lesions += [] if batch.facts is None else batch.facts["lesion_id"].tolist()
    path.parent.mkdir(parents=True, exist_ok=True)
    stage = path.with_suffix(".part.npz")
    np.savez(stage, pixels=np.stack(pixels), labels=np.array(labels, str), lesions=np.array(lesions, str))
    stage.replace(path)
