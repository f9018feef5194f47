"""What synthesizers of one modality share: how their codec is read, and what the classes of the target are called.

They stand before the base class: `class Cgan(OfTables, ConditionalGan[...])`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from synthtrail.data.codec import TableCodec
from synthtrail.data.image import ImageCodec
from synthtrail.models.tables import class_names, target_codes


class OfTables:
    """A synthesizer of rows of a table."""

    modality: ClassVar[str] = "tabular"
    codec: TableCodec

    @classmethod
    def read_codec(cls, value: Mapping[str, Any]) -> TableCodec:
        """Read the codec."""
        return TableCodec.from_json(value)

    def classes(self) -> tuple[str, ...]:
        """Return the target's categories."""
        return class_names(self.codec)

    def label_codes(self) -> int:
        """Return the number of the target's codes, 1 without a target."""
        return target_codes(self.codec)


class OfImages:
    """A synthesizer of images."""

    modality: ClassVar[str] = "image"
    batch: ClassVar[int] = 1000
    codec: ImageCodec

    @classmethod
    def read_codec(cls, value: Mapping[str, Any]) -> ImageCodec:
        """Read the codec."""
        return ImageCodec.from_json(value)

    def classes(self) -> tuple[str, ...]:
        """Return the labels' names."""
        return self.codec.schema.classes
