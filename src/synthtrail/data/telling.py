"""How the moments of related tables are told: what each counts from, and which orders between them hold.

    schema = replace(schema, told=tell(train, schema))

Decided by training rows: a moment counts from the nearest (by the median distance) that is always there; an order is
one if nearly every row keeps it, seen in enough subjects.
"""

from dataclasses import replace

import numpy as np

from synthtrail.data import links
from synthtrail.data.links import Link
from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import DAY, PREVIOUS, ROW, Moment, RelationalSchema, Rule, Telling
from synthtrail.data.unrolled import Flat, Flats, arranged, keeps, number_at
from synthtrail.data.values import Floats

LEAST_PAIRS = 20  # subjects with rows in which both moments stand; fewer show no rule between them
NEARLY = 0.95  # a rule that so many rows keep is one


def tell(train: Relations, schema: RelationalSchema) -> dict[str, Telling]:
    """Return how each table's moments are told, as decided by training rows."""
    flats = arranged(train, schema)
    told: dict[str, Telling] = {}
    for link in schema.links:
        above = _above(flats, schema, link)
        moments = _moments(flats[link.name], schema, link, above)
        counts = {child: f"number of {child}" for child in links.children(schema.links, link.name)}
        rules = _rules(flats, schema, link)
        told[link.name] = Telling(moments, rules, counts, _ends(flats, schema, link))
    return told


def _above(flats: Flats, schema: RelationalSchema, link: Link) -> str:
    """Return the reference to the moment of an ancestor that is always there and nearest to a table's anchor, or ""."""
    flat, tree = flats[link.name], schema.links
    anchor = _anchor(flat, schema, link)
    always = [
        f"{name}:{column.name}"
        for name in links.ancestors(tree, link.name)
        for column in schema.tables[name]
        if column.kind == "datetime" and len(flats[name]) and not np.isnan(flats[name].numbers[column.name]).any()
    ]
    if anchor is None or not len(flat):
        return next(iter(always), "")
    away = {
        base: np.median(np.abs(flat.numbers[anchor] - number_at(base, flats, schema, link.name))) for base in always
    }
    return min(away, key=lambda base: float(away[base]), default="")


def _anchor(flat: Flat, schema: RelationalSchema, link: Link) -> str | None:
    """Return the moment of a row from which its others count: its order, or the first one that is always there."""
    names = [column.name for column in schema.tables[link.name] if column.kind == "datetime"]
    always = [name for name in names if len(flat) and not np.isnan(flat.numbers[name]).any()]
    return link.order if link.order in always else next(iter(always), None)


def _moments(flat: Flat, schema: RelationalSchema, link: Link, above: str) -> tuple[Moment, ...]:
    """Return how the moments of a table are told; `above` is what the first of them comes after."""
    columns = {column.name: column for column in schema.tables[link.name] if column.kind == "datetime"}
    anchor = _anchor(flat, schema, link)
    found: list[Moment] = []
    if link.order is not None:
        unit = _unit(flat.numbers[link.order]) if link.order in columns else 0
        base = above if unit else ""
        found.append(Moment(link.order, _called(f"first {link.order}", base), base, unit))
        found.append(Moment(link.order, f"{link.order} since the one before", PREVIOUS, unit))
    if anchor is not None and anchor != link.order:
        found.append(Moment(anchor, _called(anchor, above), above, _unit(flat.numbers[anchor])))
    placed = [] if anchor is None else [anchor]
    for name in columns:
        if name not in (anchor, link.order):
            base = _nearest(flat, name, placed) or above
            found.append(Moment(name, _called(name, base), base, _unit(flat.numbers[name])))
            placed.append(name)
    return tuple(found)


def _called(name: str, base: str) -> str:
    table, _, column = base.partition(":")
    return name if not base else f"{name} after {column if table == ROW else f'{table}.{column}'}"


def _unit(seconds: Floats) -> int:
    there = seconds[~np.isnan(seconds)]
    return next((unit for unit in (DAY, 60) if there.size and (there % unit == 0).all()), 1)


def _nearest(flat: Flat, name: str, placed: list[str]) -> str:
    """Return the reference to that column of the row which stands whenever `name` does, and nearest to it; or ""."""
    mine = flat.numbers[name]
    there = ~np.isnan(mine)
    away = {
        other: float(np.median(np.abs(mine[there] - flat.numbers[other][there])))
        for other in placed
        if there.any() and not np.isnan(flat.numbers[other][there]).any()
    }
    return f"{ROW}:{min(away, key=lambda other: away[other])}" if away else ""


def _rules(flats: Flats, schema: RelationalSchema, link: Link) -> tuple[Rule, ...]:
    """Return which moments of a table nearly always stand before or after one of the row or of its ancestors.

    Of two that nearly always stand on one day, the direction that more rows keep is the rule.
    """
    tree, name = schema.links, link.name
    own = [column.name for column in schema.tables[name] if column.kind == "datetime"]
    above = [
        (other, column.name)
        for other in links.ancestors(tree, name)
        for column in schema.tables[other]
        if column.kind == "datetime"
    ]
    found = []
    for i, mine in enumerate(own):
        for table, column in [*((name, late) for late in own[i + 1 :]), *above]:
            days = DAY in (_unit(flats[name].numbers[mine]), _unit(flats[table].numbers[column]))
            pair = f"{ROW}:{mine}", f"{ROW if table == name else table}:{column}"
            both = [_kept(Rule(*order, 0.0, days), flats, schema, name) for order in (pair, pair[::-1])]
            rule = max(both, key=lambda rule: rule.share)
            found += [rule] if rule.share >= NEARLY else []
    return tuple(found)


def _kept(rule: Rule, flats: Flats, schema: RelationalSchema, name: str) -> Rule:
    """Return the rule with the share of rows that keep it, 0 where too few subjects show it."""
    kept, both = keeps(rule, flats, schema, name)
    enough = len(np.unique(flats[name].root[both])) >= LEAST_PAIRS
    return replace(rule, share=float(kept[both].mean()) if enough else 0.0)


def _ends(flats: Flats, schema: RelationalSchema, link: Link) -> tuple[str, ...]:
    """Return the moments of the parent, always there, towards which the time of its children runs."""
    if link.parent is None or link.order is None or schema.tables[link.name].column(link.order).kind != "datetime":
        return ()
    parent = flats[link.parent]
    names = [column.name for column in schema.tables[link.parent] if column.kind == "datetime"]
    return tuple(f"{link.parent}:{name}" for name in names if not np.isnan(parent.numbers[name]).any())
