"""The last steps before rows are released: identifiers made anew, columns in their order.

>>> from synthtrail.data.columns import Column, Identifier
>>> schema = Schema((Column("age", "integer", "int64", (), 0, 99),), identifiers=(Identifier("key", 0, "str", "#"),))
>>> next(completed([pd.DataFrame({"age": [3, 4]})], schema, seed=0)).to_dict("list")
{'key': ['1', '2'], 'age': [3, 4]}
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from synthtrail.data import identifiers, relationrelease
from synthtrail.data.columns import Schema
from synthtrail.data.constraints import Keeper
from synthtrail.data.relationschema import RelationalSchema


def keeper(schema: Any, seed: int) -> Keeper | None:
    """Return what keeps the rules of a table's schema, None if it has none (or is not a table's)."""
    return Keeper(schema, seed) if isinstance(schema, Schema) and schema.constraints else None


def spelling(schema: Any) -> dict[str, dict[str, str]]:
    """Return how the source spelt moments, truth values and gaps, by column: those that a text file had.

    Of related tables, by `<table>.<column>`.
    """
    if isinstance(schema, RelationalSchema):
        parts = {name: spelling(table) for name, table in schema.tables.items()}
        return {f"{name}.{column}": how for name, part in parts.items() for column, how in part.items()}
    if not isinstance(schema, Schema):
        return {}
    formats = {column.name: column.format or "" for column in schema if column.kind in ("datetime", "boolean")}
    gaps = {column.name: column.absent for column in schema} | {key.name: key.absent for key in schema.identifiers}
    told = {name: {"format": formats.get(name, ""), "absent": absent} for name, absent in gaps.items()}
    said = {name: {key: text for key, text in how.items() if text} for name, how in told.items()}
    return {name: how for name, how in said.items() if how}


def completed(batches: Iterable[Any], schema: Any, seed: int) -> Iterator[Any]:
    """Yield batches of rows with the identifiers of a table's schema put in; other data pass as they are."""
    if isinstance(schema, RelationalSchema):
        yield from relationrelease.completed(batches, schema, seed)
        return
    if not isinstance(schema, Schema) or not schema.identifiers:
        yield from batches
        return
    keys = np.random.SeedSequence([seed, 80]).generate_state(len(schema.identifiers)).tolist()
    first = 0
    for batch in batches:
        made = {
            one.name: identifiers.make(one, len(batch), first=first, seed=key)
            for one, key in zip(schema.identifiers, keys, strict=True)
        }
        rows = pd.DataFrame({name: made[name] if name in made else batch[name] for name in schema.order})
        yield rows
        first += len(batch)
