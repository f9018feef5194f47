"""The tree itself: style, types, and nothing private in it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import ROOT

BIN = Path(sys.executable).parent


def output(*command: str) -> tuple[int, str]:
    """Return exit code and output of a program run at the root of the project."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_style() -> None:
    """Ruff finds nothing, and every ignore in the configuration has its reason."""
    code, said = output(str(BIN / "ruff"), "check", "--no-cache")
    assert code == 0, said


def test_types() -> None:
    """mypy --strict finds nothing, tests included."""
    code, said = output(str(BIN / "mypy"), "--no-error-summary")
    assert code == 0, said


def test_nothing_secret_or_made_is_kept_in_git() -> None:
    """No key, ledger, run or data is tracked."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = output("git", "ls-files")[1].split("\n")
    assert not [name for name in tracked if name.startswith(("data/", "ledger/")) or name.endswith((".pem", ".salt"))]
    assert [name for name in tracked if name.startswith("mlruns/")] == ["mlruns/.gitkeep"]
