"""The benchmark of images: what is planned, what waits for what, that it resumes, and that its page says what is."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import image_set
import images as benchmark
from imaging import data, judge, report, schedule, train, worker
from imaging.data import Part
from synthtrail.data.errors import SourceError
from synthtrail.data.image import Images, ImageSet, numbered
from tabular.runs import Run, Store


def pictures(count: int, seed: int) -> ImageSet:
    """Return noisy images of 8 pixels, bright on the left or on the right, named so."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 120, (count, 8, 8, 1), dtype=np.uint8)
    labels = np.where(np.arange(count) % 3 == 0, "left", "right").astype(object)
    pixels[labels == "left", :, :4] += 100
    pixels[labels == "right", :, 4:] += 100
    return ImageSet(pixels, labels, numbered(0, count))


PART = Part(pictures(120, 0), pictures(60, 1))


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of data that need not be here, and of code that need not be read for this."""
    monkeypatch.setattr(schedule, "digest", lambda name: f"digest of {name}")
    monkeypatch.setattr(schedule, "_code", lambda model: f"code of {model}")


NEARER = ("95 % interval 0.990 to 1.010", "95 % interval 0.900 to 0.950; nearer beyond doubt")


def outcome(train: float = 100.0, accuracy: float = 0.9, frechet: float = 1.0, ratio: float = 1.0) -> dict[str, Any]:
    """Return a result as a run leaves it."""
    found = {"accuracy": [accuracy, accuracy], "balanced": [accuracy, accuracy], "recalls": {"a": 1.0, "b": accuracy}}
    return {
        "synthetic": found,
        "real + synthetic": found,
        "hybrid": found,
        "distances": {"frechet_domain": frechet, "frechet_domain_real": 0.1},
        "distinctness": {"distinct": 1.0, "nearest_ratio": ratio, "notes": {"nearest_ratio": NEARER[ratio < 0.95]}},
        "images_per_second": 3000,
        "cost": {"train": train, "steps": 10.0},
    }


def keep(store: Store, run: Run, result: Mapping[str, Any]) -> None:
    """Keep a result as done by this code."""
    store.keep(run, {**result, "digest": schedule.digest_of(run)})


def test_every_generator_runs_on_every_set_from_two_seeds() -> None:
    """Nothing is planned twice, folds count, and the first runs are those that tell most."""
    runs = schedule.planned()
    assert len({run.key for run in runs}) == len(runs)
    for source in data.SOURCES.values():
        for name in schedule.GENERATORS:
            assert sum(run.table == source.name and run.generator == name for run in runs) == 2 * source.folds
    assert [(run.table, run.generator) for run in runs[:3]] == [
        ("mnist", "real"), ("mnist", schedule.OURS), ("mnist", "plain_002"),
    ]  # fmt: skip


def test_a_baseline_waits_for_ours_and_is_given_its_time(tmp_path: Path) -> None:
    """Its budget is what ours took on the same fold and seed; what changed since is waited for anew."""
    store = Store(tmp_path)
    plain, ours, real = (Run("mnist", name) for name in ("plain_002", schedule.OURS, "real"))
    assert schedule.awaited(plain, store) == real.key
    keep(store, real, {"cost": {}})
    assert schedule.awaited(ours, store) is None
    assert schedule.awaited(plain, store) == ours.key
    keep(store, ours, outcome(train=123.0))
    assert schedule.awaited(plain, store) is None
    assert schedule.budget(plain, store) == 123.0
    assert schedule.budget(ours, store) is None
    store.keep(ours, {**outcome(), "digest": "of other code"})
    assert schedule.awaited(plain, store) == ours.key


def test_the_list_says_what_is_missing_and_what_it_waits_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Done runs are counted, others are named."""
    store = Store(tmp_path)
    keep(store, Run("ham10000", "real"), {"cost": {}})
    assert benchmark.main(["--results", str(tmp_path), "--only", "ham10000,split 0 seed 0", "--list"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "missing   ham10000 latent_gan split 0 seed 0 outer {}"
    assert told[1].endswith("(after ham10000 latent_gan split 0 seed 0 outer {})")
    assert told[-1] == "1 done, 3 missing"


def test_what_runs_out_of_time_or_fails_is_told_and_kept_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is killed leaves no result; one that fails leaves its last line, and is not tried again."""
    store = Store(tmp_path)

    def out_of_time(*_: Any, **__: Any) -> dict[str, object]:
        raise subprocess.TimeoutExpired("worker", 1)

    arguments = [
        "--results",
        str(tmp_path),
        "--cache",
        str(tmp_path / "c"),
        "--only",
        "ham10000 real split 0",
        "--minutes",
        "1",
    ]
    monkeypatch.setattr(benchmark, "perform", out_of_time)
    benchmark.main(arguments)
    assert store.latest(Run("ham10000", "real")) is None
    assert "goes on from its checkpoint" in capsys.readouterr().err
    monkeypatch.setattr(benchmark, "perform", lambda *_: {"failed": "no room"})
    benchmark.main(arguments)
    assert benchmark.state(Run("ham10000", "real"), store) == "failed"
    assert "no room" in capsys.readouterr().err


def test_processor_time_counts_on_over_kills(tmp_path: Path) -> None:
    """A second process begins with what the first had spent, whatever step it resumes from."""
    first = train.Meter(tmp_path / "cost.json")
    first.log(50, {"d_loss": 1.0})
    first.spent[-1][1] = 500.0
    first.log(100, {"d_loss": 1.0})
    (tmp_path / "cost.json").write_text(json.dumps({"spent": [[50, 500.0]]}), encoding="utf-8")
    second = train.Meter(tmp_path / "cost.json")
    second.log(50, {"d_loss": 1.0})
    assert 500.0 <= second.seconds < 600.0


def test_generated_images_are_judged_in_the_test_images_shares() -> None:
    """As many of each class as the test set's shares allow, the first ones."""
    made = pictures(90, 3)  # 30 left, 60 right
    even = ImageSet(made.pixels[:60], np.repeat(np.array(["left", "right"], object), 30), made.names[:60])
    found = judge.matching(even, PART.test)  # 20 left, 40 right
    counts = {name: int((found.labels == name).sum()) for name in ("left", "right")}
    assert counts == {"left": 15, "right": 30}


def test_the_images_of_a_choice_are_no_test_images() -> None:
    """The inner division is of the training images alone, a fifth held back."""
    within = data.inner(PART)
    assert len(within.train) + len(within.test) == 120
    assert 15 <= len(within.test) <= 35
    known = {image.tobytes() for image in PART.train.pixels}
    assert all(image.tobytes() in known for image in within.test.pixels)


def test_photographs_of_one_lesion_stay_together_and_the_sieve_learns_their_classes() -> None:
    """The inner division is by groups where there are some; the sieve's reference goes class by class."""
    groups = np.repeat(np.arange(40), 3).astype(str)
    within = data.inner(replace(PART, groups=groups))
    known = {image.tobytes(): group for image, group in zip(PART.train.pixels, groups, strict=True)}
    kept, held = ({known[image.tobytes()] for image in side.pixels} for side in (within.train, within.test))
    assert kept | held == set(groups)
    assert not kept & held
    assert within.groups is not None
    assert set(within.groups) == kept
    found = worker.reference(replace(PART, groups=groups))
    assert len(found.train) == 120
    assert sorted(found.strangers.distances) == ["", "left", "right"]
    assert sum(map(len, found.strangers.distances.values())) == 2 * len(within.test)


def test_as_many_images_are_asked_for_as_there_are_to_learn_from_or_as_the_source_says(tmp_path: Path) -> None:
    """By class; of skin lesions 1,500 of each, however many there are."""
    job = train.Job("mnist", schedule.OURS, 0, 0, tmp_path, tmp_path)
    assert worker.wanted(job, PART) == {"left": 40, "right": 80}
    assert worker.wanted(replace(job, table="ham10000"), PART) == {"left": 1_500, "right": 1_500}


def test_a_change_of_what_is_drawn_voids_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the digest of a run it is a part."""
    run, beside = Run("mnist", schedule.OURS), schedule._beside
    before = schedule.digest_of(run), schedule.training_of(run)
    monkeypatch.setattr(schedule, "_beside", lambda name: "drawn otherwise" if name == "worker" else beside(name))
    assert schedule.digest_of(run) != before[0]
    assert schedule.training_of(run) == before[1]


@pytest.mark.slow
def test_a_run_is_trained_drawn_and_judged_and_taken_up_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A baseline on tiny images has its figures, and a second start trains and draws nothing anew."""
    quick = replace(judge.FEW, steps=4, width=4)
    monkeypatch.setattr(judge, "FEW", quick)
    monkeypatch.setattr(judge, "SEEDS", 1)
    monkeypatch.setattr(worker, "divided", lambda *_: PART)
    monkeypatch.setattr(worker, "SPEED", 20)
    monkeypatch.setattr(train, "PROBED", (2, 4))
    tiny = replace(schedule.GENERATORS["plain_002"], settings={"width": 4, "batch": 8})
    monkeypatch.setattr(train, "GENERATORS", {"plain_002": tiny})
    name, budget = "plain_002", 0.001
    job = {"table": "mnist", "generator": name, "split": 0, "seed": 0, "budget": budget}
    places = {"folder": str(tmp_path), "cache": str(tmp_path)}
    (tmp_path / "job.json").write_text(json.dumps(job | places), encoding="utf-8")
    worker.main(str(tmp_path / "job.json"))
    found = json.loads((tmp_path / "result.json").read_bytes())
    assert found["cost"]["train"] > 0
    assert set(found["synthetic"]["recalls"]) == {"left", "right"}
    assert found["drawing"]["classes"] == {"left": 40, "right": 80}  # as many as there are to learn from
    assert found["distances"]["frechet_domain"] >= 0
    before = (tmp_path / "result.json").read_bytes()
    monkeypatch.setattr(train, "timed", None)  # neither trained nor timed again
    monkeypatch.setattr(worker, "draw", None)
    worker.main(str(tmp_path / "job.json"))
    assert (tmp_path / "result.json").read_bytes() == before


def test_the_page_tells_figures_goals_and_what_was_not_run(tmp_path: Path) -> None:
    """Only what was run is in the table; goals are met or missed by their own marks; the rest is named."""
    store, docs = Store(tmp_path / "results"), tmp_path / "docs"
    docs.mkdir()
    page = "# Images\n\n<!-- measured: begin -->\nwhat was before\n<!-- measured: end -->\n\nafter\n"
    (docs / "images.md").write_text(page, encoding="utf-8")
    keep(store, Run("mnist", schedule.OURS), outcome(accuracy=0.981, frechet=1.0))
    keep(store, Run("mnist", "plain_002"), outcome(accuracy=0.9, frechet=4.0))
    store.keep(Run("mnist", "plain_000"), {"failed": "no room"})
    keep(store, Run("mnist", schedule.OURS, 0, 1), outcome(accuracy=0.981, frechet=1.0))
    keep(store, Run("mnist", "plain_002", 0, 1), outcome(train=80.0, frechet=1.0))
    for fold in range(2):
        real = {"balanced": [0.6], "accuracy": [0.6], "recalls": {"a": 0.6}}
        keep(store, Run("ham10000", "real", fold), {"real": real, "real + augmentation": real, "cost": {}})
        keep(store, Run("ham10000", schedule.OURS, fold), outcome(accuracy=0.65 + 0.01 * fold, ratio=1.1 - 0.2 * fold))
    rates = {"loader": 600, "reader": 50, "training": 100, "generation": 1_999}
    (tmp_path / "results/speed.json").write_text(json.dumps(rates), encoding="utf-8")
    assert report.write(docs, store, tmp_path / "cache") == 0
    told = (docs / "images.md").read_text(encoding="utf-8")
    assert "what was before" not in told
    assert told.endswith("after\n")
    assert "98.10% of the official 10,000 right (95 % interval 97.81% to 98.35%; 2 seeds); goal 98.0%: met" in told
    assert "Fréchet distance over that of plain_002, pair by pair: 0.25; goal at most 0.5 in each: met" in told
    assert (
        "plain_002 had 80% of our processor time (fold 0, seed 1): our Fréchet distance over its, 1.00, does not count."
        in told
    )
    assert "hybrid less real + augmentation, balanced accuracy: +0.0550 over 2 folds" in told
    assert "1.000 (fold 0, seed 1; 95 % interval 0.990 to 1.010); mean 1.000. Goal: 1 or more on " in told
    assert "1.100 (fold 0, seed 0; 95 % interval 0.990 to 1.010), 0.900 (fold 1, seed 0; 95 % interval 0.900 " in told
    assert told.count("average and no run below it beyond doubt: met") == 1
    assert told.count("average and no run below it beyond doubt: MISSED") == 1
    assert "Not run: 3 of 7 runs" in told
    assert "goal five times as many, met" in told
    assert "Generated 1,999: goal 2,000, MISSED" in told
    assert "### fashion_mnist: 28×28 grey, official test set\n\nNot run yet." in told


def test_results_of_earlier_code_are_shown_as_such(tmp_path: Path) -> None:
    """A row whose digest is another says so."""
    run = Run("mnist", schedule.OURS)
    assert "(earlier code)" in next(report.rows(run, {**outcome(), "digest": "another"}))
    assert "(earlier code)" not in next(report.rows(run, {**outcome(), "digest": schedule.digest_of(run)}))


def test_the_digest_changes_with_the_code_of_the_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """And with its settings; a baseline's digest does not change with our generator's code."""
    ours, plain = Run("mnist", schedule.OURS), Run("mnist", "plain_002")
    before = schedule.digest_of(ours), schedule.digest_of(plain)
    monkeypatch.setattr(schedule, "_code", lambda model: f"new code of {model}" if model == schedule.OURS else "code")
    assert schedule.digest_of(ours) != before[0]
    monkeypatch.undo()
    monkeypatch.setattr(schedule, "digest", lambda name: f"digest of {name}")
    assert len(schedule._code("plain_dcgan")) == 64


def test_a_change_of_the_judge_alone_costs_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model stays, images and result do not; of other code of the generator nothing stays."""
    run, folder = Run("mnist", schedule.OURS), tmp_path / "run"

    def left() -> list[str]:
        benchmark.fresh(folder, run)
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    assert left() == ["digest", "training"]
    (folder / "model").mkdir()
    for name in ("model/weights", "trained.json", "synthetic.npz", "result.json"):
        (folder / name).write_text("x")
    assert len(left()) == 6
    monkeypatch.setattr(schedule, "_judging", lambda: "another judge")
    assert left() == ["digest", "model/weights", "trained.json", "training"]
    monkeypatch.setattr(schedule, "_code", lambda model: f"new code of {model}")
    assert left() == ["digest", "training"]


def test_a_set_is_held_against_its_own_manifests(tmp_path: Path) -> None:
    """Images as they were written pass; an image exchanged, or a line of the manifest, does not."""
    made = pictures(30, 5)
    Images().write(tmp_path, "images", [made])
    listed = image_set.listing((tmp_path / "manifest.txt").read_text(encoding="utf-8"))
    digests, labels = image_set.read(tmp_path)
    assert (listed, len(set(digests.values()))) == (digests, 30)
    assert sorted(labels) == sorted(made.labels)
    assert image_set.in_folder(tmp_path)
    assert sum(image_set.even(23).values()) == 23
    lines = (tmp_path / "manifest.txt").read_text(encoding="utf-8")
    (tmp_path / "manifest.txt").write_text(lines.replace(lines[:8], "0" * 8), encoding="utf-8")
    with pytest.raises(SourceError, match="does not list"):
        image_set.read(tmp_path)
