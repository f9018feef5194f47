"""The key `image:` of an experiment: how pictures of any size and colour become images of one size.

    image: {size: 64, colour: rgb, fit: crop, table: labels.csv, name: file}

    size      pixels on each side, 8 to 512; for files 64 unless said, for arrays what they have
    colour    rgb or grey (ITU-R 601 luma); for files rgb unless said, for arrays what they have
    fit       crop (the default): the largest square around the middle; squash: the whole picture, its aspect lost
    table     a CSV beside the pictures with a row for each, if it cannot be told
    name      its column of file names, if it cannot be told

Pictures are resized by Pillow's Lanczos filter, whose support grows with the reduction, so there is no aliasing.

    >>> parse({"size": 28, "colour": "grey"}, "params.yaml").size
    28
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from synthtrail.params import build, choice, number, text

FILES_SIZE = 64
COLOURS = {"grey": 1, "rgb": 3}
FITS = ("crop", "squash")


@dataclass(frozen=True)
class ImageHow:
    """What params.yaml says of images; None where it says nothing."""

    size: int | None = None
    colour: str | None = None
    fit: str = "crop"
    table: str | None = None
    name: str | None = None

    def filled(self, size: int, colour: str) -> "ImageHow":
        """Return it with a size and a colour where it has none."""
        return replace(self, size=self.size or size, colour=self.colour or colour)

    @property
    def channels(self) -> int:
        """How many numbers a pixel has, once the colour is known."""
        return COLOURS[self.colour or "rgb"]


def parse(given: Mapping[str, Any], where: str) -> ImageHow:
    """Read the key; raise `ParamsError` naming what is wrong with it."""
    how = build(ImageHow, given, where)
    if how.size is not None:
        number(how.size, f"{where}.size", int, lambda x: 8 <= x <= 512, "of pixels between 8 and 512")
    if how.colour is not None:
        choice(how.colour, tuple(COLOURS), f"{where}.colour")
    choice(how.fit, FITS, f"{where}.fit")
    for key in ("table", "name"):
        if getattr(how, key) is not None:
            text(getattr(how, key), f"{where}.{key}")
    return how
