"""Quality against processor seconds: a panel a measure, a point a generator and settings, a figure a table.

Points of one generator with other lengths of training are joined. Ours are filled, peers hollow, controls grey.
The same results give the same bytes.
"""

from pathlib import Path
from typing import Any

from tabular.data import TABLES
from tabular.generators import Generator, known
from tabular.goals import measure_of
from tabular.summary import Findings, settings_text

MEASURES = ("quality", "useful", "detection_auc", "coverage")
TITLES = {
    "quality": "likeness (shapes, trends)",
    "useful": "TSTR, trees",
    "detection_auc": "detection (0.5 is best)",
    "coverage": "coverage",
}
COLOURS = (
    "#1b6ca8", "#c4501b", "#2e7d32", "#7b1fa2", "#b8860b", "#00838f", "#ad1457",
    "#5d4037", "#3949ab", "#e65100", "#558b2f", "#6a1b9a", "#c62828",
)  # fmt: skip
GREY, CROSSES = "#8a8a8a", "x+1234"
LEAST_SECONDS, MOST_SECONDS = 0.05, 5000.0  # what costs less stands at the former


def write(folder: Path, found: Findings) -> list[Path]:
    """Draw the figure of each table that has three generators or more; return the files."""
    drawn = []
    for name in TABLES:
        if sum(bool(found.runs(name, one.name)[0]) for one in known().values()) >= 3:
            folder.mkdir(parents=True, exist_ok=True)
            drawn.append(draw(folder / f"tables-{name}.svg", found, name))
    return drawn


def draw(path: Path, found: Findings, table: str) -> Path:
    """Draw one table's figure."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second
    from matplotlib.figure import Figure  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = "synthtrail"
    mpl.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    for at, measure in zip(axes, MEASURES, strict=True):
        panel(at, found, table, measure)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    figure.suptitle(f"{table}: means over the splits that were run", fontsize=11)
    figure.savefig(path, metadata={"Date": None})
    return path


def panel(axes: Any, found: Findings, table: str, measure: str) -> None:
    """Draw one measure."""
    coloured, marked = iter(COLOURS), iter(CROSSES)
    for one in known().values():
        control = one.kind == "control"
        colour, marker = (GREY, next(marked)) if control else (next(coloured), "o" if one.kind == "ours" else "s")
        points = curve(found, table, one, measure_of(table, measure))
        if not points:
            continue
        x, y = zip(*points, strict=True)
        face = "white" if one.kind == "peer" else colour
        axes.plot(x, y, marker, ls="-", color=colour, label=one.name, lw=1, ms=6, markerfacecolor=face)
        if not control:
            place = {"xytext": (5, 3), "textcoords": "offset points", "clip_on": True}
            axes.annotate(one.name, (x[-1], y[-1]), fontsize=7, color=colour, **place)
    axes.set_xscale("log")
    axes.set_xlim(LEAST_SECONDS / 2, MOST_SECONDS)
    axes.set_xticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1,000"])
    axes.set_xlabel("processor seconds of fitting")
    axes.set_title(TITLES[measure], fontsize=10)
    axes.grid(alpha=0.25)


def curve(found: Findings, table: str, one: Generator, measure: str) -> list[tuple[float, float]]:
    """Return (seconds, figure) of the defaults and of other lengths of training, by seconds."""
    points = []
    for settings in {"{}", *(settings_text(settings) for settings in one.tuned)}:
        value, seconds = (found.mean(table, one.name, name, settings) for name in (measure, "fit_cpu_s"))
        if value is not None and seconds is not None:
            points.append((max(seconds, LEAST_SECONDS), value))
    return sorted(points)
