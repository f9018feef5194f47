"""Several tables that hang together by keys: a set of them, what is true of all such sets, and the choice of subjects.

    relations.tables["admissions"]        a frame, as released: keys, moments, all columns
    len(relations)                        the number of subjects, which are the rows of the table without a parent
    taken(relations, rows)                those subjects with all that is theirs, table by table
    broken(tables, links)                 what is wrong with the keys, one line each; none if all is well

Rows of generated sets that are not complete yet have row numbers in place of keys (`synthtrail.data.release`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.columns import Violation
from synthtrail.data.links import Link

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Relations:
    """Tables by name, and how they are linked, parents before children."""

    tables: Mapping[str, pd.DataFrame]
    links: tuple[Link, ...]

    def __len__(self) -> int:
        return len(self.root)

    def __getitem__(self, column: str) -> "pd.Series[Any]":
        """Return a column of the subjects' own table."""
        return self.root[column]

    @property
    def root(self) -> pd.DataFrame:
        """The table without a parent."""
        return self.tables[self.links[0].name]

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        return {name: len(table) for name, table in self.tables.items()}


def taken(data: Relations, rows: Ints) -> Relations:
    """Return the subjects of these row numbers, in this order, with every row that is theirs."""
    kept: dict[str, pd.DataFrame] = {}
    for link in data.links:
        table = data.tables[link.name]
        if link.parent is None:
            kept[link.name] = table.iloc[rows].reset_index(drop=True)
            continue
        at = places(table[link.foreign_key], kept[link.parent][_key(data.links, link.parent)])
        there = np.flatnonzero(at >= 0)
        order = there[np.argsort(at[there], kind="stable")]
        kept[link.name] = table.iloc[order].reset_index(drop=True)
    return Relations(kept, data.links)


def joined(parts: Sequence[Relations]) -> Relations:
    """Return sets of different subjects as one."""
    names = [link.name for link in parts[0].links]
    return Relations(
        {name: pd.concat([part.tables[name] for part in parts], ignore_index=True) for name in names}, parts[0].links
    )


def places(keys: pd.Series, among: pd.Series) -> Ints:
    """Return for each key (N,) the row in which it stands among others (M,), -1 if it does not."""
    return np.asarray(pd.Index(among.astype(object)).get_indexer(pd.Index(keys.astype(object))), dtype=np.int64)


def parents_of(tables: Mapping[str, pd.DataFrame], links: Sequence[Link], link: Link) -> Ints:
    """Return for each row of a child (N,) the row number of its parent, -1 if there is none."""
    if link.parent is None or link.foreign_key is None:
        raise ValueError(f"{link.name} has no parent")
    return places(tables[link.name][link.foreign_key], tables[link.parent][_key(links, link.parent)])


def broken(tables: Mapping[str, pd.DataFrame], links: Sequence[Link]) -> Iterator[Violation]:
    """Yield what is wrong with the keys: missing, not unique, or of a parent that does not exist."""
    for link in links:
        table = tables[link.name]
        if link.key is not None:
            yield from _of_key(table, link, link.key)
        if link.parent is None or link.foreign_key is None:
            continue
        column = f"{link.name}.{link.foreign_key}"
        if missing := int(table[link.foreign_key].isna().sum()):
            yield Violation(column, "missing", missing, f"{link.name}: {_have(missing)} no {link.foreign_key!r}")
        at = parents_of(tables, links, link)
        if strange := int(((at < 0) & table[link.foreign_key].notna().to_numpy()).sum()):
            what = f"{link.name}: {_have(strange)} a {link.foreign_key!r} that {link.parent} does not have"
            yield Violation(column, "key", strange, what)


def _of_key(table: pd.DataFrame, link: Link, key: str) -> Iterator[Violation]:
    column = f"{link.name}.{key}"
    if missing := int(table[key].isna().sum()):
        yield Violation(column, "missing", missing, f"{link.name}: {_have(missing)} no {key!r}, which is the key")
    if doubled := int(table[key].dropna().duplicated().sum()):
        repeat = "row repeats" if doubled == 1 else "rows repeat"
        what = f"{link.name}: {doubled:,} {repeat} a {key!r}, which is the key"
        yield Violation(column, "unique", doubled, what)


def _have(count: int) -> str:
    return f"{count:,} row{' has' if count == 1 else 's have'}"


def _key(links: Sequence[Link], name: str) -> str:
    key = next(link.key for link in links if link.name == name)
    if key is None:
        raise ValueError(f"{name} has no key")
    return key
