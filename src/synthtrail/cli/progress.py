"""A progress bar with bytes and rate on standard error, if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(what: str) -> Iterator[Callable[[int], object]]:
    """Yield what to call with each number of bytes that went through."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich import progress as bars  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415 - only for who watches

    columns = (bars.SpinnerColumn(), bars.TextColumn("{task.description}"), bars.DownloadColumn())
    timing = (bars.TransferSpeedColumn(), bars.TimeElapsedColumn())
    with bars.Progress(*columns, *timing, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda count: progress.advance(task, count)
