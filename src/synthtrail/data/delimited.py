"""Delimited text files: what can be told from the bytes is told, what cannot is asked for by name.

    encoding    see `encodings`
    delimiter   , ; tab or |: the one that divides the lines into the most fields, equally many in each
    header      the first line; refused if it looks like data (see below)
    decimal     see `texts`

Quotes are ", doubled inside a field; fields may hold delimiters and line breaks. What detection cannot know stands
below `read:` in params.yaml:

    read: {encoding: cp1252, delimiter: ";", decimal: ",", header: false, missing: ["-9", none], sheet: Data, skip: 3}

With `header: false` the columns are called column_1, column_2, ...; `skip` is how many lines (rows of a sheet) stand
above the names. Rows without any value, and columns without name and values (delimiters at the ends of lines), are no
part of the table. Limits: 10,000 columns, 1,000,000 characters in a
field. Whatever is wrong ends in one line that names the place and no content.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from synthtrail.data import encodings, texts
from synthtrail.data.asked import Asked
from synthtrail.data.errors import SourceError
from synthtrail.data.names import LIMIT_COLUMNS, tidy
from synthtrail.data.texts import Marks, Spelling
from synthtrail.params import ParamsError, build, number

DELIMITERS = (",", ";", "\t", "|")
LIMIT_CELL = 1_000_000  # characters
SAMPLE = 1_000_000  # characters that the delimiter is told from
SAMPLE_ROWS = 200
BLOCK = 16 << 20  # bytes read at once; the longest row that can be read
NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?")
YEAR_OR_COUNT = re.compile(r"\d{1,4}")


@dataclass(frozen=True)
class How:
    """The key `read:` of an experiment; None where detection decides."""

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    header: bool | None = None
    missing: tuple[str, ...] = ()
    sheet: str | None = None
    skip: int = 0


@dataclass(frozen=True)
class Read:
    """A table with how each column was spelt, and what was detected, for the record."""

    table: pd.DataFrame
    spelt: Mapping[str, Spelling]
    detected: Mapping[str, str]


def how(given: Mapping[str, Any], where: str) -> How:
    """Read the key `read:`; raise `ParamsError` naming the key at fault."""
    asked = build(How, given, where)
    if asked.delimiter is not None and (not isinstance(asked.delimiter, str) or len(asked.delimiter) != 1):
        raise ParamsError(f"{where}.delimiter: expected one character, found {asked.delimiter!r}")
    if asked.decimal not in (None, ".", ","):
        raise ParamsError(f'{where}.decimal: expected "." or ",", found {asked.decimal!r}')
    if asked.header not in (None, True, False):
        raise ParamsError(f"{where}.header: expected true or false, found {asked.header!r}")
    if asked.encoding is not None and not isinstance(asked.encoding, str):
        raise ParamsError(f"{where}.encoding: expected a name such as cp1252, found {asked.encoding!r}")
    if isinstance(asked.missing, str) or not isinstance(asked.missing, list | tuple):
        raise ParamsError(f"{where}.missing: expected a list of words, found {asked.missing!r}")
    if asked.sheet is not None and not isinstance(asked.sheet, str):
        raise ParamsError(f"{where}.sheet: expected the name of a sheet, found {asked.sheet!r}")
    number(asked.skip, f"{where}.skip", int, lambda x: 0 <= x <= 1000, "between 0 and 1000")
    return replace(asked, missing=tuple(str(word) for word in asked.missing))


def read(data: bytes, asked: How, columns: Mapping[str, Asked]) -> Read:
    """Read the bytes of a file; `columns` are what a person says of some. Raises `SourceError` in one line."""
    encoding, text = decoded(data, asked.encoding)
    if b"\0" in text:
        line = text.count(b"\n", 0, text.index(b"\0")) + 1
        raise SourceError(f"zero bytes, the first in line {line}: not a text file, or damaged; make it again")
    text = below(text, asked.skip)
    head = text[:SAMPLE].decode("utf-8", errors="ignore")
    stated = re.match(r"sep=(.)\r?\n", head)  # what Excel writes above a file for itself
    if stated is not None:
        text, head = text[stated.end() :], head[stated.end() :]
    if not head.strip():
        raise SourceError("the file is empty; check where it comes from")
    delimiter = asked.delimiter or (stated.group(1) if stated else None) or delimiter_of(head)
    refuse_preamble(head, delimiter)
    cells, empty = without_empty(cut(text, delimiter))
    names, cells = headed(cells, asked.header)
    found = {"encoding": encoding, "delimiter": delimiter} | ({"empty_rows": str(empty)} if empty else {})
    return _typed(cells, names, asked, columns, found)


def decoded(data: bytes, encoding: str | None) -> tuple[str, bytes]:
    """Return the name of the encoding and the content as UTF-8 without a byte order mark."""
    try:
        name = encoding or encodings.detect(data)
        if name == "utf-8" and not data.startswith(b"\xef\xbb\xbf"):
            data.decode("utf-8")
            return name, data
        return name, data.decode(name).removeprefix("\ufeff").encode("utf-8")
    except encodings.EncodingError as error:
        raise SourceError(str(error)) from None
    except LookupError:
        raise SourceError(
            f"`read: {{encoding: {encoding}}}` is no encoding that is known; see Python's codecs"
        ) from None
    except UnicodeError as error:
        at = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise SourceError(f"not {name}{at}; correct `read: {{encoding: ...}}` or the file") from None


def delimiter_of(head: str) -> str:
    """Return the delimiter that divides the sample best; a comma if none does (a table of one column)."""
    best, score = ",", (0.0, 1)
    for delimiter in DELIMITERS:
        widths = [len(row) for row in _sample(head, delimiter)]
        if widths and widths[0] > 1:
            same = sum(width == widths[0] for width in widths) / len(widths)
            if (round(same, 1), widths[0]) > score:
                best, score = delimiter, (round(same, 1), widths[0])
    return best


def below(text: bytes, lines: int) -> bytes:
    """Return the text without its first lines."""
    for _ in range(lines):
        text = text.partition(b"\n")[2]
    return text


def refuse_preamble(head: str, delimiter: str) -> None:
    """Raise `SourceError` if the first lines have fewer fields than all that follow: a title, or remarks."""
    given = delimiter if any(delimiter in line for line in head.splitlines()[:1]) else None
    for candidate in [given] if given else DELIMITERS:
        widths = [len(row) for row in _sample(head, candidate)]
        usual = max(widths, default=0)
        above = next((at for at, width in enumerate(widths) if width == usual), 0)
        names_short = above == 1 and widths[0] == usual - 1 > 1  # one name is lacking: no remark
        apart = 0 < above <= 20 and usual > 2 and not names_short
        if apart and widths.count(usual) >= max(3, 0.9 * (len(widths) - above)):
            line = next(at for at, row in enumerate(head.splitlines()) if len(row.split(candidate)) >= usual)
            raise SourceError(
                f"the first {line} lines are no part of the table, which has {usual} columns below them; say "
                f"`read: {{skip: {line}}}`, or take them out"
            )


def without_empty(cells: pa.Table) -> tuple[pa.Table, int]:
    """Return the fields without columns in which nothing stands, not even a name, nor such rows; and how many rows.

    In a table of one column an empty line is a missing value.
    """
    if cells.num_columns == 1:
        return cells, 0
    used = [name for name in cells.column_names if pc.max(pc.binary_length(cells[name])).as_py()]
    cells = cells.select(used or cells.column_names[:1])
    filled = pa.array(np.zeros(cells.num_rows, dtype=bool))
    for column in cells.columns:
        filled = pc.or_(filled, pc.greater(pc.binary_length(column), 0))
        if pc.all(filled).as_py():
            return cells, 0
    return cells.filter(filled), cells.num_rows - pc.sum(filled).as_py()


def cut(text: bytes, delimiter: str) -> pa.Table:
    """Return the fields as a table of texts, the header line among the rows. `text` is UTF-8."""
    width = len(next(iter(_sample(text[:SAMPLE].decode("utf-8", errors="ignore"), delimiter)), [""]))
    if width > LIMIT_COLUMNS:
        raise SourceError(f"{width:,} columns, more than the {LIMIT_COLUMNS:,} that are supported; take out some")
    ragged: list[tuple[int | None, int]] = []

    def note(row: Any) -> str:
        ragged.append((row.number, row.actual_columns))
        return "skip"  # so that the message can be our own: the library's shows the row

    try:
        table = pa_csv.read_csv(
            io.BytesIO(text),
            pa_csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=[str(i) for i in range(width)]),
            pa_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=width > 1, invalid_row_handler=note
            ),
            pa_csv.ConvertOptions(column_types={str(i): pa.string() for i in range(width)}),
        )
    except pa.ArrowInvalid as error:
        raise SourceError(_why(str(error))) from None
    if ragged:
        number, found = ragged[0]
        more = f", and {len(ragged) - 1} more rows" if len(ragged) > 1 else ""
        said = f"correct them, or say `read: {{delimiter: ...}}` if it is another one than {delimiter!r}"
        hint = QUOTE if text.count(b'"') % 2 else said
        raise SourceError(f"row {number} has {found} fields, the first line {width}{more}; {hint}")
    _limit_cells(table, unclosed=text.count(b'"') % 2 == 1)
    return table


def headed(cells: pa.Table, header: bool | None) -> tuple[list[str], pa.Table]:
    """Return the names of the columns and the rows below them."""
    first = [column[0].as_py().strip() for column in cells.columns]
    if header is False:
        return [f"column_{number}" for number in range(1, len(first) + 1)], cells
    if header is None and _looks_like_data(first):
        numbers = sum(bool(NUMBER.fullmatch(name)) for name in first)
        raise SourceError(
            f"the first line looks like data: {numbers} of its {len(first)} fields are numbers; add a line of names, "
            "or say `read: {header: false}` (`header: true` if they are names)"
        )
    return tidy(first), cells.slice(1)


def _typed(
    cells: pa.Table, names: list[str], asked: How, columns: Mapping[str, Asked], detected: dict[str, str]
) -> Read:
    if cells.num_rows == 0:
        raise SourceError("a header line and no rows; check where it comes from")
    used = [
        column for name, column in zip(names, cells.columns, strict=True) if columns.get(name, Asked()).kind != "drop"
    ]
    mark = asked.decimal or texts.decimal_mark(used, detected["delimiter"])
    marks = Marks(mark, asked.missing)
    found = {
        name: texts.typed(column, name, marks, columns.get(name))
        for name, column in zip(names, cells.columns, strict=True)
    }
    table = pd.DataFrame({name: series for name, (series, _) in found.items()})
    spelt = {name: spelling for name, (_, spelling) in found.items()}
    return Read(table, spelt, detected | {"decimal": mark or "by column"})


def _sample(head: str, delimiter: str) -> list[list[str]]:
    """Return the first rows, empty ones left out, and without the last, which may be cut off."""
    whole = head if len(head) < SAMPLE // 2 else head[: head.rfind("\n")]
    csv.field_size_limit(LIMIT_CELL * 10)
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter):
            rows += [row] if row else []
            if len(rows) == SAMPLE_ROWS:
                break
    except csv.Error:  # a quoted field that the sample cuts: what was read so far is enough
        pass
    return rows


def _looks_like_data(first: list[str]) -> bool:
    """Tell whether a line holds numbers that are no names: years and counts can be, -0.5 and 77516 cannot."""
    numbers = [name for name in first if NUMBER.fullmatch(name)]
    odd = [name for name in numbers if not YEAR_OR_COUNT.fullmatch(name)]
    return bool(odd) or (len(numbers) > 0 and len(set(numbers)) < len(numbers))


def _limit_cells(table: pa.Table, *, unclosed: bool) -> None:
    for at, column in enumerate(table.columns, 1):
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > LIMIT_CELL:
            raise SourceError(f"a field of column {at} has {longest:,} bytes, more than {LIMIT_CELL:,}; {QUOTE}")
        if unclosed and len(column) and "\n" in column[-1].as_py():
            raise SourceError(f"the last field of column {at} runs over lines to the end of the file; {QUOTE}")


QUOTE = 'is a quote (") never closed?'


def _why(said: str) -> str:
    """Return in our words what the parser said, whose own would show rows."""
    if "straddling" in said or "out of sync" in said:
        return f"a row of more than {BLOCK >> 20} MiB; {QUOTE}"
    if "Empty CSV" in said:
        return "the file is empty; check where it comes from"
    return "cannot be cut into rows and fields; save it as CSV again"
