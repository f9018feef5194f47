"""`preprocess`: divide into training and holdout part, and learn schema and codec from the training part only.

In: `raw/`. Out: `split/` with `train`, `holdout`, `schema.json` and `codec.json` (learnt from the training part
alone) and `summary.json` (how many of each); and the expectations that git keeps. Every item is in exactly one part;
classes keep their shares. Which kind a column is comes from the schema of `raw/`; levels and ends that only few rows of
a confidential table have are merged or drawn in (`synthtrail.data.protect`), and the record counts the cells.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from synthtrail.data import split
from synthtrail.data.image import ImageCodec
from synthtrail.data.modality import Jsonable
from synthtrail.data.registry import MODALITIES
from synthtrail.evaluation import expectations, relation_rules
from synthtrail.lineage import Work
from synthtrail.stages import images, relations
from synthtrail.stages.context import Context
from synthtrail.stages.images import ImageParts
from synthtrail.stages.parts import read_json, salted
from synthtrail.stages.relations import Parts
from synthtrail.stages.tables import groups_of, learn, least_count
from synthtrail.storage.files import write_json, write_text


def preprocess(context: Context) -> None:
    """Run the stage for the experiment of `context`."""
    layout, plan = context.layout, context.plan
    modality = MODALITIES[plan["modality"]]
    if plan["modality"] == "image":
        finish_images(context, images.divided(layout.raw, plan))
        return
    if plan["modality"] == "relational":
        schema = modality.schema_from_json(read_json(layout.raw / "schema.json"))
        finish_relations(context, relations.divided(modality.read(layout.raw, modality.whole), schema, plan))
        return
    data = modality.read(layout.raw, modality.whole)
    labels, groups = modality.labels(data, plan["target"]), groups_of(data, plan["group"])
    parts = split.split(len(data), plan["holdout"], plan["seed"], labels, groups)
    train, holdout = modality.take(data, parts.train), modality.take(data, parts.holdout)
    counts = {"train": len(parts.train), "holdout": len(parts.holdout)}
    facts: dict[str, Any] = dict(counts) | ({} if groups is None else {"groups": len(np.unique(groups))})
    part = learn(train, holdout, modality.schema_from_json(read_json(layout.raw / "schema.json")), plan)
    train, holdout, schema = part.train, part.holdout, part.schema
    facts["rare_cells_merged"] = part.merged
    codec = modality.fit_codec(train, schema, bins=plan["bins"])
    write_split(context, ([train], [holdout]), schema, codec, counts)
    params = {name: plan[name] for name in ("bins", "holdout", "target")}
    params["rare_min"] = least_count(plan["rare_min"], plan["class"])
    params |= {} if groups is None else {"group": plan["group"]}
    context.finish(Work(layout.split, [layout.raw], [layout.expectations], params, facts=facts))


def finish_images(context: Context, parts: ImageParts) -> None:
    """Write the parts of an image set and the stage's record."""
    layout, codec = context.layout, ImageCodec(parts.schema)
    write_split(context, (parts.train, parts.holdout), parts.schema, codec, parts.counts)
    context.finish(Work(layout.split, [layout.raw], [layout.expectations], dict(parts.params), facts=dict(parts.facts)))


def finish_relations(context: Context, parts: Parts) -> None:
    """Write the parts of related tables and the stage's record."""
    layout = context.layout
    write_split(context, ([parts.train], [parts.holdout]), parts.schema, parts.codec, parts.counts)
    context.finish(Work(layout.split, [layout.raw], [layout.expectations], dict(parts.params), facts=dict(parts.facts)))


def write_split(
    context: Context,
    parts: tuple[Iterable[Any], Iterable[Any]],
    schema: Jsonable,
    codec: Jsonable,
    counts: Mapping[str, int],
) -> None:
    """Write training and holdout part, what was learnt of the training part, and the expectations."""
    modality, salts = MODALITIES[context.plan["modality"]], context.salts_from(context.layout.raw)
    with context.output(context.layout.split) as folder:
        for name, batches in zip(("train", "holdout"), parts, strict=True):
            modality.write(folder, name, batches, salt=salts(name))
        write_json(folder / "schema.json", salted(schema.to_json(), salts("schema.json")))
        write_json(folder / "codec.json", salted(codec.to_json(), salts("codec.json")))
        write_json(folder / "summary.json", salted(counts, salts("summary.json")))
    write_text(context.layout.expectations, expected(context, schema))


def expected(context: Context, schema: Any) -> str:
    """Return the expectations that follow from the schema, as the text that git keeps."""
    count = context.plan["count"]
    if context.plan["modality"] == "relational":
        return relation_rules.suite_text(context.name, schema, context.plan["class"])
    if context.plan["modality"] == "tabular":
        rules = expectations.table_rules(schema, count)
    else:
        rules = expectations.image_rules((schema.height, schema.width, schema.channels), schema.classes, count)
    return expectations.suite_text(context.name, rules, context.plan["class"])
