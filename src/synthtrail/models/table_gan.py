"""The plain GAN for tables, without conditions: the class is a column like any other.

    generator       noise (B, Z) -> row (B, D): numbers as mean and spread, choices drawn by the Gumbel-max trick with
                    straight-through gradients (Jang, Gu, Poole 2017, arXiv 1611.01144)
    discriminator   row (B, D) -> logit of "real" (B, 1)

After Goodfellow et al. 2014 (arXiv 1406.2661). What the usual tutorial leaves out is done here: the scaler is fitted on
the training rows, the networks see scaled rows only, what comes out is scaled back, and categories, booleans and
missing values are part of the row. In place of dropout and smoothed labels stand the gradient penalty on real rows (R1)
and the instance noise of `cgan`, which make the game converge on a few hundred rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.data.codec import TableCodec
from synthtrail.data.scaling import TableScaler
from synthtrail.models.cgan import Blocks, bce, choices, mlp
from synthtrail.models.gan import ConditionalGan
from synthtrail.models.objective import CriticLoss, Objective, Schedule
from synthtrail.models.one_hot import gumbel


@dataclass(frozen=True)
class TableGanSettings:
    """Settings of `TableGan`: `r1` weighs the gradient penalty, `blur` is the instance noise in standard deviations.

    `patience` ends training early (see `stopping`).
    """

    steps: int = 1500
    batch: int = 128
    width: int = 128
    noise: int = 32
    rate: float = 0.001
    r1: float = 1.0
    blur: float = 0.3
    temperature: float = 0.5
    ema: float = 0.995
    patience: int | None = None


class TableGan(ConditionalGan[pd.DataFrame, TableCodec, TableGanSettings]):
    """Good as the simplest thing that works on a small table, and as the measure of what conditions add.

    It learns how often each class occurs instead of being told, so it cannot be asked for a class; `cgan` can.
    """

    generator: "Generator"
    name: ClassVar[str] = "gan"
    modality: ClassVar[str] = "tabular"
    batch: ClassVar[int] = 8192

    @classmethod
    def settings_class(cls) -> type[TableGanSettings]:
        """Return the dataclass of the settings."""
        return TableGanSettings

    @classmethod
    def read_codec(cls, value: Mapping[str, Any]) -> TableCodec:
        """Read the codec."""
        return TableCodec.from_json(value)

    def classes(self) -> tuple[str, ...]:
        """Return (): no class can be asked for."""
        return ()

    def scaler(self) -> TableScaler:
        """Return the scaler that `learn_facts` fitted, for which the target is a column like any other."""
        return TableScaler.from_json(self.facts, replace(self.codec.schema, target=None))

    def learn_facts(self, data: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Fit the scaler; return scaled rows (N, D), all of one class (N,)."""
        self.facts = TableScaler.fit(data, replace(self.codec.schema, target=None)).to_json()
        return self.read_rows(data)

    def read_rows(self, data: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Return scaled rows (N, D), all of one class (N,)."""
        return torch.from_numpy(self.scaler().encode(data)), torch.zeros(len(data), dtype=torch.int64)

    def build(self) -> nn.Module:
        """Return a fresh generator."""
        return Generator(self.settings.noise, self.settings.width, self.scaler().blocks, self.settings.temperature)

    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return the GAN objective."""
        critic = mlp(rows.shape[1], self.settings.width, 1)
        return TableGanObjective(self.generator, critic, rows, classes, settings=self.settings)

    def schedule(self) -> Schedule:
        """Return the schedule."""
        s = self.settings
        return Schedule(s.steps, s.batch, s.rate, s.rate, betas=(0.5, 0.99), ema=s.ema, patience=s.patience)

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make as many rows as there are `classes`."""
        del first
        return self.scaler().decode(self.generator.draw(len(classes), random).numpy())


class Generator(nn.Module):
    """An MLP (B, Z) -> (B, D); see the module docstring for the ends of each block."""

    def __init__(self, noise: int, width: int, blocks: Blocks, temperature: float) -> None:
        super().__init__()
        self.noise, self.blocks, self.temperature = noise, blocks, temperature
        self.width = sum(size for _, size in blocks)
        self.layers = mlp(noise, width, 2 * self.width)

    def forward(self, noise: Tensor, jitter: Tensor, gumbels: Tensor) -> Tensor:
        """Return rows: from noise (B, Z), standard normal jitter (B, D) and Gumbel noise (B, D)."""
        means, deviations = self.layers(noise).chunk(2, 1)
        numbers = means + (deviations - 1).clamp(-6, 2).exp() * jitter
        sizes = [size for _, size in self.blocks]
        parts = (torch.split(part, sizes, 1) for part in (numbers, means, gumbels))
        return torch.cat([self._end(kind, *part) for (kind, _), *part in zip(self.blocks, *parts, strict=True)], 1)

    def _end(self, kind: str, number: Tensor, logits: Tensor, drawn: Tensor) -> Tensor:
        if kind == "number":
            return number
        if kind == "choice":
            soft = ((logits + drawn) / self.temperature).softmax(1)
            hard = functional.one_hot(soft.argmax(1), soft.shape[1]).to(soft.dtype)
            return hard - soft.detach() + soft
        logistic = torch.logit(torch.exp(-torch.exp(-drawn)).clamp(1e-6, 1 - 1e-6))
        soft = ((logits + logistic) / self.temperature).sigmoid()
        return (soft > 0.5).to(soft.dtype) - soft.detach() + soft

    def draw(self, size: int, random: torch.Generator) -> Tensor:
        """Return `size` rows."""
        noise = torch.randn(size, self.noise, generator=random, device=random.device)
        jitter = torch.randn(size, self.width, generator=random, device=random.device)
        rows: Tensor = self(noise, jitter, gumbel(jitter, random))
        return rows


class TableGanObjective(Objective):
    """Binary cross-entropy with R1 and instance noise."""

    generator: Generator

    def __init__(
        self, generator: Generator, critic: nn.Module, rows: Tensor, classes: Tensor, *, settings: TableGanSettings
    ) -> None:
        super().__init__(generator, critic, rows, classes)
        self.settings = settings
        self.choices = choices(generator.blocks)

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated rows (size, D)."""
        return self.generator.draw(size, random)

    def blurred(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """Return rows as the discriminator sees them."""
        return rows + torch.randn(rows.shape, generator=random, device=rows.device) * self.settings.blur

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return the discriminator's cross-entropy plus r1 / 2 * |gradient at real rows|^2."""
        real = self.blurred(self.rows[self.pick(size, random)], random).requires_grad_(True)
        with torch.no_grad():
            fake = self.blurred(self.made(size, random), random)
        judged_real, judged_fake = self.critic(real), self.critic(fake)
        (slope,) = torch.autograd.grad(judged_real.sum(), real, create_graph=True)
        loss = bce(judged_real, 1.0) + bce(judged_fake, 0.0) + self.settings.r1 / 2 * slope.square().sum(1).mean()
        return CriticLoss(loss, judged_real.detach().sigmoid().mean(), judged_fake.detach().sigmoid().mean())

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the non-saturating loss -log D(G(z))."""
        return bce(self.critic(self.blurred(self.made(size, random), random)), 1.0)
