"""Our generators and controls, by their name in the registry, with bins by the number of rows.

20 bins below 1,000 rows, 50 below 10,000, else 100 (docs/tables.md), unless the settings say otherwise; `bins` of a
generator under differential privacy is a setting of its own, for it may not cut by the rows.
"""

import json
import sys
from pathlib import Path

import pandas as pd
import torch

from synthtrail.data import release
from synthtrail.data.codec import TableCodec
from synthtrail.data.columns import Schema
from synthtrail.data.tabular import read_table
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from tabular.workers.measured import Job, Sampler, main

NETWORKS = ("masked", "wgan_gp", "vae", "private_masked", "private_vae")


def bins_for(rows: int) -> int:
    """Return the number of bins for so many training rows."""
    return 20 if rows < 1_000 else 50 if rows < 10_000 else 100


def fit(table: pd.DataFrame, job: Job) -> Sampler:
    """Train; the rows come from the Parquet file beside the job, whose types a CSV would lose."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    rows = read_table(folder / "train.parquet")
    schema = Schema.from_json(json.loads((folder / "schema.json").read_bytes()))
    settings = dict(job["settings"])
    usual = bins_for(len(rows))
    bins = usual if job["generator"].startswith("private_") else settings.pop("bins", usual)
    codec = TableCodec.fit(rows, schema, bins)
    model = registry.create(job["generator"], settings)
    model.fit(rows, codec, Training(job["seed"], progress=False))

    def sample(count: int) -> pd.DataFrame:
        batches = release.completed(model.sample(count, seed=job["seed"]), schema, job["seed"])
        return pd.concat(list(batches), ignore_index=True)  # type: ignore[no-any-return]

    return sample


if __name__ == "__main__":
    main(fit, {"": ("sklearn.neighbors",), "cart": ("sklearn.tree",)} | dict.fromkeys(NETWORKS, ("lightning",)))
