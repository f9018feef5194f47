"""A progress bar with bytes, rate and, where the whole is known, time left, on standard error if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(what: str, total: int | None = None) -> Iterator[Callable[[int], object]]:
    """Yield what to call with each number of bytes that went through, of `total` if that is known."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich import progress as bars  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415 - only for who watches

    columns = (bars.SpinnerColumn(), bars.TextColumn("{task.description}"), bars.DownloadColumn())
    timing = (bars.TransferSpeedColumn(), bars.TimeElapsedColumn() if total is None else bars.TimeRemainingColumn())
    with bars.Progress(*columns, *timing, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
