"""How the tables of a folder seem to hang together: keys, parents and orders, for a person to look over.

    propose(Path("drop/hospital"))   {"patients": {"key": "patient_id"}, "stays": {"parent": "patients", ...}, ...}

A key is a column of different values, none missing, that holds every value of a column of the same name elsewhere. Of
several tables that could be the parent the one with the most rows is taken: an admission, not the patient, is what a
diagnosis belongs to. The order is the first column of dates that has none missing, or else of whole numbers that rise
in each parent.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd

from synthtrail.data import inference, sources
from synthtrail.data.errors import SchemaError, SourceError
from synthtrail.data.prepare import settled
from synthtrail.data.relationsource import ENDINGS

NEARLY = 0.1  # of the rows may not fit for a column to be called nearly a key
Tables = Mapping[str, pd.DataFrame]


def are_tables(folder: Path) -> bool:
    """Tell whether a folder holds two tables' files or more and nothing else that counts."""
    if not folder.is_dir():
        return False
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return len(files) > 1 and all(path.name.lower().endswith(ENDINGS) for path in files)


def propose(folder: Path) -> dict[str, Any]:
    """Return the key `tables` of params.yaml for the tables of a folder; `SourceError` if they have no common root."""
    tables = _read(folder)
    links: dict[str, tuple[str, str]] = {}  # table -> parent, key
    for name in tables:
        above = [(len(tables[other]), other, key) for other, key in _parents(tables, name)]
        if above:
            _, parent, key = max(above)
            links[name] = (parent, key)
    tops = [name for name in tables if name not in links]
    if len(tops) != 1:
        what = "no table is above all others" if not tops else f"{', '.join(tops)} belong to no other"
        why = "".join(f"; {reason}" for reason in _reasons(tables, links, tops))
        raise SourceError(
            f"{folder}: {what}{why}{'; mend that, or' if why else ';'} write `tables:` yourself (docs/relations.md), "
            "without those that do not fit"
        )
    return {name: _entry(tables, links, name) for name in sorted(tables, key=lambda name: _depth(links, name))}


def _read(folder: Path) -> dict[str, pd.DataFrame]:
    found: dict[str, pd.DataFrame] = {}
    for path in sorted(folder.iterdir()):
        if path.name.lower().endswith(ENDINGS):
            data = sources.read(path).data
            if isinstance(data, pd.DataFrame):
                found[path.name.partition(".")[0].lower()] = data
    return found


def _parents(tables: Tables, name: str) -> list[tuple[str, str]]:
    """Return the tables that hold every value of a column of this one as a key, with that column."""
    return [
        (other, str(key))
        for other, table in tables.items()
        for key in table.columns
        if other != name and key in tables[name].columns and _is_key(table[key])
        if tables[name][key].notna().all() and set(tables[name][key]) <= set(table[key])
        if not (_is_key(tables[name][key]) and len(tables[name]) >= len(table))
    ]


def _reasons(tables: Tables, links: Mapping[str, tuple[str, str]], tops: Sequence[str]) -> Iterator[str]:
    """Yield what keeps tables from belonging to others that they nearly belong to, and which have several parents."""
    for (name, child), (other, table) in permutations(tables.items(), 2):
        for key in table.columns.intersection(child.columns):
            yield from _misfits(f"{name}.{key}", child[key], f"{other}.{key}", table[key])
    for name, (parent, _) in links.items():
        others = {other for other, _ in _parents(tables, name)} & (set(tops) - {parent})
        if others:
            yield f"{name} belongs to {' and '.join(sorted({parent, *others}))}, and a table has one parent"


def _misfits(name: str, values: "pd.Series[Any]", known_as: str, keys: "pd.Series[Any]") -> Iterator[str]:
    """Yield why a column is not quite the key of another table's, in numbers alone; nothing if it is far from it."""
    known, present = keys.dropna(), values.dropna()
    of_keys = {"is missing": len(keys) - len(known), "is there a second time": int(known.duplicated().sum())}
    of_values = {"is missing": len(values) - len(present), f"is not in {known_as}": int((~present.isin(known)).sum())}
    far = any(sum(found.values()) > NEARLY * size for found, size in ((of_keys, len(keys)), (of_values, len(values))))
    if known.empty or present.empty or far:
        return
    for column, found in ((known_as, of_keys), (name, of_values)):
        for what, count in found.items():
            if count:
                yield f"in {count:,} row{'s' * (count > 1)} {column} {what}"


def _is_key(series: "pd.Series[Any]") -> bool:
    return bool(series.notna().all() and series.is_unique and not pd.api.types.is_float_dtype(series.dtype))


def _depth(links: Mapping[str, tuple[str, str]], name: str) -> int:
    return 1 + _depth(links, links[name][0]) if name in links else 0


def _entry(tables: Tables, links: Mapping[str, tuple[str, str]], name: str) -> dict[str, Any]:
    keys = {key for parent, key in links.values() if parent == name}
    entry: dict[str, Any] = {"key": min(keys)} if keys else {}
    if name in links:
        parent, key = links[name]
        entry |= {"parent": parent}
        order = _order(tables[name], key)
        entry |= {"order": order} if order else {}
    left = [str(column) for at, column in enumerate(tables[name].columns) if not _learnable(tables[name][column], at)]
    return entry | ({"drop": left} if left else {})


def _order(table: pd.DataFrame, parent: str) -> str | None:
    for name in table.columns:
        if pd.api.types.is_datetime64_any_dtype(table[name].dtype) and table[name].notna().all():
            return str(name)
    for name in table.columns:
        rises = pd.api.types.is_integer_dtype(table[name].dtype) and name != parent and not table[name].is_unique
        if rises and table.groupby(parent)[name].apply(lambda one: one.is_monotonic_increasing and one.is_unique).all():
            return str(name)
    return None


def _learnable(series: "pd.Series[Any]", at: int) -> bool:
    try:
        return bool(inference.classify(settled(series), at))
    except SchemaError:
        return False
