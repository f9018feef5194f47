"""Generating images against the real ones: exact counts, no copies, the split stated; and when there is no sieve."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from synthtrail.custody import canonical
from synthtrail.data.image import ImageCodec, Images, ImageSet, numbered
from synthtrail.evaluation import distinct
from synthtrail.evaluation.nearest import nearest
from synthtrail.evaluation.pixels import small
from synthtrail.models import labels, registry
from synthtrail.stages import generate as stage
from synthtrail.stages import originals
from synthtrail.stages.context import Context, StageError
from synthtrail.stages.layout import Layout

LAYOUT = Layout("spots")


def spots(count: int, seed: int) -> ImageSet:
    """Return noise of 8 pixels in two classes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
    return ImageSet(pixels, np.resize(np.array(["a", "b"], object), count), numbered(0, count))


TRAIN, HOLDOUT = spots(200, 0), spots(100, 1)


class Forger:
    """A model that knows the training images by heart and gives one of them, hardly changed, every second time."""

    name = "forger"
    privacy: ClassVar[dict[str, object]] = {}
    codec = ImageCodec(Images().infer(TRAIN))

    def sample(self, n: int, conditions: Any = None, seed: int = 0) -> Iterator[ImageSet]:
        """Yield images in batches."""
        counts = labels.counts_for(conditions, n, "label", ("a", "b"))
        for number, classes in enumerate(labels.draw(n, np.array([0.5, 0.5]), counts, seed, 64)):
            rng = np.random.default_rng([seed, number])
            fresh = rng.integers(0, 256, (len(classes), 8, 8, 1), dtype=np.uint8)
            copied = TRAIN.pixels[rng.integers(0, len(TRAIN), len(classes))]
            touched = np.clip(copied.astype(int) + rng.integers(-1, 2, copied.shape), 0, 255).astype(np.uint8)
            pixels = np.where((rng.random(len(classes)) < 0.5)[:, None, None, None], touched, fresh)
            yield ImageSet(pixels, np.array(["a", "b"], object)[classes], numbered(0, len(classes)))


class Stuck(Forger):
    """A model that has collapsed: one image, over and over."""

    def sample(self, n: int, conditions: Any = None, seed: int = 0) -> Iterator[ImageSet]:
        """Yield images in batches."""
        for batch in super().sample(n, conditions, 0):
            yield ImageSet(np.repeat(HOLDOUT.pixels[:1], len(batch), 0), batch.labels, batch.names)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a split and a plan, in which records are written and nothing is signed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "load", lambda _: Forger())
    monkeypatch.setattr(registry, "releasable", lambda _: None)
    for part, images in (("train", TRAIN), ("holdout", HOLDOUT)):
        Images().write(LAYOUT.split, part, [images])
    (LAYOUT.split / "summary.json").write_text('{"train": 200}', encoding="utf-8")
    LAYOUT.model.mkdir(parents=True)
    (LAYOUT.model / "model.json").write_text("{}", encoding="utf-8")
    for name in ("dvc.yaml", "src", "pipelines"):
        (tmp_path / name).symlink_to(Path(__file__).resolve().parents[2] / name)
    monkeypatch.setattr("synthtrail.lineage.spool", lambda *_: None)
    monkeypatch.setattr("synthtrail.storage.disposed.refuse", lambda *_: None)
    monkeypatch.setattr("synthtrail.lineage.code_digest", lambda *_: {"sha256": "0" * 64, "files": 1})
    return tmp_path


def plan(**more: Any) -> None:
    """Write the plan of the stage."""
    asked = {
        "class": "public",
        "modality": "image",
        "seed": 1,
        "count": 150,
        "conditions": {"label": {"a": 100, "b": 50}},
    }
    LAYOUT.plan("generate").parent.mkdir(parents=True, exist_ok=True)
    LAYOUT.plan("generate").write_text(json.dumps({**asked, **more}), encoding="utf-8")


def generated() -> tuple[ImageSet, dict[str, Any]]:
    """Run the stage; return the images and the record."""
    stage.generate(Context.begin("spots", "generate"))
    record = canonical.decode(LAYOUT.record("generate").read_bytes())
    return Images().read(LAYOUT.synthetic, "images"), dict(record)  # type: ignore[arg-type]


def test_copies_are_drawn_again_and_counts_stay_exact(place: Path) -> None:
    """Of a model that forges half of its images, none of the forged ones is released; the record says how many."""
    del place
    plan()
    made, record = generated()
    assert {name: int((made.labels == name).sum()) for name in ("a", "b")} == {"a": 100, "b": 50}
    assert distinct.shares(distinct.Reference.of(TRAIN.pixels, HOLDOUT.pixels), made.pixels) == (1.0, 0.0)
    assert len(set(made.names)) == 150
    facts = {pair["name"]: pair["value"] for pair in record["facts"]}
    assert int(facts["distinct.near_copies"]) > 50
    kinds = ("near_copies", "near_lonely", "near_duplicates", "over_quota")
    assert int(facts["dropped.distinct"]) == sum(int(facts[f"distinct.{kind}"]) for kind in kinds)
    held, apart = (nearest(small(side.pixels), small(TRAIN.pixels))[0] for side in (HOLDOUT, made))
    for name in ("a", "b"):  # of each class no more lie near than the held-out ones' own quantiles allow
        middle = np.median(held[HOLDOUT.labels == name])
        assert (apart[made.labels == name] <= middle).mean() <= 0.5 + 1 / (made.labels == name).sum()
    assert [item["path"] for item in record["inputs"]] == ["data/spots/model", "data/spots/split"]
    manifest = (LAYOUT.synthetic / "manifest.txt").read_text(encoding="utf-8").splitlines()
    assert len(manifest) == len({line.split()[0] for line in manifest}) == 150


def test_without_the_sieve_the_forger_is_not_held_up(place: Path) -> None:
    """`distinct: false` releases what the model gives, from the model alone."""
    del place
    plan(distinct=False)
    made, record = generated()
    assert distinct.shares(distinct.Reference.of(TRAIN.pixels, HOLDOUT.pixels), made.pixels)[1] > 0.3
    assert [item["path"] for item in record["inputs"]] == ["data/spots/model"]


def test_a_collapsed_model_ends_with_something_to_refuse(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage ends, with as many images as asked for, of which next to none is distinct; the facts say so."""
    del place
    monkeypatch.setattr(distinct, "PATIENCE", 200)
    monkeypatch.setattr(registry, "load", lambda _: Stuck())
    plan()
    made, record = generated()
    assert len(made) == 150
    assert distinct.shares(distinct.Reference.of(TRAIN.pixels, HOLDOUT.pixels), made.pixels)[0] < 0.05
    facts = {pair["name"]: pair["value"] for pair in record["facts"]}
    assert int(facts["distinct.let_through"]) > 0


def test_a_lost_split_is_told_in_one_line(place: Path) -> None:
    """Without the split nothing can be told from a copy, and nothing is written."""
    del place
    plan()
    shutil.rmtree(LAYOUT.split)
    with pytest.raises(StageError, match="data/spots/split: not here"):
        stage.generate(Context.begin("spots", "generate"))
    assert not LAYOUT.synthetic.exists()


def test_tables_have_no_sieve() -> None:
    """What is no image is not asked for one."""
    context = Context("t", "generate", Layout("t"), None, {"modality": "tabular"})  # type: ignore[arg-type]
    assert originals.sieve_of(context) is None
