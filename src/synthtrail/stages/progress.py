"""How far a long drawing is: a bar with rate and time left on a terminal, one line at the end anywhere."""

import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class RateColumn(ProgressColumn):
    """Items a second, as they come."""

    def render(self, task: Task) -> Text:
        """Return the rate as text."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


def shown(batches: Iterator[Any], count: int, what: str) -> Iterator[Any]:
    """Yield the batches of `count` items behind a bar on standard error, if that is a terminal; report the rate."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    start, done = time.perf_counter(), 0
    with bar(console) as progress:
        task = progress.add_task(what, total=count)
        for batch in batches:
            yield batch
            done += len(batch)
            progress.update(task, completed=done)
    seconds = time.perf_counter() - start
    console.print(f"{what}: {done:,} items in {seconds:.1f} s, {done / max(seconds, 1e-9):,.0f} a second", markup=False)


def bar(console: Console) -> Progress:
    """Return the bar; where there is no terminal, one that shows nothing."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        RateColumn(),
        TimeRemainingColumn(),
    )
    shown_on = console if console.is_terminal else Console(quiet=True)
    return Progress(*columns, console=shown_on, transient=True, disable=not console.is_terminal)
