"""What the ledger says of how an artifact was made: the event, its record, and where its inputs were kept.

    recipe = find(state, log, "data/iris/synthetic")
    recipe.record.stage, recipe.inputs[0].item.path, recipe.context["git.commit"]

An artifact is named by the hex digits of its digest, or by its path, which stands for the bytes that lie there, or, if
the ledger does not know those, for what it has there last.
If the same record was logged again later (`reused`), the event that logged it first counts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synthtrail.custody import digest, lineage
from synthtrail.custody.log import Log
from synthtrail.custody.record import Item, Record
from synthtrail.custody.state import State
from synthtrail.stages.context import StageError

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Kept:
    """A file or folder that a record names, and the digest by which DVC keeps it; empty if none was told."""

    item: Item
    md5: str


@dataclass(frozen=True)
class Recipe:
    """How one artifact was made, as entry `entry` says."""

    entry: int
    record: Record
    context: Mapping[str, str]
    inputs: tuple[Kept, ...]

    @property
    def subject(self) -> Kept:
        """The artifact itself."""
        return Kept(self.record.subject, self.context.get("dvc.md5", ""))

    @property
    def plan(self) -> Kept | None:
        """What the stage was asked to do; None for `ingest`, which reads params.yaml."""
        name = f"/plan/{self.record.stage}.json"
        found = [item for item in self.record.views if item.path.endswith(name)]
        return Kept(found[0], self.context.get("dvc.md5.plan", "")) if found else None

    def values(self, member: str, of: str = "value") -> dict[str, str]:
        """Return one of the record's lists of pairs as a mapping."""
        return pairs(self.record, member, of)


def find(state: State, log: Log, artifact: str) -> Recipe:
    """Return the recipe of the artifact at a path, or with a digest; `StageError` if the ledger has none."""
    steps = lineage.trace(state, log, identify(state, log, artifact))
    if not steps:
        raise StageError(f"{artifact}: no event of this ledger made it; `synthtrail verify` tells what lies here")
    record = log.statement(steps[-1].entry).record
    if record is None:
        raise AssertionError("a step has a record")
    status = state.status(record.subject.digest)
    if status in ("condemned", "disposed"):
        raise StageError(f"{record.subject.path}: its disposal was decided ({status}), so it is not made again")
    history = state.lives.history(state.lives.find(record.subject.digest))
    first = next(entry for entry in history if logs(log, entry, record))
    inputs = tuple(Kept(origin.item, context_of(log, origin.entry).get("dvc.md5", "")) for origin in steps[-1].inputs)
    return Recipe(first, record, context_of(log, first), inputs)


def identify(state: State, log: Log, artifact: str) -> bytes:
    """Return the digest that `artifact` is, or has here if the ledger knows it, or that the ledger has at this path."""
    if SHA256.fullmatch(artifact):
        return bytes.fromhex(artifact)
    here = bytes.fromhex(digest.artifact(artifact).sha256) if Path(artifact).exists() else b""
    if here and state.status(here) != "absent":
        return here
    logged = lineage.by_path(state, log, artifact.rstrip("/"))
    if logged is None:
        raise StageError(f"{artifact}: the ledger knows no artifact of this path, nor of these bytes")
    return logged


def logs(log: Log, entry: int, record: Record) -> bool:
    """Tell whether an entry logs this record."""
    found = log.statement(entry).record
    return found is not None and found.value == record.value


def context_of(log: Log, entry: int | None) -> dict[str, str]:
    """Return what an entry says of its circumstances; nothing for none."""
    return {} if entry is None else dict(log.statement(entry).context)


def pairs(record: Record, member: str, of: str = "value") -> dict[str, str]:
    """Return one of a record's lists of pairs as a mapping."""
    listed = record.value.get(member)
    return {str(item["name"]): str(item[of]) for item in listed} if isinstance(listed, list) else {}  # type: ignore[index,call-overload]
