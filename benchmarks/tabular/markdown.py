"""The little Markdown that the pages need."""

from collections.abc import Sequence
from pathlib import Path

from synthtrail.storage.files import write_text
from tabular.intervals import Interval

STYLE = {"ours": "**`{}`**", "control": "*`{}`*", "peer": "`{}`"}  # of a generator's name


def between(page: Path, told: str, name: str = "measured") -> None:
    """Write what was measured between the two marks of this name on a page; `ValueError` if it has not both."""
    begin, end = (f"<!-- {name}: {side} -->" for side in ("begin", "end"))
    before, begun, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"{page} needs the marks {begin} and, after it, {end}: nothing was written")
    write_text(page, f"{before}{begin}\n\n{told}\n{end}{after}")


def grid(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table.

    >>> print(grid(("a", "b"), [["1", "2"]]), end="")
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: float | None) -> str:
    """Return a figure to three decimals, nothing if there is none."""
    return "" if value is None else f"{value:.3f}"


def seconds(value: float | None) -> str:
    """Return seconds or megabytes, a decimal for few."""
    return "" if value is None else f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def span(gap: Interval) -> str:
    """Return a difference with its interval."""
    if gap.splits < 2:
        return f"{gap.mean:+.3f}"
    return f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
