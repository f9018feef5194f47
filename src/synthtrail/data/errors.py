"""What can be wrong with data, one clear line each: what, where, and what to do about it.

    DataError
    ├── SourceError    the bytes of a source are absent, unreadable or not the ones declared
    ├── SchemaError    a table or image set cannot be described, or a description cannot be read
    │   └── RefusedColumnsError    columns that are identifiers or free text
    ├── CodecError     rows do not fit the codec that was made for them
    ├── SplitError     rows cannot be divided as asked
    └── WantedError    rows were asked for that the schema does not know, or that are too rare

The message is meant for the person at the terminal; stages print it alone, without a traceback.

    >>> str(SourceError("iris.csv: no such file; put it there or correct `source:`"))
    'iris.csv: no such file; put it there or correct `source:`'
"""


class DataError(Exception):
    """Root of every error that the data, not the caller, is to blame for."""


class SourceError(DataError):
    """A source is absent, unreadable, of an unknown kind, or differs from its declared digest."""


class SchemaError(DataError):
    """Data that no schema can describe, or a schema file that cannot be read."""


class RefusedColumnsError(SchemaError):
    """Columns that must not be released as they are; `names` tells which."""

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


class CodecError(DataError):
    """Rows hold something that the codec has no code for, or codes stand for nothing."""


class SplitError(DataError):
    """Rows cannot be divided in two non-empty parts as asked."""


class WantedError(DataError):
    """Conditions name a column, category or number that the data do not have, or that almost no row has."""
