"""One picture's bytes as pixels (H, W, C) of the size and colour that are asked for; what cannot be one says why.

PNG, JPEG and DICOM (`dicom`) of up to 100 megapixels. In this order: the orientation that a camera wrote into EXIF is
applied; 16 bits of grey become 8 (value / 257, rounded), palettes and CMYK become RGB, transparent parts white; grey or
RGB as asked; cut and resized (`imagehow`). Of a JPEG with further pictures inside (MPO, as telephones make) the first
counts; an animated PNG and every other format is refused, and so is a file that is cut off. A JPEG whose bits are
flipped inside may still decode: no checksum is in it.

    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (60, 45), "red").save(file, "PNG")
    >>> pixels(file.getvalue(), ImageHow(8, "rgb")).shape
    (8, 8, 3)
"""

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from synthtrail.data import dicom
from synthtrail.data.errors import SourceError
from synthtrail.data.imagehow import ImageHow

LIMIT_PIXELS = 100_000_000
OTHERS = {b"GIF8": "GIF", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"RIFF": "WebP", b"<svg": "SVG"}
DEEP = ("I;16", "I;16L", "I;16B", "I")

Pixels = NDArray[np.uint8]


def pixels(data: bytes, how: ImageHow) -> Pixels:
    """Return pixels uint8 (size, size, C); `SourceError` says what is wrong with the bytes, without a name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd EXIF; the limit is ours
            return resized(opened(data), how)
    except SourceError:
        raise
    except Image.DecompressionBombError:
        raise SourceError("has more pixels than anybody needs; make it smaller") from None
    except MemoryError:
        raise SourceError("takes more memory than there is") from None
    except Exception as error:  # decoders raise nearly anything on bytes that are not what they claim
        reason = " ".join(str(error).split())[:80] if isinstance(error, OSError) else ""
        raise SourceError(f"cannot be decoded{f' ({reason})' if reason and '<' not in reason else ''}") from error


def encode_png(values: Pixels) -> bytes:
    """Return the PNG of one image (H, W, C); the same pixels give the same bytes."""
    file = io.BytesIO()
    Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values).save(file, format="PNG", compress_level=6)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    """Return the picture, of mode L or RGB, upright."""
    if dicom.is_dicom(data):
        return dicom.image(data)
    other = next((name for mark, name in OTHERS.items() if data.startswith(mark)), None)
    if other or not data:
        raise SourceError(f"{other} is not read, PNG, JPEG and DICOM are; convert it" if other else "is empty")
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        if image.width * image.height > LIMIT_PIXELS:
            raise SourceError(f"{image.width} x {image.height} pixels are too many; make it smaller")
        if image.format == "PNG" and getattr(image, "n_frames", 1) > 1:
            raise SourceError("is animated; store each frame as a file of its own")
        image.load()
        return plain(ImageOps.exif_transpose(image))


def plain(image: Image.Image) -> Image.Image:
    """Return a picture of any mode as L or RGB."""
    if image.mode in DEEP:
        deep = np.asarray(image).astype(np.int64).clip(0, 65_535)
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("L") if image.mode in ("1", "L") else image.convert("RGB")


def resized(image: Image.Image, how: ImageHow) -> Pixels:
    """Return the pixels (size, size, C) of a picture of mode L or RGB."""
    coloured = image.convert("L" if how.channels == 1 else "RGB")
    size = how.size or coloured.width
    if coloured.size != (size, size):
        coloured = coloured.resize((size, size), Image.Resampling.LANCZOS, box=box(coloured.size, how.fit))
    kept: NDArray[Any] = np.asarray(coloured)
    return kept[:, :, None] if kept.ndim == 2 else kept


def box(size: tuple[int, int], fit: str) -> tuple[float, float, float, float]:
    """Return which part of a picture (width, height) is kept: left, upper, right, lower."""
    width, height = size
    if fit == "squash":
        return (0, 0, width, height)
    side = min(size)
    left, upper = (width - side) / 2, (height - side) / 2
    return (left, upper, left + side, upper + side)
