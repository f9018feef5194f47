"""Which encoding a text file is in, or one line that says why that cannot be told.

In this order: a byte order mark; zero bytes as UTF-16 has them; UTF-8, if all of it is valid; a script of its own
(Cyrillic, Greek, Chinese, ...), if the detector finds one; else the Western code page cp1252 or the Central European
cp1250, whichever puts fewer signs beside letters. A file that is UTF-8 in some places and not in others is refused.

    >>> detect("name\\nZoë\\n".encode("latin-1"))
    'cp1252'
    >>> detect("name\\nZoë\\n".encode("utf-16"))
    'utf-16'
"""

import codecs
import re

from charset_normalizer import from_bytes

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAMPLE = 200_000  # bytes that the detector looks at
LEAST_HIGH = 8  # fewer bytes above 127 than that do not tell a script
WESTERN = {"Latin-1 Supplement", "Basic Latin", "Control character", "Latin Extended-A", "Latin Extended-B",
           "General Punctuation", "Currency Symbols", "Letterlike Symbols", "Spacing Modifier Letters"}  # fmt: skip
MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
HIGH = re.compile(rb"[\x80-\xff]")
SIGNS = re.compile(r"[^\W\d_][¿¡¯]|[¯£¥³¹¼¾ª][^\W\d_]|[a-zß-ÿ][ŠŽŸÀ-Þ]")  # next to letters, no Western text has them


class EncodingError(ValueError):
    """The encoding cannot be told; the message says why and what to do."""


def detect(data: bytes) -> str:
    """Return the name of the encoding that all of `data` can be decoded with; raise `EncodingError`."""
    found = next((name for mark, name in MARKS if data.startswith(mark)), None) or _by_zeros(data[:SAMPLE])
    if found is None:
        found = "utf-8" if _decodes(data, "utf-8") else _other(data)
    if not _decodes(data, found):
        raise EncodingError(f"begins as {found}, but not all of it can be read so; save it anew, or {HINT}")
    return found


HINT = "name its encoding with `read: {encoding: ...}`"


def _by_zeros(sample: bytes) -> str | None:
    """Return UTF-16 without a byte order mark, which in texts of Latin letters has a zero in every second byte."""
    if b"\0" not in sample:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) > 0.4 * len(sample) / 2 and min(even, odd) < 0.1 * len(sample) / 2:
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def _other(data: bytes) -> str:
    whole = MULTIBYTE.findall(data)
    high, within = len(HIGH.findall(data)), sum(map(len, whole))
    best = from_bytes(data[:SAMPLE]).best() if high >= LEAST_HIGH else None
    script = best is not None and bool(set(best.alphabets) - WESTERN) and _decodes(data, best.encoding)
    if within > (0.5 if script else 0.1) * high:
        line = data.count(b"\n", 0, _first_fault(data)) + 1
        raise EncodingError(f"mixes encodings: UTF-8, but not in line {line}; save it in one encoding, or {HINT}")
    if best is not None and script:
        return str(best.encoding)
    pages = [page for page in ("cp1252", "cp1250") if _decodes(data, page)]
    if not pages:
        raise EncodingError(f"in an encoding that cannot be told; save it as UTF-8, or {HINT}")
    return min(pages, key=lambda page: len(SIGNS.findall(data[:SAMPLE].decode(page))))


def _first_fault(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(data)


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True
