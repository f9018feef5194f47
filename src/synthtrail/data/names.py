"""Names of columns: kept as they are, but for spaces at the ends and the way in which accents are composed.

>>> tidy([" age ", "", "e\\u0301tat"])
['age', 'column_2', 'état']
>>> tidy(["age", " age"])
Traceback (most recent call last):
synthtrail.data.errors.SourceError: columns 1 and 2 have the same name, 'age'; rename one
"""

import unicodedata
from collections.abc import Sequence

from synthtrail.data.errors import SourceError

LIMIT_COLUMNS = 10_000
LIMIT_NAME = 500  # characters


def tidy(names: Sequence[object]) -> list[str]:
    """Return the names in Unicode's form NFC without spaces around; a column without one is called by its number.

    Raises `SourceError` for names that are then equal, too long or too many.
    """
    if len(names) > LIMIT_COLUMNS:
        raise SourceError(f"{len(names):,} columns, more than the {LIMIT_COLUMNS:,} that are supported; take out some")
    seen: dict[str, int] = {}
    for number, given in enumerate(names, 1):
        name = unicodedata.normalize("NFC", "" if given is None else str(given)).strip() or f"column_{number}"
        if len(name) > LIMIT_NAME:
            raise SourceError(f"the name of column {number} has {len(name):,} characters; {LIMIT_NAME} is the most")
        if name in seen:
            raise SourceError(f"columns {seen[name]} and {number} have the same name, {name!r}; rename one")
        seen[name] = number
    return list(seen)
