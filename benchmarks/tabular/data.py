"""The tables of the benchmark, fixed before any figure was seen, and how each is divided.

    part = divided("adult", split=0)        # part.train, part.holdout, part.schema: 80 % and 20 %
    inner(part)                             # the training rows divided again, for every choice

Six confirmation tables: Adult; SUPPORT2 (wide, much missing); breast cancer and Adult cut to 1,000 rows (small);
scikit-learn's digits, as a table of 65 columns with ten classes (wide and small); its diabetes (a number as target).
Three more are for the study of small tables (`small`): iris, wine, Titanic. Adult, SUPPORT2 and Titanic are read from
../shared/data or SYNTHTRAIL_SHARED; the others ship with scikit-learn, so no package was added for them.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from synthtrail.data import split as splits
from synthtrail.data.prepare import prepare
from synthtrail.data.registry import MODALITIES
from synthtrail.data.schema import Schema
from synthtrail.stages.tables import learn

HOLDOUT = 0.2
PUBLIC = {"rare_min": None, "group": None, "class": "public"}  # every level and range as the training rows have it
ADULT = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race",
    "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
]  # fmt: skip
OUTCOMES = ["sno", "death", "d.time", "sfdm2"]  # of SUPPORT2: a running number, and outcomes known after the target
FREE = ["PassengerId", "Name", "Ticket", "Cabin"]  # of Titanic: identifiers and texts


@dataclass(frozen=True)
class Table:
    """A table: what is predicted, how it is read, over how many splits; `sex` is the column of the gap in fairness."""

    name: str
    target: str
    read: Callable[[], pd.DataFrame]
    splits: int
    about: str
    sex: str | None = None


@dataclass(frozen=True)
class Part:
    """Training and holdout rows, and the schema learnt from the former."""

    train: pd.DataFrame
    holdout: pd.DataFrame
    schema: Schema


def shared() -> Path:
    """Return the folder of data that no package ships."""
    place = os.environ.get("SYNTHTRAIL_SHARED", Path(__file__).resolve().parents[3] / "shared")
    return Path(place) / "data"


def _adult() -> pd.DataFrame:
    return pd.read_csv(shared() / "adult/adult.data", names=ADULT, skipinitialspace=True)


def _adult_1000() -> pd.DataFrame:
    whole = _adult()
    return whole.iloc[np.random.default_rng(1000).permutation(len(whole))[:1000]].reset_index(drop=True)


def _support2() -> pd.DataFrame:
    return pd.read_csv(shared() / "support2/support2.csv", skipinitialspace=True).drop(columns=OUTCOMES)


def _titanic() -> pd.DataFrame:
    return pd.read_csv(shared() / "titanic/train.csv").drop(columns=FREE)


def _shipped(load: Callable[..., Any], **how: Any) -> Callable[[], pd.DataFrame]:
    def read() -> pd.DataFrame:
        bunch = load(as_frame=True, **how)
        frame: pd.DataFrame = bunch.frame
        if not hasattr(bunch, "target_names"):
            return frame
        names = [str(bunch.target_names[at]) for at in frame["target"]]
        return frame.assign(target=pd.Series(names, dtype="str"))

    return read


TABLES = {
    table.name: table
    for table in (
        Table("breast_cancer", "target", _shipped(datasets.load_breast_cancer), 5, "569 × 31, real numbers"),
        Table("diabetes", "target", _shipped(datasets.load_diabetes, scaled=False), 5, "442 × 11, a number as target"),
        Table("adult_1000", "income", _adult_1000, 5, "1,000 × 15, mixed", "sex"),
        Table("digits", "target", _shipped(datasets.load_digits), 5, "1,797 × 65, whole numbers, ten classes"),
        Table("support2", "hospdead", _support2, 3, "9,105 × 44, mixed, much missing"),
        Table("adult", "income", _adult, 3, "32,561 × 15, mixed", "sex"),
    )
}
SMALL = {
    table.name: table
    for table in (
        Table("iris", "target", _shipped(datasets.load_iris), 30, "150 × 5"),
        Table("wine", "target", _shipped(datasets.load_wine), 30, "178 × 14"),
        Table("titanic", "Survived", _titanic, 30, "891 × 8, mixed, some missing"),
    )
}


@cache
def whole(name: str) -> tuple[pd.DataFrame, Schema]:
    """Return a table's rows and schema; `OSError` where its file is absent."""
    table = (TABLES | SMALL)[name]
    return prepare(table.read(), table.target, {}, {})


@cache
def digest(name: str) -> str:
    """Return a digest of a table's values, types and names."""
    rows, _ = whole(name)
    told = f"{list(rows.columns)} {[str(kind) for kind in rows.dtypes]}".encode()
    values = pd.util.hash_pandas_object(rows.astype(str), index=False).to_numpy()
    return hashlib.sha256(told + values.tobytes()).hexdigest()[:16]


def divided(name: str, split: int) -> Part:
    """Return the parts of outer split number `split`."""
    rows, schema = whole(name)
    return parts(rows, schema, split)


def inner(part: Part) -> Part:
    """Return the training rows divided once more; the holdout of `part` has no share in it."""
    return parts(part.train, part.schema, 7919)


def parts(rows: pd.DataFrame, schema: Schema, seed: int) -> Part:
    """Divide rows by seed, classes keeping their shares, and learn the schema of the training part."""
    tables = MODALITIES["tabular"]
    chosen = splits.split(len(rows), HOLDOUT, seed, tables.labels(rows, schema.target))
    part = learn(tables.take(rows, chosen.train), tables.take(rows, chosen.holdout), schema, PUBLIC)
    return Part(part.train, part.holdout, part.schema)
