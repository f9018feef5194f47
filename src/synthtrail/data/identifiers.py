"""Identifiers: recognised, never learnt, and made anew in the pattern of the real ones.

A pattern is read character by character:

    9   a digit        A   an upper-case letter     a   a lower-case letter
    h   a digit or one of a to f                    H   likewise in upper case
    \\x  the character x itself                      #   a running number, from 1

`\\P99999` makes P48213, `\\P#` makes P1, P2, P3; a UUID has 32 `h` between `\\-`. Only what all real values have in
common stands in a pattern as itself, so it holds no real value. Made values differ from each other: they are a
permutation of all that the pattern allows, and when those are used up a running number follows.

    >>> import pandas as pd
    >>> pattern_of(pd.Series(["P00017", "P00023", "P90001"]))
    '\\\\P99999'
    >>> make(Identifier("key", 0, "str", r"\\P99"), 3, first=0, seed=0).is_unique
    True
"""

import math
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.columns import Identifier
from synthtrail.data.values import as_dtype

ALPHABETS = {
    "9": "0123456789",
    "A": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "a": "abcdefghijklmnopqrstuvwxyz",
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
}
RUNNING = "#"
LEAST_ROWS = 20  # with fewer, uniqueness is no sign of an identifier

NAMED = re.compile(r"((^|[_\W])(id|key|uuid|guid|mrn|ssn|number|no)|nr\.?|nummer)$", re.IGNORECASE)
NAMED_CAMEL = re.compile(r"[a-z](Id|ID)$")
MANY = 50  # fewer different keys, such as those of shops, are categories
LONGEST = 64


def named_like_one(name: str) -> bool:
    """Return whether the name of a column says that it is an identifier: `id`, `row_id`, `PatientId`, `Fallnr`."""
    return NAMED.search(name) is not None or NAMED_CAMEL.search(name) is not None


def recognised_number(present: pd.Series, *, name: str, at: int) -> bool:
    """Return whether whole numbers are identifiers.

    They are if all differ and the name says so, or they are the first column and number the rows from 0 or 1 on; or if
    the name says so and they are sparse, as the keys of another table are.
    """
    if len(present) < LEAST_ROWS:
        return False
    distinct, span = present.nunique(), int(present.max()) - int(present.min()) + 1
    named = named_like_one(name)
    if distinct == len(present):
        numbered = at == 0 and present.min() in (0, 1) and span == len(present) and present.is_monotonic_increasing
        return bool(named or numbered)
    return named and span > 10 * distinct


def recognised_text(present: pd.Series, *, name: str) -> bool:
    """Return whether texts of one make are identifiers: all different, or many and the name says so."""
    if len(present) < LEAST_ROWS:
        return False
    distinct = present.nunique()
    many = named_like_one(name) and distinct > max(MANY, len(present) / 100)
    return (distinct == len(present) or many) and pattern_of(present) is not None


def pattern_of_numbers(present: pd.Series) -> str:
    """Return the pattern of whole numbers: as many digits as all have, if they have at least three, else running."""
    low, high = int(present.min()), int(present.max())
    digits = len(str(high))
    if low > 0 and digits >= 3 and len(str(low)) == digits and high - low + 1 > present.nunique():
        return "9" * digits
    return RUNNING


def pattern_of(present: pd.Series) -> str | None:
    """Return the pattern that all texts have in common, None if there is none."""
    texts = present.astype(object).tolist()
    if max(map(len, texts)) > LONGEST:
        return None
    if len({len(text) for text in texts}) == 1:
        tokens = [_token({text[i] for text in texts}) for i in range(len(texts[0]))]
        if None in tokens:
            return None
        found = "".join(str(token) for token in tokens)
        return _as_hex(found, texts)
    return _numbered(texts)


def make(identifier: Identifier, rows: int, *, first: int, seed: int) -> pd.Series:
    """Return `rows` made-up values (N,) for the rows from number `first` on; the same arguments give the same values.

    Where real values repeat (`distinct` below 1), neighbouring rows share one.
    """
    keys = np.floor(np.arange(first, first + rows) * identifier.distinct).astype(np.int64)
    cells: list[object] = list(render(identifier.pattern, keys, seed))
    if pd.api.types.is_numeric_dtype(pd.api.types.pandas_dtype(identifier.dtype)):
        cells = [int(str(cell)) for cell in cells]  # of floats too: a file with gaps has 1024.0
    made = pd.Series(cells, dtype=object)
    if identifier.missing_rate:
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, first, 77])))
        made = made.mask(rng.random(rows) < identifier.missing_rate, None)
    return as_dtype(made, identifier.dtype)


def render(pattern: str, keys: NDArray[np.int64], seed: int) -> list[str]:
    """Return the value of each key (N,): different keys have different values."""
    parts = list(_tokens(pattern))
    if RUNNING in parts:
        return ["".join(str(key + 1) if part == RUNNING else part[-1] for part in parts) for key in keys.tolist()]
    free = [ALPHABETS[part] for part in parts if part in ALPHABETS]
    whole_number = parts == ["9"] * len(parts)
    if whole_number:  # a number does not begin with a zero
        free[0] = "123456789"
    capacity = int(np.prod([len(letters) for letters in free], dtype=object)) if free else 1
    step, start = _permutation(capacity, seed)
    return [_spelt(parts, free, (start + step * key) % capacity, key // capacity) for key in keys.tolist()]


def _permutation(capacity: int, seed: int) -> tuple[int, int]:
    """Return a step without common divisor with `capacity`, and a start: key * step + start is one-to-one."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 78])))
    words = [int(word) for word in rng.integers(0, 2**32, 16)]
    start = sum(word << (32 * i) for i, word in enumerate(words[:8])) % capacity
    step = sum(word << (32 * i) for i, word in enumerate(words[8:])) % capacity or 1
    while math.gcd(step, capacity) != 1:  # of any size, which numpy's is not
        step += 1
    return step, start


def _spelt(parts: list[str], free: list[str], number: int, extra: int) -> str:
    letters = []
    for alphabet in reversed(free):
        number, at = divmod(number, len(alphabet))
        letters.append(alphabet[at])
    text = "".join(letters.pop() if part in ALPHABETS else part[-1] for part in parts)
    return f"{text}{extra}" if extra else text


def _tokens(pattern: str) -> Iterator[str]:
    return (found.group() for found in re.finditer(r"\\.|.", pattern, re.DOTALL))


def _token(letters: set[str]) -> str | None:
    if len(letters) == 1:
        (letter,) = letters
        return "9" if letter.isascii() and letter.isdigit() else f"\\{letter}"
    for name in ("9", "A", "a", "h", "H"):
        if letters <= set(ALPHABETS[name]):
            return name
    return None


def _as_hex(pattern: str, texts: list[str]) -> str:
    """Return the pattern with digits as `h` where the others are hexadecimal: in few rows some places have none."""
    parts = list(_tokens(pattern))
    for name in ("h", "H"):
        if parts.count(name) >= 4 and set("".join(texts)) - set(ALPHABETS[name]) <= set("-{}"):
            return "".join(name if part in ALPHABETS else part for part in parts)
    return pattern


def _numbered(texts: list[str]) -> str | None:
    """Return `prefix#` if all texts are one prefix and a number without leading zeros."""
    found = [re.fullmatch(r"(\D{0,12}?)([1-9]\d*|0)", text, re.ASCII) for text in texts]
    prefixes = {match.group(1) if match else None for match in found}
    if len(prefixes) != 1 or None in prefixes:
        return None
    return "".join(f"\\{letter}" for letter in str(prefixes.pop())) + RUNNING
