"""What `synthtrail export --to` does: data in another form, and beside them a note of where they come from."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.custody import digest
from synthtrail.custody.digest import Digest
from synthtrail.handover.exports import pictures, rows, tables
from synthtrail.handover.exports.rows import ExportError, Rows
from synthtrail.storage.files import staged_folder, write_text


def export(path: Path, form: str, part: str | None, output: Path) -> int:
    """Write the data of the artifact at `path` to the new place `output`."""
    note = output.with_name(f"{output.name}.origin.txt")
    if not path.exists():
        raise CommandError(f"{path}: no such file or folder; give an artifact, such as data/iris/synthetic")
    for place in (output, note):
        if place.exists():
            raise CommandError(f"{place} is there already; choose another name")
    folder = path if path.is_dir() else path.parent
    artifact = digest.artifact(folder)
    try:
        found = rows.find(path, part)
        warnings = write(found, form, output)
    except ExportError as error:
        raise CommandError(str(error)) from error
    write_text(note, origin(folder, artifact, found, warnings))
    print(f"{output}: {found.count:,} {'images' if found.images else 'rows'} of {folder}, digest {artifact.sha256}")
    print("\n".join([*warnings, f"{note}: what it is a copy of"]))
    return 0


def write(found: Rows, form: str, output: Path) -> list[str]:
    """Write the rows in one of the forms; return what a reader should know."""
    if form == "png":
        with staged_folder(output) as stage:
            return pictures.write(found, stage)
    with staged_file(output) as stage:
        if form == "xlsx":
            from synthtrail.handover.exports import workbook  # noqa: PLC0415 - openpyxl, for this form alone

            return workbook.write(found, stage)
        return tables.write_csv(found, stage) if form == "csv" else tables.write_parquet(found, stage)


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path` that takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        stage = Path(folder) / path.name
        yield stage
        stage.replace(path)


def origin(folder: Path, artifact: Digest, found: Rows, warnings: Sequence[str]) -> str:
    """Return the note that goes beside the data."""
    data_class = class_of(artifact.sha256)
    lines = [
        f"A copy made by synthtrail {metadata.version('synthtrail')} of the artifact",
        f"    path     {folder.as_posix()}",
        f"    digest   {artifact.sha256}",
        f"    class    {data_class or 'unknown: no record here names it'}",
        f"    {'images' if found.images else 'rows'}     {found.count}",
        f"`synthtrail explain {artifact.sha256}` tells where it comes from.",
    ]
    if data_class == "confidential":
        lines.append(
            "This copy has no salt inside: its own digest could confirm a guess of its content. Keep both close."
        )
    return "\n".join([*lines, *warnings]) + "\n"


def class_of(sha256: str) -> str:
    """Return the class of the artifact with this digest, as a record in this checkout states it; empty if none does."""
    for path in sorted(Path("data/records").glob("*/*.json")):
        record = json.loads(path.read_bytes())
        if any(subject["sha256"] == sha256 for subject in record["subjects"]):
            return str(record["class"])
    return ""
