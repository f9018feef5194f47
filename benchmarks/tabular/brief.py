"""The short table of docs/tables.md: what a reader who chooses a generator looks at, the whole being the other page's.

python benchmarks/tables.py --report
"""

from tabular.generators import Generator, known
from tabular.goals import measure_of
from tabular.markdown import STYLE, grid, number, seconds
from tabular.summary import Findings

FIGURES = (
    ("adult", "useful", "Adult: TSTR"),
    ("adult", "detection_auc", "detection"),
    ("adult", "fit_cpu_s", "CPU-s"),
    ("support2", "useful", "SUPPORT2: TSTR"),
    ("support2", "detection_auc", "detection"),
    ("adult_1000", "useful", "1,000 rows of Adult: TSTR"),
    ("adult_1000", "detection_auc", "detection"),
    ("adult_1000", "found", "found (upper bound)"),
)


def told(found: Findings) -> str:
    """Return the table: real rows, then every generator, controls left out, that was run on one of its tables."""
    titles = ("trained on", *(title for _, _, title in FIGURES))
    rows = [row(found, one) for one in known().values() if one.kind != "control"]
    return grid(titles, [real(found), *(cells for cells in rows if any(cells[1:]))])


def real(found: Findings) -> list[str]:
    """Return the line of the real rows, whose models were trained beside those of `cart`."""
    trained = {table: measure_of(table, "useful").replace("tstr", "trtr") for table, _, _ in FIGURES}
    cells = (found.mean(table, "cart", trained[table]) if name == "useful" else None for table, name, _ in FIGURES)
    return ["real rows", *map(number, cells)]


def row(found: Findings, one: Generator) -> list[str]:
    """Return the line of one generator at its defaults; nothing where it was not run."""
    return [STYLE[one.kind].format(one.name), *(cell(found, one.name, *figure[:2]) for figure in FIGURES)]


def cell(found: Findings, name: str, table: str, measure: str) -> str:
    """Return one figure, the mean over splits; of the attack what it found over all splits together."""
    if measure == "found":
        pooled = found.pooled(table, name)
        return "" if pooled is None else f"{pooled.found}/{pooled.members} ({pooled.upper:.4f})"
    value = found.mean(table, name, measure_of(table, measure))
    return seconds(value) if measure == "fit_cpu_s" else number(value)
