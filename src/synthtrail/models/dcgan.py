"""A conditional DCGAN for square images.

The size is halved while it stays even and at least 4 remain: 8 -> 4, 28 -> 7, 32 -> 4. With F = `width` features:

    generator       noise (B, Z) and one-hot class (B, L) -> (B, 2F, s, s), doubled by transposed convolutions,
                    -> (B, C, H, W)
    discriminator   (B, C, H, W), halved by strided convolutions, -> logit (B, 1), to which the class adds its
                    projection (Miyato and Koyama 2018, arXiv 1802.05637)

After Radford, Metz and Chintala 2016 (arXiv 1511.06434); group instead of batch normalisation, so that an image does
not depend on its batch, and R1 (see `cgan`) so that classes do not collapse.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.data.image import ImageCodec, ImageSet
from synthtrail.models.cgan import bce
from synthtrail.models.errors import ModelError
from synthtrail.models.gan import ConditionalGan
from synthtrail.models.kinds import OfImages
from synthtrail.models.objective import CriticLoss, Objective, Schedule

LEAST = 4  # pixels a side at which halving stops


@dataclass(frozen=True)
class DcganSettings:
    """Settings of `Dcgan`; `width` is F of the module docstring, `r1` weighs the gradient penalty."""

    steps: int = 800
    batch: int = 64
    width: int = 16
    noise: int = 32
    rate: float = 0.001
    r1: float = 1.0
    ema: float = 0.995


class Dcgan(OfImages, ConditionalGan[ImageSet, ImageCodec, DcganSettings]):
    """Good for small labelled images, grey or RGB, from some hundred a class on.

    Needs square images of even size (8, 28, 32, 64); a GPU beyond 32 pixels.
    """

    name: ClassVar[str] = "dcgan"

    @classmethod
    def settings_class(cls) -> type[DcganSettings]:
        """Return the dataclass of the settings."""
        return DcganSettings

    def learn_facts(self, data: ImageSet) -> tuple[Tensor, Tensor]:
        """Return the images (N, C, H, W) in [-1, 1] and their class numbers (N,)."""
        values, numbers = self.codec.encode(data)
        return torch.from_numpy(values), torch.from_numpy(numbers)

    def build(self) -> nn.Module:
        """Return a fresh generator; `ModelError` if the images are not square."""
        schema, s = self.codec.schema, self.settings
        if schema.height != schema.width:
            raise ModelError(f"dcgan wants square images, these are {schema.height} x {schema.width}; crop or pad them")
        return Generator(s.noise + len(schema.classes), s.width, schema.height, schema.channels)

    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return the GAN objective."""
        schema = self.codec.schema
        critic = Discriminator(schema.height, schema.channels, self.settings.width, len(schema.classes))
        return DcganObjective(
            self.generator, critic, rows, classes, label_codes=len(schema.classes), settings=self.settings
        )

    def schedule(self) -> Schedule:
        """Return the schedule."""
        s = self.settings
        return Schedule(s.steps, s.batch, s.rate, s.rate, betas=(0.0, 0.99), ema=s.ema)

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> ImageSet:
        """Make one image for each class."""
        noise = torch.randn(len(classes), self.settings.noise, generator=random)
        label = functional.one_hot(classes, len(self.classes())).float()
        values = self.generator(torch.cat([noise, label], 1))
        return self.codec.decode(values.numpy(), classes.numpy(), first)


def halvings(size: int) -> int:
    """Return how often `size` is halved."""
    return 0 if size % 2 or size // 2 < LEAST else 1 + halvings(size // 2)


class Generator(nn.Module):
    """Noise and class (B, Z + L) -> images (B, C, size, size) in [-1, 1]."""

    def __init__(self, inputs: int, width: int, size: int, channels: int) -> None:
        super().__init__()
        ups = halvings(size)
        self.start, self.features = size >> ups, width * 2
        self.first = nn.Linear(inputs, self.features * self.start**2)
        self.layers = nn.Sequential(
            _norm(self.features),
            *(_double(self.features if i == 0 else width, width) for i in range(ups)),
            nn.Conv2d(width if ups else self.features, width, 3, padding=1),
            _norm(width),
            nn.Conv2d(width, channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return images."""
        h = self.first(x).view(-1, self.features, self.start, self.start)
        images: Tensor = self.layers(h)
        return images


def _norm(features: int) -> nn.Module:
    return nn.Sequential(nn.GroupNorm(8 if features % 8 == 0 else 1, features), nn.LeakyReLU(0.2))


def _double(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), _norm(outputs))


class Discriminator(nn.Module):
    """Images (B, C, size, size) and class numbers (B,) -> logits (B, 1)."""

    def __init__(self, size: int, channels: int, width: int, classes: int) -> None:
        super().__init__()
        downs = halvings(size)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for i in range(downs):
            layers += [nn.Conv2d(width if i == 0 else 2 * width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        last = 2 * width if downs else width
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(last * (size >> downs) ** 2, 4 * width), nn.LeakyReLU(0.2)
        )
        self.judge = nn.Linear(4 * width, 1)
        self.project = nn.Embedding(classes, 4 * width)

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        """Return logits."""
        h = self.layers(images)
        logits: Tensor = self.judge(h) + (h * self.project(classes)).sum(1, keepdim=True) / h.shape[1] ** 0.5
        return logits


class DcganObjective(Objective):
    """Binary cross-entropy with R1 on real images."""

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        rows: Tensor,
        classes: Tensor,
        *,
        label_codes: int,
        settings: DcganSettings,
    ) -> None:
        super().__init__(generator, critic, rows, classes)
        self.settings, self.label_codes = settings, label_codes

    def fake(self, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return generated images (size, C, H, W) and their classes (size,)."""
        classes = self.classes[self.pick(size, random)]
        label = functional.one_hot(classes, self.label_codes).float()
        noise = torch.randn(size, self.settings.noise, generator=random, device=label.device)
        return self.generator(torch.cat([noise, label], 1)), classes

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated images (size, C, H, W)."""
        return self.fake(size, random)[0]

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return the discriminator's cross-entropy plus r1 / 2 * |gradient at real images|^2."""
        at = self.pick(size, random)
        real = self.rows[at].requires_grad_(True)
        with torch.no_grad():
            fake, classes = self.fake(size, random)
        judged_real, judged_fake = self.critic(real, self.classes[at]), self.critic(fake, classes)
        (slope,) = torch.autograd.grad(judged_real.sum(), real, create_graph=True)
        penalty = self.settings.r1 / 2 * slope.square().flatten(1).sum(1).mean()
        loss = bce(judged_real, 1.0) + bce(judged_fake, 0.0) + penalty
        return CriticLoss(loss, judged_real.detach().sigmoid().mean(), judged_fake.detach().sigmoid().mean())

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the non-saturating loss -log D(G(z))."""
        return bce(self.critic(*self.fake(size, random)), 1.0)
