"""Does a model that was trained on a GPU make the same rows on a CPU? Train, save, load on the CPU, compare.

The same noise goes through the trained generator on the device and through the loaded one on the CPU. Numbers may
differ by rounding: `TOLERANCE` of a column's range. A choice between two nearly equal categories may then fall the
other way: at most `FLIPS` of the cells may differ by more.

    >>> outcome = check("cpu", steps=5)       # the same path, where there is no GPU
    >>> [(found.model, found.differing) for found in outcome]
    [('wgan_gp', 0.0), ('cgan', 0.0), ('dcgan', 0.0)]
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from synthtrail.data.codec import TableCodec
from synthtrail.data.image import Images, ImageSet
from synthtrail.data.schema import infer
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training

TOLERANCE = 1e-3  # of a column's range
FLIPS = 0.01  # of the cells
ROWS = 500
MODELS = ("wgan_gp", "cgan", "dcgan")


@dataclass(frozen=True)
class Found:
    """What one model showed: the share of cells that differ by more than rounding, and the largest difference."""

    model: str
    differing: float
    largest: float

    @property
    def holds(self) -> bool:
        """Whether the model means the same on both."""
        return self.differing <= FLIPS


def gpu() -> str | None:
    """Return the name of this machine's GPU, None if there is none."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def check(device: str, steps: int = 200) -> list[Found]:
    """Train one small model of each kind (training takes a GPU by itself), and compare `device` with the CPU."""
    return [_check(name, device, steps) for name in MODELS]


def _check(name: str, device: str, steps: int) -> Found:
    data, codec = _table() if registry.find(name).modality == "tabular" else _images()
    model: Any = registry.create(name, {"steps": steps})
    model.fit(data, codec, Training(0, progress=False))
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        loaded = registry.load(Path(folder))
    with computing_on(model.generator, device):
        there = numbers(next(iter(model.sample(ROWS, seed=1))))
    here = numbers(next(iter(loaded.sample(ROWS, seed=1))))
    span = np.maximum(here.max(0) - here.min(0), 1e-9)
    apart = np.abs(there - here) / span
    return Found(name, float((apart > TOLERANCE).mean()), float(apart.max()))


@contextmanager
def computing_on(network: nn.Module, device: str) -> Iterator[None]:
    """Let the network compute on `device` while its callers stay on the CPU."""
    network.to(device)
    hooks = [
        network.register_forward_pre_hook(lambda _, given: tuple(value.to(device) for value in given)),
        network.register_forward_hook(lambda _, given, made: made.cpu()),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        network.cpu()


def numbers(data: pd.DataFrame | ImageSet) -> NDArray[np.float64]:
    """Return rows as numbers (N, D), categories as their place in the alphabet."""
    if isinstance(data, ImageSet):
        return data.pixels.reshape(len(data), -1).astype(np.float64)
    columns = [c if pd.api.types.is_numeric_dtype(c) else c.astype(str).map(_place) for _, c in data.items()]
    return np.stack([column.to_numpy(dtype=np.float64) for column in columns], 1)


def _place(text: str) -> float:
    return float(sum(map(ord, text)))


def _table() -> tuple[pd.DataFrame, TableCodec]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    table = pd.DataFrame(x @ rng.normal(size=(4, 4)), columns=list("abcd")).round(3)
    table["kind"] = np.where(x[:, 0] > 0, "left", "right")
    return table, TableCodec.fit(table, infer(table, "kind"), bins=20)


def _images() -> tuple[ImageSet, Any]:
    rng = np.random.default_rng(0)
    labels = np.array(["dark", "light"] * 100, object)
    level = np.where(labels == "light", 180, 60)[:, None, None, None]
    pixels = (level + rng.normal(0, 20, (200, 8, 8, 1))).clip(0, 255).astype(np.uint8)
    data = ImageSet(pixels, labels, tuple(f"image-{n:03d}" for n in range(200)))
    return data, Images().fit_codec(data, Images().infer(data))
