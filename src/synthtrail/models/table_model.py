"""What the synthesizers of tables share that are no GANs: codec, classes, and a sample shown when they are done.

A child that shows samples while it trains says so by `shows`; of any other, one is shown after the fit.
"""

from typing import ClassVar, TypeVar

import numpy as np
import pandas as pd
from torch import Tensor

from synthtrail.data.codec import Codes, TableCodec
from synthtrail.models.conditional import ConditionalModel
from synthtrail.models.errors import ModelError
from synthtrail.models.kinds import OfTables
from synthtrail.models.synthesizer import Training
from synthtrail.models.tables import target_index

SettingsT = TypeVar("SettingsT")
SHOWN = 500  # rows


class TableModel(OfTables, ConditionalModel[pd.DataFrame, TableCodec, SettingsT]):
    """Makes rows of a table given their class."""

    batch: ClassVar[int] = 65536
    shows: ClassVar[bool] = False

    def order(self) -> list[int]:
        """Return the columns in the order in which they are drawn: the target first."""
        at = target_index(self.codec)
        rest = [i for i in range(len(self.codec.cardinalities)) if i != at]
        return rest if at is None else [at, *rest]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each column, (C,)."""
        return self.codec.cardinalities

    def coded(self, rows: pd.DataFrame) -> Codes:
        """Return the codes of rows (N, C)."""
        return self.codec.encode(rows)

    def decoded(self, codes: Codes, rng: np.random.Generator, classes: Codes | None = None) -> pd.DataFrame:
        """Return rows of codes (N, C); `classes` (N,) are the target's, for a child whose codes tell less."""
        del classes
        return self.codec.decode(codes, rng)

    def coarse(self, classes: Tensor) -> Tensor:
        """Return the target's codes for its classes (N,)."""
        return classes

    def fit(self, data: pd.DataFrame, codec: TableCodec, training: Training) -> None:
        """Learn from training rows (see `Synthesizer.fit`); `ModelError` for more than one device."""
        if training.devices > 1:
            raise ModelError(f"{self.name} learns on one device; set `devices: 1`")
        super().fit(data, codec, training)
        if not self.shows:
            shown = min(SHOWN, len(data))
            training.samples.draw(1, 1, pd.concat(list(self.sample(shown, seed=training.seed)), ignore_index=True))
