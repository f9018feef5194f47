"""ARF (arfpy) and AIM (dpmm), which need numpy below 2.

arfpy knows no missing values: before fitting, gaps of numbers become the median and gaps of categories a level of their
own, which becomes a gap again. It draws from an untruncated tail where a leaf is open; values are not mended.

dpmm gets what our private generators get: ranges, categories and whether values can be missing as public, delta 1e-6,
and a total epsilon of 1, of which a tenth goes to its bins (its own default would spend 1.1).
"""

from importlib import import_module
from typing import Any

import pandas as pd

from tabular.workers.measured import NUMBERS, Job, Sampler, main, named

GAP = "(missing)"
BINS = 0.1  # share of epsilon for dpmm's bins


def fit(table: pd.DataFrame, job: Job) -> Sampler:
    """Train the peer that the job names."""
    return {"arf": fit_arf, "aim": fit_aim}[job["generator"]](table, job)


def fit_arf(table: pd.DataFrame, job: Job) -> Sampler:
    """Grow the forest and estimate the densities of its leaves."""
    numbers = named(job, *NUMBERS)
    filled = table.assign(**{name: table[name].fillna(table[name].median()).astype("float64") for name in numbers})
    others = [name for name in table.columns if name not in numbers]
    filled = filled.assign(**{name: filled[name].fillna(GAP).astype("object") for name in others})
    forest: Any = import_module("arfpy.arf").arf(
        x=filled, verbose=False, random_state=job["seed"], n_jobs=1, **job["settings"]
    )
    forest.forde()

    def sample(rows: int) -> pd.DataFrame:
        made: pd.DataFrame = forest.forge(n=rows)
        return made.assign(**{name: made[name].astype("object").where(made[name] != GAP) for name in others})

    return sample


def fit_aim(table: pd.DataFrame, job: Job) -> Sampler:
    """Measure marginals under differential privacy."""
    settings = {"epsilon": 1.0, "delta": 1e-6} | job["settings"]
    total = settings.pop("epsilon")
    domain = {column["name"]: public(column) for column in job["columns"]}
    numbers = set(named(job, *NUMBERS))
    typed = table.assign(
        **{
            name: pd.Categorical(table[name], domain[name]["categories"])
            for name in table.columns
            if name not in numbers
        }
    )
    pipeline = import_module("dpmm.pipelines").AIMPipeline(
        epsilon=total * (1 - BINS), proc_epsilon=total * BINS, n_jobs=1, **settings
    )
    pipeline.fit(typed, domain, random_state=job["seed"])
    return lambda rows: pipeline.generate(n_records=rows, random_state=job["seed"])


def public(column: dict[str, Any]) -> dict[str, Any]:
    """Return what is declared public of a column, as dpmm wants it."""
    if column["kind"] in NUMBERS:
        return {"lower": column["minimum"], "upper": column["maximum"]}
    return {"categories": [str(value) for value in column["categories"]]}


if __name__ == "__main__":
    main(fit, {"arf": ("arfpy.arf",), "aim": ("dpmm.pipelines",)})
