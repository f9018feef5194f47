"""What the page about a verification shows of the entries: read leniently, since a spoilt ledger is shown as well."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthtrail.custody import canonical, dsse, entry, statement, tiles
from synthtrail.custody.bundles import read_bundles
from synthtrail.custody.errors import DataError
from synthtrail.custody.proofreport import ProofReport
from synthtrail.custody.report import Report
from synthtrail.custody.statement import Statement

MOST = 2_000
"""Entries that a page lists; a browser draws no more with ease, and nobody reads them."""

SHOWN = ("key", "name", "role", "reason", "size")
"""Fields of an event that is about no artifact, where it has them; of a key its name and id."""


@dataclass(frozen=True)
class Row:
    """One entry: its place, and what it states. `note` stands where there is no artifact to name."""

    number: int
    at: str
    event: str
    outcome: str
    actor: str
    meaning: str
    subjects: tuple[tuple[str, str], ...]
    note: str

    @property
    def happened(self) -> str:
        """The event with its outcome."""
        return f"{self.event} ({self.outcome})" if self.outcome else self.event


@dataclass(frozen=True)
class Told:
    """One artifact: its latest path and digest, its state, and the rows that concern it."""

    path: str
    digest: str
    state: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class _Reader:
    read: tiles.Reader


def rows_of(report: Report, read: tiles.Reader) -> list[Row]:
    """The last `MOST` of the entries that the verification read, in order; whatever cannot be read says so."""
    if isinstance(report, ProofReport):
        said = report.said
        return [_row(report.index, said)] if said is not None and report.index is not None else []
    start = max(report.start, report.size - MOST)
    return [row for row in _all_rows(report, read, start) if row.number >= start]


def artifacts_of(report: Report, rows: Sequence[Row]) -> list[Told]:
    """The artifacts that the rows name, in the order of their first event."""
    by_digest: dict[str, list[Row]] = {}
    names: dict[str, str] = {}
    for row in rows:
        for path, digest in row.subjects:
            by_digest.setdefault(digest, []).append(row)
            names[digest] = path
    state = report.state
    return [
        Told(names[digest], digest, state.status(bytes.fromhex(digest)) if state else "unknown", found)
        for digest, found in by_digest.items()
    ]


def _all_rows(report: Report, read: tiles.Reader, start: int) -> Iterator[Row]:
    for bundle in read_bundles(_Reader(read), report.size, start):
        for offset, data in enumerate(bundle.entries):
            yield _read(bundle.first + offset, data)


def _read(number: int, data: bytes) -> Row:
    try:
        return _row(number, statement.read(dsse.parse(entry.parse(data).envelope).payload))
    except DataError as error:
        return Row(number, "", "cannot be read", "", "", "", (), str(error))


def _row(number: int, said: Statement) -> Row:
    act = said.act
    own = {name: str(act.fields[name]) for name in SHOWN if name in act.fields}
    if "key" in own:
        own["key"] = "+".join(own["key"].split("+")[:2])
    note = ", ".join(f"{name}: {value}" for name, value in own.items())
    subjects = tuple((item.path, item.digest.hex()) for item in said.subjects if act.subjects)
    at = said.predicate["at"]
    stated = at if isinstance(at, str) else canonical.encode(at).decode()
    return Row(number, stated, act.event, act.outcome, act.actor, said.meaning, subjects, note)
