"""What a model makes while it still trains, with the same noise each time: shown live, and kept for the diagnostics.

    samples/step-000100.json    tables: histograms, real beside synthetic (`histograms`); images: what the picture shows
    samples/step-000100.png     the picture of it
    samples/training.gif        of images, all pictures one after another
    samples/layers-000100.json  how weights and gradients are spread (`synthtrail.models.layers`)

Of confidential data only aggregates are shown: cells of at least five rows, and images as means of at least five.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synthtrail.data.image import ImageSet
from synthtrail.stages import pictures
from synthtrail.stages.histograms import LEAST, Histograms
from synthtrail.stages.parts import FILM, salted
from synthtrail.stages.relation_view import RelationView
from synthtrail.storage.files import write_bytes
from synthtrail.storage.salt import Salts

MOST_CLASSES = 10
WIDE = 8  # images of a class


class View(Protocol):
    """Turns items into what may be shown of them."""

    def look(self, data: Any) -> tuple[dict[str, Any], Any]:
        """Return what is shown as JSON values, and what the picture needs beyond them."""
        ...

    def picture(self, told: Mapping[str, Any], more: Any, salt: bytes | None) -> bytes:
        """Return the PNG."""
        ...


class Watch(Protocol):
    """Where pictures are shown live."""

    def show(self, step: int, picture: bytes) -> None:
        """Show the picture of a step."""
        ...


class Samples:
    """Draws, shows and keeps the samples of one training."""

    def __init__(self, view: View, live: Watch, salts: Salts) -> None:
        self._view, self._live, self._salts = view, live, salts
        self._files: dict[str, bytes] = {}

    def draw(self, step: int, steps: int, data: Any) -> Mapping[str, bytes]:
        """Show what the model makes after `step` of `steps` steps; return the files to keep."""
        name = f"step-{step:06d}"
        told, more = self._view.look(data)
        told |= {"step": step, "steps": steps}
        picture = self._view.picture(told, more, self._salts(f"{name}.png"))
        text = json.dumps(salted(told, self._salts(f"{name}.json")), sort_keys=True) + "\n"
        files = {f"{name}.png": picture, f"{name}.json": text.encode()}
        self._files |= files
        self._live.show(step, picture)
        return files

    def keep(self, files: Mapping[str, bytes]) -> None:
        """Take the files of an earlier process, and show their pictures."""
        self._files |= files
        for name in sorted(files):
            if name.endswith(".png"):
                self._live.show(int(name[5:11]), files[name])

    def write(self, folder: Path) -> None:
        """Write every file, and the pictures of images as a film."""
        for name, content in self._files.items():
            write_bytes(folder / name, self._whole(name, content))
        frames = [self._files[name] for name in sorted(self._files) if name.endswith(".png")]
        if isinstance(self._view, ImageView) and frames:
            write_bytes(folder / FILM, pictures.film(frames, self._salts(FILM)))

    def _whole(self, name: str, content: bytes) -> bytes:
        """Return a file's bytes; what comes from the training itself has no salt yet."""
        salt = self._salts(name)
        if salt is None or not name.startswith("layers-"):
            return content
        return (json.dumps(salted(json.loads(content), salt), sort_keys=True) + "\n").encode()


class TableView:
    """Histograms of the columns."""

    def __init__(self, real: Any, schema: Any, *, private: bool) -> None:
        self._histograms = Histograms(real, schema, private=private)

    def look(self, data: Any) -> tuple[dict[str, Any], Any]:
        """Return the counts of each column."""
        return self._histograms.beside(data), None

    def picture(self, told: Mapping[str, Any], more: Any, salt: bytes | None) -> bytes:
        """Return the histograms, drawn."""
        del more
        return pictures.histograms(told, salt)


class ImageView:
    """A row of images for each class; of confidential images the means of a class, real beside synthetic."""

    def __init__(self, real: ImageSet, schema: Any, *, private: bool) -> None:
        self._classes = tuple(schema.classes)[:MOST_CLASSES]
        self._means = _means(real, self._classes) if private else None

    def look(self, data: ImageSet) -> tuple[dict[str, Any], Any]:
        """Return what the picture shows, and its pixels."""
        rows, wide, pixels = self._samples(data) if self._means is None else self._averages(data, self._means)
        told = {
            "v": 1,
            "modality": "image",
            "rows": rows,
            "columns": wide,
            "height": int(data.pixels.shape[1]),
            "width": int(data.pixels.shape[2]),
            "margin": 1,
            "shows": "samples" if self._means is None else "class means",
        }
        return told, pixels

    def picture(self, told: Mapping[str, Any], more: Any, salt: bytes | None) -> bytes:
        """Return the grid."""
        return pictures.grid(more, told["columns"], salt)

    def _samples(self, data: ImageSet) -> tuple[list[str], int, NDArray[np.uint8]]:
        each = [data.pixels[data.labels == name][:WIDE] for name in self._classes]
        wide = min(map(len, each))
        return list(self._classes), wide, np.concatenate([part[:wide] for part in each])

    def _averages(
        self, data: ImageSet, means: Mapping[str, NDArray[np.uint8]]
    ) -> tuple[list[str], int, NDArray[np.uint8]]:
        made = _means(data, tuple(means))
        both = [name for name in means if name in made]
        blank = np.zeros((0, *data.pixels.shape[1:]), np.uint8)
        pairs = [np.stack([means[name], made[name]]) for name in both]
        return both, 2, np.concatenate([blank, *pairs])


def _means(data: ImageSet, classes: tuple[str, ...]) -> dict[str, NDArray[np.uint8]]:
    """Return the mean image of each class that has enough of them."""
    parts = {name: data.pixels[data.labels == name] for name in classes}
    return {name: part.mean(0).round().astype(np.uint8) for name, part in parts.items() if len(part) >= LEAST}


VIEWS: Mapping[str, Any] = {"tabular": TableView, "image": ImageView, "relational": RelationView}
