"""`preprocess`: divide into training and holdout part, and learn schema and codec from the training part only.

In: `raw/`. Out: `split/` with `train`, `holdout`, `schema.json` and `codec.json` (learnt from the training part
alone) and `summary.json` (how many of each); and the expectations that git keeps. Every item is in exactly one part;
classes keep their shares. Which kind a column is comes from the schema of `raw/`; levels and ends that only few rows of
a confidential table have are merged or drawn in (`synthtrail.data.protect`), and the record counts the cells.
"""

from typing import Any

import numpy as np

from synthtrail.data import split
from synthtrail.data.registry import MODALITIES
from synthtrail.evaluation import expectations
from synthtrail.lineage import Work
from synthtrail.stages.context import Context
from synthtrail.stages.parts import read_json, salted
from synthtrail.stages.tables import groups_of, learn, least_count
from synthtrail.storage.files import write_json, write_text


def preprocess(context: Context) -> None:
    """Run the stage for the experiment of `context`."""
    layout, plan = context.layout, context.plan
    modality = MODALITIES[plan["modality"]]
    data = modality.read(layout.raw, modality.whole)
    labels, groups = modality.labels(data, plan["target"]), groups_of(data, plan["group"])
    parts = split.split(len(data), plan["holdout"], plan["seed"], labels, groups)
    train, holdout = modality.take(data, parts.train), modality.take(data, parts.holdout)
    counts = {"train": len(parts.train), "holdout": len(parts.holdout)}
    facts: dict[str, Any] = dict(counts) | ({} if groups is None else {"groups": len(np.unique(groups))})
    if plan["modality"] == "tabular":
        part = learn(train, holdout, modality.schema_from_json(read_json(layout.raw / "schema.json")), plan)
        train, holdout, schema = part.train, part.holdout, part.schema
        facts["rare_cells_merged"] = part.merged
    else:
        schema = modality.infer(train, plan["target"])
    codec = modality.fit_codec(train, schema, bins=plan["bins"])
    salts = context.salts_from(layout.raw)
    with context.output(layout.split) as folder:
        modality.write(folder, "train", [train], salt=salts("train"))
        modality.write(folder, "holdout", [holdout], salt=salts("holdout"))
        write_json(folder / "schema.json", salted(schema.to_json(), salts("schema.json")))
        write_json(folder / "codec.json", salted(codec.to_json(), salts("codec.json")))
        write_json(folder / "summary.json", salted(counts, salts("summary.json")))
    write_text(layout.expectations, expected(context, schema))
    params = {name: plan[name] for name in ("bins", "holdout", "target")}
    if plan["modality"] == "tabular":
        params["rare_min"] = least_count(plan["rare_min"], plan["class"])
        params |= {} if groups is None else {"group": plan["group"]}
    context.finish(Work(layout.split, [layout.raw], [layout.expectations], params, facts=facts))


def expected(context: Context, schema: Any) -> str:
    """Return the expectations that follow from the schema, as the text that git keeps."""
    count = context.plan["count"]
    if context.plan["modality"] == "tabular":
        rules = expectations.table_rules(schema, count)
    else:
        rules = expectations.image_rules((schema.height, schema.width, schema.channels), schema.classes, count)
    return expectations.suite_text(context.name, rules, context.plan["class"])
