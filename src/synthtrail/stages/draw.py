"""Drawing from a model until as many rows as asked for fit what was asked for, in constant memory.

A **sieve** takes a batch and returns the rows of it that may stay (or mended ones). What it drops is drawn again, in
rounds: the first round draws as many rows as are wanted with the seed itself, so without sieves it is the model's own
sample; each later round draws what is still missing, and a little more, with a seed derived from (seed, round).

    draw = Draw(model, wanted, count=1000, seed=1, sieves=[Sieve("conditions", keep)], modality=modality)
    modality.write(folder, part, draw.batches())
    draw.facts()    {"drawn": 1300, "dropped.conditions": 300}

Rows that almost nothing fits are not looked for for ever: after `GRACE` rows, fewer than one in `LEAST` is an error,
and after `NONE_YET` rows none at all.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthtrail.data.conditions import Wanted, values_of
from synthtrail.data.errors import WantedError
from synthtrail.data.image import ImageSet, numbered
from synthtrail.data.modality import Modality
from synthtrail.models.synthesizer import Conditions, Synthesizer

GRACE = 100_000
NONE_YET = 20_000  # rows after which not to have found a single one is enough
LEAST = 1_000
ANY = ""  # the one class there is where no counts are asked for


@dataclass(frozen=True)
class Sieve:
    """Something that rows must pass: `passed` returns the rows of a batch that may stay, mended if it mends."""

    name: str
    passed: Callable[[Any], Any]


class Draw:
    """One drawing of `count` rows; `drawn` and `dropped` count as it goes."""

    def __init__(
        self,
        model: Synthesizer[Any, Any],
        wanted: Wanted,
        *,
        count: int,
        seed: int,
        sieves: Sequence[Sieve],
        modality: Modality[Any, Any, Any],
    ) -> None:
        self.model, self.wanted, self.seed, self.sieves, self.modality = model, wanted, seed, sieves, modality
        self.left = Counter(wanted.counts) if wanted.counts is not None else Counter({ANY: count})
        self.drawn, self.passed = Counter[str](), Counter[str]()
        self.dropped = {sieve.name: 0 for sieve in sieves}
        self.sifted = Counter[str]()  # rows that each sieve has seen
        self.given = Counter[str]()

    def batches(self) -> Iterator[Any]:
        """Yield the rows that fit, `count` in all; `WantedError` if they are too rare."""
        number, done = 0, 0
        while self.left.total():
            ask = self.ask()
            for batch in self.model.sample(sum(ask.values()), self.conditions(ask), seed=self.seed_of(number)):
                fitting = self.sift(batch)
                if len(fitting):
                    yield self.named(fitting, done)
                done += len(fitting)
                if not self.left.total():
                    return
            number += 1

    def ask(self) -> dict[str, int]:
        """Return how many rows of each class to draw now: what is left, by the share that has passed so far."""
        return {name: self._ask(name, left) for name, left in self.left.items() if left}

    def _ask(self, name: str, left: int) -> int:
        if not self.drawn[name]:
            return left
        share = max(self.passed[name] / self.drawn[name], 1 / LEAST)
        return int(left / share * 1.05) + 100

    def conditions(self, ask: Mapping[str, int]) -> Conditions | None:
        """Return what the model is told."""
        if self.wanted.counts is not None:
            return {"target": ask}
        return None if self.wanted.one_class is None else {"target": self.wanted.one_class}

    def seed_of(self, number: int) -> int:
        """Return the seed of a round: the drawing's own for the first."""
        return self.seed if number == 0 else int(np.random.SeedSequence([self.seed, number, 2]).generate_state(1)[0])

    def sift(self, batch: Any) -> Any:
        """Return the rows of `batch` that pass every sieve and are still wanted."""
        self.drawn.update(self.tally(batch))
        for sieve in self.sieves:
            before = len(batch)
            batch = sieve.passed(batch)
            self.sifted[sieve.name] += before
            self.dropped[sieve.name] += before - len(batch)
        self.passed.update(self.tally(batch))
        self.refuse_what_is_too_rare()
        wanted = self.first_of_each(batch)
        if len(wanted) < len(batch):
            batch = self.modality.take(batch, wanted)
        self.left.subtract(self.tally(batch))
        if self.wanted.counts is not None or self.wanted.one_class is not None:
            self.given.update(self.labels(batch).tolist())
        return batch

    def first_of_each(self, batch: Any) -> NDArray[np.int64]:
        """Return the numbers of the rows to take: of each class the first ones, as many as are left to draw."""
        if self.wanted.counts is None:
            return np.arange(min(len(batch), self.left[ANY]))
        labels = self.labels(batch)
        return np.sort(np.concatenate([np.flatnonzero(labels == name)[:left] for name, left in self.left.items()]))

    def named(self, batch: Any, first: int) -> Any:
        """Return images numbered anew from `first` on where a sieve leaves gaps and rounds would repeat their names."""
        if not self.sieves or not isinstance(batch, ImageSet):
            return batch
        return replace(batch, names=numbered(first, len(batch)))

    def tally(self, batch: Any) -> Counter[str]:
        """Return how many rows of the batch count for each class."""
        return Counter({ANY: len(batch)} if self.wanted.counts is None else self.labels(batch).tolist())

    def labels(self, batch: Any) -> NDArray[Any]:
        """Return the target's class of each row (N,) as text."""
        return values_of(batch, str(self.wanted.target)).astype(str).to_numpy(dtype=object)

    def refuse_what_is_too_rare(self) -> None:
        """Raise `WantedError` if next to nothing of a class that is still wanted fits."""
        for name, left in self.left.items():
            enough = self.drawn[name] >= (GRACE if self.passed[name] else NONE_YET)
            if left and enough and self.passed[name] * LEAST < self.drawn[name]:
                of = f" of class {name!r}" if name else ""
                raise WantedError(
                    f"only {self.passed[name]:,} of {self.drawn[name]:,} rows{of} fit what is asked for "
                    f"({', '.join(self.dropped)}); fewer than one in {LEAST:,} is given up: ask for less narrow ones"
                )

    def facts(self) -> dict[str, object]:
        """Return what was drawn, what each sieve dropped, and how many rows of each class there are if asked for."""
        sifted: dict[str, object] = {"drawn": self.drawn.total(), "dropped": self.dropped} if self.sieves else {}
        classes = {"classes": dict(self.given)} if self.given else {}
        return sifted | classes | self.met()

    def met(self) -> dict[str, object]:
        """Return which share of the model's rows meets the conditions: as the model says, or found by dropping."""
        given = getattr(self.model, "given", None)
        if given is not None and given.shares:
            return {"met": float(f"{np.mean(given.shares):.3g}"), "met_by": "the model"}
        if not self.sifted["conditions"]:
            return {}
        return {"met": float(f"{1 - self.dropped['conditions'] / self.sifted['conditions']:.3g}"), "met_by": "dropping"}
