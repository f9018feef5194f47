"""The GAN to win with for labelled images: hinge loss, spectral normalisation, a critic that projects on the class.

With F = `width` features (the critic: `critic_width`), images (B, C, H, W) that halve k times (see `image_layers`),
F_i = F * min(2^i, 8):

    generator  noise (B, Z) and one-hot class -> (B, F_k, h, w), doubled k times by transposed convolutions with F_i
               features, each with a normalisation that knows the class, -> 3x3 convolution -> tanh
    critic     k strided 4x4 convolutions to F_1 ... F_k features, a linear layer that sees the whole picture
               -> h (B, F_k+1) -> w·h + v_class·h

Miyato et al. 2018 (arXiv 1802.05957: spectral normalisation, hinge loss as in Lim and Ye 2017, arXiv 1705.02894),
Miyato and Koyama 2018 (arXiv 1802.05637: the projection), differentiable augmentation where images are few
(`diffaugment`), classes drawn more evenly (`image_objective`), a moving average of the generator's weights with
statistics counted anew. Defaults follow from the images, see `chosen`; all were set on parts of training rows.

Values are scaled by the fixed factor 127.5 and never by an image's own extremes, so colours mean what they meant.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from synthtrail.data.image import ImageCodec, ImageSchema, ImageSet
from synthtrail.models.diffaugment import changed
from synthtrail.models.gan import ConditionalGan
from synthtrail.models.image_layers import ClassNorm, Plan, features, last, lay_out, unfolded
from synthtrail.models.image_objective import ImageObjective
from synthtrail.models.kinds import OfImages
from synthtrail.models.objective import CriticLoss, Objective, Schedule
from synthtrail.models.precision import mixed

PLENTY = 20_000  # images from which on the critic needs no augmentation


@dataclass(frozen=True)
class ProjectionGanSettings:
    """Settings of `ProjectionGan`; None follows from the images, see `chosen`.

    `augment` is the share of images that the critic sees changed, `balance` how evenly classes are drawn (0 to 1).
    """

    steps: int | None = None
    batch: int = 64
    width: int | None = None
    critic_width: int | None = None
    noise: int = 64
    rate: float = 0.0003
    critic_rate: float = 0.0004
    critic_steps: int = 1
    augment: float | None = None
    balance: float = 0.5
    ema: float = 0.998


def chosen(settings: ProjectionGanSettings, schema: ImageSchema, images: int) -> dict[str, Any]:
    """Return steps, widths and augmentation for so many images, where the settings leave them open.

    >>> chosen(ProjectionGanSettings(), ImageSchema(28, 28, 1, ("0", "1")), 60_000)
    {'planned': 8000, 'width': 24, 'critic_width': 32, 'augment': 0.0}
    >>> chosen(ProjectionGanSettings(), ImageSchema(64, 64, 3, ("0", "1")), 8_000)
    {'planned': 3600, 'width': 16, 'critic_width': 16, 'augment': 1.0}
    """
    side = max(schema.height, schema.width)
    wide = 16 if side <= 64 else 8
    steps = min(8_000, max(1_000, round(8_000 * (images / 60_000) ** 0.4, -2)))
    return {
        "planned": settings.steps or int(steps),
        "width": settings.width or (24 if side <= 32 else wide),
        "critic_width": settings.critic_width or settings.width or (32 if side <= 32 else wide),
        "augment": settings.augment if settings.augment is not None else float(images < PLENTY),
    }


class ProjectionGan(OfImages, ConditionalGan[ImageSet, ImageCodec, ProjectionGanSettings]):
    """Good for labelled images of any shape from 28 to 128 pixels a side, grey or RGB, rare classes among them.

    Needs some hundred images a class, and minutes of a CPU for 28 pixels; a GPU is better beyond 64.
    """

    name: ClassVar[str] = "projection_gan"

    @classmethod
    def settings_class(cls) -> type[ProjectionGanSettings]:
        """Return the dataclass of the settings."""
        return ProjectionGanSettings

    def learn_facts(self, data: ImageSet) -> tuple[Tensor, Tensor]:
        """Decide what the settings leave open; return the images (N, C, H, W) uint8 and their class numbers (N,)."""
        self.facts = chosen(self.settings, self.codec.schema, len(data))
        pixels, numbers = self.codec.stored(data)
        return torch.from_numpy(pixels), torch.from_numpy(numbers)

    def build(self) -> nn.Module:
        """Return a fresh generator."""
        schema = self.codec.schema
        plan = Plan.of(schema.height, schema.width)
        return Generator(plan, schema.channels, self.facts["width"], self.settings.noise, len(schema.classes))

    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return the GAN objective."""
        schema, s = self.codec.schema, self.settings
        plan = Plan.of(schema.height, schema.width)
        critic = Critic(plan, schema.channels, self.facts["critic_width"], len(schema.classes))
        return HingeObjective(
            self.generator,
            critic,
            rows,
            classes,
            noise=s.noise,
            balance=min(1.0, s.balance),
            augment=self.facts["augment"],
        )

    def schedule(self) -> Schedule:
        """Return the schedule."""
        s = self.settings
        return Schedule(
            self.facts["planned"],
            s.batch,
            s.rate,
            s.critic_rate,
            betas=(0.5, 0.99),
            critic_steps=s.critic_steps,
            ema=s.ema,
        )

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> ImageSet:
        """Make one image for each class."""
        values = self.generator(torch.randn(len(classes), self.settings.noise, generator=random), classes)
        return self.codec.decode(values.contiguous().numpy(), classes.numpy(), first)


class Generator(nn.Module):
    """Noise (B, Z) and class numbers (B,) -> images (B, C, H, W) in [-1, 1]."""

    def __init__(self, plan: Plan, channels: int, width: int, noise: int, classes: int) -> None:
        super().__init__()
        self.plan, self.classes = plan, classes
        sizes = [features(width, level) for level in range(plan.doublings, -1, -1)]
        self.first = nn.Linear(noise + classes, sizes[0] * plan.start[0] * plan.start[1])
        self.norms = nn.ModuleList(ClassNorm(size, classes) for size in sizes)
        self.doubles = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in pairwise(sizes)
        )
        self.last = nn.Conv2d(sizes[-1], channels, 3, padding=1)
        lay_out(self)

    def forward(self, noise: Tensor, classes: Tensor) -> Tensor:
        """Return images."""
        return self.shades(noise, classes).tanh()

    def shades(self, noise: Tensor, classes: Tensor) -> Tensor:
        """Return images before the last tanh, from minus to plus infinity."""
        h = self.first(torch.cat([noise, functional.one_hot(classes, self.classes).to(noise.dtype)], 1))
        h = functional.relu(self.norms[0](unfolded(h, self.plan.start), classes))
        for double, norm in zip(self.doubles, list(self.norms)[1:], strict=True):
            h = functional.relu(norm(double(h), classes))
        return self.plan.cropped(self.last(h)).float()


class Critic(nn.Module):
    """Images (B, C, H, W) and class numbers (B,) -> judgements (B,)."""

    def __init__(self, plan: Plan, channels: int, width: int, classes: int) -> None:
        super().__init__()
        sizes = [channels, *(features(width, level + 1) for level in range(plan.doublings))]
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        left = sizes[-1] * (plan.height >> plan.doublings) * (plan.width >> plan.doublings)
        told = features(width, plan.doublings + 1)
        layers += [nn.Flatten(), spectral_norm(nn.Linear(left, told)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.judge = spectral_norm(nn.Linear(told, 1))
        self.project = spectral_norm(nn.Embedding(classes, told))
        lay_out(self)

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        """Return judgements."""
        h = self.layers(last(images))
        judged: Tensor = self.judge(h).squeeze(1) + (h * self.project(classes)).sum(1)
        return judged.float()


class HingeObjective(ImageObjective):
    """The hinge loss; the critic sees all images through `diffaugment`."""

    scores: ClassVar[bool] = True

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        rows: Tensor,
        classes: Tensor,
        *,
        noise: int,
        balance: float,
        augment: float,
    ) -> None:
        super().__init__(generator, critic, rows, classes, noise=noise, balance=balance)
        self.augment = augment

    def judged(self, images: Tensor, classes: Tensor, random: torch.Generator) -> Tensor:
        """Return the critic's judgement (B,) of images as it sees them."""
        with mixed(images.device):
            judged: Tensor = self.critic(changed(images, self.augment, random), classes)
        return judged

    def fake(self, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return generated images (size, C, H, W) and their classes (size,)."""
        noise, classes = self.drawn(size, random)
        with mixed(noise.device):
            return self.generator(noise, classes), classes

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return how far real images are judged below 1 and generated ones above -1."""
        at = self.pick(size, random)
        with torch.no_grad():
            fake, classes = self.fake(size, random)
        both = torch.cat([self.real(at), fake]), torch.cat([self.classes[at], classes])
        real, made = self.judged(*both, random).chunk(2)
        loss = functional.relu(1 - real).mean() + functional.relu(1 + made).mean()
        return CriticLoss(loss, real.detach().mean(), made.detach().mean())

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the negated mean judgement of generated images."""
        return -self.judged(*self.fake(size, random), random).mean()
