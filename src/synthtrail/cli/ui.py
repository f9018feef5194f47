"""Open MLflow on this checkout's runs; stop it with Ctrl-C.

Starts MLflow's own server on this machine only, with one worker and without its job runner, which halves the time to
the first page and takes a sixth of the memory.
"""

import argparse
import os
import sys
from pathlib import Path

from synthtrail.cli.errors import CommandError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default 5000)")


def run(arguments: argparse.Namespace) -> int:
    """Replace this process by MLflow's server."""
    database = Path("mlruns/mlflow.db").resolve()
    if not database.exists():
        raise CommandError(f"{database}: no runs yet; `make repro` makes some")
    print(f"MLflow: http://127.0.0.1:{arguments.port}/?workflowType=machine_learning", flush=True)
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    server = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--host", "127.0.0.1"]
    server += ["--port", str(arguments.port), "--backend-store-uri", f"sqlite:///{database}"]
    os.execve(sys.executable, server, environment)  # noqa: S606 - our own interpreter, no shell
