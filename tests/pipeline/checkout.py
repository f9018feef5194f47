"""A copy of this project in a temporary folder, with keys, caches and settings of its own."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.imports import ROOT

COPIED = (
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
    "pipelines",
    "src",
    "catalog/sources",
)
XDG = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
SMALL: dict[str, Any] = {"steps": 60, "batch": 64, "width": 32}
"""Settings of a training that takes a second and is not meant to be good."""


@dataclass(frozen=True)
class Checkout:
    """The copy at `root`, whose XDG folders lie beside it."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a command in this checkout sees."""
        folders = {name: str(self.root.parent / name.lower()) for name in XDG}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        quiet = {"DVC_NO_ANALYTICS": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONDONTWRITEBYTECODE": "1"}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_ROOT", "SYNTHTRAIL_", "MLFLOW_"))}
        return inherited | folders | quiet | {"PATH": path, "PYTHONPATH": str(self.root / "src")}

    def run(self, *command: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a program in the checkout; fail unless it exits with `code` (None: whatever it is)."""
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False, timeout=600
        )
        shown = f"{' '.join(command)} exited {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        assert code is None or done.returncode == code, shown
        return done

    def synthtrail(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run our command line."""
        return self.run(sys.executable, "-m", "synthtrail.cli.main", *arguments, code=code)

    def dvc(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run DVC."""
        return self.run(sys.executable, "-m", "dvc", *arguments, code=code)

    def params(self) -> dict[str, Any]:
        """Return the document of params.yaml."""
        return dict(yaml.safe_load((self.root / "params.yaml").read_text(encoding="utf-8")))

    def change(self, experiment: str, **values: Any) -> None:
        """Change keys of one experiment in params.yaml."""
        document = self.params()
        document["experiments"][experiment] |= values
        self.write_params(document)

    def write_params(self, document: dict[str, Any]) -> None:
        """Write params.yaml."""
        (self.root / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def entries(self) -> list[dict[str, Any]]:
        """Return the ledger's entries as `synthtrail show --json` prints them."""
        return list(json.loads(self.synthtrail("show", "--json").stdout))

    def events(self) -> list[str]:
        """Return the ledger's events in order."""
        return [entry["event"] for entry in self.entries()]

    def copy(self, base: Path) -> "Checkout":
        """Return a copy of this checkout and its XDG folders below `base`."""
        shutil.copytree(self.root.parent, base, dirs_exist_ok=True, symlinks=True)
        return Checkout(base / self.root.name)


def create(base: Path, experiments: dict[str, Any]) -> Checkout:
    """Return a new checkout below `base` in which `experiments` are on, as a git repository with one commit."""
    root = base / "checkout"
    for name in COPIED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, target)
    checkout = Checkout(root)
    checkout.write_params({"experiments": experiments})
    checkout.run("git", "init", "-q")
    checkout.run("git", "config", "user.name", "test")
    checkout.run("git", "config", "user.email", "test@example.invalid")
    checkout.run("git", "add", ".")
    checkout.run("git", "commit", "-qm", "start")
    return checkout


def experiment(source: str, **values: Any) -> dict[str, Any]:
    """Return a block of params.yaml on a built-in source with a small training and no demands on its result."""
    least = {"utility_min": None, "accuracy_min": None, "quality_min": None}
    return {
        "source": f"catalog/sources/{source}.yaml",
        "licence": "CC-BY-4.0",
        "legal_basis": "published research data",
        "class": "public",
        "retention": "P1Y",
        "model": {"name": "wgan_gp", **SMALL},
        "validate": least,
    } | values
