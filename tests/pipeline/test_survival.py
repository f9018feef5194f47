"""Training that is killed: `dvc repro` goes on from the last checkpoint, says so, and ends with the same bytes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.pipeline.checkout import Checkout, create, experiment

STEPS = 500
SLOW_ENOUGH = {"name": "wgan_gp", "steps": STEPS, "batch": 64, "width": 32}
MADE = ("data/iris/model", "data/iris/curves", "data/iris/samples", "data/records/iris/train.json")
OFTEN = {"SYNTHTRAIL_CHECKPOINT_SECONDS": "0"}
REPRO = (sys.executable, "-m", "dvc", "repro", "train@iris")


def made(checkout: Checkout) -> dict[str, bytes]:
    """Return the bytes of every file that training makes, by path."""
    roots = [checkout.root / name for name in MADE]
    files = [path for root in roots for path in (sorted(root.rglob("*")) if root.is_dir() else [root])]
    return {path.relative_to(checkout.root).as_posix(): path.read_bytes() for path in files if path.is_file()}


def killed_while_training(checkout: Checkout) -> None:
    """Start a repro and kill all of it with SIGKILL as soon as there is a checkpoint."""
    log = checkout.root.parent / "killed.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            REPRO, cwd=checkout.root, env=checkout.environment | OFTEN, stdout=out, stderr=out, start_new_session=True
        )
    folder, until = checkout.root / "data/.checkpoints/iris", time.monotonic() + 120
    while not any(folder.glob("*.json")):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < until, log.read_text(encoding="utf-8")
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (checkout.root / "data/iris/model").exists()


def test_a_killed_training_is_resumed_with_the_same_bytes(tmp_path: Path) -> None:
    """Model, curves, samples and record are those of a run that nobody disturbed; no checkpoint is left behind."""
    first = create(tmp_path / "a", {"iris": experiment("iris", model=SLOW_ENOUGH)})
    first.dvc("repro", "preprocess@iris")
    second = first.copy(tmp_path / "b")
    first.run(sys.executable, "pipelines/train.py", "iris")
    killed_while_training(second)
    again = second.dvc("repro", "train@iris")
    told = re.findall(rf"resumed from step (\d+) of {STEPS}", again.stdout + again.stderr)
    assert len(told) == 1
    assert 0 < int(told[0]) < STEPS
    assert made(second) == made(first)
    assert not any((second.root / "data/.checkpoints/iris").iterdir())
