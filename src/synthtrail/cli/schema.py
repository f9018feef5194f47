"""Print what was inferred of a table: kinds, ranges, gaps; and the lines for params.yaml that would say the same.

    synthtrail schema ward              an experiment of params.yaml, with what it says of columns
    synthtrail schema drop/ward.csv     a file; FILE.xlsx#SHEET is one sheet
    synthtrail schema drop/hospital     a folder of related tables: each of them, and how they seem to hang together
    synthtrail schema ward --yaml       only the lines to paste and change

Columns that would be refused are named, and left out by `drop`. It shows names, ranges and categories of real data on
your terminal, and writes nothing.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthtrail.cli.errors import CommandError
from synthtrail.params import Experiment, ParamsError, one, parse

SHOWN = 4  # categories


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("what", help="an experiment of params.yaml, or a file")
    parser.add_argument("--yaml", action="store_true", help="print only the lines for params.yaml")


def run(arguments: argparse.Namespace) -> int:
    """Print the schema of `arguments.what`."""
    from synthtrail.data.errors import DataError, RefusedColumnsError  # noqa: PLC0415 - an auditor's commands load no data
    from synthtrail.stages.tables import read_source  # noqa: PLC0415

    try:
        experiment = asked(arguments.what)
        if experiment.modality == "relational":
            return related(experiment, brief=arguments.yaml)
        try:
            source, schema = read_source(experiment)
        except RefusedColumnsError as refused:
            print(f"synthtrail schema: {refused}", file=sys.stderr)
            experiment = replace(experiment, drop=[*experiment.drop, *refused.names])
            source, schema = read_source(experiment)
    except (DataError, ParamsError) as error:
        raise CommandError(str(error)) from None
    if schema is None:
        raise CommandError(f"{arguments.what}: {source.modality} data have no columns")
    if not arguments.yaml:
        found = "".join(f", {name} {value!r}" for name, value in source.detected.items())
        print(f"{experiment.source}: {len(source.data):,} rows, {len(schema.order)} columns{found}\n")
        show(schema, len(source.data))
        print()
    sys.stdout.write(block(schema, experiment.drop))
    return 0


def related(experiment: Experiment, *, brief: bool) -> int:
    """Print the schema of every table, and the lines that link them."""
    import yaml  # noqa: PLC0415

    from synthtrail.stages.relations import read_source  # noqa: PLC0415

    source, schema = read_source(experiment)
    data: Any = source.data
    for link in schema.links:
        if not brief:
            below = f", each of one of {link.parent}" if link.parent else ""
            print(f"{link.name}: {len(data.tables[link.name]):,} rows, key {link.key or 'none'}{below}\n")
            show(schema.tables[link.name], len(data.tables[link.name]))
            print()
    told = {"modality": "relational", "tables": dict(experiment.tables)}
    sys.stdout.write(yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=120))
    return 0


def asked(what: str) -> Experiment:
    """Return the experiment of that name, or one on the file."""
    from synthtrail.data import relate  # noqa: PLC0415

    if relate.are_tables(Path(what)):
        tables = {"modality": "relational", "tables": relate.propose(Path(what))}
        return parse("own", {"source": what, "licence": "?", "legal_basis": "?", "retention": "P1D", **tables})
    if Path(what).suffix or not Path("params.yaml").is_file():
        return parse("own", {"source": what, "licence": "?", "legal_basis": "?", "retention": "P1D"})
    return one(Path("params.yaml"), what)


def show(schema: Any, rows: int) -> None:
    """Print a line for each column."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for heading in ("column", "kind", "type", "values", "missing"):
        table.add_column(heading, overflow="fold")
    keys = {key.name: key for key in schema.identifiers}
    for name in schema.order:
        column = keys.get(name) or schema.column(name)
        kind = "identifier" if name in keys else " ".join(filter(None, (column.shape, column.kind)))
        told = f"made anew as {column.pattern}" if name in keys else values(column)
        missing = f"{column.missing_rate * rows:.0f} ({column.missing_rate:.1%})" if column.missing_rate else ""
        mark = " (target)" if name == schema.target else ""
        table.add_row(*(Text(cell) for cell in (name + mark, kind, column.dtype, told, missing)))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def values(column: Any) -> str:
    """Return the range or the categories of a column, in few words."""
    if column.kind in ("category", "boolean"):
        levels = [str(level)[:24] or '""' for level in column.categories[:SHOWN]]
        more = f", … ({len(column.categories):,} in all)" if len(column.categories) > SHOWN else ""
        return ", ".join(levels) + more
    if column.minimum is None:
        return "none"
    digits = f", {column.decimals} decimals" if column.kind == "continuous" and column.decimals is not None else ""
    told = f", written {column.format}" if column.format and "%" in column.format else ""
    return f"{column.minimum} to {column.maximum}{digits}{told}"


def block(schema: Any, drop: list[str]) -> str:
    """Return the lines for params.yaml that say what was inferred."""
    import yaml  # noqa: PLC0415

    keys = {key.name for key in schema.identifiers}
    kinds = {name: "identifier" if name in keys else schema.column(name).kind for name in schema.order}
    told = {"columns": kinds} | ({"drop": list(drop)} if drop else {})
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=120)
