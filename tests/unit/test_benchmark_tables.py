"""The benchmark of tables: its intervals, its cache, what it refuses and what it admits, with a fake worker."""

import doctest
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tables as benchmark
from synthtrail.data.prepare import prepare
from synthtrail.evaluation import privacy
from tabular import (
    brief,
    data,
    environments,
    execute,
    gate,
    generators,
    goals,
    intervals,
    judge,
    markdown,
    report,
    runs,
    schedule,
    summary,
)  # fmt: skip
from tabular.data import Table
from tabular.execute import Place
from tabular.generators import Generator
from tabular.intervals import interval, paired, ranks
from tabular.runs import Run, Store
from tabular.summary import Findings, pool

WORKER = """
import json, sys
from pathlib import Path
folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
with Path({log!r}).open("a") as log:
    log.write(f"{{job['seed']}}\\n")
{more}
(folder / "synthetic.csv").write_bytes((folder / "train.csv").read_bytes())
(folder / "cost.json").write_text(json.dumps({{"fit_cpu_s": 1.5, "sample_cpu_s": 0.5, "memory_mb": 10}}))
"""


def tiny() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", "b"], 60)
    x = rng.normal(size=60) + (kind == "a")
    return pd.DataFrame({"x": x, "n": rng.integers(0, 50, 60), "kind": pd.Series(kind, dtype="str")})


class Bench:
    """A benchmark of one tiny table and one fake generator, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.log, self.script, self.folder = folder / "log", folder / "fake.py", folder
        self.store = Store(folder / "results")
        self.write()

    def write(self, more: str = "") -> None:
        self.script.write_text(WORKER.format(log=str(self.log), more=more), encoding="utf-8")
        runs.code_of.cache_clear()

    def place(self) -> Place:
        fake = Fake("fake", "control", "fake", "a fake", 1.0, path=self.script)
        return Place(self.folder / "cache", {"": Path(sys.executable)}, {"fake": fake})

    def plan(self) -> list[schedule.Planned]:
        generators_ = self.place().generators
        return schedule.plan(self.store, generators_, {"tiny": data.digest("tiny")})

    def run(self, only: str = "seed 0", ends: float | None = None) -> None:
        benchmark.run_all([one for one in self.plan() if only in one.run.key], self.store, self.place(), ends)

    @property
    def calls(self) -> int:
        return len(self.log.read_text(encoding="utf-8").splitlines()) if self.log.exists() else 0


class Fake(Generator):
    """A generator whose worker is a file of the test's."""

    def __init__(self, *args: object, path: Path) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        object.__setattr__(self, "path", path)

    @property
    def script(self) -> Path:
        return self.path  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setitem(data.TABLES, "tiny", Table("tiny", "kind", tiny, 2, "60 × 3"))
    return Bench(tmp_path)


@pytest.mark.parametrize(
    "module",
    [intervals, summary, gate, judge, execute, markdown],
    ids=lambda m: m.__name__,
)
def test_the_examples_in_the_documentation_are_true(module: object) -> None:
    """Every docstring example of the benchmark gives what it says."""
    names = {"np": np, "pd": pd, **vars(module)}
    assert doctest.testmod(module, extraglobs=names).failed == 0  # type: ignore[arg-type]


def test_the_interval_is_the_hand_computed_one() -> None:
    """Five differences, a fifth held out: mean .02, s = .0158, sqrt(1/5 + 1/4) = .6708, t(4) = 2.776: ± .0295."""
    found = interval([0.0, 0.01, 0.02, 0.03, 0.04], held=0.2)
    assert found.mean == pytest.approx(0.02)
    assert found.high - found.mean == pytest.approx(2.7764 * 0.0158114 * 0.6708204, rel=1e-4)
    assert not found.tells
    assert interval([0.02]).low == -np.inf
    assert paired({0: 0.9, 1: 0.8, 5: 0.1}, {0: 0.8, 1: 0.7, 4: 0.3}).mean == pytest.approx(0.1)


def test_ranks_are_means_over_tables_that_all_were_run_on() -> None:
    """Ties share a rank; a generator that is absent from a table is left out."""
    assert ranks({"t": {"a": 0.9, "b": 0.9, "c": 0.1}, "u": {"a": 0.5, "b": 0.6}}) == {"a": 1.75, "b": 1.25}


def test_what_was_run_is_kept_and_not_run_again(bench: Bench) -> None:
    """The second time nothing is called; a changed worker makes results outdated, and a comment does not."""
    bench.run("split 0 seed 0")
    assert bench.calls == 1
    result = bench.store.latest(Run("tiny", "fake"))
    assert result is not None
    assert result["cost"]["fit_cpu_s"] == 1.5
    assert result["metrics"]["copies"] == 1.0
    bench.run("split 0 seed 0")
    bench.write("# only said otherwise")
    bench.run("split 0 seed 0")
    assert bench.calls == 1
    bench.write("folder.exists()")
    (one,) = [one for one in bench.plan() if "split 0 seed 0" in one.run.key]
    assert benchmark.state(one, bench.store) == "outdated"
    assert bench.store.find(one.run, one.digest) is None
    bench.run("split 0 seed 0")
    assert bench.calls == 2
    assert benchmark.state(one, bench.store) == "done"


def test_a_changed_judge_judges_the_same_rows_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the judge's digest differs: the rows come from the cache, and the result is new."""
    bench.run("split 0 seed 0")
    monkeypatch.setattr(schedule, "code_of_judge", lambda: "another judge")
    (one,) = [one for one in bench.plan() if "split 0 seed 0" in one.run.key]
    assert benchmark.state(one, bench.store) == "outdated"
    bench.run("split 0 seed 0")
    assert benchmark.state(one, bench.store) == "done"
    assert bench.calls == 1


def test_a_killed_benchmark_goes_on_where_it_was(bench: Bench) -> None:
    """A worker takes the whole benchmark down with it: what was done stays, nothing is half there, the rest is run."""
    bench.write("import os, signal\nif job['seed'] == 1: os.kill(os.getppid(), signal.SIGKILL)")
    code = (
        "import sys; sys.path[:0] = ['.', 'benchmarks']\n"
        "from pathlib import Path\nfrom tests.unit import test_benchmark_tables as t\n"
        "t.data.TABLES['tiny'] = t.Table('tiny', 'kind', t.tiny, 2, '60 x 3')\n"
        f"bench = t.Bench.__new__(t.Bench); folder = Path({str(bench.folder)!r})\n"
        "bench.log, bench.script, bench.folder = folder / 'log', folder / 'fake.py', folder\n"
        "bench.store = t.Store(folder / 'results')\n"
        "bench.run('split 0')"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False)
    assert done.returncode == -9
    assert bench.store.latest(Run("tiny", "fake")) is not None
    assert bench.store.latest(Run("tiny", "fake", seed=1)) is None
    before = bench.calls
    bench.write("")
    kept = (bench.store.folder / "tiny/fake.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["run"] for line in kept.splitlines()] == [Run("tiny", "fake").key]
    bench.run("split 0 seed 1")
    assert bench.calls == before + 1
    assert bench.store.latest(Run("tiny", "fake", seed=1)) is not None


def test_a_failure_is_a_result_in_one_line(bench: Bench) -> None:
    """The worker's last line is kept and shown; it is not tried again until its code changes."""
    bench.write("raise MemoryError('too many levels')")
    bench.run("split 0 seed 0")
    bench.run("split 0 seed 0")
    assert bench.calls == 1
    assert (bench.store.latest(Run("tiny", "fake")) or {})["failed"] == "MemoryError: too many levels"
    found = Findings.of(bench.store, bench.plan())
    assert found.failed == {("tiny", "fake"): "MemoryError: too many levels"}
    assert len(found.states["failed"]) == 1


def test_time_that_is_over_keeps_nothing_of_the_run_that_goes_on(bench: Bench) -> None:
    """A run that would last beyond the end is given up."""
    import time  # noqa: PLC0415 - only here

    bench.write("import time; time.sleep(60)")
    started = time.monotonic()
    bench.run("split 0 seed 0", ends=started + 3)
    assert time.monotonic() - started < 30
    assert bench.store.latest(Run("tiny", "fake")) is None
    assert not list((bench.folder / "cache").glob("run-*"))


def test_the_page_says_what_was_not_run_and_what_is_of_earlier_code(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing runs are listed with their number, outdated results are marked, goals without a run are not measured."""
    monkeypatch.setattr(report, "TABLES", {"tiny": data.TABLES["tiny"]})
    monkeypatch.setattr(report, "known", lambda: dict(bench.place().generators))
    monkeypatch.setattr(schedule, "SEEDS", 1)
    bench.run("split 0 seed 0")
    bench.write("folder.exists()")
    found = Findings.of(bench.store, bench.plan())
    page = "\n".join([report.states(found), report.section(found, "tiny", bench.store), report.not_run(found)])
    assert "0 runs done, 0 failed, 1 made or judged by earlier code" in page
    assert "| *`fake`* † |" in page
    assert "- `fake`: tiny defaults 1" in page
    assert "not measured" in {goal.verdict for goal in goals.single_goals(found)}


def test_the_short_table_begins_with_real_rows_and_leaves_out_what_was_not_run() -> None:
    """A generator has the figures of the tables it ran on; seeds of a split are averaged before."""

    def outcome(trees: float) -> dict[str, object]:
        attack = {"members": 800, "others": 1000, "lowest_members": [0.0, 0.5], "lowest_others": [0.2, 0.4]}
        metrics = {"tstr_auroc.trees": trees, "trtr_auroc.trees": 0.93, "detection_auc": 0.53}
        return {"metrics": metrics, "cost": {"fit_cpu_s": 1.24}, "attack": attack}

    runs = {("adult_1000", "cart", "{}"): {(0, 0): outcome(0.9), (0, 1): outcome(0.8), (1, 0): outcome(0.87)}}
    lines = brief.told(Findings(runs, {}, {}, frozenset())).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| real rows", "| **`cart`**"]
    assert lines[3] == "| **`cart`** |  |  |  |  |  | 0.860 | 0.530 | 2/1600 (0.0039) |"
    assert "| 0.930 |" in lines[2]


def test_one_split_proves_no_goal(bench: Bench) -> None:
    """With one split there is a sign and no more; with two that agree closely the goal is met or missed."""
    near = interval([0.02, 0.021])
    assert goals.judged(near, 0.0) == "met"
    assert goals.judged(goals.turned(near), 0.0) == "NOT met"
    assert goals.judged(interval([0.02]), 0.0) == "ahead, one split"
    assert goals.judged(interval([0.09, -0.01]), 0.0) == "not shown"
    assert goals.judged(interval([]), 0.0) == "not measured"


def test_the_pooled_attack_counts_copies_over_all_splits() -> None:
    """A member below every non-member is found in each split; the bound is that of the counts together."""
    part = {"members": 800, "others": 200, "lowest_members": [0.0, 0.5], "lowest_others": [0.2, 0.4]}
    pooled = pool([part] * 5)
    assert (pooled.found, pooled.members, pooled.others, pooled.enough) == (5, 4000, 1000, True)
    assert pooled.upper == pytest.approx(0.002626, rel=1e-3)
    assert not pool([part] * 4).enough


def test_peers_that_are_not_built_are_said_and_not_run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its environment a peer is named on the way, and no failure is made up for it."""
    place = bench.place()
    lost = Fake("fake", "peer", "fake", "a fake", 1.0, "neural", path=bench.script)
    benchmark.run_all(bench.plan()[:1], bench.store, replace(place, generators={"fake": lost}), None)
    assert "fake: not run, its environment is not built" in capsys.readouterr().err
    assert bench.calls == 0


def test_every_peer_is_pinned_and_every_worker_is_there() -> None:
    """The environments' files pin each package; each generator has five settings to choose from, or none."""
    for name in environments.NAMES:
        lines = (environments.PINS / f"peers-{name}.txt").read_text(encoding="utf-8").splitlines()
        assert all("==" in line for line in lines if not line.startswith("#"))
    for one in generators.known().values():
        assert one.script.exists()
        assert len(one.tuned) in (1, 5)
        assert one.environment in ("", *environments.NAMES)


def test_levels_and_whole_numbers_come_back_as_they_were() -> None:
    """What a worker wrote as text is read in the schema's types."""
    rows, schema = tiny(), data.parts(tiny(), prepare(tiny(), "kind", {}, {})[1], 0).schema
    again = execute.conforming(rows.astype(str), schema)
    assert again["n"].tolist() == rows["n"].tolist()
    assert again["kind"].tolist() == rows["kind"].tolist()
    assert np.allclose(again["x"], rows["x"])


def test_chance_hits_in_a_crowd_do_not_drown_a_leak() -> None:
    """Rows that chance puts a thousandth from real ones made the lowest ratios; leaks of lonely rows are found."""
    rng = np.random.default_rng(0)
    real = np.vstack([rng.normal(size=(3600, 6)) * 0.3, rng.normal(size=(400, 6)) * 3])[rng.permutation(4000)]
    members, others = real[:2000], real[2000:]
    hits = others[:30] + 0.001 * rng.normal(size=(30, 6))
    base = np.vstack([rng.normal(size=(1800, 6)) * 0.3, rng.normal(size=(200, 6)) * 3, hits])
    leaked = members[np.linalg.norm(members, axis=1) > 3][:60] + 0.02 * rng.normal(size=(60, 6))
    clean = privacy.attack(*privacy.calibrated(members, others, base))
    found = privacy.attack(*privacy.calibrated(members, others, np.vstack([base, leaked])))
    assert clean.p > 0.01
    assert found.p < 1e-6
    assert found.tpr > 0.01


def test_a_page_without_its_marks_is_left_as_it_was(tmp_path: Path) -> None:
    """Between the marks everything is replaced; with one of them missing nothing is."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x: begin -->\nold\n<!-- x: end -->\nafter\n", encoding="utf-8")
    markdown.between(page, "new", "x")
    assert page.read_text(encoding="utf-8") == "before\n<!-- x: begin -->\n\nnew\n<!-- x: end -->\nafter\n"
    page.write_text("before\n<!-- x: begin -->\nafter\n", encoding="utf-8")
    with pytest.raises(ValueError, match="nothing was written"):
        markdown.between(page, "new", "x")
    assert page.read_text(encoding="utf-8") == "before\n<!-- x: begin -->\nafter\n"
