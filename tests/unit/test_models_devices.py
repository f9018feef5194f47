"""Several processes train as one: equal weights, one voice, and no process waits for a dead one."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from synthtrail.models import interchange, registry
from synthtrail.models.devices import Place, count, digest, team
from synthtrail.models.errors import TrainingError
from synthtrail.models.synthesizer import Training
from tests.imports import ROOT
from tests.unit.test_models_synthesizers import QUIET, SMALL, Breaker, Recorder, codec_for, rows_for

two_cores = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two processes want two cores")


def trained(plan: Training, **settings: Any) -> Any:
    """Return a wgan_gp that was trained on the shared suite's table."""
    data = rows_for("wgan_gp")
    model: Any = registry.create("wgan_gp", {**SMALL, **settings})
    model.fit(data, codec_for("wgan_gp", data), plan)
    return model


@two_cores
def test_two_processes_end_with_equal_weights(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`fit` compares the digests of both; only process 0 reports and saves; the model loads and samples as ever."""
    before = dict(os.environ)
    seen = Recorder()
    states = tmp_path / "states"
    model = trained(replace(QUIET, devices=2, curves=seen, log_every=5, checkpoints=states))
    assert [step for step, _ in seen.figures] == [5, 10, 12]
    assert list(states.glob("*")) == []
    model.save(tmp_path / "model")
    assert len(next(iter(registry.load(tmp_path / "model").sample(20)))) == 20
    assert digest(model.generator.state_dict()) != digest(trained(QUIET).generator.state_dict())
    assert not torch.distributed.is_initialized()
    assert dict(os.environ) == before
    assert capfd.readouterr().out == ""


@two_cores
def test_two_processes_resume_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes up the same state; the bytes are those of an undisturbed training of two."""
    monkeypatch.setenv("SYNTHTRAIL_CHECKPOINT_SECONDS", "0")
    said: list[str] = []
    plan = replace(QUIET, devices=2, tell=said.append)
    whole = trained(plan, steps=130)
    broken = replace(plan, checkpoints=tmp_path / "states", curves=Breaker(120), log_every=10)
    with pytest.raises(InterruptedError):
        trained(broken, steps=130)
    resumed = trained(replace(plan, checkpoints=tmp_path / "states"), steps=130)
    assert said == ["resumed from step 100 of 130"]
    assert digest(resumed.generator.state_dict()) == digest(whole.generator.state_dict())


class Killer:
    """Curves that kill every other process after the first report."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Kill the worker, which is our only child."""
        del step, figures
        for child in children():
            os.kill(child, signal.SIGKILL)


def children() -> list[int]:
    """Return the workers that this process has started."""
    command = ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "synthtrail.models.worker" in line]


@two_cores
def test_a_dead_process_ends_training_with_one_line() -> None:
    """Nobody waits for it: the error says which one died, and no process is left."""
    start = time.monotonic()
    with pytest.raises(TrainingError, match=r"^process 1 ended with code -9: training stopped \(") as error:
        trained(replace(QUIET, devices=2, curves=Killer(), log_every=5), steps=5000)
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 90
    assert children() == []


def test_a_worker_ends_with_process_0() -> None:
    """When the pipe from process 0 closes, it does not stay behind."""
    worker = subprocess.Popen(
        [sys.executable, "-c", "import sys, threading, time; from synthtrail.models.worker import _end_with; "
         "threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start(); time.sleep(60)"],
        stdin=subprocess.PIPE,
        cwd=ROOT,
    )  # fmt: skip
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(50) == 1


def test_a_worker_that_cannot_start_is_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    """What it prints goes to standard error; process 0 does not wait for it."""
    with pytest.raises(TrainingError, match="process 1 of 2 did not start"), team(2, b"no tensors"):
        pytest.fail("there is no team")
    assert "Error" in capfd.readouterr().err
    assert threading.active_count() < 20


def test_devices_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """GPUs if there are any, else processes; more than there are is refused."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert (count("auto"), count(1), count(2)) == (1, 1, 2)
    with pytest.raises(TrainingError, match="devices: 3 asked for, but this machine has 2 CPU cores; write auto"):
        count(3)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert count("auto") == 4
    with pytest.raises(TrainingError, match="has 4 GPUs"):
        count(5)


def test_random_streams_of_processes_and_attempts_are_apart() -> None:
    """No two of them share a number within any length of training that is real."""
    numbers = {Place(rank, 4).number(step, attempt) for rank in range(4) for step in (0, 10**8) for attempt in range(4)}
    assert len(numbers) == 32
    assert Place().number(7, 0) == 7


def test_a_model_means_the_same_after_saving() -> None:
    """`gpu-check` on the CPU: the path is whole, and nothing differs; a changed weight would be seen."""
    found = interchange.check("cpu", steps=2)
    assert [(each.model, each.differing, each.holds) for each in found] == [
        ("wgan_gp", 0.0, True),
        ("cgan", 0.0, True),
        ("dcgan", 0.0, True),
    ]
    assert not interchange.Found("dcgan", 0.02, 1.0).holds
