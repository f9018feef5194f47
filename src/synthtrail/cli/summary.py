"""What a repro made, as a few lines for the terminal."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthtrail.stages.layout import Layout

COLUMNS = ("experiment", "model", "items", "trained on synthetic / real", "verdict", "report")


def text(root: Path) -> str:
    """Return a table of the experiments in the workspace at `root`, and how to look further."""
    rows = [COLUMNS, *(row(path) for path in sorted((root / "data/records").glob("*/validate.json")))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, "", "MLflow:  make ui    then http://127.0.0.1:5000/?workflowType=machine_learning", ""])


def row(path: Path) -> tuple[str, ...]:
    """Return the cells of the experiment whose `validate` record lies at `path`."""
    name = path.parent.name
    judged = values(path, "facts")
    model = values(path.parents[1] / name.partition(".")[0] / "train.json", "params").get("model.name", "?")
    items = values(path.with_name("generate.json"), "facts").get("items", "?")
    report = (Layout(name).report / "report.html").as_posix()
    return name, model, items, " / ".join(utility(judged)), json.loads(path.read_bytes())["verdict"], report


def utility(judged: dict[str, str]) -> Iterator[str]:
    """Yield the score of the classifier trained on synthetic and on real data, as far as measured."""
    kind = "balanced_accuracy" if "tstr_balanced_accuracy" in judged else "r2"
    for side in ("tstr", "trtr"):
        value = judged.get(f"{side}_{kind}")
        yield f"{float(value):.3f}" if value else "-"


def values(path: Path, member: str) -> dict[str, str]:
    """Return one of a record's lists of pairs as a mapping; empty if the record is absent."""
    if not path.exists():
        return {}
    found: list[dict[str, Any]] = json.loads(path.read_bytes())[member]
    return {pair["name"]: str(pair["value"]) for pair in found}
