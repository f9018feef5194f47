"""A stage that is stopped says so in one line, and what `disable` removes is no data that are kept nowhere else."""

import os
import signal
from pathlib import Path

import pytest

from synthtrail.cli import disable
from synthtrail.stages.command import run_stage
from synthtrail.stages.context import Context
from synthtrail.storage.files import staged_folder, write_text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_stage_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    """ctrl-C and `kill` alike: what was there stays, exit code 130."""
    monkeypatch.chdir(tmp_path)
    write_text(Path("out/kept.txt"), "before")
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored

    def work(_context: Context) -> None:
        with staged_folder(Path("out")) as folder:
            write_text(folder / "half.txt", "half")
            os.kill(os.getpid(), number)

    try:
        assert run_stage("ingest", work, ["iris"]) == 130
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert capsys.readouterr().err == "ingest iris: stopped; nothing was written\n"
    assert [path.as_posix() for path in sorted(Path().rglob("*"))] == ["out", "out/kept.txt"]


def test_disabling_keeps_what_was_generated_beside_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in no cache: its folder and records stay; the experiment's own go."""
    monkeypatch.chdir(tmp_path)
    for name in ("data/iris/more/1/synthetic/t", "data/records/iris.1/generate.json"):
        write_text(Path(name), "kept")
    for name in ("data/iris/model/w", "data/iris/metrics.json", "data/records/iris/train.json", "data/wine/model/w"):
        write_text(Path(name), "own")
    disable.prune("iris")
    left = [path.as_posix() for path in sorted(Path("data").rglob("*")) if path.is_file()]
    assert left == ["data/iris/more/1/synthetic/t", "data/records/iris.1/generate.json", "data/wine/model/w"]
    disable.prune("wine")
    assert not Path("data/wine").exists()
