"""A stage that is disturbed on its way: `python -m tests.faults.disturbed HOW`, in a checkout.

killed FUNCTION     `sign` is killed when it has done FUNCTION of synthtrail.stages.sign (or at `commit`)
clock SECONDS       `sign` runs on a machine whose clock is off by so much
edited EXPERIMENT   `ingest` runs while somebody edits params.yaml
full STAGE FOLDER   the stage runs on a disk without room, then on one with room (FOLDER is a disk of its own)
"""

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from synthtrail.custody.transaction import Transaction
from synthtrail.data.registry import MODALITIES
from synthtrail.stages import sign

BALLAST = "ballast"
ROOM = 4096  # bytes left on a full disk


def dies_after(work: Callable[..., Any]) -> Callable[..., Any]:
    """Return `work`, after which the process is dead."""

    def run(*arguments: Any, **named: Any) -> Any:
        done = work(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return done

    return run


def stage(name: str) -> None:
    """Run a stage's script as it is."""
    arguments = [] if name == "sign" else ["iris"]
    sys.argv = [f"pipelines/{name}.py", *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")


def killed(function: str) -> None:
    """Run `sign` until it has done `function`."""
    owner: Any = Transaction if function == "commit" else sign
    setattr(owner, function, dies_after(getattr(owner, function)))
    stage("sign")


def clock(seconds: int) -> None:
    """Run `sign` with a clock that is off."""
    off = SimpleNamespace(
        now=lambda zone: datetime.now(zone) + timedelta(seconds=seconds), fromtimestamp=datetime.fromtimestamp
    )
    setattr(sign, "datetime", off)  # noqa: B010 - the type checker knows it as a class
    stage("sign")


def edited(experiment: str) -> None:
    """Run `ingest` while the experiment's seed is changed."""
    modality, path = MODALITIES["tabular"], Path("params.yaml")
    write = modality.write

    def meanwhile(*arguments: Any, **named: Any) -> int:
        path.write_text(path.read_text(encoding="utf-8").replace("retention: P1Y", "retention: P2Y"), encoding="utf-8")
        return write(*arguments, **named)

    modality.write = meanwhile  # type: ignore[method-assign]
    assert experiment == "iris"
    stage("ingest")


def full(name: str, disk: Path) -> None:
    """Run the stage with hardly any room, then with room, and print what came of both as JSON."""
    before = listing()
    free = os.statvfs(disk)
    ballast = disk / BALLAST
    with ballast.open("wb") as file:
        file.write(bytes(max(0, free.f_bavail * free.f_frsize - ROOM)))
        file.flush()
        os.fsync(file.fileno())
    command = [sys.executable, f"pipelines/{name}.py", *([] if name == "sign" else ["iris"])]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    ballast.unlink()
    left = listing()
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    told = {"code": first.returncode, "said": first.stderr, "lost": sorted(before - left), "new": sorted(left - before)}
    print(json.dumps(told | {"again": second.returncode, "then": second.stderr}))


def listing() -> set[str]:
    """Return the files of the checkout that stages make."""
    return {str(path) for place in ("data", "ledger") for path in Path(place).rglob("*") if path.is_file()}


def main() -> None:
    """Do what the command line says."""
    how, *rest = sys.argv[1:]
    if how == "killed":
        killed(rest[0])
    elif how == "clock":
        clock(int(rest[0]))
    elif how == "edited":
        edited(rest[0])
    else:
        full(rest[0], Path(rest[1]))


if __name__ == "__main__":
    main()
