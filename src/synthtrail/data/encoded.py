"""Images as the PNG bytes of their shards, for whoever need not see pixels: passed on and divided in constant memory.

    for batch in batches(folder, "images"): ...      # EncodedImages of a row group each
    index(folder, "images")                          # a frame of name, label and whatever else is known of each image

A shard has the columns name, label, png, then further facts of each image (age, site, part). What a manifest lists is
held against the bytes as they are read.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthtrail.data.errors import SourceError

WHOLE = "images"
OWN = ("name", "label", "png")
GATHERED = 1_000  # images


@dataclass(frozen=True)
class EncodedImages:
    """PNG files, labels as texts (N,), names, and further facts as columns (N rows), None if there are none."""

    png: tuple[bytes, ...]
    labels: NDArray[Any]
    names: tuple[str, ...]
    facts: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.png)

    def take(self, rows: NDArray[np.int64]) -> "EncodedImages":
        """Return the images of these numbers."""
        facts = None if self.facts is None else self.facts.iloc[rows]
        png, names = (tuple(items[i] for i in rows) for items in (self.png, self.names))
        return EncodedImages(png, self.labels[rows], names, facts)


def frame(png: Sequence[bytes], labels: NDArray[Any], names: Sequence[str], facts: pd.DataFrame | None) -> pd.DataFrame:
    """Return the rows of a shard."""
    own = {"name": pd.Series(list(names), dtype="str"), "label": pd.Series(list(labels), dtype="str")}
    rows = pd.DataFrame(own | {"png": list(png)})
    return rows if facts is None else pd.concat([rows, facts.reset_index(drop=True)], axis=1)


def facts_of(rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return what a shard's rows tell beyond name, label and picture; None if nothing."""
    further = [name for name in rows.columns if name not in OWN]
    return pd.DataFrame(rows[further]).reset_index(drop=True) if further else None


def batches(folder: Path, part: str) -> Iterator[EncodedImages]:
    """Yield a part, a row group at a time; `SourceError` if it is absent, unreadable or not what its manifest lists."""
    manifest = folder / manifest_name(part)
    listed = iter(manifest.read_text(encoding="utf-8").splitlines(keepends=True) if manifest.is_file() else ())
    for shard in shards(folder, part):
        for rows in _groups(shard):
            if [next(listed, "") for _ in range(len(rows))] != manifest_lines(rows):
                raise SourceError(f"{manifest}: does not list the images beside it; make them again")
            yield EncodedImages(tuple(rows["png"]), rows["label"].to_numpy(object), tuple(rows["name"]), facts_of(rows))
    if next(listed, None) is not None:
        raise SourceError(f"{manifest}: does not list the images beside it; make them again")


def index(folder: Path, part: str) -> pd.DataFrame:
    """Return everything about the images of a part but their pictures, a row each."""
    found = []
    for shard in shards(folder, part):
        columns = [name for name in pq.read_schema(shard).names if name != "png"]
        found.append(pq.read_table(shard, columns=columns, partitioning=None).to_pandas())
    whole: pd.DataFrame = pd.concat(found, ignore_index=True)
    return whole


def taken(folder: Path, part: str, rows: NDArray[np.int64]) -> Iterator[EncodedImages]:
    """Yield the images of a part whose numbers are `rows` (sorted), some thousand at a time."""
    return gathered(_taken(folder, part, rows))


def gathered(few: Iterable[EncodedImages]) -> Iterator[EncodedImages]:
    """Yield the images of small batches in larger ones, since a file of many small row groups is slower to read."""
    waiting: list[EncodedImages] = []
    for batch in few:
        waiting.append(batch)
        if sum(map(len, waiting)) >= GATHERED:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(some: Sequence[EncodedImages]) -> EncodedImages:
    facts = None if some[0].facts is None else pd.concat([batch.facts for batch in some], ignore_index=True)
    png = tuple(chain.from_iterable(batch.png for batch in some))
    names = tuple(chain.from_iterable(batch.names for batch in some))
    return EncodedImages(png, np.concatenate([batch.labels for batch in some]), names, facts)


def _taken(folder: Path, part: str, rows: NDArray[np.int64]) -> Iterator[EncodedImages]:
    start = 0
    for batch in batches(folder, part):
        stop = start + len(batch)
        low, high = np.searchsorted(rows, (start, stop))
        if high > low:
            yield batch.take(rows[low:high] - start)
        start = stop


def shards(folder: Path, part: str) -> list[Path]:
    """Return the shards of a part in order; `SourceError` if there is none."""
    found = sorted(folder.glob(f"{part}-[0-9][0-9][0-9][0-9][0-9].parquet"))
    if not found:
        raise SourceError(f"{folder}: no {part}-*.parquet; run the stage that makes it")
    return found


def manifest_name(part: str) -> str:
    """Return the name of a part's manifest."""
    return "manifest.txt" if part == WHOLE else f"{part}.manifest.txt"


def manifest_lines(rows: pd.DataFrame) -> list[str]:
    """Return the manifest's lines for the rows of a shard."""
    items = zip(rows["png"], rows["name"], strict=True)
    return [f"{hashlib.sha256(png).hexdigest()}  {name}\n" for png, name in items]


def _groups(shard: Path) -> Iterator[pd.DataFrame]:
    try:
        with pq.ParquetFile(shard) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{shard}: not a readable Parquet file ({reason}); make it again") from error
