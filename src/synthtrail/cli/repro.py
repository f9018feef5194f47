"""Rebuild what `params.yaml` asks for, sign what is new, verify it, and say what was made.

Runs `dvc repro`, so whatever has not changed is left as it is. If a stage fails, what was made until then is signed
all the same, and the exit code is DVC's.
"""

import argparse
import os
import subprocess
import sys
import uuid
from pathlib import Path

from synthtrail.cli import summary
from synthtrail.cli.audit import Audit, audit
from synthtrail.cli.sources import find

GROUP = uuid.uuid4().hex  # the stages of one repro share it


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("experiments", nargs="*", help="experiments of params.yaml (default: all)")


def run(arguments: argparse.Namespace) -> int:
    """Rebuild, sign, verify, summarise."""
    from synthtrail.storage.custodian import establish  # noqa: PLC0415

    for line in establish(Path.cwd()).news:
        print(line)
    targets = [f"validate@{name}" for name in arguments.experiments]
    failed = dvc("repro", *targets)
    if audited().pending:  # DVC stops at the first failure, and at the stages that it was asked for
        failed = dvc("repro", "--single-item", "sign") or failed
    print()
    print(summary.text(Path.cwd()))
    outcome = audited()
    print(outcome.text())
    return failed or (0 if outcome.ok else 1)


def audited() -> Audit:
    """Return what verifying this checkout by the policy pinned here finds."""
    return audit(find(Path.cwd(), None), Path.cwd())


def dvc(*arguments: str) -> int:
    """Run DVC with telemetry off and all of its stages in one group of tracked runs; return its exit code."""
    quiet = {"DVC_NO_ANALYTICS": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment = {"SYNTHTRAIL_REPRO": GROUP} | os.environ | quiet
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], env=environment, check=False).returncode  # noqa: S603
