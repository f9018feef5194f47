"""Arrays of images as MNIST's kin publish them: idx files, plain or .gz, and one .npz; their test sets are kept apart.

    train-images-idx3-ubyte(.gz)  train-labels-idx1-ubyte(.gz)  t10k-images-idx3-ubyte(.gz)  t10k-labels-idx1-ubyte(.gz)
    any.npz with x_train, y_train, x_test, y_test       (or x, y; images, labels)

An idx file is two zero bytes, a type (0x08: uint8), the number of dimensions, each dimension as a big-endian uint32,
and the numbers (LeCun, http://yann.lecun.com/exdb/mnist/). Every count is held against the bytes that there are; 1 GiB
is the most. An npz that wants to run code (pickled objects) is refused.

    >>> parse(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])).tolist()
    [7, 9]
"""

import gzip
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data.errors import SourceError

LIMIT_BYTES = 1 << 30
UINT8 = 0x08
PARTS = {"train": ("train",), "test": ("t10k", "test")}
KEYS = ({"train": ("x_train", "y_train"), "test": ("x_test", "y_test")}, {"": ("x", "y")}, {"": ("images", "labels")})

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Arrays:
    """Images uint8 (N, H, W, C), their labels as texts (N,), names, and `part` (train, test) if there are two."""

    pixels: Pixels
    labels: NDArray[Any]
    names: tuple[str, ...]
    facts: pd.DataFrame | None


def files_in(folder: Path) -> list[Path]:
    """Return the idx files of a folder, else its npz if it is the only one; nothing if there are neither."""
    idx = sorted(path for path in folder.iterdir() if "-ubyte" in path.name and not path.name.startswith("."))
    return idx or sorted(folder.glob("*.npz"))


def read(files: Sequence[Path], classes: Sequence[str] = ()) -> Arrays:
    """Read the four (or two) idx files, or the one npz; `classes` are names for the labels' numbers.

    Raises `SourceError` naming the file at fault.
    """
    packed = len(files) == 1 and files[0].suffix == ".npz"
    parts = _npz(files[0]) if packed else _idx_parts(files)
    pixels = np.concatenate([images for images, _ in parts.values()])
    numbers = np.concatenate([labels for _, labels in parts.values()])
    names = tuple(f"{part or 'image'}-{i:05d}.png" for part, (images, _) in parts.items() for i in range(len(images)))
    told = np.repeat(list(parts), [len(images) for images, _ in parts.values()])
    facts = pd.DataFrame({"part": pd.Series(told, dtype="str")}) if len(parts) > 1 else None
    return Arrays(pixels, _texts(numbers, classes, files[0]), names, facts)


def parse(data: bytes) -> NDArray[np.uint8]:
    """Return the array of an idx file's bytes; `SourceError` if they are not one of uint8."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != UINT8 or not 1 <= data[3] <= 4:
        raise SourceError("not an idx file of bytes; fetch it again")
    start = 4 + 4 * data[3]
    shape = struct.unpack(f">{data[3]}I", data[4:start]) if len(data) >= start else ()
    if not shape or math.prod(shape) != len(data) - start:
        raise SourceError(f"an idx file of {len(data):,} bytes that announces {shape}; fetch it again")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _idx_parts(files: Sequence[Path]) -> dict[str, tuple[Pixels, NDArray[Any]]]:
    parts = {}
    for part, starts in PARTS.items():
        found = {
            kind: [f for f in files if f.name.startswith(starts) and kind in f.name] for kind in ("images", "labels")
        }
        if not any(found.values()):
            continue
        for kind, paths in found.items():
            if len(paths) != 1:
                where = paths[0] if paths else files[0].parent
                raise SourceError(f"{where}: {len(paths)} files of {part} {kind}, one is needed; add or remove one")
        parts[part] = _pair(_idx(found["images"][0]), _idx(found["labels"][0]), found["images"][0])
    if not parts:
        raise SourceError(f"{files[0]}: neither train nor t10k is in its name; use the published names")
    return parts


def _idx(path: Path) -> Pixels:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path}: not a whole gzip file; fetch it again") from error
    if len(data) > LIMIT_BYTES:
        raise SourceError(f"{path}: more than {LIMIT_BYTES >> 30} GiB; use a folder of pictures")
    try:
        return parse(data)
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from None


def _npz(path: Path) -> dict[str, tuple[Pixels, NDArray[Any]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > LIMIT_BYTES:
                raise SourceError(f"{path}: unpacks to more than {LIMIT_BYTES >> 30} GiB; use a folder of pictures")
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            keys = next((known for known in KEYS if all(k in arrays for pair in known.values() for k in pair)), None)
            if keys is None:
                raise SourceError(
                    f"{path}: holds {', '.join(arrays.files)[:200]}; x_train, y_train, x_test, y_test are read"
                )
            return {part: _pair(arrays[x], arrays[y], path) for part, (x, y) in keys.items()}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(
            f"{path}: not a readable npz ({' '.join(str(error).split())[:80]}); fetch it again"
        ) from error


def _pair(images: NDArray[Any], labels: NDArray[Any], path: Path) -> tuple[Pixels, NDArray[Any]]:
    """Return images as (N, H, W, C) with their labels (N,)."""
    shaped = images[..., None] if images.ndim == 3 else images
    flat = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if shaped.ndim != 4 or shaped.shape[3] not in (1, 3) or shaped.dtype != np.uint8 or not len(shaped):
        raise SourceError(f"{path}: images of {images.dtype} {images.shape}, not bytes (N, H, W) or (N, H, W, 3)")
    if flat.shape != (len(shaped),) or flat.dtype.kind not in "iuUS":
        raise SourceError(f"{path}: {len(shaped):,} images, and labels of {labels.dtype} {labels.shape}")
    return shaped, flat


def _texts(numbers: NDArray[Any], classes: Sequence[str], path: Path) -> NDArray[Any]:
    if not classes:
        return np.array([str(number) for number in numbers], dtype=object)
    if numbers.min() < 0 or numbers.max() >= len(classes):
        raise SourceError(f"{path}: label {numbers.max()} and {len(classes)} classes are declared; correct one")
    texts: NDArray[Any] = np.array(classes, dtype=object)[numbers]
    return texts
