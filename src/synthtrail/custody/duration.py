"""How long something is to be kept: calendar durations, a strict part of ISO 8601.

``P`` and then years, months and days, each at most once, in this order, none of them zero and none with a leading
zero: ``P10Y``, ``P6M``, ``P1Y6M30D``. Years and months go by the calendar and stop at the end of a shorter month.

    >>> from datetime import UTC, datetime
    >>> parse("P1Y1M").after(datetime(2027, 1, 31, tzinfo=UTC)).date().isoformat()
    '2028-02-29'
    >>> parse("P0D")
    Traceback (most recent call last):
    synthtrail.custody.errors.FormatError: duration: 'P0D' is none of the form P1Y6M30D
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from synthtrail.custody.errors import FormatError

_FORM = re.compile(r"P(?=[1-9])(?:([1-9][0-9]{0,2})Y)?(?:([1-9][0-9]{0,2})M)?(?:([1-9][0-9]{0,4})D)?", re.ASCII)


class Duration(NamedTuple):
    """Years, months and days, added in this order."""

    years: int
    months: int
    days: int

    def after(self, moment: datetime) -> datetime:
        """The moment that is this much later."""
        from calendar import monthrange  # noqa: PLC0415 - loading it takes as long as a tenth of a start

        months = moment.year * 12 + moment.month - 1 + self.years * 12 + self.months
        year, month = months // 12, months % 12 + 1
        day = min(moment.day, monthrange(year, month)[1])
        return moment.replace(year=year, month=month, day=day) + timedelta(days=self.days)


def parse(text: str) -> Duration:
    """Return the duration that `text` writes; raise `FormatError` unless it is of the one form."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise FormatError(f"duration: {text[:40]!a} is none of the form P1Y6M30D", code="statement")
    years, months, days = (int(part or 0) for part in found.groups())
    return Duration(years, months, days)
