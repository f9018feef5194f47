"""What `ingest` and `preprocess` do with related tables alone: read them as params.yaml says, learn the training part.

source, schema = read_source(experiment)
parts = divided(data, schema, plan)      # by subjects: all that is one's is on one side
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthtrail.data import links, relational, relationsource, split
from synthtrail.data.relational import RelationalCodec
from synthtrail.data.relations import Relations, taken
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.sources import Source
from synthtrail.params import Experiment, ParamsError
from synthtrail.stages.tables import least_count

OF_ONE_TABLE = ("target", "group", "read", "columns", "drop", "constraints")


@dataclass(frozen=True)
class Parts:
    """Training and holdout subjects, what was learnt of the training ones, and what the record says of it."""

    train: Relations
    holdout: Relations
    schema: RelationalSchema
    codec: RelationalCodec
    counts: Mapping[str, int]
    facts: Mapping[str, Any]
    params: Mapping[str, Any]


def read_source(experiment: Experiment) -> tuple[Source, RelationalSchema]:
    """Return the tables of an experiment and how they look; raises `DataError` or `ParamsError` in one line."""
    where = f"params.yaml: experiments.{experiment.name}"
    for key in OF_ONE_TABLE:
        if getattr(experiment, key):
            raise ParamsError(
                f"{where}.{key}: is for one table; of related ones, say it below `tables`, or take it out"
            )
    return relationsource.read(Path(experiment.source), links.parse(experiment.tables, f"{where}.tables"))


def divided(data: Relations, schema: RelationalSchema, plan: Mapping[str, Any]) -> Parts:
    """Divide the subjects, and learn from the training ones."""
    parts = split.split(len(data), plan["holdout"], plan["seed"])
    train, holdout = taken(data, parts.train), taken(data, parts.holdout)
    least = least_count(plan["rare_min"], plan["class"])
    known = relational.learnt(train, schema, least=least, ends=plan["class"] == "confidential")
    (seen, cells), (unseen, _) = relational.merged(train, known), relational.merged(holdout, known)
    codec = RelationalCodec.fit(seen, known, plan["bins"])
    counts = {"train": len(seen), "holdout": len(unseen)}
    rows = {"train_rows": seen.rows, "holdout_rows": unseen.rows}
    params = {"bins": plan["bins"], "holdout": plan["holdout"], "rare_min": least}
    return Parts(seen, unseen, known, codec, counts, {**counts, **rows, "rare_cells_merged": cells}, params)
