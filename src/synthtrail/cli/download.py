"""Download a data set that is not shipped, as its descriptor in catalog/sources/ says: with checksum and resumption.

    synthtrail download ham10000            into drop/ham10000
    synthtrail download mnist --list        only say what would be fetched, from where, under which terms

Interrupt it when you like: the next run goes on where it stopped. Nothing else in synthtrail downloads data. Instead,
you may put the files into the same folder yourself.
"""

import argparse
import shutil
from pathlib import Path

from synthtrail.cli import progress
from synthtrail.cli.errors import CommandError
from synthtrail.params import nearest

SOURCES = Path("catalog/sources")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="a file of catalog/sources/, without .yaml; or the path of a descriptor")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to put the files (default: drop/<its folder>)")
    parser.add_argument("--list", action="store_true", help="only list what would be fetched")


def run(arguments: argparse.Namespace) -> int:
    """Fetch every file of the descriptor that is not there yet."""
    from synthtrail.data import download, dropped  # noqa: PLC0415 - an auditor's commands do without
    from synthtrail.data.errors import DataError  # noqa: PLC0415

    try:
        found = dropped.load(descriptor(arguments.name))
        folder = arguments.to or found.drop
        sizes = [file.size for file in found.files]
        total = None if None in sizes else sum(filter(None, sizes))
        print(f"{found.declared['title']}, licence {found.declared['licence']}, see {found.declared['url']}")
        for file in found.files:
            size = f"{file.size:,} bytes" if file.size else "size not stated"
            print(f"  {file.name}  {size}  {file.algorithm} {file.digest}\n    {file.url}")
        if arguments.list:
            return 0
        room_for(folder, total)
        for file in found.files:
            with progress.bar(file.name, file.size) as advance:
                path = download.fetch(file, folder, advance)
            print(f"{path}: {path.stat().st_size:,} bytes, {file.algorithm.upper()} as declared")
    except DataError as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        raise CommandError("stopped; what came is kept, and the next run goes on from there") from None
    return 0


def descriptor(name: str) -> Path:
    """Return the path of the descriptor called `name`; `CommandError` if there is none."""
    path = Path(name) if name.endswith(".yaml") else SOURCES / f"{name}.yaml"
    if not path.is_file():
        known = {file.stem for file in SOURCES.glob("*.yaml")}
        raise CommandError(f"no descriptor {name!r} in {SOURCES}{nearest(name, known)}")
    return path


def room_for(folder: Path, total: int | None) -> None:
    """Raise `CommandError` if the disk cannot hold what will come."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    kept = sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0
    free = shutil.disk_usage(there).free
    if total is not None and total - kept > free:
        raise CommandError(f"{folder}: {free:,} bytes are free, {total - kept:,} are needed; free some or give --to")
