"""Tables as CSV or Parquet, in constant memory.

CSV is UTF-8 with `\\n`. Generated rows whose source was a text file have moments, truth values and gaps spelt as there
(`spelt`), and quotes where they must be. Of others every text stands in quotes and no number does, so an empty text
(`""`) and a missing value (nothing) stay apart; times are ISO 8601. Numbers have the fewest digits that read back the
same. Parquet is written without the salt of a confidential file, in one file.
"""

import csv as plain_csv
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from synthtrail.handover.exports import spelt
from synthtrail.handover.exports.rows import ExportError, Rows

FORMULA = "^[=+@\t\r-]"  # what a spreadsheet takes for the beginning of a formula


def write_csv(rows: Rows, path: Path) -> list[str]:
    """Write the rows to a new file; return what a reader should know of them."""
    if rows.images:
        raise ExportError("these are images, which CSV cannot hold; use --to png or parquet")
    if rows.spelling:
        return _warned(_write_spelt(rows, path))
    risky = 0
    options = csv.WriteOptions(include_header=True, quoting_style="needed")
    with csv.CSVWriter(str(path), rows.schema, write_options=options) as writer:
        for batch in rows.batches():
            writer.write_batch(batch)
            risky += formulas(batch)
    return _warned(risky)


def _write_spelt(rows: Rows, path: Path) -> int:
    """Write the rows as the source spelt them, quoted where they must be; return how many texts look like formulas."""
    risky = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = plain_csv.writer(file, lineterminator="\n")
        writer.writerow(rows.columns)
        for batch in rows.batches():
            writer.writerows(zip(*spelt.columns(batch, rows.spelling), strict=True))
            risky += formulas(batch)
    return risky


def _warned(risky: int) -> list[str]:
    if not risky:
        return []
    return [
        f"{risky:,} texts begin like formulas, and a spreadsheet may run them: open xlsx instead, where they are text"
    ]


def write_parquet(rows: Rows, path: Path) -> list[str]:
    """Write the rows to a new file."""
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for batch in rows.batches():
            writer.write_batch(batch)
    return []


def formulas(batch: pa.RecordBatch) -> int:
    """Return how many texts of the batch a spreadsheet would take for formulas."""
    texts = [
        column for column in batch.columns if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    ]
    return sum(int(pc.sum(pc.match_substring_regex(column, FORMULA)).as_py() or 0) for column in texts)
