"""What `preprocess` does with images alone: divide them without decoding one, in constant memory.

Where the source has a test set of its own, that is the holdout; else the split keeps the classes' shares, and images
of one group (a lesion, a patient) stay together.

    parts = divided(layout.raw, plan)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synthtrail.data import encoded, split
from synthtrail.data.encoded import WHOLE, EncodedImages
from synthtrail.data.image import ImageSchema
from synthtrail.data.split import Split
from synthtrail.stages.parts import read_json
from synthtrail.stages.tables import groups_of

OWN_TEST_SET = "the source's own test set"


@dataclass(frozen=True)
class ImageParts:
    """Training and holdout images, to be read once each, the training images' schema, and what the record says."""

    train: Iterable[EncodedImages]
    holdout: Iterable[EncodedImages]
    schema: ImageSchema
    counts: Mapping[str, int]
    facts: Mapping[str, Any]
    params: Mapping[str, Any]


def divided(raw: Path, plan: Mapping[str, Any]) -> ImageParts:
    """Divide the images in `raw` as the plan of `preprocess` says."""
    index = encoded.index(raw, WHOLE)
    groups = groups_of(index, plan["group"])
    given = own_test_set(index)
    labels = None if plan["target"] is None else index["label"].to_numpy(object)
    parts = given or split.split(len(index), plan["holdout"], plan["seed"], labels, groups)
    counts = {"train": len(parts.train), "holdout": len(parts.holdout)}
    whole = ImageSchema.from_json(read_json(raw / "schema.json"))
    there = set(index["label"].iloc[parts.train])
    schema = replace(whole, classes=tuple(name for name in whole.classes if name in there), target=plan["target"])
    told = {"holdout": OWN_TEST_SET if given else plan["holdout"]}
    return ImageParts(
        encoded.taken(raw, WHOLE, parts.train),
        encoded.taken(raw, WHOLE, parts.holdout),
        schema,
        counts,
        {**counts, **({} if groups is None else {"groups": len(np.unique(groups))})},
        {"bins": plan["bins"], "target": plan["target"], **told} | ({} if groups is None else {"group": plan["group"]}),
    )


def own_test_set(index: pd.DataFrame) -> Split | None:
    """Return the division that the source itself makes, None if it makes none."""
    if "part" not in index.columns or set(index["part"]) != {"train", "test"}:
        return None
    held = (index["part"] == "test").to_numpy()
    return Split(np.flatnonzero(~held), np.flatnonzero(held))
