"""What generating costs, beside the bare forward pass of the same model in the same run, on this machine.

A model is built on data in memory and trained for a few steps (speed does not depend on how good it is). "Bare" is the
network alone on one batch of noise, without choosing codes, decoding, or writing; "generated" is what a user gets:
Parquet on disk, by `Draw` and the modality's writer, as in the stage. Also what a condition met by rejection costs, and
the memory of the process. `--quick` draws a tenth.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from figures import Figure, main
from synthtrail.data import conditions
from synthtrail.data.image import ImageSet, numbered
from synthtrail.data.registry import MODALITIES
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from synthtrail.stages.draw import Draw
from synthtrail.stages.generate import sieves_for

LIMIT = 1024  # MiB resident that a million rows may take


def measure(quick: bool) -> list[Figure]:
    """Return every figure."""
    torch.set_num_threads(1)
    part = 10 if quick else 1
    table, images = table_model(), image_model()
    with tempfile.TemporaryDirectory(prefix="synthtrail-bench-") as folder:
        rows = rate(lambda: generated(table, "tabular", 200_000 // part, {}, Path(folder) / "t"), 200_000 // part)
        sifted = rate(
            lambda: generated(table, "tabular", 50_000 // part, {"mean radius": "12..14"}, Path(folder) / "c"),
            50_000 // part,
        )
        pictures = rate(lambda: generated(images, "image", 20_000 // part, {}, Path(folder) / "i"), 20_000 // part)
    bare_rows, bare_images = bare(table, table.batch), bare(images, images.batch)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Figure("rows a second", rows, "1/s", note="breast cancer, 31 columns, to Parquet"),
        Figure(
            "of the bare forward pass", rows / bare_rows, "", note=f"{bare_rows:,.0f} rows/s through the network alone"
        ),
        Figure("rows a second, by rejection", sifted, "1/s", note="mean radius 12..14, about two of five fit"),
        Figure("images a second", pictures, "1/s", note="digits 8x8, to PNG in Parquet shards"),
        Figure("of the bare forward pass", pictures / bare_images, "", note=f"{bare_images:,.0f} images/s"),
        Figure("memory, resident", memory, "MiB", LIMIT),
    ]


def generated(model: Any, modality_name: str, count: int, asked: dict[str, str], folder: Path) -> None:
    """Draw and write `count` items as the stage does."""
    modality = MODALITIES[modality_name]
    wanted = conditions.parse(asked, model.codec.schema)
    sieves = sieves_for(None, wanted, modality)
    drawing = Draw(model, wanted, count=count, seed=1, sieves=sieves, modality=modality)
    modality.write(folder, modality.whole, drawing.batches())


def bare(model: Any, batch: int) -> float:
    """Return the items a second of the generator alone, on batches of this size."""
    inputs = next(parameter for parameter in model.generator.parameters() if parameter.dim() >= 2)
    noise = torch.randn(batch, inputs.shape[1] if inputs.dim() == 2 else inputs.shape[0])
    model.generator.eval()
    with torch.no_grad():
        model.generator(noise)
        return rate(lambda: [model.generator(noise) for _ in range(5)], 5 * batch)


def rate(work: Callable[[], Any], items: int) -> float:
    """Return the items a second of the faster of two runs."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return items / min(seconds)


def table_model() -> Any:
    """Return a table model after a few steps on breast cancer."""
    found = load_breast_cancer(as_frame=True)
    rows: pd.DataFrame = found.data.assign(
        diagnosis=pd.Series(np.where(found.target == 0, "malignant", "benign"), dtype="str")
    )
    return trained("wgan_gp", "tabular", rows, "diagnosis")


def image_model() -> Any:
    """Return an image model after a few steps on digits."""
    found = load_digits()
    pixels = (found.images * 15.9375).astype(np.uint8)[..., None]
    labels = np.array([str(label) for label in found.target], dtype=object)
    return trained("dcgan", "image", ImageSet(pixels, labels, numbered(0, len(pixels))), "label")


def trained(name: str, modality_name: str, data: Any, target: str) -> Any:
    """Return a model of this name after five steps."""
    modality = MODALITIES[modality_name]
    codec = modality.fit_codec(data, modality.infer(data, target), bins=20)
    model = registry.create(name, {"steps": 5})
    model.fit(data, codec, Training(seed=0, progress=False))
    return model


if __name__ == "__main__":
    raise SystemExit(main("Generation", measure))
