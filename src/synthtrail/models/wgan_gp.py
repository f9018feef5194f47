"""Conditional WGAN-GP for tables: every column a choice among codes.

The codec makes each column a choice among K_c codes, which spares the network the odd shapes of real numbers. A row is
the one-hot vectors of its columns side by side, W = sum of K_c wide.

    generator   noise (B, Z) and one-hot class (B, L) -> logits (B, W); codes by the Gumbel-max trick, with
                straight-through gradients (Jang, Gu, Poole 2017, arXiv 1611.01144)
    critic      `pac` rows of the batch judged together (Lin et al. 2018, arXiv 1712.04086), so that a generator that
                repeats itself is caught; gradient penalty (Gulrajani et al. 2017, arXiv 1704.00028). Beside the codes
                it sees the numbers they stand for, since a hundred rows do not teach it which codes are neighbours

Classes are drawn as often as in training and given to the generator; the critic sees them as a column like the others.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.data.codec import TableCodec
from synthtrail.models.gan import ConditionalGan
from synthtrail.models.kinds import OfTables
from synthtrail.models.objective import CriticLoss, Objective, Schedule
from synthtrail.models.one_hot import Layout, numbers_of_codes, ranks_of_codes
from synthtrail.models.tables import row_rng, target_index

BELL = 0.3  # deviation of a numeric column's bell before training, in ranks' standard deviations


@dataclass(frozen=True)
class WganGpSettings:
    """Settings of `WganGp`. `batch` is rounded down to a multiple of `pac`; `rate` is Adam's at the start.

    Packs of 4 pay with a batch of 512 on tens of thousands of rows; with a batch of 64 they leave the critic too few
    judgements, and 2 did best on inner validation.
    """

    steps: int = 600
    batch: int = 64
    width: int = 128
    noise: int = 64
    pac: int = 2
    critic_steps: int = 2
    rate: float = 0.001
    penalty: float = 10.0
    temperature: float = 0.3
    ema: float = 0.995


class WganGp(OfTables, ConditionalGan[pd.DataFrame, TableCodec, WganGpSettings]):
    """Good for tables of mixed types from some hundred rows on, with or without classes, missing values included.

    Needs no scaling, no GPU and seconds to minutes; keeps types, ranges and categories by construction. Weak where rare
    combinations matter: critics of this kind let recall go first.
    """

    name: ClassVar[str] = "wgan_gp"
    batch: ClassVar[int] = 8192

    @classmethod
    def settings_class(cls) -> type[WganGpSettings]:
        """Return the dataclass of the settings."""
        return WganGpSettings

    def learn_facts(self, data: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Return the codes (N, C) and those of the target (N,)."""
        codes = torch.from_numpy(self.codec.encode(data))
        at = target_index(self.codec)
        return codes, torch.zeros(len(codes), dtype=torch.int64) if at is None else codes[:, at]

    def build(self) -> nn.Module:
        """Return a fresh generator."""
        sizes = self.settings
        return Generator(sizes.noise + self.label_codes(), sizes.width, *ranks_of_codes(self.codec))

    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return the WGAN-GP objective."""
        layout = Layout(self.codec.cardinalities, target_index(self.codec))
        critic = Critic(numbers_of_codes(self.codec, rows), self.settings.width, self.settings.pac)
        return WganGpObjective(
            self.generator, critic, rows, classes, layout=layout, label_codes=self.label_codes(), settings=self.settings
        )

    def schedule(self) -> Schedule:
        """Return the schedule."""
        s = self.settings
        return Schedule(s.steps, s.batch, s.rate, s.rate, critic_steps=s.critic_steps, ema=s.ema)

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> pd.DataFrame:
        """Make one row for each class."""
        layout = Layout(self.codec.cardinalities, target_index(self.codec))
        label = functional.one_hot(classes, self.label_codes()).float()
        noise = torch.randn(len(classes), self.settings.noise, generator=random)
        codes = layout.choose(self.generator(torch.cat([noise, label], 1)), random)
        if layout.target is not None:
            codes[:, layout.target] = classes
        return self.codec.decode(codes.numpy().astype(np.int64), row_rng(random, first))


class Generator(nn.Module):
    """Two residual blocks: (B, Z + L) -> logits (B, W).

    A numeric column gets its logits from a bell around a place of its own on the scale of ranks, plus free ones: codes
    are drawn independently, so rows hold together only if the bells are narrow, and that is learnt sooner than W sharp
    logits.
    """

    ranks: Tensor
    ranked: Tensor

    def __init__(self, inputs: int, width: int, ranks: Tensor, ranked: Tensor) -> None:
        super().__init__()
        self.register_buffer("ranks", ranks.sum(1), persistent=False)
        self.register_buffer("ranked", ranked.T.contiguous(), persistent=False)
        self.first = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(_block(width) for _ in range(2))
        self.last = nn.Linear(width, len(ranks))
        self.place = _Place(width, ranks.shape[1])
        self.log_width = nn.Parameter(torch.full((ranks.shape[1],), math.log(BELL)))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        h: Tensor = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        away = self.ranks - self.place(h) @ self.ranked
        sharpness = (-2 * self.log_width).exp() @ self.ranked
        logits: Tensor = self.last(h) - away.square() * sharpness / 2
        return logits


class _Place(nn.Linear):
    """A linear layer that in a table without numbers has no outputs: torch would warn that there is nothing to draw."""

    def reset_parameters(self) -> None:
        """Draw the weights, if there are any."""
        if self.out_features:
            super().reset_parameters()


def _block(width: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))


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
    """The Wasserstein losses with gradient penalty, and classes drawn from those of the rows."""

    scores = True

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        rows: Tensor,
        classes: Tensor,
        *,
        layout: Layout,
        label_codes: int,
        settings: WganGpSettings,
    ) -> None:
        super().__init__(generator, critic, rows, classes)
        self.layout, self.label_codes, self.settings = layout, label_codes, settings

    def fake(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated one-hot rows (size, W)."""
        drawn = self.classes[self.pick(size, random)]
        label = functional.one_hot(drawn, self.label_codes).float()
        noise = torch.randn(size, self.settings.noise, generator=random, device=label.device)
        logits = self.generator(torch.cat([noise, label], 1))
        return self.layout.with_target(self.layout.relaxed(logits, self.settings.temperature, random), label)

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated one-hot rows (size, W)."""
        return self.fake(size, random)

    def real(self, at: Tensor) -> Tensor:
        """Return real one-hot rows (B, W)."""
        return self.layout.one_hot(self.rows[at])

    def fitting(self, size: int) -> int:
        """Return a multiple of `pac`."""
        return max(1, size // self.settings.pac) * self.settings.pac

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return fake - real + penalty * (gradient norm - 1)^2 between them."""
        real = self.real(self.pick(size, random))
        with torch.no_grad():
            fake = self.fake(size, random)
        judged = self.critic(torch.cat([real, fake])).view(2, -1).mean(1)
        judged_real, judged_fake = judged[0], judged[1]
        slope = self._slope(real, fake, random)
        loss = judged_fake - judged_real + self.settings.penalty * ((slope - 1) ** 2).mean()
        return CriticLoss(loss, judged_real.detach(), judged_fake.detach())

    def _slope(self, real: Tensor, fake: Tensor, random: torch.Generator) -> Tensor:
        """Return the critic's gradient norms (B / pac,) at points between real and fake packs."""
        packs, pac = len(real) // self.settings.pac, self.settings.pac
        mix = torch.rand(packs, 1, generator=random, device=real.device).repeat_interleave(pac, 0)
        between = (mix * real + (1 - mix) * fake).requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        slope: Tensor = gradient.reshape(packs, -1).norm(2, 1)
        return slope

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return minus the critic's mean judgement of generated rows."""
        judged: Tensor = self.critic(self.fake(size, random))
        return -judged.mean()
