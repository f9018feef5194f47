"""Related tables, measured on the MIMIC-III demo: what each learner reaches, beside the floor of real against real.

    python benchmarks/relations.py                  three divisions of the patients, every learner; prints the table
    python benchmarks/relations.py --show           only prints what was measured

The demo is looked for in $SYNTHTRAIL_DATA/mimic3_demo and in drop/. Each run is kept in
benchmarks/results/relations/runs.json as soon as it is done, so that a run that was stopped goes on. `none` is the
control without dependence: trees of one leaf, so that a row hangs on nothing but how many there are and what stays as
it was. Times are CPU seconds of one thread.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from synthtrail.data import links, relational, relationsource, release
from synthtrail.data.relational import RelationalCodec
from synthtrail.data.relations import Relations, taken
from synthtrail.data.split import split
from synthtrail.evaluation import registry as metrics
from synthtrail.evaluation.metric import generator
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from synthtrail.storage.files import write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results/relations/runs.json"
LEARNERS: dict[str, dict[str, Any]] = {
    "cart": {},
    "none": {"least": 1_000_000},
    "masked, 600 steps": {"learner": "masked", "steps": 600},
}
SEEDS = (1, 2, 3)
SHOWN = ("children", "timing", "transitions", "across", "shapes", "trends")
ALONE = ("foreign_keys", "order_kept", "order_as_often", "runs_copied", "runs_copied_holdout", "mia_auc", "dcr_ratio")


def run(data: Relations, like: Any, seed: int, settings: dict[str, Any]) -> dict[str, float]:
    """Return every score of one division and one training, and what it cost."""
    rows = split(len(data), 0.2, seed)
    train, holdout = taken(data, rows.train), taken(data, rows.holdout)
    schema = relational.learnt(train, like, least=1, ends=False)
    start = time.process_time()
    model = registry.create("relational", settings)
    model.fit(train, RelationalCodec.fit(train, schema, 20), Training(seed, progress=False))
    fitted = time.process_time()
    (made,) = release.completed(model.sample(len(train), seed=seed), schema, seed)
    found = {"fit_s": fitted - start, "sample_s": time.process_time() - fitted}
    repairs: dict[str, int] = getattr(model, "repairs", {})
    found |= {f"rows {name}": float(count) for name, count in [*made.rows.items(), *repairs.items()]}
    for name, metric in metrics.RELATIONS.items():
        for score in metric.compute(train, holdout, made, schema, generator(seed, name)):
            if score.value is not None:
                found[score.name] = score.value
    return found


def show(runs: dict[str, dict[str, float]]) -> None:
    """Print the means over divisions, with the floor of each figure above them."""
    print(f"| | {' | '.join(SHOWN)} | {' | '.join(ALONE)} | left out | fit + sample, CPU-s |")
    print("|---" * (len(SHOWN) + len(ALONE) + 3) + "|")
    for name in ("fresh real patients", *LEARNERS):
        own = [
            value for key, value in runs.items() if key.startswith("cart/" if name.startswith("fresh") else f"{name}/")
        ]
        if not own:
            continue
        end = "_floor" if name.startswith("fresh") else ""
        cells = [f"{np.mean([one[f'{score}{end}'] for one in own]):.3f}" for score in SHOWN]
        if not end:
            cells += [f"{np.mean([one[score] for one in own if score in one]):.3f}" for score in ALONE]
            lost = np.mean([one["rows left out"] / (one["rows prescriptions"] + one["rows left out"]) for one in own])
            cells += [
                f"{lost:.1%}",
                f"{np.mean([one['fit_s'] for one in own]):.0f} + {np.mean([one['sample_s'] for one in own]):.0f}",
            ]
        print(f"| {name}, {len(own)} runs | {' | '.join(cells)} |")


def main() -> None:
    """Run what is missing, and show all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--show", action="store_true", help="only print what was measured")
    parser.add_argument("--only", choices=sorted(LEARNERS), help="one learner")
    asked = parser.parse_args()
    runs = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    if not asked.show:
        torch.set_num_threads(1)
        block = yaml.safe_load((ROOT / "catalog/mimic3_demo.yaml").read_text(encoding="utf-8"))
        source, like = relationsource.read(ROOT / block["source"], links.parse(block["tables"], "tables"))
        data: Any = source.data
        for seed in SEEDS:
            for name, settings in LEARNERS.items():
                if f"{name}/{seed}" not in runs and asked.only in (None, name):
                    runs[f"{name}/{seed}"] = run(data, like, seed, settings)
                    write_json(RESULTS, runs)
                    print(
                        name, seed, {key: round(value, 3) for key, value in runs[f"{name}/{seed}"].items()}, flush=True
                    )
    show(runs)


if __name__ == "__main__":
    main()
