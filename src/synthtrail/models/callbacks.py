"""What goes on beside a training: saving, showing progress, keeping Lightning quiet.

Saved are ends of epochs at least `pause()` seconds apart; `SYNTHTRAIL_CHECKPOINT_SECONDS` sets another pause.
"""

import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from synthtrail.models.checkpoint import Checkpoint

PAUSE = 10.0  # seconds


def pause() -> float:
    """Return the seconds at least between two checkpoints."""
    return float(os.environ.get("SYNTHTRAIL_CHECKPOINT_SECONDS", PAUSE))


class Saver(Callback):
    """Save the module's `state()` at ends of epochs, some seconds apart."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint, self._last, self._pause = checkpoint, time.monotonic(), pause()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if it is time."""
        del trainer
        module: Any = pl_module
        if time.monotonic() - self._last >= self._pause:
            self._checkpoint.save(module.state(), module.done)
            self._last = time.monotonic()


class Bar(Callback):
    """One rich bar over all steps, on standard error."""

    def __init__(self, steps: int) -> None:
        columns = (
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task("training", total=steps)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        del trainer, pl_module
        self._progress.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Move it now and then: redrawing at each step would cost more than a small step."""
        del trainer
        module: Any = pl_module
        if module.done % 20 == 0:
            self._progress.update(self._task, completed=module.done)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the terminal as it was, after an error too."""
        del trainer, stage
        module: Any = pl_module
        self._progress.update(self._task, completed=module.done)
        self._progress.stop()


def shown_steps(steps: int) -> frozenset[int]:
    """Return the steps after which a sample is drawn: 10, 30, 100, 300, ... and the last.

    >>> sorted(shown_steps(600))
    [10, 30, 100, 300, 600]
    """
    spaced = {lead * 10**power for power in range(1, 10) for lead in (1, 3)}
    return frozenset(step for step in spaced if step < steps) | {steps}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's advertisement and its lines about devices off the terminal."""
    logs = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*LeafSpec.* is deprecated")  # Lightning's own use of torch
        try:
            yield
        finally:
            for log, level in zip(logs, before, strict=True):
                log.setLevel(level)
