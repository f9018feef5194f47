"""Reading single entries of a log whose head is known: for explaining, not for verifying.

>>> Log({}.__getitem__, 0).entry(0)
Traceback (most recent call last):
synthtrail.custody.errors.UsageError: no entries 0 to 1 in a log of 0
"""

from dataclasses import dataclass

from synthtrail.custody import dsse, entry, statement, tiles
from synthtrail.custody.entry import Entry
from synthtrail.custody.errors import DataError
from synthtrail.custody.record import Record
from synthtrail.custody.statement import Statement


@dataclass(frozen=True)
class Log:
    """The first `size` entries behind `read`, whose signatures somebody else has verified."""

    read: tiles.Reader
    size: int

    def entry(self, index: int) -> Entry:
        """Entry number `index`; raises `FormatError` or `FileNotFoundError` if it cannot be read."""
        (data,) = tiles.read_entries(self.read, index, index + 1, self.size)
        return entry.parse(data)

    def record(self, index: int) -> Record | None:
        """The record in entry number `index`; None if it has none, or if a damaged log cannot give the entry."""
        try:
            return self.statement(index).record
        except (DataError, FileNotFoundError):
            return None

    def statement(self, index: int) -> Statement:
        """What entry number `index` says, in full."""
        return statement.read(dsse.parse(self.entry(index).envelope).payload)
