"""Writes that a crash cannot tear.

A file or folder appears under its name whole or not at all: the bytes go to a temporary sibling, are flushed to disk,
and are renamed into place; then the containing folder is flushed, so that the name itself survives a power cut.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write_text(folder / "a.txt", "hello")
    >>> (folder / "a.txt").read_text()
    'hello'
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put `data` at `path` atomically, creating parent folders; `mode` is set before any byte is visible."""
    with placed(path, mode=mode) as file:
        file.write(data)


@contextmanager
def placed(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Yield a file to write to, which takes the place of `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Put `text` at `path` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Json) -> None:
    """Put `value` at `path` as indented JSON with sorted keys: the same value always gives the same bytes.

    Raises `ValueError` for NaN and infinities, which JSON has no words for.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


@contextmanager
def staged_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        stage.chmod(0o755)
        yield stage
        if path.exists():
            shutil.rmtree(path)
        stage.replace(path)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """Flush a folder's own entries, without which a rename may be forgotten by a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
