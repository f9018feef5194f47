"""`train`: fit the synthesizer to the training part, watched live in MLflow.

In: `split/`. Out: `model/` (safetensors and JSON); `curves/`, a CSV file for each figure that was watched; `samples/`,
what the model made along the way. A training that was killed goes on from its last checkpoint, and ends with the same
bytes. Where the plan says `more`, a finished model is read and trained on (see `further`), and is an input as well.
"""

import csv
import dataclasses
import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthtrail import tracking
from synthtrail.data.registry import MODALITIES
from synthtrail.lineage import Work
from synthtrail.models import registry
from synthtrail.models.devices import count
from synthtrail.models.synthesizer import Training
from synthtrail.stages.context import Context, StageError
from synthtrail.stages.parts import read_codec
from synthtrail.stages.samples import VIEWS, Samples
from synthtrail.storage.files import staged_folder, write_text
from synthtrail.storage.home import shared_root


def train(context: Context) -> None:
    """Run the stage for the experiment of `context`."""
    layout, plan = context.layout, context.plan
    modality = MODALITIES[plan["modality"]]
    registry.releasable(plan["model"]["name"])
    rows = modality.read(layout.split, "train")
    more: Mapping[str, Any] = plan.get("more", {})
    settings = plan["model"]["settings"]
    model: Any = finished(Path(more["model"])) if more else registry.create(plan["model"]["name"], settings)
    codec = model.codec if more else read_codec(context)
    devices = count(plan["devices"])
    salts = context.salts_from(layout.split)
    view = VIEWS[modality.name](rows, codec.schema, private=plan["class"] != "public")
    live = tracking.LiveRun.start(shared_root(), context.name, "train")
    curves, samples = Curves(live), Samples(view, live, salts)
    failed = True
    try:
        training = Training(plan["seed"], curves, checkpoints(context), samples=samples, devices=devices)
        model.more(rows, training, more["steps"]) if more else model.fit(rows, codec, training)
        failed = False
    finally:
        live.close(failed=failed)
    with context.output(layout.own("model")) as folder:
        model.save(folder, salts=salts)
    views = [layout.own("curves"), layout.own("samples")]
    for path, kept in ((views[0], curves), (views[1], samples)):
        with staged_folder(path) as folder:
            kept.write(folder)
    params = {"model": {"name": model.name, **dataclasses.asdict(model.settings)}, "devices": devices}
    inputs = [layout.split]
    if more:
        params["more"], inputs = {"steps": more["steps"]}, [layout.split, Path(more["model"])]
    work = Work(layout.own("model"), inputs, views, params, facts(model, curves), model.privacy)
    context.finish(work, {"run": live.run_id})


def finished(folder: Path) -> Any:
    """Return the model in `folder` to train on; `StageError` if its kind cannot be."""
    model = registry.load(folder)
    if not hasattr(model, "more"):
        raise StageError(f"{folder}: a model of the kind {model.name} cannot be trained on; only GANs can")
    return model


def facts(model: Any, curves: "Curves") -> dict[str, object]:
    """Return the last value of each figure, and how often and why training was set back."""
    reasons = {f"restart.{number}": reason for number, reason in enumerate(model.restarts, 1)}
    return curves.last() | {"restarts": len(model.restarts)} | reasons


def checkpoints(context: Context) -> Path:
    """Return the folder in which an interrupted training of this experiment finds where it was."""
    return Path("data/.checkpoints") / context.name


class Curves:
    """The figures of training: shown live, and kept for the CSV files."""

    def __init__(self, live: tracking.LiveRun) -> None:
        self.live = live
        self.points: dict[str, list[tuple[int, float]]] = defaultdict(list)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Take the figures of one step."""
        self.live.log(step, figures)
        for name, value in figures.items():
            # Training that was set back tells some steps anew.
            self.points[name] = [point for point in self.points[name] if point[0] < step] + [(step, value)]

    def write(self, folder: Path) -> None:
        """Write `<figure>.csv` with the columns step and value for each figure."""
        for name, points in self.points.items():
            out = io.StringIO()
            csv.writer(out, lineterminator="\n").writerows([("step", "value"), *points])
            write_text(folder / f"{name}.csv", out.getvalue())

    def last(self) -> dict[str, object]:
        """Return the last value of each figure, named `final.<figure>`."""
        return {f"final.{name}": points[-1][1] for name, points in self.points.items()}
