"""The masked any-order network for tables: each column predicted from any others, rows drawn column by column.

Training hides a random number of random columns of each row, and asks for them (Uria, Murray, Larochelle 2014, arXiv
1310.1757; Hoogeboom et al. 2022, arXiv 2110.02037). So one network (`masked_network`) answers every question "these
columns given those": sampling draws the columns in a random order, each from its distribution given those drawn before,
and rows given in part are completed in the same way:

    model.complete(rows_with_gaps, seed=1)    # every gap filled, what was there unchanged

What the settings leave open follows from the number of rows (`plan`), counted in steps and never in seconds.
"""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.data.codec import TableCodec
from synthtrail.data.conditions import Wanted
from synthtrail.data.narrowing import narrowed
from synthtrail.models.conditional import shares
from synthtrail.models.digits import Digits
from synthtrail.models.directed import AnyOrder, Given
from synthtrail.models.errors import ConditionError
from synthtrail.models.masked_network import Network, Shape
from synthtrail.models.objective import generator_for
from synthtrail.models.one_hot import ranks_of_codes
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import SHOWN
from synthtrail.models.table_network import TableNetwork
from synthtrail.models.tables import row_rng, target_index
from synthtrail.models.threads import threads

HELD = 0.1  # share of the training rows that decides when to stop
LEAST_HELD = 20  # rows: the loss of fewer says too little
MANY = 10_000  # rows from which the larger network pays

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True)
class MaskedSettings:
    """Settings of `Masked`; None is decided by the number of rows (`plan`).

    At most `steps` steps are taken; `patience` checks without a better one end them.
    """

    steps: int | None = None
    batch: int | None = None
    width: int | None = None
    layers: int = 2
    embedding: int = 8
    dropout: float = 0.0
    rate: float = 0.002
    decay: float = 0.0001
    ema: float | None = None
    check_every: int | None = None
    patience: int = 10


@dataclass(frozen=True)
class Plan(Shape):
    """The settings with nothing left open."""

    steps: int
    batch: int
    rate: float
    decay: float
    ema: float
    check_every: int
    patience: int


def plan(rows: int, settings: MaskedSettings) -> Plan:
    """Return the settings with what is left open filled in.

    Below 10,000 rows: 256 rows a step, width 128; else 512 and 256. 60 passes over the rows, but 1,500 to 8,000 steps.

    >>> plan(26_000, MaskedSettings()).steps, plan(1_000, MaskedSettings(width=64)).width
    (3047, 64)
    """
    many = rows >= MANY
    batch = settings.batch or (512 if many else 256)
    steps = min(8000, max(1500, round(60 * rows / batch)))
    ruled: dict[str, float] = {"steps": steps, "batch": batch, "width": 256 if many else 128}
    ruled |= {"ema": 0.999 if many else 0.99, "check_every": 200 if many else 50}
    given = {name: value for name, value in asdict(settings).items() if value is not None}
    return Plan(**(ruled | given))


class Completing(TableNetwork[SettingsT]):
    """Draws and completes rows column by column with a network of any order."""

    network: AnyOrder
    given: Given | None = None
    batch: ClassVar[int] = 4096

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        at = target_index(self.codec)
        codes = torch.zeros(len(classes), len(self.sizes), dtype=torch.int64)
        hidden = torch.ones_like(codes, dtype=torch.bool)
        if at is not None:
            codes[:, at], hidden[:, at] = self.coarse(classes), False
        if self.given is not None:
            codes, hidden = self.given.starts(self.network, codes, hidden, random)
        drawn = self._filled(codes, hidden, random)
        return self.decoded(drawn.numpy(), row_rng(random, first), classes.numpy())

    def complete(self, rows: pd.DataFrame, seed: int = 0, cells: NDArray[np.bool_] | None = None) -> pd.DataFrame:
        """Return the rows with every missing value drawn given what is there, which stays as it is; index kept.

        A column that had missing values in training may be drawn as missing no more. With `cells` (N, C), those are
        drawn instead, whatever stands there, and may come out as missing. Raises `CodecError` for categories that were
        never seen.
        """
        learnt = rows[list(self.codec.schema.names)]
        gaps = learnt.isna().to_numpy()
        drawn_here = gaps if cells is None else cells
        unknown = drawn_here | (gaps & ~np.array([column.missing for column in self.codec.columns]))
        codes = torch.from_numpy(self.coded(fillable(self.codec, learnt)))
        with torch.no_grad(), threads(1):
            random = generator_for(seed, 0)
            drawn = self._filled(codes, torch.from_numpy(unknown), random, whole=cells is None).numpy()
            made = self.decoded(drawn, row_rng(random, 0)).set_axis(learnt.index)
        filled = {name: learnt[name].where(~drawn_here[:, i], made[name]) for i, name in enumerate(learnt.columns)}
        return rows.assign(**filled)

    def _filled(self, codes: Tensor, hidden: Tensor, random: torch.Generator, *, whole: bool = False) -> Tensor:
        """Return codes (B, C) with the `hidden` ones (B, C) drawn anew, column by column in a random order.

        With `whole` none is drawn as missing, as far as a column has another code.
        """
        digits = self.network.digits
        values, away = digits.split(codes), digits.repeated(hidden)
        still = away.clone()
        for at in torch.randperm(values.shape[1], generator=random).tolist():
            rows = away[:, at].nonzero().squeeze(1)
            if len(rows):
                logits = self.network.column(values[rows], still[rows], at)
                logits = logits + digits.forbidden(values[rows], still[rows], at, self._absent() if whole else ())
                values[rows, at] = torch.multinomial(logits.softmax(1), 1, generator=random).squeeze(1)
                still[:, at] = False
        return digits.join(values)

    def _absent(self) -> Sequence[int]:
        """Return the columns with a code for missing beside others; it is the last one."""
        return [i for i, column in enumerate(self.codec.columns) if column.missing and self.sizes[i] > 1]


class Masked(Completing[MaskedSettings]):
    """Good for tables of mixed types from some thousand rows to millions.

    Completes partly given rows. Sampling takes a pass per column, so that very wide tables are drawn slowly.
    """

    network: Network
    name: ClassVar[str] = "masked"

    def narrowed(self, wanted: Wanted) -> Self:
        """Return a model that draws only rows which meet the filters of `wanted`, without throwing rows away.

        Raises `ConditionError` where none can. `given.shares` tells how many of the model's rows would meet them.
        """
        model = copy.copy(self)
        model.codec, kept = narrowed(self.codec, wanted.filters)
        prior = self.prior * kept.pop(-1 if (at := target_index(self.codec)) is None else at, np.ones(1))
        if not prior.any():
            raise ConditionError(f"conditions: no row of the model has such a {wanted.target!r}")
        model.prior = prior / prior.sum()
        asked = wanted.one_class is not None or wanted.counts is not None
        model.given = Given({i: torch.from_numpy(own) for i, own in kept.items()}, alike=asked) if kept else None
        return model

    @classmethod
    def settings_class(cls) -> type[MaskedSettings]:
        """Return the dataclass of the settings."""
        return MaskedSettings

    def build(self) -> Network:
        """Return a fresh network, as large as `facts` say."""
        shape = Shape(**{name: self.facts[name] for name in Shape.__dataclass_fields__})
        return Network(Digits(self.codec.cardinalities), shape, ranks_of_codes(self.codec)[0].sum(1))

    def learn(self, data: pd.DataFrame, training: Training) -> NDArray[np.float64]:
        """Train; return the share of each class."""
        from synthtrail.models.likelihood import LikelihoodSchedule, maximise  # noqa: PLC0415 - Lightning
        from synthtrail.models.masked_objective import MaskedObjective  # noqa: PLC0415 - Lightning

        codes = torch.from_numpy(self.codec.encode(data))
        at = target_index(self.codec)
        classes = np.zeros(len(codes), dtype=np.int64) if at is None else codes[:, at].numpy()
        s = plan(len(codes), self.settings)
        self.facts = asdict(s)
        schedule = LikelihoodSchedule(
            s.steps, s.batch, s.rate, s.decay, ema=s.ema, check_every=s.check_every, patience=s.patience
        )
        self.network = self.fresh(training.seed)
        rows, held = parts(self.network.digits.split(codes), training.seed)
        objective = MaskedObjective(self.network, rows, held, seed=training.seed)
        shown = torch.from_numpy(np.sort(classes)[:: max(1, len(classes) // SHOWN)])
        self.restore(maximise(objective, schedule, training, partial(self.shown, shown, training.seed)))
        return shares(classes, self.label_codes())


def parts(rows: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows to learn from and those that decide when to stop."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    held = max(round(len(rows) * HELD), min(LEAST_HELD, len(rows) // 2), 1)
    return (rows[order[held:]], rows[order[:held]]) if len(rows) > 1 else (rows, rows)


def fillable(codec: TableCodec, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows that may have gaps where training rows had none, these filled with anything that has a code."""
    filled = {}
    for column, codes in zip(codec.schema, codec.columns, strict=True):
        series = rows[column.name]
        filled[column.name] = series if codes.missing else filler(series, codec, column.name)
    return pd.DataFrame(filled)


def filler(series: pd.Series, codec: TableCodec, name: str) -> pd.Series:
    """Return the column with its gaps replaced by a value that has a code."""
    if not series.isna().any():
        return series
    at = codec.schema.names.index(name)
    some: Any = codec.decode_column(at, np.zeros(1, dtype=np.int64), np.random.default_rng(0)).iloc[0]
    return series.fillna(some)
