"""What was made from what, downwards: the descendants of an artifact, and where the pipeline made them.

`custody.lineage` leads back to the source; this leads from the source to everything that exists because of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from synthtrail.custody.log import Log
from synthtrail.custody.record import Item, Record
from synthtrail.custody.statement import Statement


@dataclass(frozen=True)
class Making:
    """An entry that made an artifact, or pointed to it again: the record, and what the event says about the run."""

    entry: int
    record: Record
    context: dict[str, str]
    at: str

    @property
    def artifact(self) -> bytes:
        """The digest of what was made."""
        return self.record.subject.digest


def makings(log: Log) -> list[Making]:
    """Return every entry with a record, in order."""
    return list(_makings(log))


def _makings(log: Log) -> Iterator[Making]:
    for entry in range(log.size):
        said: Statement = log.statement(entry)
        if said.record is not None:
            yield Making(entry, said.record, dict(said.context), str(said.predicate["at"]))


def descendants(every: Iterable[Making], artifacts: Iterable[bytes]) -> dict[bytes, Item]:
    """Return what was made, directly or not, from any of `artifacts`, in order, without those themselves."""
    given = set(artifacts)
    reached, found = set(given), {}
    for making in every:  # a record's inputs have a history, so one pass in order reaches everything
        if any(item.digest in reached for item in making.record.inputs):
            reached.add(making.artifact)
            if making.artifact not in given:
                found[making.artifact] = making.record.subject
    return found


def of_artifacts(every: Iterable[Making], artifacts: Iterable[bytes]) -> list[Making]:
    """Return the entries that made any of `artifacts`."""
    wanted = set(artifacts)
    return [making for making in every if making.artifact in wanted]


def source(making: Making) -> dict[str, str]:
    """Return what an ingest record says of its source: path, licence, legal basis, retention; {} for other stages."""
    listed = making.record.value.get("source")
    return {str(p["name"]): str(p["value"]) for p in listed if isinstance(p, dict)} if isinstance(listed, list) else {}
