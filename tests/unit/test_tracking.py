"""Runs of processes that were killed do not seem to run for ever."""

from pathlib import Path

import psutil
import pytest

from synthtrail import tracking
from synthtrail.tracking import PARENT, PROCESS, STAGE, LiveRun, Store


@pytest.mark.filterwarnings("ignore:The ``noload``")  # MLflow's own
def test_a_run_whose_process_is_gone_is_marked_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next training of the experiment marks it and its parent; a process that lives keeps its own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = Store(tmp_path)
    living = store.child("iris", store.parent("iris", "first"), "train")
    lost = store.child("iris", store.parent("iris", "second"), "train")
    machine, number, began = tracking.process().split()
    store.tag(lost, {PROCESS: f"{machine} {number} {float(began) - 9:.2f}"})  # the number was given out again
    monkeypatch.setenv("SYNTHTRAIL_REPRO", "third")
    LiveRun.start(tmp_path, "iris", "train")
    status = {run: store.client.get_run(run).info.status for run in (living, lost)}
    assert status == {living: "RUNNING", lost: "KILLED"}
    above = store.client.get_run(store.client.get_run(lost).data.tags[PARENT])
    assert (above.info.status, above.data.tags[STAGE]) == ("KILLED", "pipeline")


def test_who_is_gone() -> None:
    """A process of another machine may run still, and so may one that is not told."""
    machine, number, began = tracking.process().split()
    assert not tracking.gone(f"{machine} {number} {began}")
    assert not tracking.gone(f"elsewhere {number} 0.00")
    assert not tracking.gone("")
    free = next(pid for pid in range(2**22 - 1, 1, -1) if not psutil.pid_exists(pid))
    assert tracking.gone(f"{machine} {free} {began}")
