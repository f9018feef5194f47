"""Dates and periods as people write them, and as they are shown.

>>> moment("2027-06-30", now=datetime(2026, 1, 1, tzinfo=UTC)).isoformat()
'2027-06-30T00:00:00+00:00'
>>> moment("P2M", now=datetime(2026, 1, 30, tzinfo=UTC)).isoformat()
'2026-03-30T00:00:00+00:00'
"""

from datetime import UTC, datetime

from synthtrail.cli.errors import CommandError
from synthtrail.custody import duration
from synthtrail.custody.errors import CustodyError


def moment(text: str, *, now: datetime | None = None) -> datetime:
    """Return the time that `text` means: a date, a time in UTC, or a period from now; it must lie ahead."""
    present = now or datetime.now(UTC)
    try:
        found = duration.parse(text).after(present) if text.startswith("P") else _date(text)
    except (ValueError, CustodyError):
        raise CommandError(f"{text!r}: neither a date (2027-06-30) nor a period from now (P30D, P6M, P1Y)") from None
    if found <= present:
        raise CommandError(f"{text!r} is over already")
    return found


def _date(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
