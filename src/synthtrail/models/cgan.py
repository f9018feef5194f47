"""The plain conditional GAN for tables: two small networks, real numbers in and out, binary cross-entropy.

    generator       noise (B, Z) and one-hot class (B, L) -> row (B, D): numbers as mean and spread, choices as softmax
    discriminator   row (B, D) and one-hot class (B, L) -> logit of "real" (B, 1)

After Mirza and Osindero 2014 (arXiv 1411.1784), with three things that small tables need: numbers standardised on the
training rows, the gradient penalty on real rows that makes this game converge (R1; Mescheder, Geiger, Nowozin 2018,
arXiv 1801.04406), and noise on all that the discriminator sees, so that it cannot learn a hundred rows by heart
(Sønderby et al. 2017, arXiv 1610.04490).
"""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.data.codec import TableCodec
from synthtrail.data.scaling import TableScaler
from synthtrail.models.gan import ConditionalGan
from synthtrail.models.kinds import OfTables
from synthtrail.models.objective import CriticLoss, Objective, Schedule
from synthtrail.models.tables import row_rng, target_index

Blocks = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class CganSettings:
    """Settings of `Cgan`. `r1` weighs the gradient penalty; `blur` is the instance noise, in standard deviations.

    `patience` ends training early (see `stopping`).
    """

    steps: int = 1500
    batch: int = 128
    width: int = 128
    noise: int = 16
    rate: float = 0.001
    r1: float = 1.0
    blur: float = 0.3
    ema: float = 0.995
    patience: int | None = None


def mlp(inputs: int, width: int, outputs: int) -> nn.Module:
    """Return two hidden layers: (B, inputs) -> (B, outputs)."""
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )


class Generator(nn.Module):
    """An MLP (B, Z + L) -> (B, D): choices end in softmax, missing in sigmoid, numbers in mean + deviation * jitter.

    `jitter` is standard normal (B, D): without it a network this small learns the means of a class and too little of
    its spread.
    """

    def __init__(self, inputs: int, width: int, blocks: Blocks) -> None:
        super().__init__()
        self.blocks = blocks
        self.width = sum(size for _, size in blocks)
        self.layers = mlp(inputs, width, 2 * self.width)

    def forward(self, x: Tensor, jitter: Tensor) -> Tensor:
        """Return rows."""
        means, deviations = self.layers(x).chunk(2, 1)
        moved = means + (deviations - 1).clamp(-6, 2).exp() * jitter  # e^-1: a good part of the spread from the start
        sizes = [size for _, size in self.blocks]
        parts = zip(self.blocks, torch.split(means, sizes, 1), torch.split(moved, sizes, 1), strict=True)
        return torch.cat([number if kind == "number" else _end(kind, part) for (kind, _), part, number in parts], 1)

    def draw(self, label: Tensor, noise: int, random: torch.Generator) -> Tensor:
        """Return one row for each one-hot class (B, L), from `noise` numbers and jitter."""
        drawn = torch.randn(len(label), noise + self.width, generator=random, device=label.device)
        rows: Tensor = self(torch.cat([drawn[:, :noise], label], 1), drawn[:, noise:])
        return rows


def _end(kind: str, part: Tensor) -> Tensor:
    return part.softmax(1) if kind == "choice" else part.sigmoid()


class Cgan(OfTables, ConditionalGan[pd.DataFrame, TableCodec, CganSettings]):
    """Good for small tables of real numbers with classes, where it trains in seconds.

    Needs numbers of a bell-like shape to do well; categories and missing values work, but `wgan_gp` learns them better.
    """

    generator: Generator
    name: ClassVar[str] = "cgan"
    batch: ClassVar[int] = 8192

    @classmethod
    def settings_class(cls) -> type[CganSettings]:
        """Return the dataclass of the settings."""
        return CganSettings

    def scaler(self) -> TableScaler:
        """Return the scaler that `learn_facts` fitted."""
        return TableScaler.from_json(self.facts, self.codec.schema)

    def learn_facts(self, data: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Fit the scaler; return scaled rows (N, D) and target codes (N,)."""
        self.facts = TableScaler.fit(data, self.codec.schema).to_json()
        return self.read_rows(data)

    def read_rows(self, data: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Return scaled rows (N, D) and target codes (N,)."""
        at = target_index(self.codec)
        codes = torch.from_numpy(self.codec.encode(data))
        classes = torch.zeros(len(data), dtype=torch.int64) if at is None else codes[:, at]
        return torch.from_numpy(self.scaler().encode(data)), classes

    def build(self) -> nn.Module:
        """Return a fresh generator."""
        inputs = self.settings.noise + self.label_codes()
        return Generator(inputs, self.settings.width, self.scaler().blocks)

    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return the GAN objective."""
        discriminator = mlp(rows.shape[1] + self.label_codes(), self.settings.width, 1)
        return CganObjective(
            self.generator, discriminator, rows, classes, label_codes=self.label_codes(), settings=self.settings
        )

    def schedule(self) -> Schedule:
        """Return the schedule."""
        s = self.settings
        return Schedule(s.steps, s.batch, s.rate, s.rate, betas=(0.5, 0.99), ema=s.ema, patience=s.patience)

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        label = functional.one_hot(classes, self.label_codes()).float()
        rows = self.scaler().decode(self.generator.draw(label, self.settings.noise, random).numpy())
        return self._with_target(rows, classes, random, first)

    def _with_target(self, rows: pd.DataFrame, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        at = target_index(self.codec)
        if at is None:
            return rows
        target = self.codec.decode_column(at, classes.numpy(), row_rng(random, first))
        rows.insert(at, self.codec.schema.names[at], target)
        return rows


class CganObjective(Objective):
    """Binary cross-entropy with R1 and instance noise."""

    generator: Generator

    def __init__(
        self,
        generator: Generator,
        critic: nn.Module,
        rows: Tensor,
        classes: Tensor,
        *,
        label_codes: int,
        settings: CganSettings,
    ) -> None:
        super().__init__(generator, critic, rows, classes)
        self.label_codes, self.settings = label_codes, settings
        self.choices = choices(generator.blocks)

    def fake(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated rows beside their class (size, D + L)."""
        label = functional.one_hot(self.classes[self.pick(size, random)], self.label_codes).float()
        return self.shown(self.generator.draw(label, self.settings.noise, random), label, random)

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated rows (size, D)."""
        label = functional.one_hot(self.classes[self.pick(size, random)], self.label_codes).float()
        return self.generator.draw(label, self.settings.noise, random)

    def shown(self, rows: Tensor, label: Tensor, random: torch.Generator) -> Tensor:
        """Return rows as the discriminator sees them, blurred and beside their class (size, D + L)."""
        blur = torch.randn(rows.shape, generator=random, device=rows.device) * self.settings.blur
        return torch.cat([rows + blur, label], 1)

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return the discriminator's cross-entropy plus r1 / 2 * |gradient at real rows|^2."""
        at = self.pick(size, random)
        label = functional.one_hot(self.classes[at], self.label_codes).float()
        real = self.shown(self.rows[at], label, random).requires_grad_(True)
        with torch.no_grad():
            fake = self.fake(size, random)
        judged_real, judged_fake = self.critic(real), self.critic(fake)
        (slope,) = torch.autograd.grad(judged_real.sum(), real, create_graph=True)
        loss = bce(judged_real, 1.0) + bce(judged_fake, 0.0)
        loss = loss + self.settings.r1 / 2 * slope.square().sum(1).mean()
        return CriticLoss(loss, judged_real.detach().sigmoid().mean(), judged_fake.detach().sigmoid().mean())

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the non-saturating loss -log D(G(z))."""
        return bce(self.critic(self.fake(size, random)), 1.0)


def choices(blocks: Blocks) -> tuple[tuple[int, int], ...]:
    """Return where the choices among the blocks of a scaled row begin and end.

    >>> choices((("number", 1), ("choice", 3), ("missing", 1)))
    ((1, 4),)
    """
    ends = list(itertools.accumulate(size for _, size in blocks))
    return tuple((end - size, end) for end, (kind, size) in zip(ends, blocks, strict=True) if kind == "choice")


def bce(logits: Tensor, goal: float) -> Tensor:
    """Return the binary cross-entropy of logits against one goal for all."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, goal))
