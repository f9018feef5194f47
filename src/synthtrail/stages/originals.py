"""What images are held against while they are generated: the real ones, as distances see them, read in constant memory.

    sieve = sieve_of(context)      # None for tables, and where `generate.distinct` is false

Near copies of training images and near-duplicates of one another are dropped and drawn again, so that counts stay exact
(`synthtrail.evaluation.distinct`). It takes the split: without it nothing could be told from a copy.
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
        kept = self.inner.passed(batch.pixels)
        return batch if kept.all() else Images().take(batch, np.flatnonzero(kept))

    @property
    def sieve(self) -> Sieve:
        """What `Draw` takes."""
        return Sieve("distinct", self.passed)

    def facts(self) -> dict[str, Any]:
        """Return the marks and how many images were dropped for what."""
        marks = {"own": round(self.inner.reference.own, 6), "held": round(self.inner.reference.held, 6)}
        return {"distinct": self.inner.facts() | {"mark": marks}}


def sieve_of(context: Context) -> DistinctSieve | None:
    """Return the sieve of an experiment of images; `StageError` if the split is not here."""
    if context.plan["modality"] != Images.name or not context.plan.get("distinct", True):
        return None
    split = context.layout.split
    if not split.is_dir():
        raise StageError(f"{split}: not here, so copies of its images could not be told; `dvc checkout {split}`")
    train, holdout = (rows(split, part) for part in ("train", "holdout"))
    return DistinctSieve(distinct.Sieve(Reference.of_rows(train, holdout)))


def rows(folder: Path, part: str) -> NDArray[np.float32]:
    """Return the images of a part as distances see them (N, D), a thousand decoded at a time."""
    found = []
    for batch in encoded.batches(folder, part):
        pixels = np.stack([decode_png(png, name) for png, name in zip(batch.png, batch.names, strict=True)])
        found.append(small(pixels))
    return np.concatenate(found)
