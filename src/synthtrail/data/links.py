"""How tables hang together: the key `tables:` of params.yaml, read into links from parents to children.

    tables:
      patients:    {key: subject_id}
      admissions:  {key: hadm_id, parent: patients, order: admittime}
      diagnoses:   {file: DIAGNOSES_ICD.csv.gz, parent: admissions, order: seq_num, drop: [row_id]}

`key` tells the rows of a table apart, `foreign_key` (the parent's key, unless said otherwise) whose each row is, and
`order` in which order the rows of one parent stand. Exactly one table has no parent: its rows are the **subjects**.
`file` is a file of the source's folder, by default the one of the table's name; a table without one is `implied: true`
by the foreign keys of its children. `read`, `columns` and `drop` are what they are for a single table. Of one long
table of sequences `group` is enough, which implies its parent:

    tables:
      measurements: {group: patient, order: taken_at}

Whoever reads `parse(...)` gets parents before children.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from synthtrail.data import asked as columns_asked
from synthtrail.data import delimited
from synthtrail.data.asked import Asked
from synthtrail.data.delimited import How
from synthtrail.params import ParamsError, mapping, nearest, reject_unknown, text

KEYS = {"file", "key", "parent", "foreign_key", "order", "group", "implied", "read", "columns", "drop"}
IMPLIED = "subjects"  # the parent that `group` implies


@dataclass(frozen=True)
class Link:
    """A table among others; `key`, `parent`, `foreign_key` and `order` are None where there is none."""

    name: str
    key: str | None = None
    parent: str | None = None
    foreign_key: str | None = None
    order: str | None = None
    implied: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the arguments of the constructor."""
        return asdict(self)


@dataclass(frozen=True)
class AskedTable:
    """What params.yaml says of one table: its link, where it lies, how it is read, what its columns are."""

    link: Link
    file: str | None = None
    how: How = field(default_factory=How)
    columns: Mapping[str, Asked] = field(default_factory=dict)


def parse(tables: Mapping[str, Any], where: str) -> tuple[AskedTable, ...]:
    """Read the key `tables`, parents before children; raise `ParamsError` naming what is at fault."""
    found = [one for name, given in mapping(tables, where).items() for one in _one(name, given, f"{where}.{name}")]
    if not found:
        raise ParamsError(f"{where}: name the tables, such as `patients: {{key: subject_id}}`")
    names = [one.link.name for one in found]
    if len(set(names)) < len(names):
        raise ParamsError(f"{where}: {IMPLIED!r} is the parent that `group` implies; give that table another name")
    return tuple(_sorted(_with_foreign_keys(found, where), where))


def ancestors(links: Sequence[Link], name: str) -> list[str]:
    """Return the names of a table's parent, grandparent and so on."""
    parents = {link.name: link.parent for link in links}
    found: list[str] = []
    parent = parents[name]
    while parent is not None:
        found.append(parent)
        parent = parents[parent]
    return found


def children(links: Sequence[Link], name: str) -> list[str]:
    """Return the names of the tables whose parent is `name`."""
    return [link.name for link in links if link.parent == name]


def keys_above(tree: Sequence[Link], name: str) -> dict[str, str]:
    """Return the keys of tables further up than the parent, by their column: these stand in some tables too."""
    known = {link.name: link for link in tree}
    return {str(known[above].key): above for above in ancestors(tree, name)[1:] if known[above].key is not None}


def _one(name: str, given: object, where: str) -> Iterator[AskedTable]:
    values = mapping({} if given is None else given, where)
    reject_unknown(values, KEYS, where)
    for key in ("file", "key", "parent", "foreign_key", "order", "group"):
        if values.get(key) is not None:
            text(values[key], f"{where}.{key}")
    if not name.isidentifier():
        raise ParamsError(f"{where}: the name of a table is letters, digits and _; its file can be called otherwise")
    parent, foreign_key = values.get("parent"), values.get("foreign_key")
    if values.get("group") is not None:
        if parent is not None or foreign_key is not None:
            raise ParamsError(f"{where}: `group` implies a parent; give it, or `parent` with `foreign_key`")
        parent = foreign_key = None
        yield AskedTable(Link(IMPLIED, values["group"], implied=True))
        parent, foreign_key = IMPLIED, values["group"]
    implied = values.get("implied", False)
    if implied not in (True, False) or (implied and (values.get("key") is None or set(values) - {"key", "implied"})):
        raise ParamsError(f"{where}: an implied table has a `key` and nothing else: `{{key: patient, implied: true}}`")
    link = Link(name, values.get("key"), parent, foreign_key, values.get("order"), implied)
    if link.order is not None and link.parent is None:
        raise ParamsError(f"{where}.order: rows are put in order below a parent, and {name} has none")
    how = delimited.how(values.get("read", {}), f"{where}.read")
    said = columns_asked.parse(values.get("columns", {}), values.get("drop", []), where)
    yield AskedTable(link, values.get("file"), how, _keys_kept(said, link, where))


def _keys_kept(said: Mapping[str, Asked], link: Link, where: str) -> dict[str, Asked]:
    """Return what is said of columns with the keys as identifiers."""
    keys = [key for key in (link.key, link.foreign_key) if key is not None]
    for name in [*keys, *([link.order] if link.order else [])]:
        kind = said[name].kind if name in said else None
        allowed = (None, "identifier") if name in keys else (None, "datetime", "integer", "continuous")
        if kind not in allowed:
            raise ParamsError(
                f"{where}: {name!r} is {kind} and {'a key' if name in keys else 'the order'} too; take one back"
            )
    return dict(said) | {key: Asked("identifier") for key in keys}


def _with_foreign_keys(found: Sequence[AskedTable], where: str) -> Iterator[AskedTable]:
    known = {one.link.name: one.link for one in found}
    for one in found:
        link = one.link
        if link.parent is None:
            yield one
            continue
        if link.parent not in known:
            raise ParamsError(f"{where}.{link.name}.parent: no table {link.parent!r}{nearest(link.parent, set(known))}")
        key = known[link.parent].key
        if key is None:
            raise ParamsError(f"{where}.{link.parent}: {link.name} is below it, so its `key` must be named")
        foreign_key = link.foreign_key or key
        linked = Link(link.name, link.key, link.parent, foreign_key, link.order, link.implied)
        yield AskedTable(linked, one.file, one.how, _keys_kept(one.columns, linked, f"{where}.{link.name}"))


def _sorted(found: Iterator[AskedTable], where: str) -> Iterator[AskedTable]:
    """Yield parents before children; `ParamsError` for a cycle, and unless exactly one table has no parent."""
    waiting = {one.link.name: one for one in found}
    tops = [name for name, one in waiting.items() if one.link.parent is None]
    done: set[str] = set()
    while ready := [name for name, one in waiting.items() if one.link.parent is None or one.link.parent in done]:
        for name in ready:
            yield waiting.pop(name)
            done.add(name)
    if waiting:
        raise ParamsError(f"{where}: {', '.join(waiting)} are parents of each other in a circle; take one `parent` out")
    if len(tops) > 1:
        raise ParamsError(
            f"{where}: {', '.join(tops)} have no parent; one table holds the subjects, say of the others whose they are"
        )
