"""The page and plots of `scale.py`: docs/tables-scale.md and the curves beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

Results = Sequence[Mapping[str, Any]]
STAGES = ("ingest", "preprocess", "train", "generate", "validate")
HEAD = """# Tables: what large ones cost

Measured by `python benchmarks/scale.py` on made-up tables of mixed columns (numbers, amounts, counts, dates, truth
values, categories of 5 to 200 levels), read from CSV; each stage in a process of its own, one thread. **CPU seconds**
and the greatest resident memory as the kernel counts them, on a loaded machine of two cores: wall time says nothing
there and is not stated. Four fifths of the rows are trained on. `benchmarks/results/scale/` has the figures with the
versions they were measured with.

"""
COLUMNS = ("case", "rows × columns", "generator", "ingest", "preprocess", "train", "generate", "rows generated",
           "rows a CPU second", "validate", "memory, most (MiB)")  # fmt: skip
NOTES = """
**Sub-sampling, all of it.** `cart` grows its trees on at most 200,000 rows (`model.rows`); `smote` and `mixture`, which
are controls, learn from 50,000 and 100,000. How many stands in the facts of `model.json`. `masked`, `vae` and the
GANs see random batches of all rows, in a number of steps that stops growing (8,000 for `masked`, else 6,000).
`validate` computes scores and figures from at most 100,000 rows of each table, chosen by the seed, and distances to as
many synthetic rows; expectations and exact copies are checked on all rows. The report says so at its head.

**A million rows.** `cart` learns from 1,000,000 × 40 in 159 CPU-seconds, `vae` in 480; both stay below 2.3 GiB.
`wgan_gp` takes 2,218 on one core, which is beyond half an hour; `steps`, of which its own choice is 6,000 there, is the
price.

**Many levels.** A column of 50,000 categories has 256 codes (docs/adr/0009), so a model of it is no larger than one of
256; `tests/unit/test_scale.py` holds `cart` and `masked` on such a column below 1 GiB.

**Generating** takes constant memory: rows are drawn in batches and written as they come, and a bar shows rows a second
and the time left. `cart` with 10 columns, drawn and written to Parquet in one process: 100,000 rows in 392 MiB,
1,000,000 in 424, 10,000,000 in 417, at 183,000 to 199,000 rows a CPU second. A rule `unique` is the exception: what was
seen is kept.

**Not measured yet** is what the table says so of{missing}. `python benchmarks/scale.py` goes on with it.
"""


def write(results: Results, docs: Path, missing: Sequence[str] = ()) -> None:
    """Write the page and the curves; `missing` are the cases without a result."""
    head = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"
    table = "".join(map(line, results)) or "\nNothing was measured yet.\n"
    notes = NOTES.replace("{missing}", f", and the cases {', '.join(missing)}" if missing else "")
    (docs / "tables-scale.md").write_text(HEAD + head + table + curves(results, docs) + notes, encoding="utf-8")


def line(told: Mapping[str, Any]) -> str:
    """Return the row of one case."""
    case, stages = told["case"], told["stages"]
    columns = case["columns"] + bool(case["levels"])
    cells = [case["name"], f"{case['rows']:,} × {columns}", case["model"]["name"]]
    cells += [shown(stages.get(stage)) for stage in STAGES[:4]]
    rate = told["generated"] / stages["generate"]["cpu"] if told["generated"] else 0.0
    cells += [f"{told['generated']:,}", f"{rate:,.0f}" if rate else "", shown(stages.get("validate"))]
    return "| " + " | ".join([*cells, f"{max(stage['mib'] for stage in stages.values()):,}"]) + " |\n"


def shown(stage: Mapping[str, Any] | None) -> str:
    """Return the CPU seconds of a stage, or that it failed or was not run."""
    if stage is None:
        return "not measured"
    return f"failed ({stage['error'][-60:]})" if "error" in stage else f"{stage['cpu']:g} s, {stage['mib']:,} MiB"


def curves(results: Results, docs: Path) -> str:
    """Draw CPU seconds over rows and over columns; return the lines that show the pictures."""
    found = ""
    for series, of in (("rows", "rows"), ("columns", "columns")):
        some = [told for told in results if told["case"]["series"] == series or joins(told, series)]
        if len(some) > 1:
            picture(some, of, docs / f"tables-scale-{of}.svg")
            found += f"\n![CPU seconds over {of}](tables-scale-{of}.svg)\n"
    return found


def joins(told: Mapping[str, Any], series: str) -> bool:
    """Tell whether a case of the curve over rows is a point of that over columns too."""
    return series == "columns" and told["case"]["name"] in ("cart-50000", "vae-50000")


def picture(some: Results, of: str, path: Path) -> None:
    """Draw one plot: a line for each stage and generator."""
    mpl.rcParams |= {"svg.hashsalt": "scale", "svg.fonttype": "none"}
    figure, axes = plt.subplots(figsize=(7, 4))
    for name in sorted({told["case"]["model"]["name"] for told in some}):
        own = sorted((t for t in some if t["case"]["model"]["name"] == name), key=lambda t: int(t["case"][of]))
        for stage in STAGES if name == "cart" else ("train", "generate"):
            points = [(t["case"][of], t["stages"][stage]["cpu"]) for t in own if stage in t["stages"]]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", label=f"{stage}, {name}" if stage in
                          ("train", "generate") else stage)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel=of, ylabel="CPU seconds")
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
