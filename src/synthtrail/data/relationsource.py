"""From files to related tables: each is read like a table alone, then the keys between them are checked.

    asked = links.parse(experiment.tables, where)
    source, schema = read(Path("drop/hospital"), asked)

The source is a folder, a descriptor of kind `files`, an Excel workbook (a sheet is called as its table, or as `file`
says), or one file, which then holds the one table that is not implied. Its digest is that of a list "<sha256>  <name>",
a line for each file in order of names, as `sha256sum` prints it.

Refused in one line that shows no cell: a file, key, foreign key or order that is not there; a key that is missing or
stands twice; a row whose parent does not exist; and whatever is refused of a single table. A column that is called like
the key of a table further up holds that key in every row, and is checked as well.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from synthtrail.data import dropped, schema, sources
from synthtrail.data.asked import Asked
from synthtrail.data.errors import RefusedColumnsError, SchemaError, SourceError
from synthtrail.data.links import AskedTable, Link, keys_above
from synthtrail.data.prepare import prepare
from synthtrail.data.relations import Relations, broken, parents_of
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.schema import NUMERIC, Identifier, Schema
from synthtrail.data.sources import SHEET, Source
from synthtrail.params import nearest

ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".pq", ".csv.gz", ".tsv.gz", ".txt.gz")


@dataclass(frozen=True)
class Place:
    """Where the tables' files lie, and what is declared of them."""

    path: Path
    facts: Mapping[str, str]
    declared: dropped.Dropped | None = None


def read(source: Path, asked: Sequence[AskedTable]) -> tuple[Source, RelationalSchema]:
    """Return the tables and what each looks like; raises `DataError` in one line."""
    place = _place(source)
    files = {one.link.name: _file(place.path, one, asked) for one in asked if not one.link.implied}
    _check_declared(place, set(files.values()))
    tables: dict[str, pd.DataFrame] = {}
    schemas: dict[str, Schema] = {}
    detected: dict[str, str] = {}
    digests: dict[str, str] = {}
    for one in asked:
        name = one.link.name
        if name in files:
            found = sources.read(files[name], None, one.how, _said(one, asked))
            tables[name], schemas[name] = _prepared(found, one, asked)
            detected |= {f"{name}.{key}": value for key, value in found.detected.items()}
            digests[files[name].name] = found.sha256
    tree = tuple(one.link for one in asked)
    for link in tree:
        if link.implied:
            tables[link.name], schemas[link.name] = _implied(link, tree, tables, schemas)
    ordered = {link.name: tables[link.name] for link in tree}
    _check(ordered, tree)
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    data = Relations(ordered, tree)
    whole = RelationalSchema(tree, {link.name: schemas[link.name] for link in tree})
    sha256 = hashlib.sha256(lines.encode()).hexdigest()
    return Source("relational", data, None, sha256, place.facts, detected=detected), whole  # type: ignore[arg-type]


def _said(one: AskedTable, asked: Sequence[AskedTable]) -> dict[str, Asked]:
    """Return what is said of a table's columns; keys of tables further up are identifiers unless said otherwise."""
    above = keys_above(tuple(other.link for other in asked), one.link.name)
    return {**{key: Asked("identifier") for key in above}, **one.columns}


def _place(source: Path) -> Place:
    if source.suffix != ".yaml":
        if not source.exists():
            raise SourceError(f"{source}: no such file or folder; put it there or correct `source:`")
        return Place(source, {})
    try:
        declared = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{source}: not a readable descriptor; correct `source:`") from error
    if not isinstance(declared, dict) or declared.get("kind") != "files" or declared.get("modality") != "relational":
        raise SourceError(f"{source}: not of kind `files` and modality `relational`, as several tables are")
    parsed = dropped.parse(source, declared)
    facts = {key: str(declared[key]) for key in ("title", "url", "licence", "citation")}
    return Place(parsed.place(), facts, parsed)


def _file(place: Path, one: AskedTable, asked: Sequence[AskedTable]) -> Path:
    """Return the file (or FILE.xlsx#SHEET) of a table."""
    table = one.link.name
    if place.suffix.lower() in SHEET:
        return Path(f"{place}#{one.file or table}")
    if not place.is_dir():
        if sum(not other.link.implied for other in asked) > 1:
            raise SourceError(f"{place}: one file, and several tables; name the folder that holds their files")
        return place
    there = {path.name: path for path in sorted(place.iterdir()) if path.name.lower().endswith(ENDINGS + SHEET)}
    if one.file is not None:
        for name in (one.file, f"{one.file}.gz", one.file.removesuffix(".gz")):
            if (place / name.partition("#")[0]).is_file():
                return place / name
        raise SourceError(f"{place}: no file {one.file!r} for the table {table}{nearest(one.file, set(there))}")
    found = [path for path in there.values() if path.name.partition(".")[0].lower() == table.lower()]
    if len(found) != 1:
        stems = {path.name.partition(".")[0].lower() for path in there.values()}
        what = "no file is" if not found else f"{len(found)} files are"
        raise SourceError(f"{place}: {what} called as the table {table}; name its `file`{nearest(table, stems)}")
    return found[0]


def _check_declared(place: Place, files: set[Path]) -> None:
    if place.declared is None:
        return
    strange = place.declared.checked({path.name: dropped.digests(path) for path in sorted(files)})
    if strange:
        known = ", ".join(file.name for file in (*place.declared.files, *place.declared.also))
        raise SourceError(f"{place.declared.path} declares nothing of {', '.join(strange)}; it knows {known}")


def _prepared(found: Source, one: AskedTable, asked: Sequence[AskedTable]) -> tuple[pd.DataFrame, Schema]:
    """Return a table and its schema, in which every key is an identifier."""
    table, link = found.data, one.link
    if not isinstance(table, pd.DataFrame):
        raise SourceError(f"{link.name}: not a table")
    columns = set(map(str, table.columns))
    for what, name in (("key", link.key), ("foreign_key", link.foreign_key), ("order", link.order)):
        if name is not None and name not in columns:
            raise SourceError(f"{link.name}: no column {name!r}, which is its {what}{nearest(name, columns)}")
    above = keys_above(tuple(other.link for other in asked), link.name)
    said = {name: column for name, column in _said(one, asked).items() if name in columns or name not in above}
    left = [name for name in table.columns if said.get(name, Asked()).kind not in ("identifier", "drop")]
    if not left:
        return _only_keys(table, said)
    try:
        rows, described = prepare(table, None, said, found.spelt)
    except RefusedColumnsError as error:
        raise RefusedColumnsError(f"{link.name}: {error}", error.names) from error
    except SchemaError as error:
        raise SchemaError(f"{link.name}: {error}") from error
    _check_order(described, link)
    return rows, described


def _check_order(described: Schema, link: Link) -> None:
    if link.order is None:
        return
    kinds = {column.name: column.kind for column in described}
    if kinds.get(link.order) not in NUMERIC or kinds[link.order] == "time":
        kind = kinds.get(link.order, "identifier")
        raise SchemaError(
            f"{link.name}: its order {link.order!r} is {kind}; rows follow each other by dates or numbers"
        )


def _only_keys(table: pd.DataFrame, said: Mapping[str, Asked]) -> tuple[pd.DataFrame, Schema]:
    kept = table[[name for name in table.columns if said[name].kind != "drop"]]
    return kept, Schema((), None, tuple(identifier(kept[name], at) for at, name in enumerate(kept.columns)))


def identifier(series: "pd.Series[Any]", at: int) -> Identifier:
    """Return the identifier that a column of keys is."""
    table = pd.DataFrame({"key": series, "other": 0})
    found = schema.infer(table, asked={"key": Asked("identifier")}).identifiers[0]
    return Identifier(str(series.name), at, found.dtype, found.pattern, found.distinct, found.missing_rate)


def _implied(
    link: Link, tree: Sequence[Link], tables: Mapping[str, pd.DataFrame], schemas: Mapping[str, Schema]
) -> tuple[pd.DataFrame, Schema]:
    """Return the table that the foreign keys of its children imply: each once, in the order of the first child."""
    below = [(child.name, str(child.foreign_key)) for child in tree if child.parent == link.name]
    if not below:
        raise SourceError(f"{link.name}: implied, but no table names it as its parent")
    keys = pd.concat([tables[name][column] for name, column in below], ignore_index=True).dropna()
    table = pd.DataFrame({str(link.key): keys.drop_duplicates().reset_index(drop=True)})
    spelt = next(key for key in schemas[below[0][0]].identifiers if key.name == below[0][1])
    found = identifier(table[str(link.key)], 0)
    return table, Schema((), None, (Identifier(found.name, 0, found.dtype, found.pattern, absent=spelt.absent),))


def _check(tables: Mapping[str, pd.DataFrame], tree: Sequence[Link]) -> None:
    """Raise `SourceError` for the first thing that is wrong with the keys."""
    for link in tree:
        if link.parent is not None:
            mine, other = tables[link.name][str(link.foreign_key)], tables[link.parent][_key_of(tree, link.parent)]
            numbers = [pd.api.types.is_numeric_dtype(series.dtype) for series in (mine, other)]
            if numbers[0] != numbers[1]:
                what = f"{mine.name!r} is {mine.dtype}, and {other.name!r} of {link.parent} is {other.dtype}"
                raise SourceError(f"{link.name}: {what}; write both alike")
    first = next(broken(tables, tree), None)
    if first is not None:
        raise SourceError(f"{first.message}; correct the source")
    for link in tree:
        for column, above in keys_above(tree, link.name).items():
            if column in tables[link.name].columns:
                _check_above(tables, tree, link, column, above)


def _check_above(tables: Mapping[str, pd.DataFrame], tree: Sequence[Link], link: Link, column: str, above: str) -> None:
    """Raise `SourceError` unless a column holds in each row the key of the table `above` that the parent leads to."""
    keys = keys_in(tables, tree, link, above)
    wrong = int((tables[link.name][column].astype(object).to_numpy() != keys.astype(object).to_numpy()).sum())
    if wrong:
        rows = f"{wrong:,} row{'' if wrong == 1 else 's'}"
        raise SourceError(
            f"{link.name}: in {rows} {column!r} is not the one of the {link.parent} that they belong to; "
            f"correct the source, or `drop: [{column}]`"
        )


def keys_in(tables: Mapping[str, pd.DataFrame], tree: Sequence[Link], link: Link, above: str) -> "pd.Series[Any]":
    """Return for each row of a table (N,) the key of the row of `above` that it belongs to."""
    known = {other.name: other for other in tree}
    at = pd.RangeIndex(len(tables[link.name])).to_numpy()
    here = link
    while here.name != above:
        at = parents_of(tables, tree, here)[at]
        here = known[str(here.parent)]
    return tables[above][_key_of(tree, above)].iloc[at].reset_index(drop=True)


def _key_of(tree: Sequence[Link], name: str) -> str:
    return str(next(link.key for link in tree if link.name == name))
