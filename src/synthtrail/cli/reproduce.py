"""Rebuild an artifact from what the ledger says of it, compare every byte, and sign what was found.

    synthtrail reproduce data/iris/model
    synthtrail reproduce 3b01c25ebe4d…        by digest, for a version that the workspace no longer has

Inputs, code, seed and settings are those of the event that made it, each taken by its digest, in a temporary place. A
difference is explained: which tensors, columns or keys, and whether tools have other versions. The result is logged as
an event `reproduced` of whoever runs this.

Exit codes: 0 identical, here too; 1 different, or what lies here is not what was logged; 2 it cannot be rebuilt.
"""

import argparse
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import find
from synthtrail.custody import verify
from synthtrail.custody.log import Log


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", help="path of an artifact, or the 64 hex digits of its digest")
    parser.add_argument("--strict", action="store_true", help="refuse tools of other versions than recorded")
    parser.add_argument("--locked", action="store_true", help="build the environment anew from requirements.lock first")
    parser.add_argument("--no-sign", action="store_true", help="only tell; log nothing")


def run(arguments: argparse.Namespace) -> int:
    """Rebuild, tell, sign."""
    from synthtrail.stages.command import USER_ERRORS, one_line  # noqa: PLC0415 - the pipeline's libraries

    try:
        return make(arguments)
    except USER_ERRORS as error:
        raise CommandError(f"{arguments.artifact}: not rebuilt: {one_line(error)}") from error


def make(arguments: argparse.Namespace) -> int:
    """Carry it out."""
    from synthtrail.stages import rebuild, recipe  # noqa: PLC0415 - as above
    from synthtrail.stages.workplace import Workplace  # noqa: PLC0415
    from synthtrail.storage.custodian import establish  # noqa: PLC0415

    source = find(Path(), None)
    report = verify.verify(source.reader, source.policy, now=datetime.now(UTC), trust_local=source.pinned_here)
    if report.state is None or not report.ok:
        raise CommandError(
            "the ledger does not hold, so it says nothing that could be rebuilt; see `synthtrail verify`"
        )
    wanted = recipe.find(report.state, Log(source.reader.read, report.size), arguments.artifact)
    rebuild.check(wanted, strict=arguments.strict)
    with tempfile.TemporaryDirectory(prefix="synthtrail-rebuild-") as folder:
        python = locked_python(Path(folder)) if arguments.locked else sys.executable
        rebuilt = rebuild.rebuild(wanted, Workplace(Path(folder), Path.cwd(), python))
    print("\n".join(rebuild.words(rebuilt)))
    if not arguments.no_sign:
        print(f"logged as entry {rebuild.sign(establish(Path.cwd()), rebuilt)}")
    return 0 if rebuilt.identical and not rebuilt.workspace else 1


def locked_python(folder: Path) -> str:
    """Return the Python of a new environment with the packages of requirements.lock, each checked by its hash."""
    lock = Path("requirements.lock")
    if not lock.exists():
        raise CommandError("requirements.lock: no such file; run this from the root of the project")
    python = str(folder / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
    for command in ([sys.executable, "-m", "venv", str(folder / "venv")], install):
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command line
        if done.returncode:
            said = (done.stderr.strip() or "no word").splitlines()
            first = next((line for line in said if line.startswith("ERROR: ")), said[-1])
            raise CommandError(f"the locked environment cannot be built: {first.removeprefix('ERROR: ')}")
    return python
