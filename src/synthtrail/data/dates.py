"""Dates in texts: which of the known ways of writing they are all in, and what they stand for.

    2026-11-22   2026-11-22T10:30   2026-11-22 10:30:05.25+01:00   2026/11/22
    22.11.2026   22/11/2026 or 11/22/2026 (told apart by a number above 12)   22.11.26   22-11-2026 10:30
    22 Nov 2026   22-NOV-26   22NOV2026   Nov 22, 2026   November 22, 2026

Where day and month cannot be told apart in any row, nothing is guessed: `AmbiguousDateError`.

    >>> import pyarrow as pa
    >>> format_of(pa.array(["31.01.2026", "1.2.2026"]))
    '%-d.%-m.%Y'
    >>> parsed(pa.array(["31.01.2026"]), "%d.%m.%Y").dt.year.tolist()
    [2026]
"""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthtrail.data.errors import SourceError
from synthtrail.data.values import as_dtype

CLOCK = r"(?P<clock>[T ]\d{1,2}:\d\d(:\d\d([.,]\d{1,9})?)?( ?[AaPp][Mm])?)?(?P<zone> ?(Z|UTC|[+-]\d\d:?\d\d))?"
ISO = r"\d{4}-\d\d-\d\d" + CLOCK
SLASHED = r"\d{4}/\d{1,2}/\d{1,2}" + CLOCK
NUMBERED = r"(?P<one>\d{1,2})(?P<mark>[./-])(?P<two>\d{1,2})[./-](?P<year>\d{4}|\d\d)" + CLOCK
MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
DAY_FIRST = r"\d{1,2}(?P<mark>[ -]?)" + MONTH + r"[A-Za-z]*[ -]?(\d{4}|\d\d)" + CLOCK
MONTH_FIRST = MONTH + r"[a-z]* \d{1,2}, \d{4}" + CLOCK
UNPADDED = re.compile(r"(?<!\d)\d(?!\d)")


class AmbiguousDateError(SourceError):
    """Day and month could be either way round in every row."""


def format_of(texts: pa.Array) -> str | None:
    """Return the strftime format of all texts (N,), None if they are no dates of one kind."""
    for pattern, build in ((ISO, _iso), (SLASHED, _slashed), (NUMBERED, _numbered), (DAY_FIRST, _named),
                           (MONTH_FIRST, _named)):  # fmt: skip
        if _all_match(texts, pattern):
            return build(texts)
    return None


def like_dates(texts: pa.Array) -> NDArray[np.bool_]:
    """Tell of each text (N,) whether it is written like a date of any kind, be there such a day or not."""
    pattern = "|".join(_nameless(one) for one in (ISO, SLASHED, NUMBERED, DAY_FIRST, MONTH_FIRST))
    found: NDArray[np.bool_] = pc.match_substring_regex(texts, f"^(?:{pattern})$").to_numpy(zero_copy_only=False)
    return found


def parsed(texts: pa.Array, how: str) -> pd.Series | None:
    """Return the moments (N,) that texts of format `how` stand for, None if one of them is no such date."""
    series = pd.Series(texts.to_pandas())
    zoned = how.endswith(("%z", "Z"))
    try:
        if how.startswith("%Y-%m-%d"):
            moments = pd.to_datetime(series, format="ISO8601", utc=zoned)
        else:
            moments = pd.to_datetime(series, format=re.sub("%[-^]", "%", how).replace("Z", "%z"), utc=zoned)
    except ValueError:
        return None
    zone = _zone(texts) if zoned else None
    return as_dtype(pd.Series(moments), "datetime64[us]" if zone is None else f"datetime64[us, {zone}]")


def _zone(texts: pa.Array) -> str:
    """Return the offset that all texts have in common, else UTC."""
    ends = pc.unique(pc.struct_field(pc.extract_regex(texts, r"(?P<zone>[+-]\d\d:?\d\d)$"), "zone")).to_pylist()
    return f"UTC{ends[0]}" if len(ends) == 1 and ends[0] and ":" in ends[0] and int(ends[0][1:3]) else "UTC"


def _iso(texts: pa.Array) -> str:
    return "%Y-%m-%d" + _clock(texts)


def _slashed(texts: pa.Array) -> str:
    return _unpadded("%Y/%m/%d", texts) + _clock(texts)


def _numbered(texts: pa.Array) -> str:
    parts = pc.extract_regex(texts, f"^{_named_only(NUMBERED)}$")
    one, two = (pc.max(pc.cast(pc.struct_field(parts, name), pa.int64())).as_py() for name in ("one", "two"))
    mark = pc.struct_field(parts, "mark")[0].as_py()
    year = "%Y" if len(pc.struct_field(parts, "year")[0].as_py()) == 4 else "%y"
    if mark != "." and one <= 12 and two <= 12:
        raise AmbiguousDateError("day and month cannot be told apart")
    days_first = mark == "." or one > 12
    first, second = ("%d", "%m") if days_first else ("%m", "%d")
    return _unpadded(f"{first}{mark}{second}{mark}{year}", texts) + _clock(texts)


def _named(texts: pa.Array) -> str:
    first = texts[0].as_py()
    word = max(re.findall(r"[A-Za-z]+", first.split(":")[0]), key=len)
    longs = pc.all(pc.match_substring_regex(texts, r"[A-Za-z]{4,}|(?i:may)")).as_py()
    month = "%B" if longs and len(word) > 3 else "%b"
    month = month.replace("%", "%^") if word.isupper() else month
    if first[0].isalpha():
        return _unpadded(f"{month} %d, %Y", texts) + _clock(texts)
    mark = re.sub(r"^\d+", "", first)[0].strip(word)
    year = "%Y" if re.search(r"\d{4}", first) else "%y"
    return _unpadded(f"%d{mark}{month}{mark}{year}", texts) + _clock(texts)


def _clock(texts: pa.Array) -> str:
    """Return the format of the time of day, as the longest text has it."""
    longest = max(texts.to_pylist()[:1000], key=len)
    found = re.search(r"([T ])\d{1,2}:\d\d(:\d\d)?([.,]\d+)?( ?[AaPp][Mm])?( ?(?:Z|UTC|[+-]\d\d:?\d\d))?$", longest)
    if found is None:
        return ""
    mark, seconds, fraction, noon, zone = found.groups()
    zone = "Z" if zone == "Z" else "%z" if zone else ""
    hours = "%I:%M" if noon else "%H:%M"
    noon_text = (" %p" if noon.startswith(" ") else "%p") if noon else ""
    return f"{mark}{hours}{':%S' if seconds else ''}{'.%f' if fraction else ''}{noon_text}{zone}"


def _unpadded(how: str, texts: pa.Array) -> str:
    """Return the format with days and months without leading zeros, if one is written so."""
    bare = any(UNPADDED.search(re.split(r"[T ]\d+:", text)[0]) for text in texts.to_pylist()[:10_000])
    return how.replace("%d", "%-d").replace("%m", "%-m") if bare else how


def _all_match(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, f"^(?:{_nameless(pattern)})$")).as_py())


def _nameless(pattern: str) -> str:
    return re.sub(r"\(\?P<\w+>", "(?:", pattern)


def _named_only(pattern: str) -> str:
    """Return the pattern with its unnamed groups not counted, as `extract_regex` wants it."""
    return re.sub(r"\((?!\?)", "(?:", pattern)
