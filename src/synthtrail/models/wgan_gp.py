"""Conditional WGAN-GP for tables: every column a choice among codes.

The codec makes each column a choice among K_c codes, which spares the network the odd shapes of real numbers. A row is
the one-hot vectors of its columns side by side, W = sum of K_c wide, in the order in which they are drawn.

    generator   noise (B, Z), one-hot class (B, L), Gumbel noise (B, W) -> rows (B, W), in a few stages: `cascade`.
                It starts from what pairs of columns along a tree tell: `drawing_order`, `pair_start`
    critic      `pac` rows of the batch judged together (Lin et al. 2018, arXiv 1712.04086), so that a generator that
                repeats itself is caught; gradient penalty (Gulrajani et al. 2017, arXiv 1704.00028). Beside the codes
                it sees the numbers they stand for, since a hundred rows do not teach it which codes are neighbours
    moments     the generator also minimises the distance of its rows' pairwise shares and correlations to the real
                ones: `moments`
    afterwards  its columns' shares are set to those of the training rows, class by class: `calibration`

Classes are drawn as often as in training and given to the generator; the critic sees them as a column like the others.
What the settings leave open follows from the number of rows (`plan`), counted in steps and never in seconds.
"""

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.data.codec import TableCodec
from synthtrail.models.calibration import calibrate
from synthtrail.models.cascade import Cascade
from synthtrail.models.dependence_tree import ROOT
from synthtrail.models.drawing_order import DrawingOrder, line_up, tree
from synthtrail.models.gan import ConditionalGan
from synthtrail.models.kinds import OfTables
from synthtrail.models.moments import Moments
from synthtrail.models.objective import CriticLoss, Objective, Schedule
from synthtrail.models.one_hot import Layout, gumbel, numbers_of_codes, ranks_of_codes
from synthtrail.models.pair_start import begin
from synthtrail.models.tables import row_rng, target_index

MANY = 10_000  # rows from which the larger networks pay
PASSES, FEW_PASSES = 30, 16  # over many rows, and over fewer
FEWEST, FEW_STEPS, MOST = 1200, 600, 6000  # steps for them


@dataclass(frozen=True)
class WganGpSettings:
    """Settings of `WganGp`; None is decided by the number of rows (`plan`).

    `batch` is rounded down to a multiple of `pac`; `rate` and `critic_rate` are Adam's at the start; `moments` weighs
    the distance of moments. With `patience`, a tenth of the rows is held back, and training ends after so many checks
    (one each hundred steps) that were no better on them.
    """

    steps: int | None = None
    batch: int | None = None
    width: int | None = None
    pac: int | None = None
    stages: int | None = None
    critic_steps: int | None = None
    critic_rate: float | None = None
    moments: float | None = None
    noise: int = 64
    rate: float = 0.001
    penalty: float = 10.0
    temperature: float = 0.3
    ema: float = 0.995
    patience: int | None = None


@dataclass(frozen=True)
class Plan:
    """The settings with nothing left open."""

    steps: int
    batch: int
    width: int
    pac: int
    stages: int
    critic_steps: int
    critic_rate: float
    moments: float
    noise: int
    rate: float
    penalty: float
    temperature: float
    ema: float
    patience: int | None


def plan(rows: int, settings: WganGpSettings) -> Plan:
    """Return the settings with what is left open filled in.

    From 10,000 rows on: packs of 4 in batches of 512, one critic step at twice the rate, 30 passes over the rows, but
    1,200 to 6,000 steps. Fewer rows cannot fill larger packs; 16 passes, but at least 600 steps.

    >>> plan(26_000, WganGpSettings()).steps, plan(400, WganGpSettings(width=64)).width
    (1523, 64)
    """
    many = rows >= MANY
    batch = settings.batch or (512 if many else 64)
    passes, fewest = (PASSES, FEWEST) if many else (FEW_PASSES, FEW_STEPS)
    steps = min(MOST, max(fewest, round(passes * rows / batch)))
    ruled: dict[str, float] = {"steps": steps, "batch": batch, "width": 256 if many else 128, "pac": 4 if many else 2}
    ruled |= {"critic_steps": 1 if many else 2, "critic_rate": settings.rate * (2 if many else 1)}
    ruled |= {"stages": 4, "moments": 3.0 if many else 1.0}
    given = {name: value for name, value in asdict(settings).items() if value is not None}
    return Plan(**({"patience": None} | ruled | given))


class WganGp(OfTables, ConditionalGan[pd.DataFrame, TableCodec, WganGpSettings]):
    """Good for tables of mixed types from some hundred rows on, with or without classes, missing values included.

    Needs no scaling, no GPU and seconds to minutes; keeps types, ranges and categories by construction. Weak where rare
    combinations matter: critics of this kind let recall go first.
    """

    generator: Cascade
    name: ClassVar[str] = "wgan_gp"
    batch: ClassVar[int] = 8192

    @classmethod
    def settings_class(cls) -> type[WganGpSettings]:
        """Return the dataclass of the settings."""
        return WganGpSettings

    def learn_facts(self, data: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Choose plan and order of the columns; return the codes in that order (N, C) and those of the target (N,)."""
        codes, target = self.codec.encode(data), target_index(self.codec)
        chosen, sizes, names = plan(len(codes), self.settings), self.codec.cardinalities, self.codec.schema.names
        number = target is not None and self.codec.centres(target) is not None
        parents = tree(codes, sizes, target, number=number)
        stages = line_up(parents, sizes, chosen.stages, target)
        self.facts = {
            "plan": asdict(chosen),
            "stages": [[names[column] for column in stage] for stage in stages],
            "parents": {names[at]: names[parent] for at, parent in enumerate(parents) if parent != ROOT},
        }
        return self.read_rows(data)

    def read_rows(self, data: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Return the codes in the order of drawing (N, C) and those of the target (N,)."""
        codes, target = torch.from_numpy(self.codec.encode(data)), target_index(self.codec)
        classes = torch.zeros(len(codes), dtype=torch.int64) if target is None else codes[:, target].clone()
        return codes[:, self.order].contiguous(), classes

    @property
    def order(self) -> list[int]:
        """The columns' numbers in the order in which they are drawn, the target, if there is one, last."""
        places = {name: column for column, name in enumerate(self.codec.schema.names)}
        target = target_index(self.codec)
        drawn = [places[name] for stage in self.facts["stages"] for name in stage]
        return drawn + ([] if target is None else [target])

    def drawing_order(self) -> DrawingOrder:
        """Return the columns in the order of `order`, with their stages and parents; a model saved before has none."""
        names = [self.codec.schema.names[column] for column in self.order]
        places, parents = {name: at for at, name in enumerate(names)}, self.facts.get("parents", {})
        of = tuple(places[parents[name]] if name in parents else ROOT for name in names)
        return DrawingOrder(self.layout().cardinalities, tuple(len(stage) for stage in self.facts["stages"]), of)

    @property
    def plan(self) -> Plan:
        """The settings that the fit followed."""
        return Plan(**self.facts["plan"])

    def layout(self) -> Layout:
        """Return where the codes lie in a one-hot row; the target, if there is one, comes last."""
        sizes = tuple(self.codec.cardinalities[column] for column in self.order)
        return Layout(sizes, None if target_index(self.codec) is None else len(sizes) - 1)

    def ordered(self, of_codes: Tensor) -> Tensor:
        """Return a table of codes (W, M) with its lines in the order of drawing."""
        parts = torch.split(of_codes, list(self.codec.cardinalities))
        return torch.cat([parts[column] for column in self.order])

    def build(self) -> nn.Module:
        """Return a fresh generator."""
        s = self.plan
        ranks, ranked = map(self.ordered, ranks_of_codes(self.codec))
        return Cascade((s.noise, self.label_codes()), s.width, self.drawing_order(), ranks, ranked, s.temperature)

    def fresh(self, rows: Tensor, classes: Tensor, seed: int, course: Schedule) -> Objective:
        """Return what to train, its generator set to what pairs tell."""
        objective = super().fresh(rows, classes, seed, course)
        centres = [self.codec.centres(column) for column in self.order]
        begin(self.generator, self.layout(), objective.rows, objective.classes, centres)
        return objective

    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return the WGAN-GP objective."""
        s, layout = self.plan, self.layout()
        codes = rows[:, torch.argsort(torch.tensor(self.order))]
        numbers = self.ordered(numbers_of_codes(self.codec, codes))
        moments = Moments(rows, classes, self.label_codes(), layout, numbers) if s.moments else None
        critic = Critic(numbers, s.width, s.pac)
        return WganGpObjective(self.generator, critic, rows, classes, layout=layout, moments=moments, plan=s)

    def schedule(self) -> Schedule:
        """Return the schedule."""
        s = self.plan
        return Schedule(
            s.steps, s.batch, s.rate, s.critic_rate, critic_steps=s.critic_steps, ema=s.ema, patience=s.patience
        )

    def settle(self, rows: Tensor, classes: Tensor, seed: int) -> None:
        """Calibrate the generator."""
        calibrate(self.generator, self.layout(), rows, classes, noise=self.plan.noise, seed=seed)

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        label = functional.one_hot(classes, self.label_codes()).float()
        noise = torch.randn(len(classes), self.plan.noise, generator=random)
        rows = self.generator(noise, label, gumbel(torch.empty(len(classes), self.generator.width), random))
        codes = self.layout().codes(rows)[:, torch.argsort(torch.tensor(self.order))]
        return self.codec.decode(codes.numpy().astype(np.int64), row_rng(random, first))


class Critic(nn.Module):
    """Judges `pac` rows together: (B, W) -> (B / pac, 1). `numbers` (W, M) are what codes stand for in M columns."""

    numbers: Tensor

    def __init__(self, numbers: Tensor, width: int, pac: int) -> None:
        super().__init__()
        self.pac = pac
        self.register_buffer("numbers", numbers, persistent=False)
        self.embed = nn.Linear(sum(numbers.shape), width)
        self.judge = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Linear(width * pac, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return one judgement a pack."""
        seen = self.embed(torch.cat([x, x @ self.numbers], 1))
        judged: Tensor = self.judge(seen.reshape(len(x) // self.pac, -1))
        return judged


class WganGpObjective(Objective):
    """The Wasserstein losses with gradient penalty and moments, and classes drawn from those of the rows."""

    generator: nn.Module
    scores = True

    def __init__(
        self,
        generator: Cascade,
        critic: nn.Module,
        rows: Tensor,
        classes: Tensor,
        *,
        layout: Layout,
        moments: Moments | None,
        plan: Plan,
    ) -> None:
        super().__init__(generator, critic, rows, classes)
        self.layout, self.moments, self.plan = layout, moments, plan
        self.labels, self.width = generator.bias.shape
        ends = np.cumsum(layout.cardinalities).tolist()
        self.choices = tuple(zip([0, *ends], ends, strict=False))[: None if layout.target is None else -1]

    def with_classes(self, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return generated one-hot rows (size, W) and their classes (size,)."""
        classes = self.classes[self.pick(size, random)]
        label = functional.one_hot(classes, self.labels).float()
        noise = torch.randn(size, self.plan.noise, generator=random, device=label.device)
        return self.generator(noise, label, gumbel(label.new_empty(size, self.width), random)), classes

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated one-hot rows (size, W)."""
        return self.with_classes(size, random)[0]

    def view(self, rows: Tensor) -> Tensor:
        """Return one-hot rows (B, W)."""
        return self.layout.one_hot(rows)

    def fitting(self, size: int) -> int:
        """Return a multiple of `pac`."""
        return max(1, size // self.plan.pac) * self.plan.pac

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return fake - real + penalty * (gradient norm - 1)^2 between them."""
        real = self.real(self.pick(size, random))
        with torch.no_grad():
            fake = self.made(size, random)
        judged = self.critic(torch.cat([real, fake])).view(2, -1).mean(1)
        judged_real, judged_fake = judged[0], judged[1]
        slope = self._slope(real, fake, random)
        loss = judged_fake - judged_real + self.plan.penalty * ((slope - 1) ** 2).mean()
        return CriticLoss(loss, judged_real.detach(), judged_fake.detach())

    def _slope(self, real: Tensor, fake: Tensor, random: torch.Generator) -> Tensor:
        """Return the critic's gradient norms (B / pac,) at points between real and fake packs."""
        packs, pac = len(real) // self.plan.pac, self.plan.pac
        mix = torch.rand(packs, 1, generator=random, device=real.device).repeat_interleave(pac, 0)
        between = (mix * real + (1 - mix) * fake).requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        slope: Tensor = gradient.reshape(packs, -1).norm(2, 1)
        return slope

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return minus the critic's mean judgement of generated rows, plus the distance of their moments."""
        rows, classes = self.with_classes(size, random)
        loss: Tensor = -self.critic(rows).mean()
        return loss if self.moments is None else loss + self.plan.moments * self.moments(rows, classes)
