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
    """Return the records of the experiment that are in the workspace, in the order of the stages, then those of what
    was generated beside it under a label.
    """
    return [item for name in (experiment, *labelled(experiment)) for item in find_one(name)]


def find_one(name: str) -> list[Found]:
    """Return the records of an experiment, or of one label of it, in the order of the stages."""
    return [read(path) for path in map(Layout(name).record, STAGES) if path.exists()]


def labelled(experiment: str) -> list[str]:
    """Return the names of what was generated beside the experiment, `<experiment>.<label>`, in their order."""
    return sorted(path.name for path in Path("data/records").glob(f"{experiment}.*") if path.is_dir())


def read(path: Path) -> Found:
    """Return the record at `path`, with the facts of the run that made it."""
    content = path.read_bytes()
    return Found(record.parse(canonical.decode(content)), lineage.spooled(content))
