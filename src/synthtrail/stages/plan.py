"""What `params.yaml` asks of each later stage, with defaults filled in, written down by `ingest`.

DVC re-runs a stage when a parameter it lists has changed, and refuses a parameter that is not there. A block may
leave most keys out, so only `ingest` lists its whole block; it writes one plan for each later stage, and each depends
on its own. A changed threshold then re-runs `ingest` (a second) and `validate`, and trains nothing again.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from synthtrail.params import Experiment, ValidateParams
from synthtrail.storage.files import write_json

Plan = dict[str, Any]


def plans(experiment: Experiment) -> dict[str, Plan]:
    """Return the plan of every stage that comes after `ingest`."""
    common = {"class": experiment.data_class, "modality": experiment.modality, "seed": experiment.seed}
    count = {"count": experiment.generate.rows}
    model = {"name": experiment.model.name, "settings": dict(experiment.model.settings)}
    return {
        "preprocess": common
        | count
        | {"bins": experiment.bins, "holdout": experiment.holdout, "target": experiment.target}
        | {"rare_min": experiment.rare_min, "group": experiment.group},
        "train": common | {"model": model, "devices": experiment.devices},
        "generate": common
        | count
        | {"conditions": dict(experiment.generate.conditions)}
        | ({"distinct": experiment.generate.distinct} if experiment.modality == "image" else {}),
        "validate": common | count | judged(experiment.validate),
    }


def judged(asked: ValidateParams) -> Plan:
    """Return what `validate` is asked for: thresholds, and the columns whose groups are compared if there are any."""
    thresholds = asdict(asked)
    sensitive = thresholds.pop("sensitive")
    return {"thresholds": thresholds} | ({"sensitive": sensitive} if sensitive else {})


def write_plans(experiment: Experiment, folder: Path) -> None:
    """Write the plan of every later stage as `<stage>.json` into `folder`."""
    for stage, plan in plans(experiment).items():
        write_json(folder / f"{stage}.json", plan)


def read_plan(path: Path) -> Plan:
    """Return the plan that `ingest` wrote to `path`."""
    return dict(json.loads(path.read_bytes()))
