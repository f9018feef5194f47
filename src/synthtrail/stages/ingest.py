"""`ingest`: read the source, check by what right it is used, infer its schema, plan the later stages.

In: the source that `params.yaml` names. Out: `raw/` (the data as read, its schema), `plan/` (what the later stages
are asked to do). Pictures are decoded, resized and written as they come, in constant memory. No row is dropped: what
was read is what is written, and the record counts it; columns are left out only where `params.yaml` says so.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from synthtrail import params
from synthtrail.data import conditions
from synthtrail.data.image import ImageSchema
from synthtrail.data.imagestream import ImageStream
from synthtrail.data.registry import MODALITIES
from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.schema import Schema
from synthtrail.data.sources import Source
from synthtrail.lineage import Work
from synthtrail.params import Experiment
from synthtrail.stages import relations
from synthtrail.stages.context import Context, StageError
from synthtrail.stages.parts import salted
from synthtrail.stages.plan import write_plans
from synthtrail.stages.progress import shown
from synthtrail.stages.tables import read_source
from synthtrail.storage.files import write_json


def ingest(context: Context) -> None:
    """Run the stage for the experiment of `context`."""
    asked = params.one(Path("params.yaml"), context.name)
    source, described = (relations.read_source if asked.modality == "relational" else read_source)(asked)
    experiment = reconcile(asked, source)
    modality = MODALITIES[experiment.modality]
    schema: Any = described or described_by(source, experiment)
    check_asked(experiment, schema)
    salts = context.salts(experiment.data_class, source.sha256)
    with context.output(context.layout.raw) as folder:
        count = modality.write(folder, modality.whole, batches_of(source, context), salt=salts(modality.whole))
        write_json(folder / "schema.json", salted(schema.to_json(), salts("schema.json")))
    write_plans(experiment, context.layout.plan("train").parent)
    check_unchanged(asked)
    work = Work(
        subject=context.layout.raw,
        params=shown_params(experiment) | shown_images(source),
        facts={"items": count}
        | rows_of(source.data)
        | {f"detected.{name}": found for name, found in source.detected.items()},
        source=provenance(experiment, source),
    )
    context.record(experiment.data_class, 0, work)  # nothing here is random


def described_by(source: Source, experiment: Experiment) -> Any:
    """Return the schema of a source that is not a table."""
    if isinstance(source.data, ImageStream):
        return source.data.schema
    return MODALITIES[experiment.modality].infer(source.data, experiment.target)


def batches_of(source: Source, context: Context) -> Iterable[Any]:
    """Return the source's data; pictures as they are decoded, behind a bar."""
    if isinstance(source.data, ImageStream):
        return shown(source.data.batches(), len(source.data), f"ingest {context.name}")
    return [source.data]


def rows_of(data: Any) -> dict[str, Any]:
    """Return how many rows each of several tables has, for the record."""
    return {"rows": data.rows} if isinstance(data, Relations) else {}


def check_asked(experiment: Experiment, schema: Any) -> None:
    """Raise `DataError` or `ParamsError` if later stages are asked about columns or classes that the data lack."""
    if isinstance(schema, Schema | ImageSchema | RelationalSchema):
        conditions.parse(dict(experiment.generate.conditions), schema)
    names = schema.names if isinstance(schema, Schema) else ()
    for name in experiment.validate.sensitive:
        if name not in names:
            raise params.ParamsError(
                f"params.yaml: experiments.{experiment.name}.validate.sensitive: no learnt column "
                f"{name!r}{params.nearest(name, set(names))}"
            )


def check_unchanged(asked: Experiment) -> None:
    """Raise `StageError` if params.yaml was edited meanwhile: DVC would take the new settings for those at work."""
    if params.load(Path("params.yaml")).get(asked.name) != asked:
        raise StageError(f"params.yaml: experiments.{asked.name} was edited while it was read; run `dvc repro` again")


def shown_params(experiment: Experiment) -> dict[str, Any]:
    """Return what params.yaml says of the data, for the record; facts of columns stand in the schema."""
    told = {"modality": experiment.modality, "target": experiment.target}
    given = {
        "image": dict(experiment.image),
        "tables": dict(experiment.tables),
        "drop": experiment.drop,
        "constraints": [str(rule) for rule in experiment.constraints],
    }
    return told | {name: value for name, value in given.items() if value}


def shown_images(source: Source) -> dict[str, Any]:
    """Return how pictures were made one size, defaults included, for the record."""
    if not isinstance(source.data, ImageStream):
        return {}
    how = {name: value for name, value in dataclasses.asdict(source.data.how).items() if value is not None}
    return {"image": how | {"resampling": "lanczos"}}


def reconcile(asked: Experiment, source: Source) -> Experiment:
    """Return the experiment with what the source declares filled in; raise `StageError` where the two disagree."""
    where = f"params.yaml: experiments.{asked.name}"
    if asked.modality != source.modality:
        raise StageError(f"{where}.modality: {asked.modality!r}, but {asked.source} holds {source.modality!r} data")
    if asked.target is not None and source.target is not None and asked.target != source.target:
        raise StageError(f"{where}.target: {asked.target!r}, but {asked.source} declares {source.target!r}")
    declared = source.facts.get("licence")
    if declared is not None and declared != asked.licence:
        raise StageError(f"{where}.licence: {asked.licence!r}, but {asked.source} declares {declared!r}")
    return dataclasses.replace(asked, target=asked.target or source.target, group=asked.group or source.group)


def provenance(experiment: Experiment, source: Source) -> dict[str, str]:
    """Return where the bytes came from and by what right they are used, for the record.

    A digest of confidential bytes could be guessed from, so it is stated for public sources only.
    """
    stated = {
        "path": experiment.source,
        "licence": experiment.licence,
        "legal_basis": experiment.legal_basis,
        "retention": experiment.retention,
    }
    digest = {"sha256": source.sha256} if experiment.data_class == "public" else {}
    return stated | digest | {f"declared.{name}": value for name, value in source.facts.items()}
