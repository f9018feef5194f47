"""Columns of texts, as CSV and spreadsheets have them, become columns of types; how they were spelt is kept.

    numbers    12   -3.50   1e-4   1,234.5   1.234,5   1 234,5   1'234.5       int64, float64 (Int64 with gaps)
    amounts    $1,234.50   12.5 %   99 €   (the same sign in all)              as numbers, 12.5 for 12.5 %
    booleans   true/false in any case                                          bool, boolean with gaps
    dates      see `dates`                                                     datetime64
    texts      everything else: also 007 and numbers of more than 18 digits, which are codes

The decimal mark is that of the file (`decimal_mark`): a column of `1.234` alone does not tell whether it is a thousand
or one and a bit, but the other columns do. An empty field is missing; so is NA, N/A, NaN, null or #N/A, and, among
numbers, dates and booleans, also none, -, ., ? and nil. Spaces around a field are not part of it.

    >>> typed(pa.chunked_array([["1,5", "", "2,25"]]), "x", Marks(decimal=","))[0].tolist()
    [1.5, nan, 2.25]
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthtrail.data import dates
from synthtrail.data.asked import Asked
from synthtrail.data.errors import SourceError

MISSING = ("", "na", "n/a", "nan", "null", "#n/a")
MISSING_TOO = (*MISSING, "none", "-", "--", ".", "?", "nil", "#wert!", "#value!", "<na>", "nat")
DIGITS = 18  # whole numbers of more digits do not fit 64 bits: they are codes
NEARLY = 0.8  # with so many numbers and a few texts, the texts are mistakes
GROUPS = {".": "[,'’ \u00a0\u202f]", ",": "[.'’ \u00a0\u202f]"}
PLAIN = {mark: rf"[+-]?(\d+{mark}?\d*|{mark}\d+)([eE][+-]?\d+)?".replace("..", ".") for mark in (r"\.", ",")}
INFINITE = r"(?i)[+-]?inf(inity)?"
CODE = r"0\d+"
DIGIT = str.maketrans("0123456789", "9999999999")
SIGNS = (r"\$", "€", "£", "¥", "CHF", "EUR", "USD", "GBP", "%")


@dataclass(frozen=True)
class Marks:
    """How a file writes numbers and gaps; `decimal` "" means: each column as it reads best."""

    decimal: str = "."
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spelling:
    """How a column was written: a format for its values, and the word for a missing one."""

    format: str | None = None
    absent: str = ""


def grouped(mark: str) -> str:
    """Return the pattern of numbers in groups of three digits with the decimal mark `mark`."""
    return rf"[+-]?\d{{1,3}}({GROUPS[mark]}\d{{3}})+({'[.]' if mark == '.' else ','}\d+)?"


def plain(mark: str) -> str:
    """Return the pattern of numbers without groups."""
    return PLAIN[r"\." if mark == "." else ","]


def decimal_mark(columns: Sequence[pa.ChunkedArray], delimiter: str) -> str:
    """Return the decimal mark of a file's columns; "" if both occur, each beyond doubt."""
    found = {mark for column in columns if (mark := _evidence(column)) is not None}
    if len(found) == 1:
        return found.pop()
    if found:
        return ""
    return "," if delimiter == ";" else "."


def typed(column: pa.ChunkedArray, name: str, marks: Marks, asked: Asked | None = None) -> tuple[pd.Series, Spelling]:
    """Return the column (N,) in the type that its texts have, and how it was spelt.

    Raises `SourceError` where nearly all are numbers, or dates are ambiguous.
    """
    asked = asked or Asked()
    coded = pc.utf8_trim_whitespace(column.combine_chunks()).dictionary_encode()
    levels, codes = coded.dictionary, coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    usual, wide = _missing(levels, MISSING, marks), _missing(levels, MISSING_TOO, marks)
    if wide.all():
        return pd.Series(np.full(len(codes), np.nan), name=name), Spelling(absent=_word(levels, codes, wide))
    if asked.kind not in ("category", "identifier", "time", "drop"):
        present = levels.filter(pa.array(~wide))
        found = _converted(present, name, marks, asked, np.bincount(codes, minlength=len(levels))[~wide])
        if found is not None:
            values, how = found
            return _spread(values, codes, wide, name), Spelling(how, _word(levels, codes, wide))
    texts = pd.Series(levels.filter(pa.array(~usual)).to_pandas(), dtype="str")
    return _spread(texts, codes, usual, name), Spelling(None, _word(levels, codes, usual))


def _converted(
    present: pa.Array, name: str, marks: Marks, asked: Asked, counts: NDArray[np.int64]
) -> tuple[pd.Series, str | None] | None:
    """Return the different texts (K,) as values and their format, None if they stay texts."""
    if asked.kind == "datetime" or asked.format is not None:
        return _dates(present, name, asked.format)
    numbers = _numbers(unsigned(present), marks)
    if numbers is not None:
        return numbers
    lower = {text.casefold() for text in present.to_pylist()[:3]}
    if lower == {"true", "false"} and len(present) == 2:
        spelt = sorted(present.to_pylist(), key=str.casefold)
        return pd.Series([text.casefold() == "true" for text in present.to_pylist()]), "|".join(spelt)
    moments = _dates(present, name, None)
    if moments is None:
        _refuse_nearly(present, name, marks, counts)
    return moments


def unsigned(present: pa.Array) -> pa.Array:
    """Return texts (K,) without the percent sign or currency that all of them have in the same place, if they do."""
    for sign in SIGNS:
        if _all(present, rf"[+-]?{sign} ?[\d.,].*"):
            return pc.replace_substring_regex(present, pattern=rf"^([+-]?){sign} ?", replacement=r"\1")
        if _all(present, f".*\\d[ \u00a0\u202f]?{sign}"):
            return pc.replace_substring_regex(present, pattern=f"[ \u00a0\u202f]?{sign}$", replacement="")
    return present


def _numbers(present: pa.Array, marks: Marks) -> tuple[pd.Series, str | None] | None:
    if _all(present, CODE + r"|\d+") and _any(present, CODE):
        return None
    mark = next((mark for mark in (marks.decimal or ".,") if _is_number(present, mark)), None)
    if mark is None and marks.decimal == "," and _all(present, rf"{plain('.')}|{INFINITE}"):
        mark = "."
    if mark is None:
        return None
    texts = pc.replace_substring_regex(present, pattern=GROUPS[mark], replacement="")
    texts = pc.replace_substring(texts, pattern=",", replacement=".")
    texts = pc.utf8_ltrim(texts, characters="+")
    if _all(texts, r"-?\d+"):
        if pc.max(pc.utf8_length(texts)).as_py() > DIGITS:
            return None
        return pd.Series(pc.cast(texts, pa.int64()).to_numpy()), None
    values = pd.Series(pc.cast(pc.utf8_lower(texts), pa.float64()).to_numpy())
    return values, _digits(texts, mark)


def _digits(texts: pa.Array, mark: str) -> str | None:
    """Return the format of numbers that all have as many digits after the mark: `.2f`, `,2f`; else the mark alone."""
    after = pc.struct_field(pc.extract_regex(texts, r"^-?\d*\.(?P<after>\d+)$"), "after")
    lengths = pc.unique(pc.utf8_length(after)).to_pylist()
    return f"{mark}{lengths[0]}f" if len(lengths) == 1 and lengths[0] is not None else mark


def _dates(present: pa.Array, name: str, stated: str | None) -> tuple[pd.Series, str | None] | None:
    try:
        how = stated or dates.format_of(present)
    except dates.AmbiguousDateError:
        raise SourceError(
            f"column {name!r}: day and month of the dates cannot be told apart; say "
            f'`columns: {{{name}: {{format: "%d/%m/%Y"}}}}` (or "%m/%d/%Y")'
        ) from None
    moments = None if how is None else dates.parsed(present, how)
    if moments is None and stated is not None:
        raise SourceError(f"column {name!r}: not every value is a date of the format {stated!r}; correct either")
    return None if moments is None else (moments, how)


def _refuse_nearly(present: pa.Array, name: str, marks: Marks, counts: NDArray[np.int64]) -> None:
    """Raise `SourceError` if all but a few rows are different numbers, or dates: they are no categories."""
    mark = marks.decimal or "."
    like = pc.match_substring_regex(present, f"^(?:{plain(mark)}|{grouped(mark)})$").to_numpy(zero_copy_only=False)
    codes = pc.match_substring_regex(present, f"^(?:{CODE})$").to_numpy(zero_copy_only=False)
    odd, rows = int(counts[~like].sum()), int(counts.sum())
    if len(present) > rows / 2 and like.sum() > 20 and not codes.any() and 0 < odd < (1 - NEARLY) * rows:
        raise SourceError(
            f"column {name!r}: {rows - odd} numbers and {odd} other texts; correct those, say which mean missing "
            f"(`read: {{missing: [...]}}`), or `columns: {{{name}: category}}`"
        )
    dated = dates.like_dates(present)
    if NEARLY * rows < int(counts[dated].sum()):
        form = next(text for text in present.filter(pa.array(dated)).to_pylist()).translate(DIGIT)
        raise SourceError(
            f"column {name!r}: most are like dates ({form}), but not all are days of one form; correct those that are "
            f"not, say which mean missing (`read: {{missing: [...]}}`), or `columns: {{{name}: category}}`"
        )


def _evidence(column: pa.ChunkedArray) -> str | None:
    """Return the decimal mark that the column's texts prove, None if they prove none."""
    levels = pc.unique(pc.utf8_trim_whitespace(column))
    present = unsigned(levels.filter(pa.array(~_missing(levels, MISSING_TOO, Marks()))))
    if not len(present) or not _any(present, r".*\d[.,]\d.*"):
        return None
    fits = {mark for mark in ".," if _is_number(present, mark)}
    return fits.pop() if len(fits) == 1 else None


def _is_number(present: pa.Array, mark: str) -> bool:
    """Return whether all are numbers with this decimal mark; more than three digits in a group decide against it."""
    return _all(present, f"{plain(mark)}|{grouped(mark)}|{INFINITE}")


def _all(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, f"^(?:{pattern})$")).as_py())


def _any(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, f"^(?:{pattern})$")).as_py())


def _missing(levels: pa.Array, known: Sequence[str], marks: Marks) -> NDArray[np.bool_]:
    words = pa.array([*known, *(word.strip().lower() for word in marks.missing)])
    found: NDArray[np.bool_] = pc.is_in(pc.utf8_lower(levels), value_set=words).to_numpy(zero_copy_only=False)
    return found


def _word(levels: pa.Array, codes: NDArray[np.int64], missing: NDArray[np.bool_]) -> str:
    """Return the most frequent word for a missing value, "" if there is none."""
    counts = np.bincount(codes, minlength=len(levels)) * missing
    return str(levels[int(counts.argmax())].as_py()) if counts.any() else ""


def _spread(values: pd.Series, codes: NDArray[np.int64], missing: NDArray[np.bool_], name: str) -> pd.Series:
    """Return the value of each row (N,); whole numbers and booleans with gaps in the type that has room for them."""
    place = np.where(missing, -1, np.cumsum(~missing) - 1)[codes]
    gaps = bool((place < 0).any())
    if gaps and values.dtype in ("int64", "bool"):
        values = values.astype("Int64" if values.dtype == "int64" else "boolean")
    spread = values.take(np.where(place < 0, 0, place)).reset_index(drop=True)
    return (spread.mask(place < 0) if gaps else spread).rename(name)
