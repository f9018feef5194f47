"""What is known of each picture of a folder: its class, from the folder it lies in or from a table beside it.

Class folders: the class is the name of the folder right above a picture. Folders called train and test (or training,
testing, holdout, val) above it, if both are there, say which part it belongs to.

A table: a CSV, of whose columns one names the pictures (by path, by file name, or without its ending), one is the
class, and all others are kept as facts of the picture. Every row has its picture and every picture its row, or it is
refused; the first ones at fault are named.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import delimited
from synthtrail.data.archives import Member
from synthtrail.data.asked import Asked
from synthtrail.data.delimited import How
from synthtrail.data.encoded import OWN
from synthtrail.data.errors import SourceError
from synthtrail.params import nearest

NAMED = 20  # files or rows at fault that a message lists
TRAIN, TEST = {"train", "training"}, {"test", "testing", "holdout", "val"}


@dataclass(frozen=True)
class Labelled:
    """Pictures with a class each (N,), and a row of further facts each, None without any."""

    members: tuple[Member, ...]
    labels: NDArray[Any]
    facts: pd.DataFrame | None


def by_folder(members: Sequence[Member], path: Path) -> Labelled:
    """Label each picture by the folder it lies in; `SourceError` if some lie in none."""
    places = [PurePosixPath(member.name).parts[:-1] for member in members]
    bare = [member.name for member, above in zip(members, places, strict=True) if not above]
    if bare:
        raise SourceError(
            f"{path}: {len(bare):,} pictures lie in no class folder and no table names their class: {listed(bare)}; "
            "put each into a folder of its class, or a CSV with file names and classes beside them"
        )
    labels = np.array([above[-1] for above in places], dtype=object)
    parts = [_part(above[:-1]) for above in places]
    both = {"train", "test"} <= set(parts)
    if both and "" in parts:
        raise SourceError(f"{path}: {members[parts.index('')].name}: lies in neither train nor test; move it")
    facts = pd.DataFrame({"part": pd.Series(parts, dtype="str")}) if both else None
    return Labelled(tuple(members), labels, facts)


def by_table(members: Sequence[Member], table: Member, label: str, name: str | None, keep: Sequence[str]) -> Labelled:
    """Label each picture by the table's column `label`; `keep` are columns to be taken as texts.

    Without `name`, its column of file names is the first that names every row's picture.
    """
    rows = _rows(table, (label, *filter(None, [name]), *keep))
    for column in (label, *filter(None, [name]), *keep):
        if column not in rows.columns:
            raise SourceError(f"{table.name}: no column {column!r}{nearest(column, set(rows.columns))}")
    known = _names(members)
    named = name or next((c for c in rows.columns if rows[c].astype(str).isin(known).all()), None)
    if named is None:
        named = next((c for c in rows.columns if rows[c].astype(str).isin(known).any()), None)
    if named is None:
        raise SourceError(f"{table.name}: no column names the pictures; give `image: {{name: COLUMN}}`")
    order = _order(rows[named].astype(str).tolist(), members, known, table.name)
    if rows[label].isna().any():
        missing = rows[named].astype(str)[rows[label].isna()].tolist()
        raise SourceError(
            f"{table.name}: no {label} for {listed(missing)}; fill it in or remove the picture and its row"
        )
    rows = rows.iloc[order].reset_index(drop=True)
    further = rows.drop(columns=[named, label]).rename(columns={own: f"{own}_" for own in (*OWN, "part")})
    return Labelled(tuple(members), rows[label].astype(str).to_numpy(object), further if len(further.columns) else None)


def has_column(table: Member, column: str) -> bool:
    """Tell whether a table has a column of that name."""
    return column in _rows(table, ()).columns


def listed(names: Sequence[str]) -> str:
    """Return the first of the names, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _rows(table: Member, texts: Sequence[str]) -> pd.DataFrame:
    asked: Mapping[str, Asked] = {column: Asked("category") for column in texts}
    try:
        return delimited.read(table.read(), How(), asked).table
    except SourceError as error:
        raise SourceError(f"{table.name}: {error}") from error


def _names(members: Sequence[Member]) -> dict[str, int]:
    """Return which picture a text names, -1 where several have that name."""
    known: dict[str, int] = {}
    for spelt in (lambda path: path.stem, lambda path: path.name, str):
        counted = Counter(spelt(PurePosixPath(member.name)) for member in members)
        for number, member in enumerate(members):
            text = spelt(PurePosixPath(member.name))
            known[text] = number if counted[text] == 1 else -1
    return known


def _order(named: Sequence[str], members: Sequence[Member], known: Mapping[str, int], table: str) -> list[int]:
    """Return for each picture the number of its row; `SourceError` unless each has one, and each row a picture."""
    faults = {
        "have no picture": [name for name in named if name not in known],
        "name several pictures": [name for name in named if known.get(name) == -1],
        "stand there twice": [name for name, count in Counter(named).items() if count > 1],
    }
    for what, names in faults.items():
        if names:
            raise SourceError(f"{table}: {len(names):,} of its {len(named):,} rows {what}: {listed(names)}")
    row_of = {known[name]: row for row, name in enumerate(named)}
    alone = [member.name for number, member in enumerate(members) if number not in row_of]
    if alone:
        raise SourceError(f"{table}: has no row for {len(alone):,} pictures: {listed(alone)}; add rows or remove them")
    return [row_of[number] for number in range(len(members))]


def _part(above: Sequence[str]) -> str:
    folders = {folder.lower() for folder in above}
    return "train" if folders & TRAIN else "test" if folders & TEST else ""
