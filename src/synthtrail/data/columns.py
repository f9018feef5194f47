"""What a schema is made of: columns that are learnt, identifiers that are made anew, and rules between them.

A `Column` has a kind, and with it the facts that synthetic values must respect:

    continuous  minimum, maximum, decimals (digits after the point; None: not on a decimal grid)
    integer     minimum, maximum
    datetime    minimum, maximum as ISO 8601 text; decimals counts digits after the second,
                None means that every value is a whole day
    time        a time of day as text; minimum, maximum in seconds after midnight
    category    categories, sorted (a pandas category keeps its own order)
    boolean     categories: those of the two values that occur, in their own spelling (no, yes; 0, 1; False, True)

    >>> Schema((Column("age", "integer", "int64", (), 0, 99),), identifiers=(Identifier("key", 0, "str", "#"),)).order
    ('key', 'age')
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from synthtrail.data.errors import SchemaError

Kind = Literal["continuous", "integer", "category", "boolean", "datetime", "time"]
NUMERIC: tuple[Kind, ...] = ("continuous", "integer", "datetime", "time")
Shape = Literal["", "bounded", "heavy-tailed", "zero-inflated"]
Value = str | int | bool


@dataclass(frozen=True)
class Column:
    """One column that models learn; which of the facts are set depends on the kind (module docstring).

    `dtype` is the pandas dtype by name, so that types come out as they went in. `missing_rate` is the share of missing
    values; zero forbids them. `shape` says how numbers lie, `format` how values were spelt in a text file, `absent` how
    missing ones were; `other` is the level that rare ones were merged into ("": into missing). `limits` are ends that a
    person stated, which the column's own never leave, `given` the names of other facts so stated.
    """

    name: str
    kind: Kind
    dtype: str
    categories: tuple[Value, ...] = ()
    minimum: float | str | None = None
    maximum: float | str | None = None
    decimals: int | None = None
    missing_rate: float = 0.0
    shape: Shape = ""
    format: str | None = None
    absent: str = ""
    other: str | None = None
    limits: tuple[float | str | None, float | str | None] = (None, None)
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identifier:
    """A column whose values only tell rows apart: never learnt, made anew by `pattern` (see `identifiers`).

    `at` is its place among all columns of the table, `distinct` the share of rows with a value of their own.
    """

    name: str
    at: int
    dtype: str
    pattern: str
    distinct: float = 1.0
    missing_rate: float = 0.0
    absent: str = ""


@dataclass(frozen=True)
class Combination:
    """Columns that may only stand together as in the training rows, with how often each combination did."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value | float | None, ...], ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Schema:
    """Learnt columns in table order, the target's name if there is one, identifiers, and rules between columns.

    Iterating gives the learnt columns, which are all that models and metrics deal with.
    """

    columns: tuple[Column, ...]
    target: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    constraints: tuple[str, ...] = ()
    combinations: tuple[Combination, ...] = ()

    def column(self, name: str) -> Column:
        """Return the column called `name`; `SchemaError` if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"no column {name!r}; there are: {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the learnt columns in table order."""
        return tuple(column.name for column in self.columns)

    @property
    def order(self) -> tuple[str, ...]:
        """Names of all columns of a released table, identifiers included."""
        names = list(self.names)
        for identifier in self.identifiers:  # ascending in `at`
            names.insert(identifier.at, identifier.name)
        return tuple(names)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` gives back an equal schema."""
        return {**asdict(self), "columns": [asdict(column) for column in self]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Schema":
        """Read what `to_json` gave; `SchemaError` if fields are missing or unknown."""
        try:
            return cls(
                tuple(_column(item) for item in value["columns"]),
                value["target"],
                tuple(Identifier(**item) for item in value.get("identifiers", ())),
                tuple(value.get("constraints", ())),
                tuple(_combination(item) for item in value.get("combinations", ())),
            )
        except (KeyError, TypeError) as error:
            raise SchemaError(f"not a table schema: {error}; run preprocess again") from error

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)


@dataclass(frozen=True)
class Violation:
    """One way in which data break their schema: where, which rule, how many values."""

    column: str
    rule: Literal["columns", "type", "range", "categories", "missing", "decimals", "unique", "constraint", "key"]
    count: int
    message: str


def _column(item: Mapping[str, Any]) -> Column:
    listed = {name: tuple(item[name]) for name in ("categories", "limits", "given") if name in item}
    return Column(**{**item, "categories": tuple(item["categories"])} | listed)


def _combination(item: Mapping[str, Any]) -> Combination:
    return Combination(tuple(item["columns"]), tuple(tuple(row) for row in item["rows"]), tuple(item["counts"]))
