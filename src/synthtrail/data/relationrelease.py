"""The last steps before related tables are released: keys and identifiers made anew, columns in their order.

A key is made once for each row of its table and then stands in every child, grandchild and further down where the
source has it. So every foreign key is one of a parent that exists, whatever the generator did.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from synthtrail.data import identifiers, values
from synthtrail.data.columns import Identifier
from synthtrail.data.links import Link, keys_above
from synthtrail.data.relations import Relations, places
from synthtrail.data.relationschema import RelationalSchema

STREAM = 81


def completed(batches: Iterable[Relations], schema: RelationalSchema, seed: int) -> Iterator[Relations]:
    """Yield batches of subjects, whose keys are row numbers, with keys and identifiers as released."""
    first = {link.name: 0 for link in schema.links}
    for batch in batches:
        made: dict[str, pd.DataFrame] = {}
        parents: dict[str, Any] = {}
        for link in schema.links:
            table = batch.tables[link.name]
            if link.parent is not None:
                above = batch.tables[link.parent][str(schema.link(link.parent).key)]
                parents[link.name] = places(table[str(link.foreign_key)], above)
            keys = _keys(link, table, made, parents, schema, _seed(seed, schema, link), first[link.name])
            columns = {name: keys[name] if name in keys else table[name] for name in schema.tables[link.name].order}
            made[link.name] = pd.DataFrame(columns, index=table.index)
            first[link.name] += len(table)
        yield Relations(made, batch.links)


def _seed(seed: int, schema: RelationalSchema, link: Link) -> int:
    at = [other.name for other in schema.links].index(link.name)
    return int(np.random.SeedSequence([seed, STREAM, at]).generate_state(1)[0])


def _keys(
    link: Link,
    table: pd.DataFrame,
    made: Mapping[str, pd.DataFrame],
    parents: Mapping[str, Any],
    schema: RelationalSchema,
    seed: int,
    first: int,
) -> dict[str, "pd.Series[Any]"]:
    """Return every identifier of a table: its key, those of tables further up, and those that are nothing but made."""
    tree, found = schema.links, dict[str, "pd.Series[Any]"]()
    above = dict(keys_above(tree, link.name))
    if link.parent is not None:
        above[str(link.foreign_key)] = link.parent
    for number, one in enumerate(schema.tables[link.name].identifiers):
        if one.name in above:
            found[one.name] = _handed_down(one, link, above[one.name], made, parents, schema)
        else:
            own = one if one.name != link.key else Identifier(one.name, one.at, one.dtype, one.pattern)
            key = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
            found[one.name] = identifiers.make(own, len(table), first=first, seed=key)
    return found


def _handed_down(
    one: Identifier,
    link: Link,
    above: str,
    made: Mapping[str, pd.DataFrame],
    parents: Mapping[str, Any],
    schema: RelationalSchema,
) -> "pd.Series[Any]":
    at, here = parents[link.name], str(link.parent)
    while here != above:
        at, here = parents[here][at], str(schema.link(here).parent)
    keys = made[above][str(schema.link(above).key)].iloc[at].reset_index(drop=True)
    return values.as_dtype(keys.astype(object), one.dtype)
