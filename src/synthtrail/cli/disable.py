"""Take an experiment out of params.yaml, its stages out of dvc.lock and its files from the workspace.

Its entries stay in the ledger for ever, its artifacts in DVC's cache until they are disposed of there. The block is
kept in catalog/ as it stood, so that `synthtrail enable` brings it back.
"""

import argparse
import contextlib
import shutil
from pathlib import Path
from typing import Any

from synthtrail.cli.enable import SMOKE, changed, smoke_of
from synthtrail.cli.errors import CommandError
from synthtrail.cli.params_file import ParamsFile
from synthtrail.params import nearest


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="an experiment of params.yaml")


def run(arguments: argparse.Namespace) -> int:
    """Remove the block of the experiment called `arguments.name`, and what its stages left in the workspace."""
    name = arguments.name
    params = ParamsFile(Path("params.yaml"))
    if name not in params.experiments:
        raise CommandError(f"params.yaml has no experiment {name!r}{nearest(name, set(params.experiments))}")
    block = params.experiments.pop(name)
    kept = Path("catalog") / f"{name}.yaml"
    if is_smoke(name, block, params):
        kept = Path("catalog/smoke") / f"{name.removesuffix(SMOKE)}.yaml"
    elif not kept.exists() or params.read(kept) != block:  # as it stood here, with what was changed since
        params.write(kept, block)
    params.save()
    prune(name)
    print(f"params.yaml: {name} removed; its block is kept in {kept}")
    return 0


def is_smoke(name: str, block: Any, params: ParamsFile) -> bool:
    """Tell whether a block is what `synthtrail enable --smoke` made, which it can make again."""
    base = Path("catalog") / f"{name.removesuffix(SMOKE)}.yaml"
    if not name.endswith(SMOKE) or not base.exists() or not (Path("catalog/smoke") / base.name).exists():
        return False
    return bool(changed(params.read(base), smoke_of(base.stem, params)) == block)


def prune(name: str) -> None:
    """Take the stages of an experiment that is off out of dvc.lock, and its files from the workspace."""
    lock = Path("dvc.lock")
    if lock.exists():
        locked = ParamsFile(lock)
        stages = locked.document.get("stages", {})
        for stage in [stage for stage in stages if stage.endswith(f"@{name}")]:
            del stages[stage]
        locked.save()
    # What `synthtrail generate` made beside the experiment is in no cache: it stays, with its records.
    made = [path for path in sorted((Path("data") / name).glob("*")) if path.name != "more"]
    for path in (*made, Path("data/records") / name):
        path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):  # something was left in it
        (Path("data") / name).rmdir()
    (Path("catalog/expectations") / f"{name}.json").unlink(missing_ok=True)
