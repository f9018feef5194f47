"""A variational autoencoder for tables that draws its latent codes from a density learnt with it, given the class.

TVAE's class (Xu et al. 2019, arXiv 1907.00503), with three differences that carry most of its quality: columns are
codes of the table's codec, each with a softmax of its own; the prior is an autoregressive mixture of normals instead of
one normal (`latent_prior`), so that a class's latent codes may lie as they like, and what is drawn is what was encoded;
and each column sees the code of one other column, that with which it shares most (`coupled_head`).

A tenth of the rows is held back; training stops when the bound on them gets no better (`likelihood`). What the settings
leave open follows from the number of rows (`plan`), counted in steps and never in seconds.

    model = registry.create("vae", {})
    model.fit(train, codec, Training(seed=0))
"""

from dataclasses import asdict, dataclass
from functools import partial
from typing import ClassVar, TypeVar, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.models.conditional import shares
from synthtrail.models.coupled_head import CoupledHead
from synthtrail.models.dependence_tree import ROOT, parents
from synthtrail.models.likeness import likeness
from synthtrail.models.masked import parts
from synthtrail.models.one_hot import ranks_of_codes
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import SHOWN
from synthtrail.models.table_network import TableNetwork
from synthtrail.models.tables import row_rng, target_index
from synthtrail.models.vae_network import Entrance, Vae, VaeShape, drawn_codes

FEW, MANY = 2_000, 10_000  # rows at which the networks grow
NEAR = 2.0  # codes of a number as target: how far it is like its neighbours

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True)
class VaeSettings:
    """Settings of `TableVae`; None is decided by the number of rows (`plan`).

    `latent` numbers make a latent code, each drawn from `parts` normals. A column's code tells its children `coupling`
    numbers. At most `steps` steps are taken; after `warm_up` of them (`vae_objective`), `patience` checks without a
    better one end them.
    """

    steps: int | None = None
    batch: int | None = None
    width: int | None = None
    layers: int = 1
    latent: int | None = None
    parts: int = 8
    coupling: int | None = None
    embedding: int = 8
    dropout: float | None = None
    rate: float = 0.002
    decay: float = 0.0001
    ema: float | None = None
    warm_up: int | None = None
    check_every: int | None = None
    patience: int | None = None


@dataclass(frozen=True)
class Plan(VaeShape):
    """The settings with nothing left open."""

    embedding: int = 8
    coupling: int = 1
    steps: int = 0
    batch: int = 0
    rate: float = 0.0
    decay: float = 0.0
    ema: float = 0.0
    warm_up: int = 0
    check_every: int = 0
    patience: int = 0

    @property
    def shape(self) -> VaeShape:
        """How large the networks are."""
        return VaeShape(self.width, self.layers, self.latent, self.parts, self.dropout)


def plan(rows: int, settings: VaeSettings) -> Plan:
    """Return the settings with what is left open filled in: the fewer rows, the smaller the networks.

    >>> plan(26_000, VaeSettings()).width, plan(1_000, VaeSettings(latent=4)).latent
    (256, 4)
    """
    few = {"width": 64, "latent": 8, "coupling": 8, "dropout": 0.3, "ema": 0.98, "check_every": 10, "batch": 128}
    some = {"width": 128, "latent": 16, "coupling": 16, "dropout": 0.1, "ema": 0.99, "check_every": 50, "batch": 256}
    many = {"width": 256, "latent": 16, "coupling": 16, "dropout": 0.0, "ema": 0.999, "check_every": 100, "batch": 512}
    ruled = few if rows < FEW else some if rows < MANY else many
    steps = min(6000, max(600 if rows < FEW else 1500, round(40 * rows / ruled["batch"])))
    given = {name: value for name, value in asdict(settings).items() if value is not None}
    steps = given.get("steps", steps)
    more = {"patience": 10 if rows < MANY else 4, "steps": steps, "warm_up": steps // 5}
    return Plan(**(more | ruled | given))


class AtOnce(TableNetwork[SettingsT]):
    """Draws a row's columns at once, given its class and a latent code."""

    network: Vae
    batch: ClassVar[int] = 8192

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        coarse = self.coarse(classes)
        codes = self.codes(self.network.draw(coarse, random), coarse, random)
        return self.decoded(codes.numpy(), row_rng(random, first), classes.numpy())

    def codes(self, body: Tensor, target: Tensor, random: torch.Generator) -> Tensor:
        """Draw codes (B, C) of bodies (B, width), each column by itself; the target's are known (B,)."""
        codes, at = drawn_codes(self.network.head(body), self.sizes, random), target_index(self.codec)
        if at is not None:
            codes[:, at] = target
        return codes


class TableVae(AtOnce[VaeSettings]):
    """Good for tables of mixed types from some hundred rows to millions; fast to draw from, even for wide tables.

    A row is drawn column by column, each beside its parent, given a latent code; that takes one pass through the
    network. It does not complete partly given rows: `masked` does.
    """

    name: ClassVar[str] = "vae"

    @classmethod
    def settings_class(cls) -> type[VaeSettings]:
        """Return the dataclass of the settings."""
        return VaeSettings

    def build(self) -> Vae:
        """Return fresh networks, as large as `facts` say."""
        facts, at = dict(self.facts), target_index(self.codec)
        # In a model that was saved before there were parents, classes had nothing to do with each other either.
        tree = facts.pop("parents", None)
        alike = None if at is None or tree is None else likeness(self.codec.centres(at), NEAR)
        planned, ranks = Plan(**facts), ranks_of_codes(self.codec)[0].sum(1)
        head = CoupledHead(planned.width, self.sizes, ranks, tuple(tree or [ROOT] * len(self.sizes)), planned.coupling)
        entrance = Entrance(self.sizes, head.ranks, planned.embedding, planned.width)
        return Vae(entrance, head, planned.shape, 1 if at is None else self.sizes[at], alike)

    def codes(self, body: Tensor, target: Tensor, random: torch.Generator) -> Tensor:
        """Draw codes (B, C) of bodies (B, width), each column beside its parent; the target's are known (B,)."""
        at = target_index(self.codec)
        return cast("CoupledHead", self.network.head).draw(body, random, {} if at is None else {at: target})

    def tree(self, codes: NDArray[np.int64]) -> tuple[int, ...]:
        """Return the columns' parents by rows of codes (N, C).

        A target of words tells every column through the label; a number, of which each code is rare, as a parent too.
        """
        at = target_index(self.codec)
        number = at is not None and self.codec.centres(at) is not None
        return parents(codes, self.sizes, None if number else at, at if number else None)

    def learn(self, data: pd.DataFrame, training: Training) -> NDArray[np.float64]:
        """Train; return the share of each class."""
        from synthtrail.models.likelihood import LikelihoodSchedule, maximise  # noqa: PLC0415 - Lightning
        from synthtrail.models.vae_objective import Bound  # noqa: PLC0415 - Lightning

        codes, at = torch.from_numpy(self.coded(data)), target_index(self.codec)
        classes = np.zeros(len(codes), dtype=np.int64) if at is None else codes[:, at].numpy()
        s = plan(len(codes), self.settings)
        self.facts = asdict(s) | {"parents": list(self.tree(codes.numpy()))}
        schedule = LikelihoodSchedule(
            s.steps,
            s.batch,
            s.rate,
            s.decay,
            ema=s.ema,
            check_every=s.check_every,
            patience=s.patience,
            unjudged=s.warm_up,
        )
        self.network = self.fresh(training.seed)
        rows, held = parts(codes, training.seed)
        objective = Bound(self.network, rows, held, at=at, seed=training.seed, warm_up=s.warm_up)
        shown = torch.from_numpy(np.sort(classes)[:: max(1, len(classes) // SHOWN)])
        self.restore(maximise(objective, schedule, training, partial(self.shown, shown, training.seed)))
        return shares(classes, self.label_codes())
