"""Write an artifact's data in the forms that other tools read, or its lineage.

Usage:
    synthtrail export data/iris/synthetic --to csv -o iris.csv        also xlsx, parquet; png for images
    synthtrail export prov data/iris/synthetic -o iris.prov.json      the lineage as PROV-JSON
    synthtrail export crate data/iris/report -o iris-crate            the lineage as a Provenance Run Crate

Data are written in constant memory, to a new place, whole or not at all; OUT.origin.txt beside them tells of which
artifact they are a copy, by its digest. A lineage is that of an artifact (a file, a folder, or the 64 hex digits of a
digest), or without one, of all that the latest records made. It is what the ledger says, so the ledger is verified
first.

Exit codes:
    0  written
    1  nothing was written: the ledger does not hold, or knows nothing of the artifact
    2  nothing was written: no such artifact, ledger or policy, or the output exists

Files:
    OUT, OUT.origin.txt       what is written
    LEDGER/                   where lineage is read

See also: explain, bundle, verify
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.cli.explain import wanted
from synthtrail.cli.sources import find
from synthtrail.custody import verify
from synthtrail.custody.log import Log
from synthtrail.handover.exports import crate, past, prov
from synthtrail.storage.files import staged_folder, write_bytes, write_text

LINEAGE = ("prov", "crate")
DATA = ("csv", "xlsx", "parquet", "png")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("what", metavar="PATH | prov | crate", help="the artifact, or the form of a lineage")
    parser.add_argument("artifact", nargs="?", help="of a lineage: a file, a folder, or 64 hex digits of a digest")
    parser.add_argument("--to", choices=DATA, help="the form to write the data in")
    parser.add_argument("--part", help="of an artifact with several parts: which one (train, holdout)")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="file; folder for png and crate"
    )
    parser.add_argument("--ledger", type=Path, default=Path(), help="ledger folder or checkout (default: here)")
    parser.add_argument("--policy", type=Path, help="the policy to judge the ledger by")


def run(arguments: argparse.Namespace) -> int:
    """Write the export."""
    if arguments.to is not None:
        from synthtrail.cli.export_data import export  # noqa: PLC0415 - loads pyarrow, which no auditor needs

        if arguments.artifact is not None:
            raise CommandError(f"{arguments.artifact!r}: with --to, give one artifact")
        return export(Path(arguments.what), arguments.to, arguments.part, arguments.output)
    if arguments.what not in LINEAGE:
        raise CommandError(
            f"{arguments.what}: say what to write: --to {', '.join(DATA)}; or `export prov`, `export crate`"
        )
    return lineage(arguments)


def lineage(arguments: argparse.Namespace) -> int:
    """Write a lineage."""
    source = find(arguments.ledger, arguments.policy)
    report = verify.verify(source.reader, source.policy, now=datetime.now(UTC), trust_local=source.pinned_here)
    if report.state is None or report.level is None:
        print("Nothing was written: the ledger does not hold; see `synthtrail verify`.")
        return 1
    chosen = [wanted(arguments.artifact)] if arguments.artifact else past.latest(report.state)
    told = past.deeds(report.state, Log(source.reader.read, report.size), chosen)
    if not told:
        print(f"Nothing was written: no event of this ledger made {arguments.artifact or 'anything'}.")
        return 1
    if arguments.what == "prov":
        document = prov.document(told, report.origin)
        write_text(arguments.output, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        save(arguments.output, crate.files(told, report.origin, report.level))
    print(f"{arguments.output}: {len(told)} steps; the ledger {report.origin} was verified to level {report.level}.")
    return 0


def save(folder: Path, files: dict[str, bytes]) -> None:
    """Write a folder of `files`; raise `CommandError` if something is there already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandError(f"{folder} is not an empty folder")
    with staged_folder(folder) as stage:
        for path, data in files.items():
            write_bytes(stage / path, data)
