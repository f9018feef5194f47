"""What `ingest` and `preprocess` do with tables alone: read one as params.yaml says, and learn its training part.

source, schema = read_table(experiment)
part = learn(train, holdout, schema, plan)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import asked, constraints, delimited, imagehow, protect, sources
from synthtrail.data import schema as schemas
from synthtrail.data.prepare import prepare
from synthtrail.data.schema import Schema
from synthtrail.data.sources import Source
from synthtrail.params import Experiment

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Training and holdout rows as models see them, the schema of the training rows, and how many cells were merged."""

    train: pd.DataFrame
    holdout: pd.DataFrame
    schema: Schema
    merged: int


def read_source(experiment: Experiment) -> tuple[Source, Schema | None]:
    """Return the source, of a table only the columns to learn, and the schema of a table, None of other data.

    Raises `DataError` or `ParamsError` in one line.
    """
    where = f"params.yaml: experiments.{experiment.name}"
    columns = asked.parse(experiment.columns, experiment.drop, where)
    columns = asked.with_group(columns, experiment.group, experiment.target, where)
    rules = constraints.written(experiment.constraints, f"{where}.constraints")
    how = delimited.how(experiment.read, f"{where}.read")
    images = imagehow.parse(experiment.image, f"{where}.image")
    source = sources.read(Path(experiment.source), experiment.target, how, columns, images, experiment.group)
    if not isinstance(source.data, pd.DataFrame):
        return source, None
    table, schema = prepare(source.data, experiment.target or source.target, columns, source.spelt)
    return replace(source, data=table), constraints.bound(rules, schema, table, least=1)


def learn(train: pd.DataFrame, holdout: pd.DataFrame, like: Schema, plan: Mapping[str, Any]) -> Part:
    """Return what is learnt from training rows; `like` is the whole table's schema, which gives the kinds."""
    least = least_count(plan["rare_min"], plan["class"])
    ends = plan["class"] == "confidential"
    schema = protect.protected(
        train, schemas.learn(train, like), least=least, ends=ends, persons=groups_of(train, plan["group"])
    )
    seen, cells = protect.merged(train, schema)
    unseen, _ = protect.merged(holdout, schema)
    return Part(seen, unseen, constraints.bound(like.constraints, schema, seen, least=least), cells)


def groups_of(table: pd.DataFrame, group: str | None) -> Ints | None:
    """Return a number for each row (N,), the same for rows of one group; None if rows are not grouped.

    A row whose group is missing is one of its own.
    """
    if group is None:
        return None
    codes = pd.factorize(table[group])[0].astype(np.int64)
    alone = np.flatnonzero(codes < 0)
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(len(alone))
    return codes


def least_count(rare_min: int | None, data_class: str) -> int:
    """Return the least count of rows that a released level stands for."""
    if rare_min is not None:
        return rare_min
    return protect.CONFIDENTIAL if data_class == "confidential" else 1
