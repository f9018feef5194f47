"""PNG pictures of what a model makes while it trains, drawn in milliseconds, the same bytes for the same content.

Figures of the report are drawn with matplotlib; here that would cost more than the training it watches.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

REAL, SYNTHETIC, INK, SOFT = "#9db4d0", "#d9622b", "#2b2b2b", "#c9c9c9"
CELL = (180, 110)  # pixels
WIDE = 4  # columns of the picture
MOST = 16  # histograms in a picture
MARGIN = 12
SHOWN_SIDE = 48  # pixels that a small image is enlarged to
FRAME_MS, LAST_MS = 700, 2_500  # how long a picture of a film stands


def histograms(told: Mapping[str, Any], salt: bytes | None = None) -> bytes:
    """Return the picture of what `histograms.Histograms` tells: real filled, synthetic as a line."""
    columns = told["columns"][:MOST]
    wide = min(WIDE, len(columns))
    high = -(-len(columns) // wide)
    picture = Image.new("RGB", (wide * CELL[0], high * CELL[1] + 22), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(11)
    draw.rectangle((8, 6, 18, 16), fill=REAL)
    draw.text((23, 4), "real", fill=INK, font=font)
    draw.line((60, 11, 72, 11), fill=SYNTHETIC, width=2)
    draw.text((77, 4), f"synthetic, after step {told['step']} of {told['steps']}", fill=INK, font=font)
    for at, column in enumerate(columns):
        corner = ((at % wide) * CELL[0], (at // wide) * CELL[1] + 22)
        _histogram(draw, corner, column, told["rows"], font)
    return png(picture, salt)


def _histogram(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], column: Mapping[str, Any], rows: Mapping[str, int], font: Any
) -> None:
    left, top = corner[0] + MARGIN, corner[1] + 20
    width, height = CELL[0] - 2 * MARGIN, CELL[1] - 30
    real = np.array(column["real"]) / max(1, rows["real"])
    made = np.array(column["synthetic"]) / max(1, rows["synthetic"])
    most = max(float(real.max(initial=0)), float(made.max(initial=0)), 1e-9)
    across = np.round(np.linspace(left, left + width, len(real) + 1)).astype(int).tolist()
    name = "".join(c if c.isprintable() else " " for c in str(column["name"]))
    draw.text((left, corner[1] + 3), name if len(name) <= 26 else f"{name[:25]}…", fill=INK, font=font)
    line: list[tuple[float, float]] = []
    for at, (a, b) in enumerate(zip(real, made, strict=True)):
        x, end = across[at], across[at + 1]
        if a > 0:
            draw.rectangle((x, top + height - round(height * a / most), end - 1, top + height), fill=REAL)
        y = top + height - round(height * b / most)
        line += [(x, y), (end, y)]
    draw.line(line, fill=SYNTHETIC, width=2)
    draw.line((left, top + height + 1, left + width, top + height + 1), fill=SOFT)


def grid(pixels: NDArray[np.uint8], wide: int, salt: bytes | None = None) -> bytes:
    """Return images uint8 (N, H, W, C) side by side, `wide` in a row, a pixel apart, small ones enlarged."""
    count, height, width, channels = pixels.shape
    scale = max(1, SHOWN_SIDE // max(height, width))
    large = pixels.repeat(scale, 1).repeat(scale, 2)
    high, step = -(-count // wide), (height * scale + 1, width * scale + 1)
    canvas = np.full((high * step[0] + 1, wide * step[1] + 1, channels), 255, np.uint8)
    for at, image in enumerate(large):
        row, column = at // wide * step[0] + 1, at % wide * step[1] + 1
        canvas[row : row + height * scale, column : column + width * scale] = image
    return png(Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas), salt)


def png(picture: Image.Image, salt: bytes | None) -> bytes:
    """Return the PNG bytes, with the salt of a confidential picture in a text chunk."""
    words = PngInfo()
    if salt is not None:
        words.add_text("synthtrail.salt", salt.hex())
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=words)
    return out.getvalue()


def film(frames: Sequence[bytes], salt: bytes | None = None) -> bytes:
    """Return PNG pictures of one size as an animated GIF that repeats, the last one shown longer; empty without any."""
    if not frames:
        return b""
    pictures = [_opened(frame) for frame in frames]
    out = io.BytesIO()
    durations = [FRAME_MS] * (len(pictures) - 1) + [LAST_MS]
    comment = b"" if salt is None else f"synthtrail.salt {salt.hex()}".encode()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, comment=comment)
    return out.getvalue()


def _opened(frame: bytes) -> Image.Image:
    with Image.open(io.BytesIO(frame)) as picture:
        return picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
