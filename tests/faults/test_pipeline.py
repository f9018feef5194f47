"""Faults around the pipeline: one clear line for each, nothing lost, and the next run completes.

One small checkout (iris, a training of a second) is made without a network and without MLflow, and copied for each
fault. With `SYNTHTRAIL_SOAK=1` every stage meets a full disk, and `sign` is killed at each of its steps.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.imports import ROOT
from tests.pipeline.checkout import Checkout, create, experiment
from tests.soak import SOAK

DEAD_SERVER = "http://127.0.0.1:9"  # the discard port, where nobody listens
EVENTS = ["ledger-opened", "key-added", "acquired", "derived", "trained", "generated", "validated"]
STEPS = ("track", "commit", "keep_manifests", "write_proofs")
FULL = ("ingest", "preprocess", "train", "generate", "validate", "sign")


def run(checkout: Checkout, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the checkout with the variables `environment` on top."""
    path = f"{checkout.root / 'src'}{os.pathsep}{ROOT}"
    whole = checkout.environment | {"PYTHONPATH": path} | environment
    return subprocess.run(
        command, cwd=checkout.root, env=whole, capture_output=True, text=True, check=False, timeout=600
    )


def disturbed(checkout: Checkout, *how: str) -> subprocess.CompletedProcess[str]:
    """Run a stage that is disturbed."""
    return run(checkout, sys.executable, "-m", "tests.faults.disturbed", *how)


def in_namespace(*command: str) -> tuple[str, ...]:
    """Return the command inside a namespace of its own; skip where that is not permitted."""
    probe = (
        subprocess.run(["unshare", command[0], "true"], capture_output=True, check=False)
        if shutil.which("unshare")
        else None
    )
    if probe is None or probe.returncode:
        pytest.skip("no namespaces on this machine (unshare), so neither disks nor networks of one's own")
    return ("unshare", *command)


def without_network(*command: str) -> tuple[str, ...]:
    """Return the command without any network, where this machine can do that."""
    probe = (
        subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False) if shutil.which("unshare") else None
    )
    return ("unshare", "-n", *command) if probe is not None and probe.returncode == 0 else command


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, subprocess.CompletedProcess[str]]:
    """A checkout after a repro without a network, whose MLflow server is down; and what that repro said."""
    checkout = create(tmp_path_factory.mktemp("faults"), {"iris": experiment("iris")})
    command = without_network(sys.executable, "-m", "synthtrail.cli.main", "repro")
    return checkout, run(checkout, *command, MLFLOW_TRACKING_URI=DEAD_SERVER)


@pytest.fixture
def checkout(made: tuple[Checkout, Any], tmp_path: Path) -> Checkout:
    """A copy of `made` to disturb."""
    return made[0].copy(tmp_path / "copy")


def unsigned(checkout: Checkout) -> Checkout:
    """Return the checkout as if nothing had ever been signed in it."""
    for path in ("ledger", "mlruns"):
        shutil.rmtree(checkout.root / path, ignore_errors=True)
    (checkout.root / "dvc.lock").unlink(missing_ok=True)
    for folder in checkout.root.parent.glob("xdg_*"):
        shutil.rmtree(folder)
    return checkout


def runs(checkout: Checkout) -> list[str]:
    """Return the stages that MLflow's database has a run of with a ledger entry, in their order."""
    connection = sqlite3.connect(f"file:{checkout.root}/mlruns/mlflow.db?mode=ro", uri=True)
    try:
        query = (
            "select s.value from tags s join tags e on s.run_uuid = e.run_uuid "
            "where s.key = 'synthtrail.stage' and e.key = 'ledger.entry' order by cast(e.value as integer)"
        )
        return [row[0] for row in connection.execute(query)]
    finally:
        connection.close()


def one_line(said: str, *words: str) -> str:
    """Return the one line of `said` with these words in it; there is no traceback."""
    assert "Traceback" not in said, said
    found = [line for line in said.splitlines() if all(word in line for word in words)]
    assert len(found) == 1, said
    return found[0]


def test_without_network_and_with_mlflow_down_everything_is_made_and_signed(
    made: tuple[Checkout, subprocess.CompletedProcess[str]],
) -> None:
    """Nothing needs a network; a dead tracking server costs a line in `train` and one in `sign`, and no entry."""
    checkout, done = made
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.events() == EVENTS
    said = done.stdout + done.stderr
    one_line(said, DEAD_SERVER, "this stage goes on")
    one_line(said, DEAD_SERVER, "5 runs wait")
    checkout.synthtrail("verify")


def test_runs_that_waited_are_written_when_mlflow_is_back(checkout: Checkout) -> None:
    """The next `sign` appends nothing, and writes every run with the entry that it leads to; the one after, nothing."""
    for _ in range(2):
        assert run(checkout, sys.executable, "pipelines/sign.py").returncode == 0
        assert runs(checkout) == ["ingest", "preprocess", "train", "generate", "validate"]
    assert checkout.events() == EVENTS
    assert not list((checkout.root / "mlruns/waiting").iterdir())


@pytest.mark.parametrize("step", STEPS if SOAK else ("track", "commit"))
def test_a_killed_sign_is_completed_by_the_next(checkout: Checkout, step: str) -> None:
    """Wherever it dies: the next run gives every entry once, every proof, every manifest and every run."""
    unsigned(checkout).synthtrail("init")
    assert disturbed(checkout, "killed", step).returncode == -9
    done = run(checkout, sys.executable, "pipelines/sign.py")
    assert done.returncode == 0, done.stderr
    assert checkout.events() == EVENTS
    assert len(list((checkout.root / "ledger/proofs").iterdir())) == 5
    assert len(list((checkout.root / "ledger/manifests").iterdir())) >= 5
    assert runs(checkout) == ["ingest", "preprocess", "train", "generate", "validate"]
    checkout.synthtrail("verify")


def test_a_clock_set_back_signs_nothing_and_says_so(checkout: Checkout) -> None:
    """With pending records and a clock a day behind the ledger: one line with both times, and no entry."""
    record = checkout.root / "data/records/iris/validate.json"
    before = checkout.events()
    record.write_bytes(record.read_bytes().replace(b'"seed":0', b'"seed":1'))  # a record that is new
    done = disturbed(checkout, "clock", "-86400")
    assert done.returncode == 1
    one_line(done.stderr, "clock says", "last entry is of", "nothing was signed")
    assert checkout.events() == before
    assert run(checkout, sys.executable, "pipelines/sign.py").returncode == 0
    assert checkout.events() == [*before, "validated"]


@pytest.mark.parametrize("stage", FULL if SOAK else ("generate", "sign"))
def test_a_full_disk_ends_a_stage_with_one_line(checkout: Checkout, tmp_path: Path, stage: str) -> None:
    """Nothing that was there is lost, nothing half-written appears, and with room the same stage completes."""
    if stage == "sign":
        unsigned(checkout)
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=200m full "$0" && cp -a "$1"/. "$0" && cd "$0/$2" && shift 2 && exec "$@"'
    base = checkout.root.parent
    command = [sys.executable, "-m", "tests.faults.disturbed", "full", stage, str(disk)]
    moved = {
        name: str(disk / Path(value).name) for name, value in checkout.environment.items() if name.startswith("XDG_")
    }
    moved["PYTHONPATH"] = f"{disk / checkout.root.name / 'src'}{os.pathsep}{ROOT}"
    done = run(
        checkout, *in_namespace("-m", "sh", "-c", script, str(disk), str(base), checkout.root.name, *command), **moved
    )
    if "mount" in done.stderr and not done.stdout:
        pytest.skip(f"no disk of one's own: {done.stderr.strip()[:100]}")
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] in (1, 2)
    one_line(told["said"], stage, "space")
    assert told["lost"] == []
    assert [path for path in told["new"] if not path.startswith("ledger/")] == []
    assert told["again"] == 0, told["then"]


def test_a_changed_byte_in_dvcs_cache_is_named_with_what_mends_it(checkout: Checkout) -> None:
    """DVC checks out a corrupted object without a word; verify names the artifact and what to do, and that helps."""
    table = checkout.root / "data/iris/synthetic/table.parquet"
    size = table.stat().st_size
    cached = [
        path for path in (checkout.root / ".dvc/cache").rglob("*") if path.is_file() and path.stat().st_size == size
    ]
    (found,) = [path for path in cached if path.read_bytes() == table.read_bytes()]
    data = bytearray(found.read_bytes())
    data[len(data) // 2] ^= 1
    found.chmod(0o644)
    found.write_bytes(data)
    shutil.rmtree(checkout.root / "data/iris/synthetic")
    checkout.dvc("checkout", "data/iris/synthetic", code=None)
    told = checkout.synthtrail("verify", code=1).stdout
    line = one_line(told, "data/iris/synthetic", "changed")
    assert "dvc repro --force --single-item generate@iris" in told, line
    checkout.dvc("repro", "--force", "--single-item", "generate@iris")
    checkout.synthtrail("verify")


def test_params_edited_while_a_stage_reads_them_are_noticed(checkout: Checkout) -> None:
    """DVC would note the new settings as those at work; the stage ends with a line instead, and the next is right."""
    done = disturbed(checkout, "edited", "iris")
    assert done.returncode == 2
    one_line(done.stderr, "experiments.iris was edited")
    assert run(checkout, sys.executable, "pipelines/ingest.py", "iris").returncode == 0


def test_a_read_only_checkout_can_be_verified_and_not_built(checkout: Checkout) -> None:
    """`verify` needs to write nothing; a stage ends with one line."""
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && "$1" pipelines/ingest.py iris; '
    script += '"$1" -m synthtrail.cli.main verify'
    done = run(checkout, *in_namespace("-m", "sh", "-c", script, str(checkout.root), sys.executable))
    if "mount" in done.stderr:
        pytest.skip(f"no disk of one's own: {done.stderr.strip()[:100]}")
    one_line(done.stderr, "ingest iris", "Read-only file system")
    assert done.returncode == 0, done.stdout
