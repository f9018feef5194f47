"""What every stage starts from and how it ends: its plan, its clock, its salts, and its record."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synthtrail import lineage
from synthtrail.lineage import Work
from synthtrail.stages.layout import Layout
from synthtrail.stages.plan import Plan, read_plan
from synthtrail.storage import disposed
from synthtrail.storage.custodian import FOLDER, salt_folder
from synthtrail.storage.files import staged_folder, write_bytes
from synthtrail.storage.home import shared_root
from synthtrail.storage.salt import Salts, no_salt, salts_for


class StageError(Exception):
    """A stage cannot do what is asked of it; the message is one line for the user."""


@dataclass(frozen=True)
class Context:
    """One run of one stage for one experiment."""

    name: str
    stage: str
    layout: Layout
    started: datetime
    plan: Plan = field(default_factory=dict)

    @classmethod
    def begin(cls, name: str, stage: str) -> "Context":
        """Start the clock and read the plan that `ingest` wrote; `ingest` itself has none."""
        layout = Layout(name)
        plan = read_plan(layout.plan(stage)) if stage != "ingest" else {}
        return cls(name, stage, layout, datetime.now(UTC), plan)

    @property
    def slot(self) -> str:
        """The place of this stage's artifact among all: `experiment/stage`."""
        return f"{self.name}/{self.stage}"

    def salts(self, data_class: str, made_from: str) -> Salts:
        """Return the salts for what this stage makes from the input with digest `made_from`."""
        if data_class == "public":
            return no_salt
        return salts_for(salt_folder(shared_root()), self.slot, made_from, shared_root() / FOLDER)

    def salts_from(self, made_from: Path) -> Salts:
        """Return the salts for what this stage makes from the artifact at `made_from`."""
        if self.plan["class"] == "public":
            return no_salt
        return self.salts(self.plan["class"], lineage.reference(made_from)["sha256"])

    @contextmanager
    def output(self, path: Path) -> Iterator[Path]:
        """Yield a folder that takes the place of `path` at the end, unless it is one that was disposed of."""
        with staged_folder(path) as folder:
            yield folder
            disposed.refuse(shared_root() / FOLDER, folder, path)

    def finish(self, work: Work, extra: Mapping[str, Any] = {}) -> None:
        """Write the record of a planned stage, which accounts for the plan too, and spool the facts of this run."""
        whole = replace(work, views=[self.layout.plan(self.stage), *work.views])
        self.record(self.plan["class"], self.plan["seed"], whole, extra)

    def record(self, data_class: str, seed: int, work: Work, extra: Mapping[str, Any] = {}) -> None:
        """Write the record of `work`, and spool the facts of this run."""
        content = lineage.record(self.name, self.stage, data_class, seed, work)
        write_bytes(self.layout.record(self.stage), content)
        lineage.spool(content, {"experiment": self.name, "stage": self.stage, **extra}, self.started)
