"""Excel workbooks (.xlsx, .xlsm): the first sheet, or the one named after `#` in `file.xlsx#Sheet`.

The first row with something in it holds the names; empty rows and columns around the table are not part of it. A column
of one type of cells keeps it: whole numbers, numbers, booleans, dates. A column of several types, or of texts, is read
as `texts` are. Formulas count as the values that Excel stored with them.
"""

import io
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import pandas as pd
import pyarrow as pa

from synthtrail.data import texts
from synthtrail.data.asked import Asked
from synthtrail.data.delimited import How, Read
from synthtrail.data.errors import SourceError
from synthtrail.data.names import LIMIT_COLUMNS, tidy
from synthtrail.data.texts import Marks, Spelling

LIMIT_BYTES = 4 << 30  # unpacked; a small file can unpack to any size

Cell = Any


def read(data: bytes, sheet: str | None, asked: How, columns: Mapping[str, Asked]) -> Read:
    """Read the bytes of a workbook; raises `SourceError` in one line."""
    name, rows = _rows(data, sheet)
    rows = rows[asked.skip :]
    rows = [row for row in rows if any(cell is not None and cell != "" for cell in row)]
    if not rows:
        raise SourceError(f"sheet {name!r} is empty; name another one with FILE.xlsx#SHEET")
    width = max(_width(row) for row in rows)
    if width > LIMIT_COLUMNS:
        raise SourceError(f"{width:,} columns, more than the {LIMIT_COLUMNS:,} that are supported; take out some")
    if asked.header is False:
        names = [f"column_{number}" for number in range(1, width + 1)]
    else:
        names, rows = tidy([*rows[0][:width], *[None] * (width - len(rows[0]))]), rows[1:]
    used = [at for at in range(width) if names[at] != f"column_{at + 1}" or any(_there(row, at) for row in rows)]
    if not rows:
        raise SourceError(f"sheet {name!r} has a header line and no rows; check where it comes from")
    marks = Marks(asked.decimal or ".", asked.missing)
    found = {
        column: _typed([row[at] if at < len(row) else None for row in rows], column, marks, columns.get(column))
        for at, column in enumerate(names)
        if at in used
    }
    table = pd.DataFrame({column: series for column, (series, _) in found.items()})
    return Read(table, {column: spelling for column, (_, spelling) in found.items()}, {"sheet": name})


def _rows(data: bytes, sheet: str | None) -> tuple[str, list[Sequence[Cell]]]:
    import openpyxl  # noqa: PLC0415 - half a second that other sources need not pay
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            size = sum(item.file_size for item in packed.infolist())
        if size > LIMIT_BYTES:
            raise SourceError(f"unpacks to {size >> 20:,} MiB, more than {LIMIT_BYTES >> 20:,}; save it as CSV")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions, which are not read
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            if sheet is not None and sheet not in book.sheetnames:
                raise SourceError(f"no sheet {sheet!r}; there are: {', '.join(book.sheetnames)}")
            page = book[sheet] if sheet is not None else book.worksheets[0]
            return page.title, [list(row) for row in page.iter_rows(values_only=True)]
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, IndexError, SyntaxError) as error:
        raise SourceError("not a readable Excel workbook (.xlsx); save it again, or as CSV") from error


def _there(row: Sequence[Cell], at: int) -> bool:
    return at < len(row) and row[at] is not None and row[at] != ""


def _width(row: Sequence[Cell]) -> int:
    return max((at + 1 for at, cell in enumerate(row) if cell is not None and cell != ""), default=0)


def _typed(cells: list[Cell], name: str, marks: Marks, asked: Asked | None) -> tuple[pd.Series, Spelling]:
    kinds = {type(cell) for cell in cells if cell is not None}
    as_asked = asked is not None and asked.kind in ("category", "identifier")
    gaps = None in cells
    if kinds == {bool}:
        return pd.Series(cells, dtype="boolean" if gaps else "bool", name=name), Spelling()
    if kinds == {int} and not as_asked and max(abs(cell) for cell in cells if cell is not None) < 2**63:
        return pd.Series(cells, dtype="Int64" if gaps else "int64", name=name), Spelling()
    if kinds and kinds <= {int, float} and not as_asked:
        return pd.Series(cells, dtype="float64", name=name), Spelling()
    if kinds and kinds <= {datetime, date}:
        return pd.Series(pd.to_datetime(pd.Series(cells)).astype("datetime64[us]"), name=name), Spelling()
    return texts.typed(pa.chunked_array([pa.array([_text(cell) for cell in cells], pa.string())]), name, marks, asked)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, datetime | date | time) else str(cell)
