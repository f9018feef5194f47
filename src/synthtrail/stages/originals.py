"""What images are held against while they are generated: the real ones, as distances see them, read in constant memory.

    sieve = sieve_of(context)      # None for tables, and where `generate.distinct` is false

Near copies of training images, near-duplicates of one another, and what would make the released images lie nearer to
training images than held-out ones do, are dropped and drawn again, so that counts stay exact
(`synthtrail.evaluation.distinct`, `crowding`). It takes the split: without it nothing could be told from a copy.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthtrail.data import encoded
from synthtrail.data.image import Images, ImageSet, decode_png
from synthtrail.evaluation import distinct
from synthtrail.evaluation.distinct import Reference
from synthtrail.evaluation.pixels import small
from synthtrail.stages.context import Context, StageError
from synthtrail.stages.draw import Sieve


@dataclass(frozen=True)
class DistinctSieve:
    """The sieve over image sets, and what it tells."""

    inner: distinct.Sieve

    def passed(self, batch: ImageSet) -> ImageSet:
        """Return the images of a batch that may stay."""
        kept = self.inner.passed(batch.pixels, batch.labels)
        return batch if kept.all() else Images().take(batch, np.flatnonzero(kept))

    @property
    def sieve(self) -> Sieve:
        """What `Draw` takes."""
        return Sieve("distinct", self.passed)

    def facts(self) -> dict[str, Any]:
        """Return the marks and how many images were dropped for what."""
        reference = self.inner.reference
        marks = {"own": reference.own, "held": reference.held, "lonely": reference.strangers.lonely}
        told = {name: round(mark, 6) for name, mark in marks.items()}
        return {"distinct": self.inner.facts() | {"mark": told}}


def sieve_of(context: Context) -> DistinctSieve | None:
    """Return the sieve of an experiment of images; `StageError` if the split is not here."""
    if context.plan["modality"] != Images.name or not context.plan.get("distinct", True):
        return None
    split = context.layout.split
    if not split.is_dir():
        raise StageError(f"{split}: not here, so copies of its images could not be told; `dvc checkout {split}`")
    (train, _), (holdout, classes) = (rows(split, part) for part in ("train", "holdout"))
    return DistinctSieve(distinct.Sieve(Reference.of_rows(train, holdout, classes)))


def rows(folder: Path, part: str) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the images of a part as distances see them (N, D) and their labels (N,), a thousand decoded at a time."""
    found, labels = [], []
    for batch in encoded.batches(folder, part):
        pixels = np.stack([decode_png(png, name) for png, name in zip(batch.png, batch.names, strict=True)])
        found.append(small(pixels))
        labels.append(batch.labels)
    return np.concatenate(found), np.concatenate(labels)
