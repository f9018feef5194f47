"""What params.yaml says of a table's columns: kinds and facts that inference cannot know, and columns to leave out.

    columns:
      zip: category                 # a kind alone
      ward: identifier
      age: {kind: integer, minimum: 0, maximum: 120}
      seen: {kind: datetime, format: "%d/%m/%Y"}
      dose: {infinite: missing}     # infinities become missing values
    drop: [note, name]

Facts that are stated here are public: they stand in the released schema as they are.

    >>> parse({"zip": "category"}, ["note"], "params.yaml")["note"].kind
    'drop'
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_args

from synthtrail.data.columns import Kind
from synthtrail.data.errors import SchemaError
from synthtrail.params import ParamsError, choice, mapping, nearest, reject_unknown, text

KINDS = (*get_args(Kind), "identifier", "drop")


@dataclass(frozen=True)
class Asked:
    """What a person says of one column; None where nothing is said."""

    kind: str | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None
    decimals: int | None = None
    format: str | None = None
    infinite: str | None = None


def parse(columns: Mapping[str, Any], drop: Sequence[str], where: str) -> dict[str, Asked]:
    """Read the keys `columns` and `drop` of an experiment; raise `ParamsError` naming the key at fault."""
    if not isinstance(drop, Sequence) or isinstance(drop, str):
        raise ParamsError(f"{where}.drop: expected a list of column names, such as [note, name]")
    asked = {str(name): _one(value, f"{where}.columns.{name}") for name, value in mapping(columns, where).items()}
    for name in drop:
        if name in asked:
            raise ParamsError(f"{where}: column {name!r} stands in `columns` and in `drop`; take it out of one")
        asked[str(name)] = Asked("drop")
    return asked


def with_group(asked: Mapping[str, Asked], group: str | None, target: str | None, where: str) -> dict[str, Asked]:
    """Return what is asked with the column `group`, which tells whose a row is, as an identifier: it is not learnt."""
    if group is None:
        return dict(asked)
    if group == target:
        raise ParamsError(f"{where}.group: {group!r} is the target too; rows are grouped by whose they are")
    said = asked.get(group, Asked()).kind
    if said not in (None, "identifier"):
        raise ParamsError(
            f"{where}.group: {group!r} is {said} too; take that back: the column is needed to divide the rows, is "
            "never learnt, and is made anew as an identifier"
        )
    return {**asked, group: Asked("identifier")}


def known_only(asked: Mapping[str, Asked], names: Sequence[str]) -> None:
    """Raise `SchemaError` for a column that is asked for and not there."""
    for name in asked:
        if name not in names:
            raise SchemaError(f"`columns` or `drop` names {name!r}: no such column{nearest(name, set(names))}")


def _one(value: object, where: str) -> Asked:
    if isinstance(value, str):
        return Asked(choice(value, KINDS, where))
    given = mapping(value, where)
    reject_unknown(given, {field.name for field in fields(Asked)}, where)
    if given.get("kind") is not None:
        choice(given["kind"], KINDS, f"{where}.kind")
    if given.get("infinite") is not None:
        choice(given["infinite"], ("missing",), f"{where}.infinite")
    if given.get("format") is not None:
        text(given["format"], f"{where}.format")
    decimals = given.get("decimals")
    if decimals is not None and (
        isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= 15
    ):
        raise ParamsError(f"{where}.decimals: expected a number from 0 to 15, found {decimals!r}")
    return Asked(
        **{**given, **{end: _end(given[end], f"{where}.{end}") for end in ("minimum", "maximum") if end in given}}
    )


def _end(value: object, where: str) -> float | str:
    if isinstance(value, bool) or (not isinstance(value, int | float | str) and not hasattr(value, "isoformat")):
        raise ParamsError(f"{where}: expected a number or a date, found {value!r}")
    return str(value.isoformat()) if hasattr(value, "isoformat") else value  # type: ignore[return-value]
