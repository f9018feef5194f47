"""The DCGAN as its paper and two of the sources define it: nothing added, to be compared with.

With F = `width` features, noise (B, Z), images (B, C, H, W) that halve k times (see `image_layers`), F_i = F * 2^i:

    generator      noise, and with labels the one-hot class -> a transposed convolution to (B, F_k-1, h, w), k - 1
                   doublings by transposed 4x4 convolutions to F_k-2 ... F_0, each with batch normalisation and an
                   activation; one more to the C channels -> tanh
    discriminator  k strided 4x4 convolutions to F_0 ... F_k-1, batch normalisation on all but the first, leaky ReLU
                   ignored:  a convolution over what is left -> logit
                   used:     what is left, beside 128 features of the class, -> 512 features -> logit

Binary cross-entropy, Adam at 0.0002 with betas (0.5, 0.999), weights drawn from N(0, 0.02^2), no penalty, no moving
average (Radford, Metz, Chintala 2016, arXiv 1511.06434). The definitions:

    DCGAN of a cloud provider's guide to synthetic skin lesions, for 64x64 in colour, which never looks at the labels:
        labels: ignored, noise: 100, width: 64, batch: 64
    conditional DCGAN of a capstone project, for MNIST and Fashion-MNIST; leaky ReLU in the generator too (its noise on
    labels and on the discriminator's input, which its configuration sets, is left out):
        labels: used, noise: 64, width: 128, batch: 128

A model that ignores labels makes images without one. So that they can be written, each gets a label drawn as often as
in training, which says nothing of the image: what is claimed is the product of two distributions, and `utility` of the
report will show it. Asked for a class, such a model refuses.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.data.image import ImageCodec, ImageSet
from synthtrail.models.cgan import bce
from synthtrail.models.errors import ModelError
from synthtrail.models.gan import ConditionalGan
from synthtrail.models.image_layers import Plan, lay_out
from synthtrail.models.image_objective import ImageObjective
from synthtrail.models.kinds import OfImages
from synthtrail.models.objective import CriticLoss, Objective, Schedule

OF_CLASS, JOINED = 128, 512  # features of the class, and of image and class together
DEVIATION = 0.02  # of fresh weights


@dataclass(frozen=True)
class PlainDcganSettings:
    """Settings of `PlainDcgan`; `width` is F of the module docstring."""

    labels: Literal["used", "ignored"] = "used"
    steps: int = 10_000
    batch: int = 128
    width: int = 128
    noise: int = 64
    rate: float = 0.0002


class PlainDcgan(OfImages, ConditionalGan[ImageSet, ImageCodec, PlainDcganSettings]):
    """Good as the baseline of other generators of images; see the module docstring for the two definitions.

    Needs a GPU beyond 32 pixels, and images of at least 8 pixels a side.
    """

    name: ClassVar[str] = "plain_dcgan"

    @classmethod
    def settings_class(cls) -> type[PlainDcganSettings]:
        """Return the dataclass of the settings."""
        return PlainDcganSettings

    @property
    def told_classes(self) -> int:
        """How many classes the networks are told of, 0 if they are told of none."""
        return len(self.codec.schema.classes) if self.settings.labels == "used" else 0

    def classes(self) -> tuple[str, ...]:
        """Return the labels' names, none if they are ignored."""
        return self.codec.schema.classes if self.told_classes else ()

    def learn_facts(self, data: ImageSet) -> tuple[Tensor, Tensor]:
        """Return the images (N, C, H, W) uint8 and their class numbers (N,)."""
        pixels, numbers = self.codec.stored(data)
        return torch.from_numpy(pixels), torch.from_numpy(numbers)

    def build(self) -> nn.Module:
        """Return a fresh generator; `ModelError` for images too small to be halved."""
        schema, s = self.codec.schema, self.settings
        plan = Plan.of(schema.height, schema.width)
        if not plan.doublings:
            raise ModelError(f"plain_dcgan wants 8 pixels a side or more, these are {schema.height} x {schema.width}")
        return Generator(plan, schema.channels, s.width, s.noise, self.told_classes)

    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return the GAN objective."""
        schema, s = self.codec.schema, self.settings
        critic = Discriminator(Plan.of(schema.height, schema.width), schema.channels, s.width, self.told_classes)
        return PlainObjective(self.generator, critic, rows, classes, noise=s.noise)

    def schedule(self) -> Schedule:
        """Return the schedule: rates that stay, and no moving average."""
        s = self.settings
        return PlainSchedule(s.steps, s.batch, s.rate, s.rate, betas=(0.5, 0.999), ema=0.0)

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> ImageSet:
        """Make one image for each class."""
        values = self.generator(torch.randn(len(classes), self.settings.noise, generator=random), classes)
        return self.codec.decode(values.contiguous().numpy(), classes.numpy(), first)


@dataclass(frozen=True)
class PlainSchedule(Schedule):
    """A schedule whose rates never change."""

    def rate(self, step: int) -> float:
        """Return 1."""
        del step
        return 1.0


def fresh(module: nn.Module) -> None:
    """Draw the weights of a layer as the paper says."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, DEVIATION)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, DEVIATION)
        nn.init.zeros_(module.bias)


class Generator(nn.Module):
    """Noise (B, Z) and class numbers (B,) -> images (B, C, H, W) in [-1, 1]."""

    def __init__(self, plan: Plan, channels: int, width: int, noise: int, classes: int) -> None:
        super().__init__()
        self.plan, self.classes = plan, classes
        sizes = [width * 2**level for level in range(plan.doublings - 1, -1, -1)]
        layers: list[nn.Module] = [nn.ConvTranspose2d(noise + classes, sizes[0], plan.start, bias=False)]
        for a, b in zip(sizes, [*sizes[1:], channels], strict=True):
            layers += [nn.BatchNorm2d(a), nn.LeakyReLU(0.2) if classes else nn.ReLU()]
            layers += [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False)]
        self.layers = nn.Sequential(*layers, nn.Tanh()).apply(fresh)
        lay_out(self)

    def forward(self, noise: Tensor, classes: Tensor) -> Tensor:
        """Return images."""
        told = [functional.one_hot(classes, self.classes).to(noise.dtype)] if self.classes else []
        return self.plan.cropped(self.layers(torch.cat([noise, *told], 1)[:, :, None, None]))


class Discriminator(nn.Module):
    """Images (B, C, H, W) and class numbers (B,) -> logits (B, 1)."""

    def __init__(self, plan: Plan, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.classes, sizes = classes, [width * 2**level for level in range(plan.doublings)]
        layers: list[nn.Module] = []
        for a, b in zip([channels, *sizes[:-1]], sizes, strict=True):
            norm = [nn.BatchNorm2d(b)] if layers else []
            layers += [nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False), *norm, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        left = sizes[-1] * (plan.height >> plan.doublings) * (plan.width >> plan.doublings)
        if classes:
            self.of_class = nn.Sequential(nn.Linear(classes, OF_CLASS), nn.LeakyReLU(0.2))
            self.judge = nn.Sequential(nn.Linear(left + OF_CLASS, JOINED), nn.LeakyReLU(0.2), nn.Linear(JOINED, 1))
        else:
            self.judge = nn.Sequential(nn.Linear(left, 1, bias=False))
        self.apply(fresh)
        lay_out(self)

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        """Return logits."""
        parts = [self.layers(images).flatten(1)]
        if self.classes:
            parts.append(self.of_class(functional.one_hot(classes, self.classes).to(images.dtype)))
        logits: Tensor = self.judge(torch.cat(parts, 1))
        return logits


class PlainObjective(ImageObjective):
    """Binary cross-entropy; real and generated images go through the discriminator as batches of their own."""

    def fake(self, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return generated images (size, C, H, W) and their classes (size,)."""
        noise, classes = self.drawn(size, random)
        return self.generator(noise, classes), classes

    def critic_loss(self, size: int, random: torch.Generator) -> CriticLoss:
        """Return the discriminator's cross-entropy."""
        at = self.pick(size, random)
        with torch.no_grad():
            fake, classes = self.fake(size, random)
        real, made = self.critic(self.real(at), self.classes[at]), self.critic(fake, classes)
        loss = bce(real, 1.0) + bce(made, 0.0)
        return CriticLoss(loss, real.detach().sigmoid().mean(), made.detach().sigmoid().mean())

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the non-saturating loss -log D(G(z))."""
        return bce(self.critic(*self.fake(size, random)), 1.0)
