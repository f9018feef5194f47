"""The little Markdown that the page needs."""

from collections.abc import Sequence

from tabular.intervals import Interval


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
