"""What an act that takes several steps intends and has done, so that a re-run completes it after `kill -9`.

A journal is a small JSON file in the state folder, written whole and flushed at every change. The intended steps stand
in it before the first of them is taken; a step that is not noted as done is taken again, and each step is one that may
be.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "act.json"
    >>> journal = Journal(path, {"plan": ["a", "b"]})
    >>> journal.done("a", size=3)
    >>> again = Journal(path, {"plan": ["a", "b"]})
    >>> again.has("a"), again.has("b"), again.fact("a")
    (True, False, {'size': 3})
    >>> again.finish()
    >>> path.exists()
    False
"""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthtrail.custody.errors import StorageError
from synthtrail.storage.files import write_json

OnStep = Callable[[str], object]


class Journal:
    """The journal at `path`; one that has another plan belongs to an act that was given up, and is begun anew."""

    def __init__(self, path: Path, plan: dict[str, Any], on_step: OnStep = lambda _: None) -> None:
        self.path = path
        self.on_step = on_step
        self.value: dict[str, Any] = {"plan": plan, "done": {}, "memo": {}}
        if path.exists():
            kept = json.loads(path.read_bytes())
            if kept["plan"] == json.loads(json.dumps(plan)):
                self.value = kept
                return
        self.save()

    @property
    def memo(self) -> dict[str, Any]:
        """What a step remembers of itself while it is not done."""
        found: dict[str, Any] = self.value["memo"]
        return found

    def save(self) -> None:
        """Write the journal."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(self.path, self.value)

    def step(self, name: str) -> None:
        """Announce what comes next. Nothing hangs on it, except in tests, which stop the process there."""
        self.on_step(name)

    def has(self, step: str) -> bool:
        """Tell whether a step is done."""
        return step in self.value["done"]

    def fact(self, step: str) -> Any:
        """Return what was noted when the step was done."""
        return self.value["done"][step]

    def done(self, step: str, **facts: Any) -> None:
        """Note that a step is done."""
        self.value["done"][step] = facts
        self.save()
        self.on_step(f"done {step}")

    def finish(self) -> None:
        """Forget the act: all of it is done."""
        self.path.unlink(missing_ok=True)


@contextmanager
def room(what: Path) -> Iterator[None]:
    """Turn a full disk into one line; raise everything else as it is."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"{what}: {os.strerror(error.errno)}; make room and run the same command again: it goes on where it was"
            ) from None
        raise
