"""MOSTLY AI's engine: TabularARGN, through its interface in the manner of scikit-learn. Nothing is sent anywhere."""

import tempfile
from importlib import import_module
from typing import Any

import pandas as pd

from tabular.workers.measured import Job, Sampler, main


def fit(table: pd.DataFrame, job: Job) -> Sampler:
    """Train at the engine's own defaults, but for the settings of the job."""
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    folder = tempfile.mkdtemp(dir=".")
    engine = import_module("mostlyai.engine")
    model = engine.TabularARGN(device="cpu", random_state=job["seed"], workspace_dir=folder, **job["settings"])
    model.fit(table)
    return lambda rows: model.sample(n_samples=rows, device="cpu")


if __name__ == "__main__":
    main(fit, {"": ("torch", "mostlyai.engine")})
