"""Add an experiment on a table of your own to params.yaml; its comments and everything else in it stay.

    synthtrail new ward --source drop/ward.csv --target outcome --licence 'internal use only' \\
        --legal-basis 'GDPR art. 9(2)(j), protocol 2026-17' --retention P2Y

The file is read first, so that what is wrong with it is said now. The experiment is confidential unless --class says
otherwise. `synthtrail disable ward` takes it out again and keeps its block in catalog/.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthtrail.cli import blocks
from synthtrail.cli.errors import CommandError
from synthtrail.cli.params_file import ParamsFile
from synthtrail.params import DEFAULT_MODEL, ParamsError, nearest, parse

SOURCE = "a source cannot be used without them, since nobody could say later by what right it was"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="lower-case letters, digits and _")
    parser.add_argument(
        "--source",
        type=Path,
        required=True,
        metavar="FILE",
        help="a table, a folder of tables or of pictures, or a file of catalog/sources/",
    )
    parser.add_argument(
        "--target", metavar="COLUMN", help="the column to predict, which the generator is conditioned on"
    )
    parser.add_argument("--licence", help="under what terms the data are used")
    parser.add_argument("--legal-basis", help="by what right they are used")
    parser.add_argument("--retention", help="how long they may be kept: P2Y, P6M, P90D")
    parser.add_argument("--class", dest="data_class", choices=("confidential", "public"), default="confidential")


def run(arguments: argparse.Namespace) -> int:
    """Add the block."""
    params = ParamsFile(Path("params.yaml"))
    check_name(arguments.name, params)
    tables = related(arguments.source, arguments.target)
    left_out = () if tables else check_source(arguments.source, arguments.target)
    block = made(arguments, left_out, tables)
    try:
        parse(arguments.name, block)
    except ParamsError as error:
        raise CommandError(str(error)) from None
    params.add(arguments.name, block)
    params.save()
    if left_out:
        print(f"left out, since they look like free text or identifiers (`drop:`): {', '.join(left_out)}")
    print(f"params.yaml: {arguments.name} added; `synthtrail repro {arguments.name}` builds, signs and verifies it")
    return 0


def check_name(name: str, params: ParamsFile) -> None:
    """Raise `CommandError` if the name is taken, here or in catalog/."""
    if name in params.experiments:
        raise CommandError(f"params.yaml has {name!r} already; choose another name, or change its block")
    if (Path("catalog") / f"{name}.yaml").exists():
        raise CommandError(f"catalog/{name}.yaml has that name; choose another, or `synthtrail enable {name}`")


def check_source(source: Path, target: str | None) -> tuple[str, ...]:
    """Return the columns that a generator must not learn.

    Raises `CommandError` if it cannot be read or has no such target.
    """
    import pandas as pd  # noqa: PLC0415 - an auditor's commands do without

    from synthtrail.data import relationsource, sources  # noqa: PLC0415
    from synthtrail.data.errors import DataError  # noqa: PLC0415
    from synthtrail.stages.trial import unlearnable  # noqa: PLC0415

    files = [path for path in source.iterdir() if not path.name.startswith(".")] if source.is_dir() else []
    if len(files) == 1 and files[0].name.lower().endswith(relationsource.ENDINGS):
        raise CommandError(f"{source}: a single table in a folder; give the file itself, {files[0].as_posix()}")
    try:
        data = sources.read(source, target if is_pictures(source) else None).data
    except DataError as error:
        raise CommandError(" ".join(str(error).split())) from None
    if not isinstance(data, pd.DataFrame):
        return ()
    columns = set(map(str, data.columns))
    if target is not None and target not in columns:
        raise CommandError(f"{source} has no column {target!r}{nearest(target, columns)}")
    return unlearnable(data, target)


def related(source: Path, target: str | None) -> dict[str, Any]:
    """Return how the tables of a folder hang together, as params.yaml says it; nothing for any other source.

    Raises `CommandError` if they cannot be read, or do not hang together.
    """
    from synthtrail.data import links, relate, relationsource  # noqa: PLC0415 - an auditor's commands do without
    from synthtrail.data.errors import DataError  # noqa: PLC0415

    if not relate.are_tables(source):
        return {}
    if target is not None:
        raise CommandError(f"{source}: --target is for one table; related ones are made without (docs/relations.md)")
    try:
        tables = relate.propose(source)
        relationsource.read(source, links.parse(tables, str(source)))
    except (DataError, ParamsError) as error:
        raise CommandError(" ".join(str(error).split())) from None
    for name, entry in tables.items():
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in entry.items())}")
    print("these are guesses from the columns: look them over in params.yaml (docs/relations.md)")
    return tables


def is_pictures(source: Path) -> bool:
    """Tell whether a source holds pictures: a folder, a zip or an npz."""
    return source.is_dir() or source.suffix.lower() in (".zip", ".npz")


def made(arguments: argparse.Namespace, left_out: Sequence[str], tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the block; raise `CommandError` naming what every source must state."""
    stated = {"licence": arguments.licence, "legal_basis": arguments.legal_basis, "retention": arguments.retention}
    missing = [f"--{key.replace('_', '-')}" for key, value in stated.items() if not value]
    if missing:
        raise CommandError(f"give {', '.join(missing)}: {SOURCE}")
    place = arguments.source
    if place.is_absolute() and place.is_relative_to(Path.cwd()):
        place = place.relative_to(Path.cwd())
    target = {"target": arguments.target} if arguments.target else {}
    model: dict[str, Any] = {"bins": blocks.BINS, "model": dict(blocks.MODEL)} if place.suffix != ".yaml" else {}
    if tables:
        model = {"modality": "relational", "tables": dict(tables)}
    elif is_pictures(arguments.source):
        model = {"modality": "image", "model": {"name": DEFAULT_MODEL["image"]}}
    drop = {"drop": list(left_out)} if left_out else {}
    return {"source": place.as_posix(), **target, **stated, "class": arguments.data_class, **drop, **model}
