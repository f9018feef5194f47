"""The sections of the two studies beside the benchmark: the privacy gate, and very small tables."""

from pathlib import Path

from synthtrail.evaluation.privacy import MOST_REAL
from tabular import gate, small
from tabular.data import SMALL
from tabular.goals import judged
from tabular.intervals import Interval
from tabular.markdown import grid, span

GATE_TEXT = """Adult; members are planted among the rows of a base generator that learnt from other rows ({jitters}).
Caught: the gate does not pass. A clean generator fails it with probability {exact:.4f} exactly, whatever the distances
are; what was seen of that stands in the rows without a leak. Smallest leak caught with 90 % power:
"""
SMALL_TEXT = """Share of holdout rows predicted rightly by a model trained on synthetic rows only, or on real ones.
Generator, settings, number of rows and model are chosen on the training rows alone (`benchmarks/tabular/small.py`);
intervals are paired over splits.
"""


def privacy_gate(path: Path) -> str:
    """Return the study of the privacy gate."""
    found = gate.results(path)
    if not found:
        return "## The privacy gate\n\nNot run (`--gate`).\n"
    text = GATE_TEXT.format(jitters=jitters(), exact=gate.false_alarm(MOST_REAL, MOST_REAL))
    titles = ("base", "jitter", "leak", "caught, with its 95 % interval", "refused")
    rows = [caught(one) for one in found]
    return "\n".join(["## The privacy gate\n", text, *least(found), "", grid(titles, rows)])


def jitters() -> str:
    """Return what the jitters do, in words."""
    said = [f"{one.name}: numbers ± {one.noise:.0%} of their deviation" for one in gate.JITTERS]
    more = [f", {one.redrawn:.0%} of the categories drawn anew" if one.redrawn else "" for one in gate.JITTERS]
    return "; ".join(words + extra for words, extra in zip(said, more, strict=True))


def least(found: list[gate.Caught]) -> list[str]:
    """Return the smallest leak caught, a line a base and jitter."""
    lines = []
    for base in gate.BASES:
        for jitter in gate.JITTERS:
            smallest = gate.smallest(found, base, jitter.name)
            told = "none of those tried" if smallest is None else f"{smallest:.1%}"
            lines.append(f"- `{base}`, {jitter.name} jitter: {told}")
    return lines


def caught(one: gate.Caught) -> list[str]:
    """Return one line of the table of the gate."""
    power, low, high = one.power
    jitter = one.jitter if one.leak else f"nothing planted; `{one.jitter}`"
    return [one.base, jitter, f"{one.leak:.1%}", f"{power:.3f} [{low:.3f}, {high:.3f}]", f"{one.refused}/{one.of}"]


def small_tables(folder: Path) -> str:
    """Return the study of very small tables."""
    rows = [row for name in SMALL for row in of_table(folder / f"{name}.jsonl", name)]
    if not rows:
        return "## Iris, Wine, Titanic\n\nNot run (`--small`).\n"
    titles = (
        "table",
        "trained on",
        "right",
        "less real",
        "less gaussian",
        "at least real",
        "ahead of gaussian",
        "splits",
        "runs",
    )
    return "\n".join(["## Iris, Wine, Titanic\n", SMALL_TEXT, grid(titles, rows)])


def of_table(path: Path, name: str) -> list[list[str]]:
    """Return the lines of one table, one a method that was run."""
    there = {method: values for method in ("real", *small.METHODS) if (values := small.by_split(path, method))}
    rows = []
    for method, values in there.items():
        mean = sum(values.values()) / len(values)
        against = [against_other(path, method, other, there) for other in ("real", "gaussian")]
        against += [verdict(path, method, other, there) for other in ("real", "gaussian")]
        runs = sum(key.split()[0] == method for key in small.lines(path))
        rows.append([name, f"`{method}`", f"{mean:.3f}", *against, str(len(values)), str(runs)])
    return rows


def verdict(path: Path, method: str, other: str, there: dict[str, dict[int, float]]) -> str:
    """Return whether a method trained on synthetic rows is shown to be ahead, nothing where that is not asked."""
    if method in ("real", other) or other not in there:
        return ""
    return judged(small.compared(path, method, other), 0.0)


def against_other(path: Path, method: str, other: str, there: dict[str, dict[int, float]]) -> str:
    """Return the difference of two methods, nothing where there is none."""
    if method == other or other not in there:
        return ""
    gap: Interval = small.compared(path, method, other)
    return span(gap)
