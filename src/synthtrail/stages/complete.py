"""Completing rows that somebody gives: gaps filled, or columns drawn anew, by a trained model; signed at once.

    make(Task("ward", "visits", Path("visits.csv")), print)                       every gap of the file is filled
    make(Task("ward", "shared", Path("visits.csv"), columns=("age", "pay")), print)   these columns are drawn anew

    data/ward/more/visits/completed/           the artifact; data/ward/model is its input
    data/records/ward.visits/preprocess.json   its record, in the slot ward.visits/preprocess

What comes out holds real cells beside drawn ones. So its record tells of it as derived data and not as generated, it
has the class of the data given or of the model, whichever is the stricter, and nothing judges it: it can be neither
approved nor offered. The rows as they were given are not kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail import params
from synthtrail.data import delimited, given
from synthtrail.data.columns import Schema
from synthtrail.data.errors import SourceError
from synthtrail.data.filling import Done, fill
from synthtrail.data.registry import MODALITIES
from synthtrail.lineage import Work
from synthtrail.models import registry
from synthtrail.params import nearest
from synthtrail.stages import more
from synthtrail.stages.context import Context, StageError
from synthtrail.stages.found import Found, find_one, read
from synthtrail.stages.layout import STAGES, Layout
from synthtrail.stages.parts import ABOUT, salted
from synthtrail.stages.plan import read_plan
from synthtrail.stages.sign import sign_found
from synthtrail.storage.files import write_json

AT_ONCE = 8_192  # rows
STAGE = "preprocess"  # whose event, `derived`, says what completed rows are
ALSO = tuple(f"src/synthtrail/{name}.py" for name in ("stages/complete", "data/given", "data/filling"))


@dataclass(frozen=True)
class Task:
    """What is to be completed with the model of which experiment; `columns` are drawn anew, without any, gaps filled.

    `public` says that the rows in `file` are; it counts only where the model is public too.
    """

    experiment: str
    label: str
    file: Path
    columns: tuple[str, ...] = ()
    seed: int | None = None
    public: bool = False

    @property
    def name(self) -> str:
        """The name of the label's slot."""
        return f"{self.experiment}.{self.label}"


@dataclass(frozen=True)
class Result:
    """The record of what was made, and what a user should know of it."""

    found: Found
    told: Mapping[str, int]


def make(task: Task, say: Callable[[str], None]) -> Result:
    """Complete the rows, sign the result, and return its record. Raises `StageError`, `DataError` or `ModelError`."""
    more.check_label(more.Order(task.experiment, task.label))
    more.check_finished(task.experiment)
    layout = Layout(task.name)
    if any(layout.record(stage).exists() for stage in STAGES):
        raise StageError(f"{task.label!r} is taken by another artifact of {task.experiment}; choose another label")
    with more.nothing_left(layout.base, layout.record(STAGE)):
        write_json(layout.plan(STAGE), plan_of(task))
        told = complete(Context.begin(task.name, STAGE), task)
    sign_found(find_one(task.name), say)
    return Result(read(layout.record(STAGE)), told)


def plan_of(task: Task) -> dict[str, Any]:
    """Return what is asked for, written down beside the result."""
    run = read_plan(Layout(task.experiment).plan("generate"))
    public = task.public and run["class"] == "public"
    seed = more.derived_seed(run["seed"], task.label) if task.seed is None else task.seed
    told = {"columns": list(task.columns), "file": task.file.as_posix()}
    return {"class": "public" if public else "confidential", "modality": run["modality"], "seed": seed, **told}


def complete(context: Context, task: Task) -> dict[str, int]:
    """Complete the rows, write them and their record; return how many cells were drawn and rows left as they were."""
    layout, plan = context.layout, context.plan
    model = registry.load(layout.model)
    able(model)
    schema: Schema = model.codec.schema
    experiment = params.one(Path("params.yaml"), task.experiment)
    how = delimited.how(experiment.read, f"params.yaml: experiments.{task.experiment}.read")
    source, rows = given.read(task.file, schema, how)
    done = filled(model, rows, task.columns, plan["seed"])
    table = assembled(rows, done)
    modality, salts = MODALITIES[plan["modality"]], context.salts_from(layout.model)
    folder_of = layout.base / "completed"
    with context.output(folder_of) as folder:
        modality.write(folder, modality.whole, [table], salt=salts(modality.whole))
        about = {"spelling": given.spelling(source, schema, table), "partially_synthetic": True}
        write_json(folder / ABOUT, salted(about, salts(ABOUT)))
    cells = {name: int(n) for name, n in zip(schema.names, done.filled.sum(0), strict=True) if n}
    told = {"drawn": int(done.filled.sum()), "again": done.again, "mended": done.mended}
    told |= {"unsolved": done.unsolved, "broken": done.broken}
    facts = {"items": len(table), "partially_synthetic": True, "cells": {**told, "of": cells}}
    stated = {"file": task.file.as_posix(), "columns": list(task.columns)}
    stated |= {"sha256": source.sha256} if plan["class"] == "public" else {}
    work = Work(folder_of, [layout.model], params={"completed": stated}, facts=facts, like="generate", also=ALSO)
    context.finish(work)
    return {"rows": len(table), **told}


def able(model: Any) -> None:
    """Raise `StageError` unless the model can complete rows."""
    registry.releasable(model.name)
    if not hasattr(model, "complete"):
        raise StageError(
            f"{model.name} draws whole rows and cannot complete given ones; train `model: {{name: masked}}` for that"
        )


def filled(model: Any, table: pd.DataFrame, columns: tuple[str, ...], seed: int) -> Done:
    """Return the learnt columns with gaps filled, or with `columns` drawn anew."""
    schema: Schema = model.codec.schema
    for name in columns:
        if name not in schema.names:
            why = "is no column that the model has learnt" + nearest(name, set(schema.names))
            raise StageError(f"--columns: {name!r} {why}")
    rows = given.conformed(table, schema)
    gaps = rows.isna().to_numpy()
    chosen = np.tile(np.isin(schema.names, columns), (len(rows), 1)) if columns else gaps
    done = fill(rows, chosen, schema, Drawing(model, anew=bool(columns)), seed)
    if columns and done.unsolved:
        raise SourceError(
            f"{done.unsolved} rows keep breaking a rule of the schema whatever is drawn for {', '.join(columns)}; "
            "draw the rule's other columns too, or correct the rows"
        )
    return done


class Drawing:
    """Draws open cells with a model, some thousand rows at a time."""

    def __init__(self, model: Any, *, anew: bool) -> None:
        self.model, self.anew = model, anew

    def __call__(self, rows: pd.DataFrame, cells: NDArray[np.bool_], seed: int) -> pd.DataFrame:
        """Return the rows with the cells (N, C) drawn."""
        schema = self.model.codec.schema
        made = []
        for number, start in enumerate(range(0, len(rows), AT_ONCE)):
            here = slice(start, start + AT_ONCE)
            part, known = rows.iloc[here], given.understood(rows.iloc[here], schema)
            own = int(np.random.SeedSequence([seed, number, 96]).generate_state(1)[0])
            drawn = self.model.complete(known, own, cells[here] if self.anew else None)
            made.append(pd.DataFrame({name: part[name].where(~cells[here][:, at], drawn[name])
                                      for at, name in enumerate(schema.names)}))  # fmt: skip
        whole: pd.DataFrame = pd.concat(made)
        return whole


def assembled(table: pd.DataFrame, done: Done) -> pd.DataFrame:
    """Return the columns of the file in their order, completed ones in place, and after them what the file lacked."""
    names = [*table.columns, *(name for name in done.rows.columns if name not in table.columns)]
    learnt = set(done.rows.columns)
    return pd.DataFrame({name: (done.rows if name in learnt else table)[name] for name in names})
