"""One step of a sequence: the row that comes next in a table, given all that is known before it.

    known   the rows of the parent and its ancestors · the row before it below the same parent · where it stands
    own     the row itself

All are codes, one column after the other, so any learner that predicts codes from codes can make the step: `TreeStep`
(decision trees, as in `cart`) and `NetworkStep` (a masked network, as in `masked`). A column can have nothing to say in
a row (there is no time since the row before, if there is none): there its last code, "missing", is given and not drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.data.codec import TableCodec
from synthtrail.data.columns import Schema
from synthtrail.models.digits import Digits
from synthtrail.models.masked import MaskedSettings, plan
from synthtrail.models.masked_network import Network, Shape
from synthtrail.models.objective import generator_for
from synthtrail.models.one_hot import ranks_of_codes
from synthtrail.models.prune import grown
from synthtrail.models.synthesizer import Curves, Training
from synthtrail.models.trees import Features, Floats, Tree, frequent

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
HELD = 0.1  # share of the subjects that decides when a network stops


@dataclass(frozen=True)
class Sizes:
    """How a step is learnt: rows and subjects in a leaf at least, smoothing; and the settings of a network."""

    least: int
    subjects: int
    smoothing: float
    network: MaskedSettings


@dataclass(frozen=True)
class Rows:
    """Training rows of a step: codes (N, C), which of the own columns have something to say (N, C - K), which rows
    have one before them (N,), whose rows they are (N,).
    """

    codes: Ints
    applies: Mask
    later: Mask
    whose: Ints


class Step(Protocol):
    """Learns a step and makes it; `facts` are what it needs beside its tensors."""

    facts: dict[str, Any]

    def learn(self, rows: Rows, sizes: Sizes, training: Training) -> None:
        """Learn from training rows."""
        ...

    def draw(self, known: Ints, applies: Mask, later: Mask, random: torch.Generator) -> Ints:
        """Return the codes of the own columns (N, C - K) given those of the known ones (N, K)."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what was learnt."""
        ...

    def restore(self, state: Mapping[str, Tensor], facts: Mapping[str, Any], smoothing: float) -> None:
        """Take what was learnt."""
        ...


def together(parts: Sequence[tuple[str, TableCodec]], own: TableCodec) -> TableCodec:
    """Return the codec of a step: the columns of each part under its name, then the own ones."""
    columns, codes = [], []
    for name, codec in [*parts, ("", own)]:
        for column, coded in zip(codec.schema, codec.columns, strict=True):
            columns.append(replace(column, name=f"{name}.{column.name}" if name else column.name))
            codes.append(coded)
    return TableCodec(Schema(tuple(columns)), tuple(codes))


def with_none(codec: TableCodec) -> TableCodec:
    """Return a codec in which every column has a code for missing, which says that there is no such row."""
    return TableCodec(codec.schema, tuple(replace(column, missing=True) for column in codec.columns))


def nothing(codec: TableCodec) -> Ints:
    """Return the last code of each column (C,), which is "missing" where there is one."""
    return np.array(codec.cardinalities, dtype=np.int64) - 1


class TreeStep:
    """A tree for each own column, grown on the known columns and the own ones before it.

    A column of categories has two where there is a row before: the first says whether it stays as it was, the second
    what it becomes else. So what never changes (a patient's ethnicity) does not, be there ever so few rows to tell.
    `before` is the place of the first column of the row before among the known ones, None if there is none.
    """

    def __init__(self, codec: TableCodec, known: int, before: int | None) -> None:
        self.codec, self.known, self.before = codec, known, before
        self.trees: dict[int, Tree] = {}
        self.stays: dict[int, Tree] = {}
        self.facts: dict[str, Any] = {}
        self.smoothing = 0.0

    def learn(self, rows: Rows, sizes: Sizes, training: Training) -> None:
        """Grow the trees; only from rows in which a column has something to say."""
        self.smoothing = sizes.smoothing
        self.facts = {"levels": frequent(rows.codes, self.codec)}
        features = self.features
        seen = features.all(rows.codes)
        for at in range(self.known, rows.codes.shape[1]):
            told = seen[:, : features.ends[at - 1] if at else 0]
            there, codes, centres = rows.applies[:, at - self.known], rows.codes[:, at], self.codec.centres(at)
            if self.may_stay(at) and rows.later.any():
                last = rows.later
                stays = (codes == rows.codes[:, self.last(at)]) & last
                gate = stays[last].astype(np.int64)
                self.stays[at] = grown(told[last], gate, None, sizes.least, rows.whose[last], sizes.subjects)
                there = there & ~stays
            if there.any():
                own = told[there], codes[there], centres, sizes.least, rows.whose[there], sizes.subjects
                self.trees[at] = grown(*own)
                training.curves.log(at - self.known + 1, {"leaves": float(self.trees[at].leaves)})

    def may_stay(self, at: int) -> bool:
        """Return whether the column has categories, and so can be as it was in the row before."""
        return self.before is not None and self.codec.centres(at) is None

    def last(self, at: int) -> int:
        """Return the place of an own column's value in the row before."""
        return int(self.before or 0) + at - self.known

    def draw(self, known: Ints, applies: Mask, later: Mask, random: torch.Generator) -> Ints:
        """Draw the own columns one after the other."""
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=random)))
        width = len(self.codec.columns)
        codes = np.concatenate([known, np.tile(nothing(self.codec)[self.known :], (len(known), 1))], axis=1)
        features = self.features
        seen = np.zeros((len(known), features.ends[-1]), dtype=np.float32)
        for at in range(width):
            if at >= self.known:
                self.fill(codes, seen, at, applies[:, at - self.known], later, rng)
            features.put(seen, at, codes[:, at])
        return codes[:, self.known :]

    def fill(self, codes: Ints, seen: Floats, at: int, there: Mask, later: Mask, rng: np.random.Generator) -> None:
        """Draw column `at` of `codes` (N, C), where it has something to say."""
        if at in self.stays and later.any():
            stays = np.zeros(len(codes), dtype=bool)
            stays[later] = self.stays[at].draw(seen[later], self.smoothing, rng) == 1
            codes[stays, at] = codes[stays, self.last(at)]
            there = there & ~stays
        if at in self.trees and there.any():
            codes[there, at] = self.trees[at].draw(seen[there], self.smoothing, rng)

    @cached_property
    def features(self) -> Features:
        """Return what trees see of the columns."""
        return Features(self.codec, range(len(self.codec.columns)), self.facts["levels"])

    def state(self) -> dict[str, Tensor]:
        """Return the trees' arrays."""
        kinds = {"becomes": self.trees, "stays": self.stays}
        return {
            f"{kind}.{at}.{name}": value
            for kind, trees in kinds.items()
            for at, tree in trees.items()
            for name, value in tree.tensors().items()
        }

    def restore(self, state: Mapping[str, Tensor], facts: Mapping[str, Any], smoothing: float) -> None:
        """Take the trees' arrays."""
        self.facts, self.smoothing = dict(facts), smoothing
        columns: dict[tuple[str, int], dict[str, Tensor]] = {}
        for key, value in state.items():
            kind, at, name = key.split(".")
            columns.setdefault((kind, int(at)), {})[name] = value
        found = {key: Tree.of(tensors) for key, tensors in columns.items()}
        self.trees = {at: tree for (kind, at), tree in found.items() if kind == "becomes"}
        self.stays = {at: tree for (kind, at), tree in found.items() if kind == "stays"}


class NetworkStep:
    """One masked network over all columns; the own ones are drawn from left to right."""

    def __init__(self, codec: TableCodec, known: int, before: int | None) -> None:
        del before  # the network finds out by itself what stays as it was
        self.codec, self.known = codec, known
        self.facts: dict[str, Any] = {}
        self.network: Network

    def build(self) -> Network:
        """Return a fresh network, as large as `facts` say."""
        shape = Shape(**{name: self.facts[name] for name in Shape.__dataclass_fields__})
        return Network(Digits(self.codec.cardinalities), shape, ranks_of_codes(self.codec)[0].sum(1))

    def learn(self, rows: Rows, sizes: Sizes, training: Training) -> None:
        """Train; a tenth of the subjects decides when to stop."""
        from synthtrail.models.likelihood import LikelihoodSchedule, maximise  # noqa: PLC0415 - Lightning
        from synthtrail.models.masked_objective import MaskedObjective  # noqa: PLC0415 - Lightning

        s = plan(len(rows.codes), sizes.network)
        self.facts = asdict(s) | {"always": always(rows, self.codec, self.known)}
        schedule = LikelihoodSchedule(
            s.steps, s.batch, s.rate, s.decay, ema=s.ema, check_every=s.check_every, patience=s.patience
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            self.network = self.build()
        held = held_back(rows.whose, training.seed)
        digits = self.network.digits.split(torch.from_numpy(rows.codes))
        objective = MaskedObjective(self.network, digits[~held], digits[held], seed=training.seed)
        state = maximise(objective, schedule, training, lambda _network: None)
        self.restore(state, self.facts, 0.0)

    def draw(self, known: Ints, applies: Mask, later: Mask, random: torch.Generator) -> Ints:
        """Draw the own columns from left to right, each given those before it."""
        del later
        digits = self.network.digits
        last = np.tile(nothing(self.codec)[self.known :], (len(known), 1))
        values = digits.split(torch.from_numpy(np.concatenate([known, last], axis=1)))
        away = torch.from_numpy(np.concatenate([np.zeros_like(known, dtype=bool), applies], axis=1))
        away = digits.repeated(away)
        still = away.clone()
        for at in range(values.shape[1]):
            rows = away[:, at].nonzero().squeeze(1)
            if len(rows):
                logits = self.network.column(values[rows], still[rows], at)
                logits = logits + digits.forbidden(values[rows], still[rows], at, self.facts["always"])
                values[rows, at] = torch.multinomial(logits.softmax(1), 1, generator=random).squeeze(1)
                still[:, at] = False
        return np.asarray(digits.join(values).numpy()[:, self.known :])

    def state(self) -> dict[str, Tensor]:
        """Return the network's weights."""
        return self.network.state_dict()

    def restore(self, state: Mapping[str, Tensor], facts: Mapping[str, Any], smoothing: float) -> None:
        """Take the network's weights."""
        del smoothing
        self.facts = dict(facts)
        self.network = self.build()
        self.network.load_state_dict(dict(state))
        self.network.eval()


def always(rows: Rows, codec: TableCodec, known: int) -> list[int]:
    """Return the own columns that are never missing where they have something to say, though there is a code for it."""
    found = []
    for at in range(known, rows.codes.shape[1]):
        there, column = rows.applies[:, at - known], codec.columns[at]
        gap = column.missing and column.cardinality > 1
        if gap and there.any() and (rows.codes[there, at] < column.cardinality - 1).all():
            found.append(at)
    return found


def held_back(whose: Ints, seed: int) -> Tensor:
    """Return which rows (N,) are those of the subjects that decide when to stop; a row at least on either side."""
    subjects = np.unique(whose)
    order = torch.randperm(len(subjects), generator=generator_for(seed, 0)).numpy()
    held = np.isin(whose, subjects[order[: max(1, round(len(subjects) * HELD))]])
    if held.all() or not held.any():
        held = np.arange(len(whose)) % 2 == 0
    return torch.from_numpy(held)


class Named:
    """Curves of one table among several: its name stands before each figure's."""

    def __init__(self, curves: Curves, name: str) -> None:
        self._curves, self._name = curves, name

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Pass the figures on."""
        self._curves.log(step, {f"{self._name}.{figure}": value for figure, value in figures.items()})
