"""One DICOM image as a Pillow image of 8 bits; nothing of the header goes with it.

Grey values: where the header has a window (0028,1050 and 0028,1051), the first one, by the linear function of DICOM
PS3.3 C.11.2.1.2.1; else for CT from -1024 to 1023 Hounsfield units, so that images stay comparable, and for others,
whose numbers have no unit, from the image's least to its greatest, as viewers do. MONOCHROME1 is inverted. Colour: RGB,
YBR and palettes become RGB. Several frames, and compressions for which no decoder is installed, are refused. Needs
pydicom: pip install 'synthtrail[dicom]'.
"""

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthtrail.data.errors import SourceError

MARK = b"DICM"  # at byte 128
LIMIT_PIXELS = 100_000_000
HOUNSFIELD = (-1024.0, 1023.0)


def is_dicom(data: bytes) -> bool:
    """Tell whether bytes begin as a DICOM file does."""
    return data[128:132] == MARK


def image(data: bytes) -> Image.Image:
    """Return the picture, of mode L or RGB; `SourceError` that says why there is none."""
    try:
        import pydicom  # noqa: PLC0415 - only for who has DICOM
    except ImportError:
        raise SourceError("DICOM needs pydicom: pip install 'synthtrail[dicom]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that are not quite by the standard
        found = pydicom.dcmread(io.BytesIO(data))
        refuse(found)
        try:
            return picture(found, found.pixel_array)
        except (NotImplementedError, RuntimeError) as error:
            syntax = found.file_meta.TransferSyntaxUID.name
            raise SourceError(f"no decoder for its pixels ({syntax}); store them uncompressed") from error


def refuse(found: Any) -> None:
    """Raise `SourceError` for a DICOM file that is not one image of a sane size."""
    if "PixelData" not in found or not found.get("Rows") or not found.get("Columns"):
        raise SourceError("a DICOM file without an image")
    frames = int(found.get("NumberOfFrames") or 1)
    if frames > 1:
        raise SourceError(f"has {frames} frames; store each as a file of its own")
    if found.Rows * found.Columns > LIMIT_PIXELS:
        raise SourceError(f"{found.Columns} x {found.Rows} pixels are too many; make it smaller")


def picture(found: Any, values: NDArray[Any]) -> Image.Image:
    """Return the values (H, W) or (H, W, 3) of an image as a picture."""
    if found.PhotometricInterpretation == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut  # noqa: PLC0415

        return Image.fromarray(eight_bits(apply_color_lut(values, found), (0, 65_535)))
    if values.ndim == 3:
        return Image.fromarray(eight_bits(values, (0, 2 ** int(found.BitsStored) - 1)))
    grey = eight_bits(*windowed(found, values))
    return Image.fromarray(255 - grey if found.PhotometricInterpretation == "MONOCHROME1" else grey)


def windowed(found: Any, values: NDArray[Any]) -> tuple[NDArray[Any], tuple[float, float]]:
    """Return grey values and the ends that become black and white."""
    centre, width = first(found.get("WindowCenter")), first(found.get("WindowWidth"))
    slope, intercept = float(found.get("RescaleSlope") or 1), float(found.get("RescaleIntercept") or 0)
    real = values * slope + intercept
    if centre is None or width is None or width < 1:
        return real, HOUNSFIELD if found.get("Modality") == "CT" else (float(real.min()), float(real.max()))
    low = centre - 0.5 - (width - 1) / 2
    return real, (low, low + width - 1)


def first(value: Any) -> float | None:
    """Return the first number of a DICOM value that may hold several."""
    if value is None or value == "":
        return None
    return float(value[0] if hasattr(value, "__getitem__") else value)


def eight_bits(values: NDArray[Any], ends: tuple[float, float]) -> NDArray[np.uint8]:
    """Return values between `ends` as 0 to 255, those beyond clamped."""
    low, high = ends
    scaled = (values.astype(np.float64) - low) * (255 / max(high - low, 1e-9))
    return np.round(scaled).clip(0, 255).astype(np.uint8)
