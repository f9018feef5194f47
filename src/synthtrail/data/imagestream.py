"""Many pictures, found and labelled, to be decoded, resized and encoded as PNG, once and in constant memory.

A picture that cannot be decoded does not stop it: all are tried, and then one error names the broken ones.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.encoded import EncodedImages, gathered
from synthtrail.data.errors import SourceError
from synthtrail.data.image import ImageSchema
from synthtrail.data.imagehow import ImageHow
from synthtrail.data.labelled import listed
from synthtrail.data.workers import Done, Items, in_parallel, made

CHUNK = 200  # pictures that a process takes at once
FEW = 1_000  # pictures not worth starting processes for
MOST_PROCESSES = 16


@dataclass(frozen=True)
class ImageStream:
    """Pictures still to be decoded: files, or an array (N, H, W, C); with labels (N,), names and facts (N rows)."""

    where: Path
    items: Items
    labels: NDArray[Any]
    names: tuple[str, ...]
    facts: pd.DataFrame | None
    how: ImageHow
    target: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def schema(self) -> ImageSchema:
        """What all of them will have in common."""
        size = self.how.size or 0
        classes = sorted(set(self.labels), key=lambda text: (len(text), text))
        return ImageSchema(size, size, self.how.channels, tuple(classes), self.target)

    def batches(self) -> Iterator[EncodedImages]:
        """Yield them encoded; `SourceError` at the end naming those that are broken, if any."""
        return gathered(self._batches())

    def _batches(self) -> Iterator[EncodedImages]:
        broken: list[str] = []
        start = 0
        for done in self._done():
            rows = slice(start, start + len(done))
            bad = [f"{name} ({why})" for name, why in zip(self.names[rows], done, strict=True) if isinstance(why, str)]
            broken += bad
            start = rows.stop
            if not broken:
                facts = None if self.facts is None else self.facts.iloc[rows]
                yield EncodedImages(tuple(done), self.labels[rows], self.names[rows], facts)  # type: ignore[arg-type]
        if broken:
            count = f"{len(broken):,} of {len(self):,} pictures cannot be used"
            raise SourceError(f"{self.where}: {count}: {listed(broken)}; replace or remove them")

    def _done(self) -> Iterator[Done]:
        chunks = (self.items[at : at + CHUNK] for at in range(0, len(self), CHUNK))
        if len(self) <= FEW or (os.cpu_count() or 1) == 1:
            yield from (made(chunk, self.how) for chunk in chunks)
        else:
            yield from in_parallel(chunks, self.how, min(MOST_PROCESSES, os.cpu_count() or 1))
