"""The records that lie in the workspace, each with the facts of the run that made it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthtrail import lineage
from synthtrail.custody import canonical, record
from synthtrail.custody.record import Record
from synthtrail.stages.layout import STAGES, Layout


@dataclass(frozen=True)
class Found:
    """A record in the workspace: what it says, and the facts of the run that made it, if it ran here."""

    record: Record
    facts: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """Where the record lies."""
        return Layout(self.record.experiment).record(self.record.stage)

    def values(self, member: str) -> dict[str, str]:
        """Return one of the record's lists of pairs as a mapping."""
        return {pair["name"]: pair["value"] for pair in self.record.value[member]}  # type: ignore[union-attr,index,call-overload,misc]


def find(experiment: str) -> list[Found]:
    """Return the records of the experiment that are in the workspace, in the order of the stages."""
    paths = map(Layout(experiment).record, STAGES)
    return [read(path) for path in paths if path.exists()]


def read(path: Path) -> Found:
    """Return the record at `path`, with the facts of the run that made it."""
    content = path.read_bytes()
    return Found(record.parse(canonical.decode(content)), lineage.spooled(content))
