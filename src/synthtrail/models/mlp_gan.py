"""The GAN of fully connected layers for images of any size: an image is a flat row of pixels.

With F = `width` and P = C * H * W pixels:

    generator       noise (B, Z) and one-hot class (B, L) -> F -> 2F -> 4F -> P in [-1, 1] by tanh
    discriminator   pixels (B, P) and one-hot class (B, L) -> 4F -> 2F -> F -> logit of "real" (B, 1)

After Goodfellow et al. 2014 (arXiv 1406.2661), in the shape that tutorials give it for 28 x 28 digits, with the class
shown to both networks (Mirza and Osindero 2014, arXiv 1411.1784) and the gradient penalty on real images (R1, see
`cgan`) that makes the game converge. It knows nothing of neighbouring pixels; `dcgan` does.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.data.image import ImageCodec, ImageSet
from synthtrail.models.cgan import bce
from synthtrail.models.gan import ConditionalGan
from synthtrail.models.kinds import OfImages
from synthtrail.models.objective import CriticLoss, Objective, Schedule


@dataclass(frozen=True)
class MlpGanSettings:
    """Settings of `MlpGan`; `width` is F of the module docstring, `r1` weighs the gradient penalty."""

    steps: int = 2000
    batch: int = 64
    width: int = 64
    noise: int = 32
    rate: float = 0.001
    r1: float = 10.0
    ema: float = 0.995


class MlpGan(OfImages, ConditionalGan[ImageSet, ImageCodec, MlpGanSettings]):
    """Good for small images of any shape, grey or RGB, where it trains in seconds on a CPU.

    Needs some hundred images a class; from about 32 pixels a side on, `dcgan` learns more from the same images.
    """

    name: ClassVar[str] = "mlp_gan"

    @classmethod
    def settings_class(cls) -> type[MlpGanSettings]:
        """Return the dataclass of the settings."""
        return MlpGanSettings

    def learn_facts(self, data: ImageSet) -> tuple[Tensor, Tensor]:
        """Return the images as rows (N, P) in [-1, 1] and their class numbers (N,)."""
        values, numbers = self.codec.encode(data)
        return torch.from_numpy(values).flatten(1), torch.from_numpy(numbers)

    def _shape(self) -> tuple[int, int, int]:
        schema = self.codec.schema
        return schema.channels, schema.height, schema.width

    def build(self) -> nn.Module:
        """Return a fresh generator."""
        channels, height, width = self._shape()
        f, inputs = self.settings.width, self.settings.noise + len(self.classes())
        return layers(inputs, (f, 2 * f, 4 * f), channels * height * width, nn.Tanh())

    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return the GAN objective."""
        f = self.settings.width
        critic = layers(rows.shape[1] + len(self.classes()), (4 * f, 2 * f, f), 1)
        return MlpGanObjective(
            self.generator, critic, rows, classes, label_codes=len(self.classes()), settings=self.settings
        )

    def schedule(self) -> Schedule:
        """Return the schedule."""
        s = self.settings
        return Schedule(s.steps, s.batch, s.rate, s.rate, betas=(0.0, 0.99), ema=s.ema)

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> ImageSet:
        """Make one image for each class."""
        noise = torch.randn(len(classes), self.settings.noise, generator=random)
        label = functional.one_hot(classes, len(self.classes())).float()
        values = self.generator(torch.cat([noise, label], 1)).unflatten(1, self._shape())
        return self.codec.decode(values.numpy(), classes.numpy(), first)


def layers(inputs: int, widths: tuple[int, ...], outputs: int, *end: nn.Module) -> nn.Module:
    """Return an MLP (B, inputs) -> (B, outputs)."""
    sizes = (inputs, *widths)
    hidden = [m for a, b in zip(sizes, widths, strict=False) for m in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, nn.Linear(sizes[-1], outputs), *end)


class MlpGanObjective(Objective):
    """Binary cross-entropy with R1 on real images."""

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        rows: Tensor,
        classes: Tensor,
        *,
        label_codes: int,
        settings: MlpGanSettings,
    ) -> None:
        super().__init__(generator, critic, rows, classes)
        self.settings, self.label_codes = settings, label_codes

    def fake(self, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return generated images (size, P) and their one-hot classes (size, L)."""
        label = functional.one_hot(self.classes[self.pick(size, random)], self.label_codes).float()
        noise = torch.randn(size, self.settings.noise, generator=random, device=label.device)
        return self.generator(torch.cat([noise, label], 1)), label

    def made(self, size: int, random: torch.Generator) -> Tensor:
        """Return generated images (size, P)."""
        return self.fake(size, random)[0]

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return the discriminator's cross-entropy plus r1 / 2 * |gradient at real images|^2."""
        at = self.pick(size, random)
        real = self.rows[at].requires_grad_(True)
        with torch.no_grad():
            fake, label = self.fake(size, random)
        mine = functional.one_hot(self.classes[at], self.label_codes).float()
        judged_real, judged_fake = self.critic(torch.cat([real, mine], 1)), self.critic(torch.cat([fake, label], 1))
        (slope,) = torch.autograd.grad(judged_real.sum(), real, create_graph=True)
        loss = bce(judged_real, 1.0) + bce(judged_fake, 0.0) + self.settings.r1 / 2 * slope.square().sum(1).mean()
        return CriticLoss(loss, judged_real.detach().sigmoid().mean(), judged_fake.detach().sigmoid().mean())

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the non-saturating loss -log D(G(z))."""
        return bce(self.critic(torch.cat(self.fake(size, random), 1)), 1.0)
