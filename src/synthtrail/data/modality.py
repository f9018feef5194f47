"""What every kind of data can do, so that stages need not know which kind they have.

`Data` is a whole set or one batch of it (a data frame, an `ImageSet`); a folder holds parts under a
name: the undivided set (`whole`), `train`, `holdout`. Everything fitted is fitted on training rows.

    modality = registry.MODALITIES["tabular"]
    schema = modality.infer(train, "species")
    codec = modality.fit_codec(train, schema, bins=20)
    modality.write(folder, modality.whole, [train], salt=None)
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from synthtrail.data.schema import Violation


class Jsonable(Protocol):
    """A schema or codec: plain JSON values out; its modality reads them back."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        ...


Data = TypeVar("Data")
SchemaT = TypeVar("SchemaT", bound=Jsonable)
CodecT_co = TypeVar("CodecT_co", bound=Jsonable, covariant=True)


class Modality(Protocol[Data, SchemaT, CodecT_co]):
    """Files, schema and codec of one kind of data. Errors are `DataError`s of one line."""

    @property
    def name(self) -> str:
        """The modality's name in the registry and in source descriptors."""
        ...

    @property
    def whole(self) -> str:
        """The part name of an undivided set: `table`, `images`."""
        ...

    def write(self, folder: Path, part: str, batches: Iterable[Data], *, salt: bytes | None = None) -> int:
        """Write a part from batches in constant memory; the same batches give the same bytes."""
        ...

    def read(self, folder: Path, part: str) -> Data:
        """Read a part whole."""
        ...

    def infer(self, data: Data, target: str | None) -> SchemaT:
        """Describe the data."""
        ...

    def check(self, data: Data, schema: SchemaT) -> list[Violation]:
        """Return every violation of the schema; none means that the data conform."""
        ...

    def schema_from_json(self, value: Mapping[str, Any]) -> SchemaT:
        """Read a schema."""
        ...

    def fit_codec(self, train: Data, schema: SchemaT, *, bins: int) -> CodecT_co:
        """Fit the codec on training rows only."""
        ...

    def codec_from_json(self, value: Mapping[str, Any]) -> CodecT_co:
        """Read a codec."""
        ...

    def labels(self, data: Data, target: str | None) -> NDArray[Any] | None:
        """Return one label a row to stratify by, or None where there is none."""
        ...

    def take(self, data: Data, rows: NDArray[np.int64]) -> Data:
        """Return the rows of these numbers."""
        ...
