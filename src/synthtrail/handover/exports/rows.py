"""The rows of an artifact, batch by batch, for whoever writes them in another form.

    rows = find(Path("data/iris/synthetic"))
    rows.images, rows.count, rows.columns
    for batch in rows.batches():            # Arrow record batches of a few thousand rows
        ...

An artifact is a folder with one part: `<part>.parquet` for a table, `<part>-00000.parquet` and on for images. A folder
with several parts, such as a split, needs the name of one. The salt of a confidential file is not among the rows.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ABOUT = "about.json"
SHARD = re.compile(r"(.+)-\d{5}")
BATCH = 8192
IMAGE = ("name", "label", "png")
DAY = 86_400_000_000  # microseconds


class ExportError(Exception):
    """Something cannot be exported as asked; the message is one line for the user."""


@dataclass(frozen=True)
class Rows:
    """The Parquet files of one part, in order, and the schema that their rows are given out with.

    `spelling` is how the source wrote moments and truth values (`format`) and gaps (`absent`), by column; see `spelt`.
    """

    files: tuple[Path, ...]
    schema: pa.Schema
    spelling: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def images(self) -> bool:
        """Whether the rows are images."""
        return tuple(self.columns[:3]) == IMAGE

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.schema.names)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(pq.ParquetFile(path).metadata.num_rows for path in self.files)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; categories as texts, moments that are whole days as dates."""
        for path in self.files:
            for batch in pq.ParquetFile(path).iter_batches(BATCH):
                yield batch.cast(self.schema)


def find(path: Path, part: str | None = None) -> Rows:
    """Return the rows of the artifact, or of the one Parquet file, at `path`; `ExportError` if there are none."""
    if path.is_file():
        files = {path.stem: [path]}
    else:
        files = {}
        for file in sorted(path.glob("*.parquet")):
            shard = SHARD.fullmatch(file.stem)
            files.setdefault(shard[1] if shard else file.stem, []).append(file)
    if not files:
        raise ExportError(
            f"{path}: no table and no images here; give the folder of an artifact, say data/iris/synthetic"
        )
    chosen = part or next(iter(files))
    if chosen not in files or (part is None and len(files) > 1):
        raise ExportError(f"{path} holds {', '.join(files)}; choose one with --part")
    try:
        return Rows(tuple(files[chosen]), plain_schema(files[chosen]), spelling_of(files[chosen][0].parent, chosen))
    except (pa.ArrowInvalid, OSError) as error:
        raise ExportError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error


def spelling_of(folder: Path, part: str) -> dict[str, dict[str, str]]:
    """Return how the source of generated rows spelt its columns, as `generate` wrote it beside them.

    Of several tables it is written for all, by `<table>.<column>`; those of the one called `part` are returned.
    """
    path = folder / ABOUT
    told = dict(json.loads(path.read_bytes()).get("spelling", {})) if path.exists() else {}
    own = {name.removeprefix(f"{part}."): how for name, how in told.items() if name.startswith(f"{part}.")}
    return own if (folder / "links.json").exists() else told


def plain_schema(files: list[Path]) -> pa.Schema:
    """Return the schema to give rows out with: no metadata, no dictionaries, whole days as dates."""
    schema = pq.read_schema(files[0]).remove_metadata()
    for at, one in enumerate(schema):
        kind = one.type.value_type if pa.types.is_dictionary(one.type) else one.type
        if pa.types.is_timestamp(kind) and kind.tz is None and whole_days(files, one.name):
            kind = pa.date32()
        schema = schema.set(at, pa.field(one.name, kind))
    return schema


def whole_days(files: list[Path], name: str) -> bool:
    """Tell whether every moment of a column is midnight."""
    for path in files:
        for batch in pq.ParquetFile(path).iter_batches(BATCH, columns=[name]):
            micros = batch.column(0).cast(pa.timestamp("us"), safe=False).cast(pa.int64())
            rest = pc.subtract(micros, pc.multiply(pc.divide(micros, DAY), DAY))
            if pc.any(pc.not_equal(rest, 0)).as_py():
                return False
    return True
