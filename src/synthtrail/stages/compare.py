"""How two versions of an artifact differ, in words that tell no value of a row.

    describe(Path("logged/model"), Path("rebuilt/model"))
    ["weights.safetensors: 2 of 8 tensors differ: first.bias, last.weight; by 0.0031 at most"]

Files are compared by what they hold: tensors of safetensors by name, columns of Parquet, keys of JSON; of anything
else, or of what cannot be read, the place of the first byte that differs is told.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthtrail.custody import digest

MOST = 8  # names told of each kind


def describe(there: Path, here: Path) -> list[str]:
    """Return a line for each file in which the folders or files differ; none if they are the same."""
    if there.is_file():
        return [] if there.read_bytes() == here.read_bytes() else [f"{there.name}: {_file(there, here)}"]
    found = digest.difference(digest.manifest(there), digest.manifest(here))
    lines = [f"{name}: only in the rebuilt one" for name in found.added]
    lines += [f"{name}: missing in the rebuilt one" for name in found.removed]
    return lines + [f"{name}: {_file(there / name, here / name)}" for name in found.changed]


def _file(there: Path, here: Path) -> str:
    """Return how the contents of two files differ."""
    reader = READERS.get(there.suffix)
    try:
        said = reader(there, here) if reader else ""
    except Exception as error:  # a damaged file may break its reader in any way; its bytes still tell
        said = f"one of them is no readable {there.suffix[1:]} file ({type(error).__name__})"
    place = _first_byte(there, here)
    return f"{said}; first at byte {place:,}" if said else f"differs first at byte {place:,}"


def _first_byte(there: Path, here: Path) -> int:
    """Return the offset of the first byte that differs, or the length of the shorter file."""
    done = 0
    with there.open("rb") as left, here.open("rb") as right:
        while True:
            a, b = left.read(1 << 20), right.read(1 << 20)
            if a != b:
                pairs = enumerate(zip(a, b, strict=False))
                return done + next((i for i, (x, y) in pairs if x != y), min(len(a), len(b)))
            if not a:
                return done
            done += len(a)


def _tensors(there: Path, here: Path) -> str:
    from safetensors import safe_open  # noqa: PLC0415 - only where models differ

    with safe_open(there, framework="np") as left, safe_open(here, framework="np") as right:
        names, others = set(left.keys()), set(right.keys())
        shared = sorted(names & others)
        apart = {name: _distance(left.get_tensor(name), right.get_tensor(name)) for name in shared}
        salted = left.metadata() != right.metadata()
    return _told("tensors", len(names), names ^ others, apart, salted)


def _columns(there: Path, here: Path) -> str:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only where tables differ

    left, right = pq.ParquetFile(there), pq.ParquetFile(here)
    names, others = list(left.schema_arrow.names), list(right.schema_arrow.names)
    if left.metadata.num_rows != right.metadata.num_rows:
        return f"{left.metadata.num_rows:,} rows, and {right.metadata.num_rows:,} in the rebuilt one"
    shared = [name for name in names if name in others]
    apart = {name: _distance(_values(left, name), _values(right, name)) for name in shared}
    salted = left.schema_arrow.metadata != right.schema_arrow.metadata
    return _told("columns", len(names), set(names) ^ set(others), apart, salted)


def _values(file: Any, name: str) -> NDArray[Any]:
    """Return one column, (N,): numbers as they are, anything else as texts."""
    column = file.read(columns=[name]).column(0)
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values if values.dtype.kind in "iuf" else np.array([str(item) for item in column.to_pylist()], dtype=object)


def _distance(left: NDArray[Any], right: NDArray[Any]) -> float | None:
    """Return the greatest difference of two arrays, infinite if it is none of numbers; None if they are equal."""
    numbers = left.dtype.kind in "iuf" and right.dtype.kind in "iuf"
    if left.shape == right.shape and left.dtype == right.dtype and np.array_equal(left, right, equal_nan=numbers):
        return None
    if left.shape != right.shape or not numbers:
        return float("inf")
    gaps = np.abs(left.astype(np.float64) - right.astype(np.float64))
    return float(np.nanmax(gaps)) if np.isfinite(gaps).any() else float("inf")


def _told(kind: str, number: int, odd: set[str], apart: Mapping[str, float | None], salted: bool) -> str:
    """Put together what differs among the named parts of a file."""
    differ = {name: gap for name, gap in apart.items() if gap is not None}
    words = []
    if odd:
        words.append(f"{kind} in one of them only: {some(sorted(odd))}")
    if differ:
        words.append(f"{len(differ)} of {number} {kind} differ: {some(list(differ))}")
        gaps = [gap for gap in differ.values() if np.isfinite(gap)]
        words += [f"by {max(gaps):.3g} at most"] if gaps else []
    if salted:
        words.append("the salt or other metadata differ")
    return "; ".join(words) or f"all {kind} hold the same values, written in other bytes"


def _json(there: Path, here: Path) -> str:
    left, right = (dict(_flat(json.loads(path.read_bytes()))) for path in (there, here))
    differ = sorted(name for name in left.keys() | right.keys() if left.get(name, ...) != right.get(name, ...))
    return f"keys that differ: {some(differ)}" if differ else "the same values, written in other bytes"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a JSON value by dotted name."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def some(names: list[str]) -> str:
    """Return the first few of the names."""
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


READERS: dict[str, Callable[[Path, Path], str]] = {".safetensors": _tensors, ".parquet": _columns, ".json": _json}
