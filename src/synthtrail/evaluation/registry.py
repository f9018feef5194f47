"""The metrics for tables, for images and for related tables, by name."""

import pandas as pd

from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.schema import Schema
from synthtrail.evaluation import (
    domain,
    fidelity,
    images,
    manifold,
    privacy,
    relation_privacy,
    relations,
    utility,
    within,
)
from synthtrail.evaluation.metric import Metric

TABLE: dict[str, Metric[pd.DataFrame, Schema]] = {
    metric.name: metric
    for metric in (
        *(utility.CLASSIFICATION, *fidelity.METRICS, *manifold.METRICS, *within.METRICS),
        *privacy.METRICS,
    )
}
TABLE_REGRESSION: dict[str, Metric[pd.DataFrame, Schema]] = {**TABLE, utility.REGRESSION.name: utility.REGRESSION}
IMAGES: dict[str, Metric[ImageSet, ImageSchema]] = {
    metric.name: metric for metric in (*images.METRICS, *domain.METRICS)
}
RELATIONS: dict[str, Metric[Relations, RelationalSchema]] = {
    metric.name: metric for metric in (*relations.METRICS, *relation_privacy.METRICS)
}


def for_table(schema: Schema) -> dict[str, Metric[pd.DataFrame, Schema]]:
    """Return the metrics that suit the target of `schema`, in the order of the report."""
    return TABLE if utility.classifies(schema) else TABLE_REGRESSION
