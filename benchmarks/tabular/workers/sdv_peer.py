"""CTGAN, TVAE and GaussianCopula, through SDV, which handles gaps, rounding and ranges for them.

SDV has no seed for fitting (its issue 2022), so torch's and numpy's global ones are set. Every column is declared as
numerical or categorical; whole numbers are rounded by SDV's own rule.
"""

from importlib import import_module
from typing import Any

import pandas as pd

from tabular.workers.measured import NUMBERS, Job, Sampler, main, named

CLASSES = {
    "ctgan": "CTGANSynthesizer",
    "tvae": "TVAESynthesizer",
    "gaussian_copula": "GaussianCopulaSynthesizer",
}


def fit(table: pd.DataFrame, job: Job) -> Sampler:
    """Train the synthesizer that the job names."""
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    torch.manual_seed(job["seed"])
    sdtypes = {name: {"sdtype": "categorical"} for name in table.columns}
    sdtypes |= {name: {"sdtype": "numerical"} for name in named(job, *NUMBERS)}
    metadata = import_module("sdv.metadata").Metadata.load_from_dict({"tables": {"table": {"columns": sdtypes}}})
    settings = dict(job["settings"])
    if job["generator"] != "gaussian_copula":
        settings |= {"enable_gpu": False}
    model = getattr(import_module("sdv.single_table"), CLASSES[job["generator"]])(metadata, **settings)
    model.fit({"table": table})
    return lambda rows: model.sample(rows)["table"]


if __name__ == "__main__":
    main(fit, {"": ("torch", "sdv.single_table", "sdv.metadata")})
