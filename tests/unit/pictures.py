"""Small pictures for tests of image sources: made, never read from a real data set."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(
    number: int, size: tuple[int, int] = (30, 20), kind: str = "JPEG", mode: str = "RGB", **options: Any
) -> bytes:
    """Return the file of a smooth picture (width, height) that no other number has."""
    width, height = size
    ramp = np.add.outer(np.arange(height) * 3, np.arange(width) * 2) + 7 * number
    bands = np.stack([ramp, ramp[::-1], np.full_like(ramp, 11 * number)], axis=2) % 256
    file = io.BytesIO()
    Image.fromarray(bands.astype(np.uint8)).convert(mode).save(file, kind, **options)
    return file.getvalue()


def class_folders(root: Path, classes: dict[str, int], kind: str = "PNG") -> Path:
    """Write so many pictures of each class into a folder of its own."""
    for at, (name, count) in enumerate(classes.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number}.{kind.lower()}").write_bytes(picture(100 * at + number, kind=kind))
    return root


def with_table(root: Path, count: int, zips: int = 2) -> Path:
    """Write pictures into zips and a CSV beside them: two pictures of each lesion, two classes, an age with gaps."""
    root.mkdir(parents=True)
    lines = ["lesion,image,dx,age,site"]
    archives = [zipfile.ZipFile(root / f"part_{number}.zip", "w") for number in range(zips)]
    for number in range(count):
        archives[number % zips].writestr(f"P_{number:03d}.jpg", picture(number, (60, 45)))
        age = "" if number % 7 == 0 else str(20 + number)
        lines.append(f"L{number // 2},P_{number:03d},{'mel' if number // 2 % 3 == 0 else 'nv'},{age},back")
    for archive in archives:
        archive.close()
    (root / "meta.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
