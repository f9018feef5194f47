"""Tables as an Excel workbook, in constant memory, with texts that stay texts.

A text that begins with `=` and the like is written as text and marked so (Excel's quote prefix), lest opening the file
runs it. What Excel cannot hold as a number or date (more than 15 digits, a time zone, a year before 1900) is text too.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils.exceptions import IllegalCharacterError

from synthtrail.handover.exports.rows import ExportError, Rows

MOST_ROWS, MOST_COLUMNS, MOST_TEXT = 1_048_576, 16_384, 32_767  # Excel's own limits
MOST_DIGITS = 10**15
RISKY = ("=", "+", "-", "@", "\t", "\r")


def write(rows: Rows, path: Path) -> list[str]:
    """Write the rows below a line of names to a new workbook; `ExportError` if Excel cannot hold them."""
    check(rows)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("data")
    try:
        fill(sheet, rows)
        book.save(path)
    except BaseException:
        sheet.close()
        sheet._writer.cleanup()  # its own temporary file, which it would leave behind
        raise
    return []


def fill(sheet: Any, rows: Rows) -> None:
    """Append the names of the columns and every row to the sheet."""
    sheet.append([cell(sheet, name, name) for name in rows.columns])
    for batch in rows.batches():
        columns = [column.to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            sheet.append([cell(sheet, value, name) for value, name in zip(values, rows.columns, strict=True)])


def check(rows: Rows) -> None:
    """Raise `ExportError` for images, and for tables beyond Excel's limits."""
    if rows.images:
        raise ExportError("these are images, which Excel cannot hold; use --to png or parquet")
    if rows.count >= MOST_ROWS:
        raise ExportError(f"{rows.count:,} rows: Excel holds {MOST_ROWS - 1:,} below a line of names; use --to csv")
    if len(rows.columns) > MOST_COLUMNS:
        raise ExportError(f"{len(rows.columns):,} columns: Excel holds {MOST_COLUMNS:,}; use --to csv")


def cell(sheet: Any, value: Any, column: str) -> Any:
    """Return what to append to the sheet for one value."""
    plain = excel_value(value)
    if not isinstance(plain, str):
        return plain
    if len(plain) > MOST_TEXT:
        raise ExportError(f"column {column!r} has a text of {len(plain):,} characters; Excel holds {MOST_TEXT:,}")
    try:
        made = WriteOnlyCell(sheet, value=plain)
    except IllegalCharacterError:
        raise ExportError(f"column {column!r} has a text with control characters, which Excel refuses") from None
    if plain.startswith(RISKY):
        made.data_type, made.quotePrefix = "s", True
    return made


def excel_value(value: Any) -> Any:
    """Return a value that Excel keeps as it is."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= MOST_DIGITS:
        return str(value)
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - that is how NaN is told
        return None
    if isinstance(value, date) and (value.year < 1900 or (isinstance(value, datetime) and value.tzinfo)):
        return value.isoformat()
    return value
