"""What every benchmark of this project prints and writes: figures with their goals.

    python benchmarks/pipeline.py [--quick] [--json FILE]

`--quick` takes under a minute and says null where it measured nothing. A figure's `met` is true, false, or null where
it was not measured; a goal that is missed does not make the benchmark fail, it makes it say so.
"""

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured value; `goal` is the least (`at_least`) or the most that is wanted, None where it only informs."""

    name: str
    value: float | None
    unit: str
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where it was not measured or there is none."""
        if self.value is None or self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def main(title: str, measure: Callable[[bool], Sequence[Figure]]) -> int:
    """Parse the command line, measure, print the table and write the JSON file if asked to."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="under a minute; leaves out what takes longer")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    arguments = parser.parse_args()
    figures = list(measure(arguments.quick))
    show(title, figures)
    if arguments.json:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
        rows = [asdict(figure) | {"met": figure.met} for figure in figures]
        text = json.dumps({"title": title, "quick": arguments.quick, "machine": machine, "figures": rows}, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 0


def show(title: str, figures: Sequence[Figure]) -> None:
    """Print the figures as a table."""
    table = Table(title=title)
    for column in ("figure", "value", "goal", "met", "note"):
        table.add_column(column, justify="right" if column in ("value", "goal") else "left")
    for figure in figures:
        value = "not measured" if figure.value is None else f"{figure.value:.4g} {figure.unit}"
        sign = "≥" if figure.at_least else "≤"
        goal = "" if figure.goal is None else f"{sign} {figure.goal:g} {figure.unit}"
        met = {True: "yes", False: "NO", None: ""}[figure.met]
        table.add_row(figure.name, value, goal, met, figure.note)
    Console(width=140).print(table)
