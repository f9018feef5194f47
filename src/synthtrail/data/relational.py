"""The modality of related tables: a Parquet file for each, a `RelationalSchema`, a `RelationalCodec`.

    raw/patients.parquet  raw/admissions.parquet  ...      the undivided set: a file is called as its table
    split/train-patients.parquet  split/holdout-patients.parquet  ...

The codec holds one `TableCodec` for the learnt columns of each table, and one for where a row stands below its parent:
how many rows are before it (`place`) and still to come (`left`), and how far away the parent's own ends are.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import inference, protect, relations
from synthtrail.data import schema as schemas
from synthtrail.data.asked import Asked
from synthtrail.data.codec import LEAST_SHARED, Codes, TableCodec
from synthtrail.data.columns import NUMERIC, Column, Kind, Schema, Violation
from synthtrail.data.errors import CodecError, SourceError
from synthtrail.data.links import Link
from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import DAY, RelationalSchema, Telling
from synthtrail.data.tabular import TableWriter, read_table
from synthtrail.data.telling import tell
from synthtrail.data.unrolled import Flat, Flats, floored, number_at, previous, unroll, whole
from synthtrail.data.values import Floats
from synthtrail.storage.files import write_json

PLACE, LEFT = "place", "left"
LINKS = "links"  # a file of its own beside the tables, which so may not be called so


@dataclass(frozen=True)
class RelationalCodec:
    """The codes of every table's learnt columns, and of where its rows stand (module docstring)."""

    schema: RelationalSchema
    tables: Mapping[str, TableCodec]
    standing: Mapping[str, TableCodec]

    @classmethod
    def fit(cls, train: Relations, schema: RelationalSchema, bins: int) -> "RelationalCodec":
        """Choose codes from training rows: at most about `bins` for each column of numbers."""
        flats = unroll(train, schema)
        tables, standing = {}, {}
        for link in schema.links:
            flat, learned = flats[link.name], schema.learned[link.name]
            tables[link.name] = TableCodec.fit(shared_only(flat.rows, flat.root, learned), learned, bins)
            if link.parent is not None:
                stood = stands(flats, schema, link.name)
                described = _described(stood, dict.fromkeys(map(str, stood), "integer"))
                # Whatever the class is: how long somebody stayed, and how much came of it, is nobody's business.
                safe = protect.protected(stood, described, least=LEAST_SHARED, ends=True, persons=flat.root)
                standing[link.name] = TableCodec.fit(shared_only(stood, flat.root, safe), safe, bins)
        return cls(schema, tables, standing)

    def encode(self, name: str, rows: pd.DataFrame) -> Codes:
        """Return the codes of learnt rows (N, C) of one table."""
        if not self.tables[name].columns:
            return np.zeros((len(rows), 0), dtype=np.int64)
        return self.tables[name].encode(rows)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` gives back an equal codec."""
        return {
            "schema": self.schema.to_json(),
            "tables": {name: codec.to_json() for name, codec in self.tables.items()},
            "standing": {name: codec.to_json() for name, codec in self.standing.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RelationalCodec":
        """Read what `to_json` gave; `CodecError` or `SchemaError` if it is something else."""
        try:
            schema = RelationalSchema.from_json(value["schema"])
            tables = {link.name: TableCodec.from_json(value["tables"][link.name]) for link in schema.links}
            below = [link.name for link in schema.links if link.parent is not None]
            return cls(schema, tables, {name: TableCodec.from_json(value["standing"][name]) for name in below})
        except (KeyError, TypeError) as error:
            raise CodecError(f"not a codec of related tables: {error}; run preprocess again") from error


def learnt(train: Relations, like: RelationalSchema, *, least: int, ends: bool) -> RelationalSchema:
    """Describe training rows; kinds and keys are those of `like`.

    Levels, and with `ends` extremes, of fewer than `least` subjects stand in it no more (`synthtrail.data.protect`).
    """
    told = replace(like, told=tell(train, like))
    flats = unroll(train, told)
    learned, released = {}, {}
    for link in like.links:
        flat, telling = flats[link.name], told.told[link.name]
        described = _learned(flat, like.tables[link.name], telling)
        safe = protect.protected(flat.rows, described, least=least, ends=ends, persons=flat.root)
        learned[link.name] = safe
        released[link.name] = _released(train.tables[link.name], like.tables[link.name], safe, telling)
    return replace(told, tables=released, learned=learned)


def merged(data: Relations, schema: RelationalSchema) -> tuple[Relations, int]:
    """Return the tables with levels that the schema has merged away as `other`, and the number of cells."""
    found = {name: protect.merged(table, schema.tables[name]) for name, table in data.tables.items()}
    return Relations({name: table for name, (table, _) in found.items()}, data.links), sum(n for _, n in found.values())


def stands(flats: Flats, schema: RelationalSchema, name: str) -> pd.DataFrame:
    """Return where each row of a table stands below its parent (N rows), as whole numbers."""
    flat, parent = flats[name], str(schema.link(name).parent)
    counts = np.bincount(flat.parent, minlength=len(flats[parent]))
    base = since(flats, schema, name)
    return standing(flat.place, counts[flat.parent] - 1 - flat.place, base, flats, schema, name, flat.parent)


def since(flats: Flats, schema: RelationalSchema, name: str) -> Floats:
    """Return the moment after which each row of a table comes (N,): that of the row before it, or of the parent."""
    flat, order = flats[name], schema.link(name).order
    first = next((moment for moment in schema.told[name].moments if moment.column == order), None)
    if order is None or first is None or not first.unit:
        return np.full(len(flat), np.nan)
    base = number_at(first.base, flats, schema, name) if first.base else np.full(len(flat), np.nan)
    return np.where(flat.place == 0, base, previous(flat, order))


def standing(
    place: NDArray[np.int64],
    left: NDArray[np.int64],
    base: Floats,
    flats: Flats,
    schema: RelationalSchema,
    name: str,
    parent: NDArray[np.int64],
) -> pd.DataFrame:
    """Return the learnt columns that say where rows stand: before, to come, whole days to each end of the parent."""
    rows: dict[str, Any] = {PLACE: place, LEFT: left}
    for reference in schema.told[name].ends:
        table, _, column = reference.partition(":")
        days = (flats[table].numbers[column][parent] - floored(base, DAY)) / DAY
        rows[f"days to {reference}"] = pd.Series(np.floor(days)).astype("Int64")
    return pd.DataFrame(rows, index=pd.RangeIndex(len(place)))


def shared_only(rows: pd.DataFrame, root: NDArray[np.int64], schema: Schema) -> pd.DataFrame:
    """Return learnt rows (N rows) with numbers that few subjects have counted once for each of them; `root` is (N,).

    A codec gives a number a code of its own if enough rows have it; here they must be rows of as many subjects.
    """
    found = {column.name: rows[column.name] for column in schema}
    for column in schema:
        if column.kind in NUMERIC:
            pairs = pd.DataFrame({"value": rows[column.name], "root": root})
            repeats = pairs.duplicated()
            subjects = pairs[~repeats].groupby("value").size()
            rare = pairs["value"].map(subjects).fillna(0) < LEAST_SHARED
            found[column.name] = rows[column.name].mask(rare & repeats)
    return pd.DataFrame(found, index=rows.index)


def _learned(flat: Flat, like: Schema, telling: Telling) -> Schema:
    """Describe the learnt columns: as `like` what is released as it is, else by what tells it."""
    plain = {column.name: column for column in like if not any(m.column == column.name for m in telling.moments)}
    kinds = {name: column.kind for name, column in plain.items()}
    for moment in telling.moments:
        kind = "integer" if moment.unit else like.column(moment.column).kind
        kinds[moment.learned] = "datetime" if moment.as_it_is else kind
    kinds |= dict.fromkeys(telling.counts.values(), "integer")
    described = _described(flat.rows, kinds)
    columns = tuple(
        inference.describe(flat.rows[column.name], plain[column.name]) if column.name in plain else column
        for column in described
    )
    return replace(described, columns=columns)


def _described(rows: pd.DataFrame, kinds: Mapping[str, str]) -> Schema:
    if not len(rows.columns):
        return Schema(())
    if not len(rows):
        empty = [
            Column(name, cast("Kind", kinds[name]), str(rows[name].dtype), missing_rate=1.0) for name in map(str, rows)
        ]
        return Schema(tuple(empty))
    return schemas.infer(rows, None, {name: Asked(kind) for name, kind in kinds.items()})


def _released(table: pd.DataFrame, like: Schema, learned: Schema, telling: Telling) -> Schema:
    """Describe a table as released: levels and ends as learnt, moments without ends."""
    columns = []
    for column in like:
        own = [moment.learned for moment in telling.moments if moment.column == column.name]
        if not own:
            columns.append(learned.column(column.name))
            continue
        now = inference.describe(table[column.name], column)
        gone = all(learned.column(name).missing_rate == 1.0 for name in own)
        columns.append(whole(replace(now, missing_rate=1.0 if gone else now.missing_rate)))
    keys = tuple(replace(key, missing_rate=float(table[key.name].isna().mean())) for key in like.identifiers)
    return replace(like, columns=tuple(columns), identifiers=keys)


def _file(part: str, name: str) -> str:
    ending = "json" if name == LINKS else "parquet"
    return f"{name}.{ending}" if part == Relational.whole else f"{part}-{name}.{ending}"


def _salt(salt: bytes | None, name: str) -> bytes | None:
    """Return the salt of one table's file, made of that of the part."""
    return None if salt is None else hashlib.sha256(salt + name.encode()).digest()


class Relational:
    """The modality of related tables."""

    name: ClassVar[str] = "relational"
    whole: ClassVar[str] = "tables"

    def write(self, folder: Path, part: str, batches: Iterable[Relations], *, salt: bytes | None = None) -> int:
        """Write a file for each table from batches of subjects; return the number of subjects."""
        count = 0
        with ExitStack() as stack:
            writers: dict[str, TableWriter] = {}
            for batch in batches:
                for name, table in batch.tables.items():
                    if name not in writers:
                        path = folder / _file(part, name)
                        writers[name] = stack.enter_context(TableWriter(path, salt=_salt(salt, name)))
                    writers[name].write(table)
                count += len(batch)
                links = batch.links
            if not writers:
                raise CodecError(f"{folder}: no rows to write; ask for at least one")
        told: dict[str, Any] = {"links": [link.to_json() for link in links]}
        hidden = _salt(salt, LINKS)
        write_json(folder / _file(part, LINKS), told if hidden is None else told | {"salt": hidden.hex()})
        return count

    def read(self, folder: Path, part: str) -> Relations:
        """Read the tables of a part, and how they are linked."""
        path = folder / _file(part, LINKS)
        try:
            links = tuple(Link(**link) for link in json.loads(path.read_bytes())["links"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{path}: does not say how tables are linked; make it again") from error
        return Relations({link.name: read_table(folder / _file(part, link.name)) for link in links}, links)

    def infer(self, data: Relations, target: str | None) -> RelationalSchema:
        """Describe the tables; `target` is for a single table and does not count here."""
        del target
        tables = {}
        for link in data.links:
            keys = {key: Asked("identifier") for key in (link.key, link.foreign_key) if key is not None}
            table = data.tables[link.name]
            if set(table.columns) <= set(keys):
                held = schemas.infer(table.assign(**{"": 0}), None, keys)
                tables[link.name] = Schema((), None, held.identifiers)
            else:
                tables[link.name] = schemas.infer(table, None, keys)
        return learnt(data, RelationalSchema(data.links, tables), least=1, ends=False)

    def check(self, data: Relations, schema: RelationalSchema) -> list[Violation]:
        """Return every violation of the tables' schemas, and of the keys between them."""
        found: list[Violation] = []
        for link in schema.links:
            told = {moment.column for moment in schema.told[link.name].moments} if schema.told else set()
            found += [
                replace(one, column=f"{link.name}.{one.column}", message=f"{link.name}: {one.message}")
                for one in schemas.check(data.tables[link.name], schema.tables[link.name])
                if not (one.rule == "range" and one.column in told)
            ]
        return found or list(relations.broken(data.tables, schema.links))

    def schema_from_json(self, value: Mapping[str, Any]) -> RelationalSchema:
        """Read a schema."""
        return RelationalSchema.from_json(value)

    def fit_codec(self, train: Relations, schema: RelationalSchema, *, bins: int) -> RelationalCodec:
        """Fit the codec on training rows."""
        return RelationalCodec.fit(train, schema, bins)

    def codec_from_json(self, value: Mapping[str, Any]) -> RelationalCodec:
        """Read a codec."""
        return RelationalCodec.from_json(value)

    def labels(self, data: Relations, target: str | None) -> None:
        """Return None: subjects have no class."""

    def take(self, data: Relations, rows: NDArray[np.int64]) -> Relations:
        """Return the subjects of these numbers, with all that is theirs."""
        return relations.taken(data, rows)
