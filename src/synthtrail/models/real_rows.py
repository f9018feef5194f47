"""The control that hands on the training rows themselves, each once before any comes again. For judging only.

As many rows as there were training rows are the training rows, in another order; of each class that is asked for, its
rows are dealt like cards, in an order that follows from the seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from synthtrail.models import labels
from synthtrail.models.kept_rows import Codes, KeptRows, as_table
from synthtrail.models.synthesizer import Conditions


@dataclass(frozen=True)
class RealRowsSettings:
    """No settings."""


class RealRows(KeptRows[RealRowsSettings]):
    """Good as the control that every judge of privacy must refuse. It hands on real rows: never to be released."""

    name: ClassVar[str] = "real_rows"

    @classmethod
    def settings_class(cls) -> type[RealRowsSettings]:
        """Return the dataclass of the settings."""
        return RealRowsSettings

    def sample(self, n: int, conditions: Conditions | None = None, seed: int = 0) -> Iterator[pd.DataFrame]:
        """Yield `n` rows in batches; without conditions, each class as often as among as many training rows."""
        if conditions or n < 1:
            return super().sample(n, conditions, seed)
        return self._batches(labels.draw(n, self.prior, self.quota(n, seed), seed, self.batch), seed)

    def quota(self, n: int, seed: int) -> Codes:
        """Return how many of each class `n` rows are: all rows as often as they fit, then some of them."""
        counts = np.bincount(self.kinds, minlength=len(self.prior))
        times, rest = divmod(n, len(self.kinds))
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 90])))
        return np.asarray(counts * times + rng.multivariate_hypergeometric(counts, rest), dtype=np.int64)

    def _batches(self, drawn: Iterator[labels.Labels], seed: int) -> Iterator[pd.DataFrame]:
        decks: dict[int, Iterator[int]] = {}
        for classes in drawn:
            picked = np.zeros(len(classes), dtype=np.int64)
            for kind in np.unique(classes).tolist():
                deck = decks.setdefault(kind, dealt(self.of_kind(kind), [seed, kind, 91]))
                here = np.flatnonzero(classes == kind)
                picked[here] = [next(deck) for _ in here]
            yield as_table(self.rows[picked], self.codec.schema)


def dealt(cards: Codes, seed: list[int]) -> Iterator[int]:
    """Yield the cards in a random order, then all of them in another one, and so on."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    while True:
        yield from rng.permutation(cards).tolist()
