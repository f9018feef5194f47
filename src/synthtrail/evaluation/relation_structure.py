"""What must hold of related tables: keys that lead to a parent, keys of one's own, rows and moments in order.

    keys     rows whose foreign key is that of one parent; rows with a key of their own
    order    neighbouring rows of one parent that stand in order, and orders of moments that every real row keeps; and
             orders that nearly every real row keeps: how often, over the real share

All but the last must be 1: a table without them is refused (`relation_judge`).
"""

from collections.abc import Mapping

import numpy as np

from synthtrail.data.relations import Relations, parents_of
from synthtrail.data.relationschema import RelationalSchema, Rule
from synthtrail.data.unrolled import Flat, arranged, keeps
from synthtrail.evaluation.metric import Metric, Reading, Scale

Parts = dict[str, float]


def measure_keys(
    train: Relations, holdout: Relations, synthetic: Relations, schema: RelationalSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the shares of rows whose foreign key is one parent's, and of rows with a key of their own."""
    del train, holdout, rng
    known, unique = {}, {}
    for link in schema.links:
        table = synthetic.tables[link.name]
        if link.key is not None:
            keys = table[link.key]
            unique[link.name] = float((~keys.duplicated(keep=False) & keys.notna()).mean()) if len(table) else 1.0
        if link.parent is not None:
            above = synthetic.tables[link.parent][str(schema.link(link.parent).key)]
            doubled = set(above[above.duplicated(keep=False)])
            at = parents_of(synthetic.tables, schema.links, link) if not doubled else None
            single = (
                (at >= 0)
                if at is not None
                else table[link.foreign_key].isin(above) & ~table[link.foreign_key].isin(doubled)
            )
            known[f"{link.name} of {link.parent}"] = float(np.mean(single)) if len(table) else 1.0
    return {"foreign_keys": Reading(min(known.values(), default=1.0), "", known),
            "keys_unique": Reading(min(unique.values(), default=1.0), "", unique)}  # fmt: skip


def measure_order(
    train: Relations, holdout: Relations, synthetic: Relations, schema: RelationalSchema, rng: np.random.Generator
) -> Mapping[str, Reading]:
    """Return the share of what must stand in order and does; and how often other orders are kept, over the real."""
    del train, holdout, rng
    flats = arranged(synthetic, schema)
    hard, soft = _sequences(synthetic, schema, flats), {}
    for name, telling in schema.told.items():
        for rule in telling.rules:
            kept, both = keeps(rule, flats, schema, name)
            share = float(kept[both].mean()) if both.any() else 1.0
            if rule.share == 1:
                hard[_worded(rule, name)] = share
            else:
                soft[_worded(rule, name)] = min(1.0, share / rule.share)
    none = "no order between rows or moments is known of these tables"
    return {
        "order_kept": Reading(min(hard.values()), "", hard) if hard else Reading(None, none),
        "order_as_often": Reading(min(soft.values()), "", soft) if soft else Reading(None, "no such order"),
    }


def _sequences(data: Relations, schema: RelationalSchema, flats: Mapping[str, Flat]) -> Parts:
    """Return the share of neighbouring rows of one parent, as they stand in the file, that are in order."""
    found = {}
    for link in schema.links:
        if link.order is None or link.parent is None:
            continue
        flat = flats[link.name]
        back = np.empty(len(flat), dtype=np.int64)
        back[flat.index] = np.arange(len(flat))
        stood = np.argsort(flat.parent[back], kind="stable")  # by parent, else as in the file
        parent, number = flat.parent[back][stood], flat.numbers[link.order][back][stood]
        pairs = (parent[1:] == parent[:-1]) & ~np.isnan(number[1:]) & ~np.isnan(number[:-1])
        if pairs.any():
            found[f"{link.name} by {link.order}"] = float((number[1:] >= number[:-1])[pairs].mean())
    return found


def _worded(rule: Rule, name: str) -> str:
    low, high = (end.replace("row:", "").replace(":", ".") for end in (rule.low, rule.high))
    return f"{name}: {low} <= {high}"


KEYS = (
    Scale("foreign_keys", "Rows whose foreign key is that of one parent", "higher", "0: none", "1: all, as must be"),
    Scale("keys_unique", "Rows with a key of their own", "higher", "0: none", "1: all, as must be"),
)
ORDER = (
    Scale("order_kept", "Rows and moments in the order of all real ones", "higher", "0: none", "1: all, as must be"),
    Scale("order_as_often", "Other orders kept, over the real share, at least", "higher", "0: never", "1: as often"),
)
METRICS: tuple[Metric[Relations, RelationalSchema], ...] = (
    Metric("keys", "fidelity", KEYS, measure_keys),
    Metric("order", "fidelity", ORDER, measure_order),
)
