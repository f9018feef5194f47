"""Rebuild as proof: run the one stage that made an artifact again, as the ledger says it ran, and compare bytes.

1. Take the recipe from the ledger (`recipe`), and refuse what cannot come out the same.
2. Compare the versions of the tools with the recorded ones; `strict` refuses another version.
3. Bring code, inputs, plan and salt keys into a temporary place (`workplace`), each by its digest.
4. Run the stage there, and digest what it made.
5. If that is not the artifact's digest, say in what it differs (`compare`), if the logged bytes are still to be had.

The result is an event of whoever ran it, `reproduced`: `identical` or `different`, with the rebuilt digest.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from synthtrail import lineage
from synthtrail.custody import acts, canonical, digest
from synthtrail.custody import record as records
from synthtrail.custody.canonical import Value
from synthtrail.custody.record import Record
from synthtrail.stages import compare, environment
from synthtrail.stages.code import git_state
from synthtrail.stages.context import StageError
from synthtrail.stages.layout import Layout
from synthtrail.stages.recipe import Recipe, pairs
from synthtrail.stages.workplace import Workplace, fetch
from synthtrail.storage.custodian import Custodian

LIMIT = 4000  # characters of a detail; the ledger takes 4,096
NOISE = "epsilon"  # a privacy fact of a model that was trained with noise which no seed gives


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found: the digest that came out, and in words where the code came from and what differs."""

    recipe: Recipe
    digest: str
    code: str
    seconds: float
    conditions: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    workspace: str = ""

    @property
    def identical(self) -> bool:
        """Whether every byte came out as it was logged."""
        return self.digest == self.recipe.record.subject.digest.hex()

    @property
    def outcome(self) -> str:
        """The word that the event states."""
        return "identical" if self.identical else "different"

    def details(self) -> list[tuple[str, str]]:
        """Return what the event states beyond the outcome."""
        told = {
            "entry": str(self.recipe.entry),
            "code": self.code,
            "tools": "; ".join(self.conditions) or "as recorded",
            "differences": "; ".join(self.differences),
            "workspace": self.workspace,
            "seconds": f"{self.seconds:.1f}",
        }
        return [(name, text[:LIMIT]) for name, text in told.items() if text]


def check(recipe: Recipe, *, strict: bool) -> None:
    """Raise `StageError` for what cannot come out the same and, if `strict`, for tools of other versions."""
    record = recipe.record
    private = [name for name in pairs(record, "privacy") if NOISE in name]
    if record.stage == "train" and private:
        raise StageError(
            f"{record.subject.path} was trained with differential privacy, whose noise no seed gives: it comes out "
            "different every time, so a rebuild proves nothing. What was generated from it can be rebuilt"
        )
    if record.stage == "preprocess" and "." in record.experiment:
        raise StageError(
            f"{record.subject.path} was completed from rows that are not kept here, so it cannot be made again; run "
            "`synthtrail complete` on them with the recorded seed and compare the digests"
        )
    other = changed_tools(pairs(record, "tools", "version"), tools_here(record.stage))
    if strict and other:
        raise StageError(f"other versions than recorded: {'; '.join(other)}")


def rebuild(recipe: Recipe, place: Workplace) -> Rebuilt:
    """Run the stage of the recipe in `place` and compare what it made with what was logged."""
    record = recipe.record
    code = place.prepare(recipe)
    keys = salt_keys(place, record)
    start = time.perf_counter()
    place.run(f"pipelines/{record.stage}.py", record.experiment)
    seconds = time.perf_counter() - start
    again = records.parse(
        canonical.decode((place.checkout / Layout(record.experiment).record(record.stage)).read_bytes())
    )
    found = digest.artifact(place.checkout / record.subject.path).sha256
    minted = ["a salt key was minted: the source or another input has other bytes than then"]
    done = Rebuilt(
        recipe,
        found,
        code,
        seconds,
        tuple(changed_tools(pairs(record, "tools", "version"), pairs(again, "tools", "version"))),
        tuple(stated(record, again) + (minted if salt_keys(place, record) != keys else [])),
        workspace(recipe, place.root),
    )
    return done if done.identical else replace(done, differences=(*done.differences, *explained(recipe, place)))


def explained(recipe: Recipe, place: Workplace) -> list[str]:
    """Return how the rebuilt bytes differ from the logged ones, as far as these are still to be had."""
    logged = place.base / "logged"
    subject = recipe.record.subject
    if not fetch(recipe.subject, place.root, logged):
        return ["the logged bytes are neither in the workspace nor in DVC's cache, so only the digests were compared"]
    return compare.describe(logged, place.checkout / subject.path)


def workspace(recipe: Recipe, root: Path) -> str:
    """Return in words how what lies in the workspace differs from what was logged; empty if it does not."""
    subject = recipe.record.subject
    here = root / subject.path
    if not here.exists():
        return "the artifact is not in the workspace"
    if digest.artifact(here).sha256 == subject.digest.hex():
        return ""
    return "what lies in the workspace is not the artifact that was logged; `synthtrail verify` says in what it differs"


def stated(before: Record, after: Record) -> list[str]:
    """Return in what the rebuilt record itself says something else: parameters, seed, class."""
    lines = []
    for member in ("params", "facts"):
        was, now = pairs(before, member), pairs(after, member)
        names = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
        lines += [f"{member}: other {compare.some(names)}"] if names else []
    if before.value["seed"] != after.value["seed"]:
        lines.append(f"seed: the record says {before.value['seed']}, and the plan of the stage {after.value['seed']}")
    return lines


def tools_here(stage: str) -> dict[str, str]:
    """Return the versions of a stage's tools as they are installed here."""
    return {tool["name"]: tool["version"] for tool in lineage.tools(stage)}


def changed_tools(then: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return a text for each tool that is not the recorded one."""
    names = sorted(then.keys() | now.keys())
    return [
        f"{name} {now.get(name, 'none')}, recorded {then.get(name, 'none')}"
        for name in names
        if then.get(name) != now.get(name)
    ]


def salt_keys(place: Workplace, record: Record) -> int:
    """Return how many salt keys the slot has in the place."""
    return 0 if record.value["class"] == "public" else len(list((place.salts / record.slot).glob("*.salt")))


def sign(custodian: Custodian, rebuilt: Rebuilt) -> int:
    """Log what a rebuild found, as an event of the custodian's operator; return its entry."""
    fields: dict[str, Value] = {
        "outcome": rebuilt.outcome,
        "rebuilt": rebuilt.digest,
        "details": [{"name": name, "value": text} for name, text in rebuilt.details()],
    }
    now = datetime.now(UTC)
    context = sorted({**git_state(), **environment.told()}.items())
    with custodian.ledger.transaction(now) as tx:
        subjects = [rebuilt.recipe.record.subject]
        envelope = acts.event(
            tx.state, "reproduced", custodian.operator, at=now, subjects=subjects, context=context, fields=fields
        )
        entry = tx.add(envelope)
        tx.commit()
    return entry


def words(rebuilt: Rebuilt) -> Sequence[str]:
    """Return what to tell the user."""
    subject = rebuilt.recipe.record.subject
    lines = [
        f"{subject.path} of entry {rebuilt.recipe.entry}: rebuilt in {rebuilt.seconds:.1f} s with {rebuilt.code}",
        f"    logged   {subject.digest.hex()}",
        f"    rebuilt  {rebuilt.digest}",
    ]
    lines += [f"    tools    {item}" for item in rebuilt.conditions]
    lines += [f"    differs  {item}" for item in rebuilt.differences]
    lines += [f"    here     {rebuilt.workspace}"] if rebuilt.workspace else []
    return [*lines, "identical, byte for byte" if rebuilt.identical else "DIFFERENT"]
