"""What a repro costs, stage by stage, on this machine.

Runs `synthtrail repro` in a copy of this checkout with folders of its own, so that nothing of yours is touched, and
reads how long each stage took from the facts that the stages spool. `--quick` runs one experiment.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from figures import Figure, main

ROOT = Path(__file__).resolve().parent.parent
COPIED = (".dvc/config", ".dvc/.gitignore", ".dvcignore", "dvc.yaml", "params.yaml", "pipelines", "src", "catalog")
QUICK = "iris"


def measure(quick: bool) -> list[Figure]:
    """Return every figure."""
    with tempfile.TemporaryDirectory(prefix="synthtrail-bench-") as name:
        root = copy(Path(name) / "checkout", quick)
        environment = surroundings(Path(name))
        first = timed([tool("synthtrail"), "repro"], root, environment)
        shares = stage_seconds(root)
        idle = min(timed([tool("dvc"), "repro"], root, environment) for _ in range(3))
        verify = [tool("synthtrail"), "verify"]
        checked = min(timed(verify, root, environment) for _ in range(3))
        processor = cpu_seconds([tool("synthtrail"), "--help"], root, environment)
    return report(first, shares, idle, checked, processor, quick)


def report(
    first: float, shares: Mapping[str, float], idle: float, checked: float, processor: float, quick: bool
) -> list[Figure]:
    """Return the figures with their goals; the goals for four experiments are not judged by a run of one."""
    others = sum(seconds for stage, seconds in shares.items() if stage != "train")
    overhead = first - sum(shares.values())
    scope = f"one experiment: {QUICK}" if quick else "all experiments of params.yaml"
    figures = [
        Figure("repro, everything", first, "s", None if quick else 240, note=scope),
        Figure("all but training", others + overhead, "s", None if quick else 90, note="stages, sign, DVC, verify"),
        Figure("no-op dvc repro", idle, "s", 3),
        Figure("synthtrail verify", checked, "s", note="wall, with re-hashing"),
        Figure("synthtrail --help", processor, "s", 0.1, note="CPU seconds"),
    ]
    figures += [
        Figure(f"stage {stage}", seconds, "s", note="sum over experiments") for stage, seconds in shares.items()
    ]
    return [*figures, Figure("DVC and start-up", overhead, "s")]


def copy(root: Path, quick: bool) -> Path:
    """Copy what a repro needs to `root`, as a git repository."""
    copied(root, COPIED)
    if quick:
        params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        params["experiments"] = {QUICK: params["experiments"][QUICK]}
        (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def copied(root: Path, names: Sequence[str]) -> None:
    """Copy files and folders of the project to `root`."""
    for name in names:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def surroundings(base: Path) -> dict[str, str]:
    """Return an environment whose keys, caches and settings lie below `base`."""
    names = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
    folders = {name: str(base / name.lower()) for name in names}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | folders | {"PATH": path, "DVC_NO_ANALYTICS": "true"}


def stage_seconds(root: Path) -> dict[str, float]:
    """Return the seconds that each stage took, summed over experiments."""
    total: dict[str, float] = defaultdict(float)
    for path in sorted((root / "mlruns/spool").glob("*.json")):
        facts = json.loads(path.read_bytes())
        total[facts["stage"]] += facts["seconds"]
    return dict(total)


def tool(name: str) -> str:
    """Return the path of a program of this environment."""
    return str(Path(sys.executable).parent / name)


def timed(command: Sequence[str], root: Path, environment: Mapping[str, str]) -> float:
    """Return the wall seconds of a command; raise if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def cpu_seconds(command: Sequence[str], root: Path, environment: Mapping[str, str]) -> float:
    """Return the least CPU seconds of five runs of a command."""
    least = float("inf")
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        timed(command, root, environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


if __name__ == "__main__":
    sys.exit(main("Pipeline", measure))
