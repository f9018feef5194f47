"""Tables as Parquet files whose bytes depend on nothing but rows, versions and salt; and the modality of tables.

`TableWriter` takes batches and holds one at a time, so a table of any length can be written
in constant memory; a crash leaves no file. The optional salt goes into the Parquet key-value
metadata as `synthtrail.salt`, in hex: without it, a digest in a ledger would let anyone test
guesses of a small table.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthtrail.data import inference
from synthtrail.data import schema as schemas
from synthtrail.data.codec import TableCodec
from synthtrail.data.errors import CodecError, SourceError
from synthtrail.data.schema import NUMERIC, Schema, Violation

SALT_KEY = b"synthtrail.salt"
ROW_GROUP = 8192  # rows; a file of many small groups is larger and slower to read


class TableWriter:
    """Write batches of one table to `path`; use as a context manager, the file appears at the end.

    The bytes depend on how rows are divided into batches (one row group each).
    """

    def __init__(self, path: Path, *, salt: bytes | None = None) -> None:
        self.rows = 0
        self._path, self._salt = path, salt
        self._stage = path.with_name(f".{path.name}.part")
        self._writer: Any = None

    def write(self, batch: pd.DataFrame) -> None:
        """Append `batch`; its columns and types must be those of the first one."""
        with _zones_kept():
            if self._writer is None:
                self._writer = self._open(pa.Schema.from_pandas(batch, preserve_index=False))
            table = pa.Table.from_pandas(batch, schema=self._writer.schema, preserve_index=False)
        self._writer.write_table(table.replace_schema_metadata(self._writer.schema.metadata))
        self.rows += len(batch)

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter:
        metadata = dict(schema.metadata or {})
        if self._salt is not None:
            metadata[SALT_KEY] = self._salt.hex().encode()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        schema = schema.with_metadata(metadata)
        return pq.ParquetWriter(self._stage, schema, compression="zstd")

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._writer is None:
            if kind is None:
                raise CodecError(f"{self._path}: no rows to write; ask for at least one")
            return
        self._writer.close()
        if kind is None:
            self._stage.replace(self._path)
        else:
            self._stage.unlink()


def gathered(batches: Iterable[pd.DataFrame], least: int = ROW_GROUP) -> Iterator[pd.DataFrame]:
    """Yield the rows of `batches` with small ones put together, so that each but the last has `least` rows or more."""
    waiting: list[pd.DataFrame] = []
    for batch in batches:
        waiting.append(batch[list(waiting[0].columns)] if waiting else batch)  # KeyError if one is absent
        if sum(map(len, waiting)) >= least:
            yield pd.concat(waiting, ignore_index=True) if len(waiting) > 1 else batch
            waiting = []
    if waiting:
        yield pd.concat(waiting, ignore_index=True) if len(waiting) > 1 else waiting[0]


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file with the types it was written with; `SourceError` if it is not one."""
    try:
        with _zones_kept():
            frame: pd.DataFrame = pq.read_table(path, partitioning=None).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{path}: not a readable Parquet file ({reason}); make it again") from error
    return frame


@contextmanager
def _zones_kept() -> Iterator[None]:
    """Pyarrow 25 reads times through `Series.values`, whose warning (zones will be kept) does not concern it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Series.values returning", category=DeprecationWarning)
        yield


class Tabular:
    """The modality of tables: `<part>.parquet`, a `Schema`, a `TableCodec`."""

    name: ClassVar[str] = "tabular"
    whole: ClassVar[str] = "table"

    def write(
        self,
        folder: Path,
        part: str,
        batches: Iterable[pd.DataFrame],
        *,
        salt: bytes | None = None,
    ) -> int:
        """Write `<part>.parquet` from batches of rows; return the number of rows."""
        with TableWriter(folder / f"{part}.parquet", salt=salt) as writer:
            for batch in gathered(batches):
                writer.write(batch)
        return writer.rows

    def read(self, folder: Path, part: str) -> pd.DataFrame:
        """Read `<part>.parquet`."""
        return read_table(folder / f"{part}.parquet")

    def infer(self, data: pd.DataFrame, target: str | None) -> Schema:
        """Describe the table (see `schema.infer`)."""
        return schemas.infer(data, target)

    def check(self, data: pd.DataFrame, schema: Schema) -> list[Violation]:
        """Return every violation of the schema."""
        return schemas.check(data, schema)

    def schema_from_json(self, value: Mapping[str, Any]) -> Schema:
        """Read a schema."""
        return Schema.from_json(value)

    def fit_codec(self, train: pd.DataFrame, schema: Schema, *, bins: int) -> TableCodec:
        """Fit the codec on training rows."""
        return TableCodec.fit(train, schema, bins)

    def codec_from_json(self, value: Mapping[str, Any]) -> TableCodec:
        """Read a codec."""
        return TableCodec.from_json(value)

    def labels(self, data: pd.DataFrame, target: str | None) -> NDArray[Any] | None:
        """Return the labels to stratify by (N,), or None if the target is absent or a number."""
        if target is None or inference.classify(data[target], 0, is_target=True) in NUMERIC:
            return None
        return data[target].astype(str).to_numpy(dtype=object)

    def take(self, data: pd.DataFrame, rows: NDArray[np.int64]) -> pd.DataFrame:
        """Return the rows of these numbers, numbered anew."""
        return data.iloc[rows].reset_index(drop=True)
