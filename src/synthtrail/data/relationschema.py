"""The schema of related tables: what each looks like when released, and how it is told when it is learnt.

Released tables have moments; learnt ones have spans between moments, so that what follows something in the real data
follows it in the synthetic ones too, whatever the dates are. A `Moment` says how one column is told:

    base ""              as it is (the first moment of a subject that nothing comes before)
    base "row:a"         after column a of the same row
    base "t:a"           after column a of the row of table t that it belongs to
    base "previous"      after the same column of the row before it, below the same parent

so a released moment is base + unit × number, with the base's day in place of the base if the column holds whole days.
The order of a table has two, for the first row below a parent and for the others. An order by numbers is told likewise.
A `Rule` is that one moment is not later than another; `share` is how many of the real rows keep it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from synthtrail.data.columns import Column, Schema
from synthtrail.data.errors import SchemaError
from synthtrail.data.links import Link

PREVIOUS, ROW = "previous", "row"
DAY = 86_400  # seconds


@dataclass(frozen=True)
class Moment:
    """How the released `column` is told by the column `learned`; `unit` in seconds, 0 for an order by numbers."""

    column: str
    learned: str
    base: str
    unit: int

    @property
    def as_it_is(self) -> bool:
        """Whether the learnt column holds moments and no spans."""
        return not self.base and self.unit > 0


@dataclass(frozen=True)
class Rule:
    """Column `low` is not later than `high` (references as of `Moment.base`) in a `share` of the real rows."""

    low: str
    high: str
    share: float
    whole_days: bool


@dataclass(frozen=True)
class Telling:
    """How one table is told; `counts` names the learnt column with the number of rows of each child table.

    `ends` are moments of the parent before which, as a rule, rows stand: how far away they are is known to a generator.
    """

    moments: tuple[Moment, ...] = ()
    rules: tuple[Rule, ...] = ()
    counts: Mapping[str, str] = field(default_factory=dict)
    ends: tuple[str, ...] = ()

    def of(self, learned: str) -> Moment | None:
        """Return the moment that a learnt column tells, None if it is another column."""
        return next((moment for moment in self.moments if moment.learned == learned), None)


@dataclass(frozen=True)
class RelationalSchema:
    """How tables are linked, the released schema of each; once learnt, also the learnt one and the telling.

    Iterating gives the learnt columns of the subjects' own table, by which subjects can be asked for.
    """

    links: tuple[Link, ...]
    tables: Mapping[str, Schema]
    learned: Mapping[str, Schema] = field(default_factory=dict)
    told: Mapping[str, Telling] = field(default_factory=dict)
    target: ClassVar[None] = None

    @property
    def root(self) -> str:
        """The name of the table without a parent."""
        return self.links[0].name

    def link(self, name: str) -> Link:
        """Return how a table is linked."""
        return next(link for link in self.links if link.name == name)

    def __iter__(self) -> Iterator[Column]:
        return iter(column for column in self.tables[self.root] if column.kind != "datetime")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` gives back an equal schema."""
        return {
            "links": [link.to_json() for link in self.links],
            "tables": {name: schema.to_json() for name, schema in self.tables.items()},
            "learned": {name: schema.to_json() for name, schema in self.learned.items()},
            "told": {name: asdict(telling) for name, telling in self.told.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RelationalSchema":
        """Read what `to_json` gave; `SchemaError` if it is something else."""
        try:
            links = tuple(Link(**item) for item in value["links"])
            names = [link.name for link in links]  # JSON is written with sorted keys
            return cls(
                links,
                {name: Schema.from_json(value["tables"][name]) for name in names},
                {name: Schema.from_json(value["learned"][name]) for name in names if name in value["learned"]},
                {name: _telling(value["told"][name]) for name in names if name in value["told"]},
            )
        except (KeyError, TypeError) as error:
            raise SchemaError(f"not a schema of related tables: {error}; run preprocess again") from error


def _telling(value: Mapping[str, Any]) -> Telling:
    moments = tuple(Moment(**item) for item in value["moments"])
    return Telling(moments, tuple(Rule(**item) for item in value["rules"]), value["counts"], tuple(value["ends"]))
