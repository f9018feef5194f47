"""Image sets: Parquet shards of PNG bytes, a manifest of their digests, and the codec.

An `ImageSet` holds pixels uint8 (N, H, W, C), C being 1 (grey) or 3 (RGB), labels as texts (N,)
and names (N,). On disk a part of a data set (`images`, `train`, `holdout`) is

    <part>-00000.parquet ...   columns name, label, png, and what else is known of each image (age,
                               site, ...); at most 10,000 images each, so that tools see a few files
                               and not thousands
    manifest.txt               "<sha256 of the PNG bytes>  <name>", a line each in shard order;
                               `<part>.manifest.txt` if the part is not the whole set

PNG encoding is fixed, so the bytes depend on pixels, labels, versions and salt alone. The salt is
embedded in each shard as in tables.

    >>> import numpy as np, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> batch = ImageSet(np.zeros((2, 8, 8, 1), np.uint8), np.array(["0", "1"]), ("a", "b"))
    >>> Images().write(folder, "images", [batch])
    2
    >>> Images().read(folder, "images").pixels.shape
    (2, 8, 8, 1)
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from synthtrail.data import decoding
from synthtrail.data.encoded import WHOLE, EncodedImages, facts_of, manifest_lines, manifest_name, shards
from synthtrail.data.encoded import frame as rows_of
from synthtrail.data.errors import CodecError, SchemaError, SourceError
from synthtrail.data.schema import Violation
from synthtrail.data.tabular import TableWriter, read_table

SHARD = 10_000  # images a file
PIECE = 1_000  # images encoded at once; divides SHARD

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageSet:
    """Images of one size: pixels uint8 (N, H, W, C), labels as texts (N,), one name each."""

    pixels: Pixels
    labels: NDArray[Any]
    names: tuple[str, ...]
    facts: pd.DataFrame | None = None  # what else is known, a row for each image

    def __len__(self) -> int:
        return len(self.pixels)


def numbered(first: int, count: int) -> tuple[str, ...]:
    """Return the names of `count` generated images from number `first` on."""
    return tuple(f"{i:08d}.png" for i in range(first, first + count))


@dataclass(frozen=True)
class ImageSchema:
    """What every image of a set has in common: size in pixels, channels, and the known labels."""

    height: int
    width: int
    channels: int
    classes: tuple[str, ...]
    target: str | None = "label"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` gives back an equal schema."""
        return {**asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ImageSchema":
        """Read what `to_json` gave; `SchemaError` if it is something else."""
        try:
            given = {key: item for key, item in value.items() if key != "salt"}
            return cls(**{**given, "classes": tuple(value["classes"])})
        except (KeyError, TypeError) as error:
            raise SchemaError(f"not an image schema: {error}; run preprocess again") from error


@dataclass(frozen=True)
class ImageCodec:
    """Pixels as float32 in [-1, 1], channels first; labels as class numbers. Learns nothing."""

    schema: ImageSchema

    def numbers(self, data: ImageSet) -> NDArray[np.int64]:
        """Return the class numbers of the labels (N,)."""
        known = {name: number for number, name in enumerate(self.schema.classes)}
        strange = sorted(set(data.labels) - set(known))
        if strange:
            raise CodecError(f"label {strange[0]!r} is not among the training labels; split again")
        return np.array([known[label] for label in data.labels], dtype=np.int64)

    def encode(self, data: ImageSet) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return (N, C, H, W) float32 in [-1, 1] and class numbers int64 (N,)."""
        numbers = self.numbers(data)
        scaled = data.pixels.astype(np.float32) / 127.5 - 1
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)), numbers

    def stored(self, data: ImageSet) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the pixels as bytes (N, C, H, W), a quarter of what `encode` takes, and class numbers (N,)."""
        return np.ascontiguousarray(data.pixels.transpose(0, 3, 1, 2)), self.numbers(data)

    def decode(self, values: NDArray[np.float32], numbers: NDArray[np.int64], first: int = 0) -> ImageSet:
        """Turn (N, C, H, W) and class numbers into images named from number `first` on."""
        pixels = np.round((values.transpose(0, 2, 3, 1) + 1) * 127.5).clip(0, 255)
        labels = np.array(self.schema.classes, dtype=object)[numbers]
        return ImageSet(pixels.astype(np.uint8), labels, numbered(first, len(values)))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` gives back an equal codec."""
        return {"schema": self.schema.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ImageCodec":
        """Read what `to_json` gave."""
        if "schema" not in value:
            raise CodecError("not an image codec: no schema; run preprocess again")
        return cls(ImageSchema.from_json(value["schema"]))


class Images:
    """The modality of labelled images of one size."""

    name: ClassVar[str] = "image"
    whole: ClassVar[str] = WHOLE

    def write(
        self, folder: Path, part: str, batches: Iterable[ImageSet | EncodedImages], *, salt: bytes | None = None
    ) -> int:
        """Write the shards and manifest of a part; return the number of images."""
        folder.mkdir(parents=True, exist_ok=True)
        manifest, written = folder / manifest_name(part), 0
        stage = manifest.with_name(f".{manifest.name}.part")
        try:
            with stage.open("w", encoding="utf-8", newline="\n") as file:  # the names of millions do not fit in memory
                for lines in _shards(folder, part, batches, salt):
                    file.writelines(lines)
                    written += len(lines)
            if not written:
                raise CodecError(f"{folder}: no images to write; ask for at least one")
            stage.replace(manifest)
        finally:
            stage.unlink(missing_ok=True)
        return written

    def read(self, folder: Path, part: str) -> ImageSet:
        """Read a part; `SourceError` if shards are absent, unreadable or differ from the manifest."""
        frame = pd.concat([read_table(shard) for shard in shards(folder, part)], ignore_index=True)
        manifest = folder / manifest_name(part)
        if not manifest.exists() or manifest.read_text(encoding="utf-8") != "".join(manifest_lines(frame)):
            raise SourceError(f"{manifest}: does not list the images beside it; make them again")
        pixels = np.stack([decode_png(png, name) for png, name in _items(frame)])
        return ImageSet(pixels, frame["label"].to_numpy(dtype=object), tuple(frame["name"]), facts_of(frame))

    def infer(self, data: ImageSet, target: str | None = "label") -> ImageSchema:
        """Describe an image set; `SchemaError` if it is empty or of odd shape."""
        if data.pixels.ndim != 4 or not len(data) or data.pixels.shape[3] not in (1, 3):
            shape = data.pixels.shape
            raise SchemaError(f"images must be (N, H, W, 1 or 3) with N > 0, these are {shape}")
        _, height, width, channels = data.pixels.shape
        classes = sorted(set(data.labels), key=lambda text: (len(text), text))
        return ImageSchema(height, width, channels, tuple(classes), target)

    def check(self, data: ImageSet, schema: ImageSchema) -> list[Violation]:
        """Return every violation of the schema."""
        found: list[Violation] = []
        wanted = (schema.height, schema.width, schema.channels)
        if data.pixels.shape[1:] != wanted:
            what = f"images of shape {data.pixels.shape[1:]}, not {wanted}"
            found.append(Violation("png", "type", len(data), what))
        strange = [label for label in data.labels if label not in schema.classes]
        if strange:
            what = f"{len(strange)} images with unknown labels such as {strange[0]!r}"
            found.append(Violation("label", "categories", len(strange), what))
        return found

    def schema_from_json(self, value: Mapping[str, Any]) -> ImageSchema:
        """Read a schema."""
        return ImageSchema.from_json(value)

    def fit_codec(self, train: ImageSet, schema: ImageSchema, *, bins: int = 0) -> ImageCodec:
        """Return the codec; nothing is learnt, so `train` and `bins` do not matter."""
        del train, bins
        return ImageCodec(schema)

    def codec_from_json(self, value: Mapping[str, Any]) -> ImageCodec:
        """Read a codec."""
        return ImageCodec.from_json(value)

    def labels(self, data: ImageSet, target: str | None) -> NDArray[Any] | None:
        """Return the labels to stratify by (N,), None without a target."""
        return None if target is None else data.labels

    def take(self, data: ImageSet, rows: NDArray[np.int64]) -> ImageSet:
        """Return the images of these numbers."""
        names = tuple(data.names[i] for i in rows)
        facts = None if data.facts is None else data.facts.iloc[rows].reset_index(drop=True)
        return ImageSet(data.pixels[rows], data.labels[rows], names, facts)


def encode_png(pixels: Pixels) -> bytes:
    """Return the PNG of one image (H, W, C); the same pixels give the same bytes."""
    return decoding.encode_png(pixels)


def decode_png(png: bytes, name: str) -> Pixels:
    """Return pixels (H, W, C); `SourceError` naming the image if the bytes are not one."""
    try:
        with Image.open(io.BytesIO(png)) as image:
            kept = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise SourceError(f"{name}: not a readable image; replace or remove it") from error
    return kept[:, :, None] if kept.ndim == 2 else kept


def _shards(
    folder: Path, part: str, batches: Iterable[ImageSet | EncodedImages], salt: bytes | None
) -> Iterator[list[str]]:
    """Write the shards of a part, and yield the lines of its manifest as they come."""
    for number, pieces in groupby(_pieces(batches), key=itemgetter(0)):
        with TableWriter(folder / f"{part}-{number:05d}.parquet", salt=salt) as writer:
            for _, frame in pieces:
                writer.write(frame)
                yield manifest_lines(frame)


def _pieces(batches: Iterable[ImageSet | EncodedImages]) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield (shard number, rows), a thousand rows at most and none across the end of a shard."""
    done = 0
    for batch in batches:
        start = 0
        while start < len(batch):
            stop = min(len(batch), start + PIECE - done % PIECE)
            yield done // SHARD, _frame(batch, slice(start, stop))
            done, start = done + stop - start, stop


def _frame(batch: ImageSet | EncodedImages, rows: slice) -> pd.DataFrame:
    png = batch.png[rows] if isinstance(batch, EncodedImages) else [encode_png(image) for image in batch.pixels[rows]]
    facts = None if batch.facts is None else batch.facts.iloc[rows]
    return rows_of(png, batch.labels[rows], batch.names[rows], facts)


def _items(frame: pd.DataFrame) -> Iterator[tuple[bytes, str]]:
    return zip(frame["png"], frame["name"], strict=True)
