"""The networks of `latent_gan`: an encoder for training alone, and a generator that draws its codes from their law.

With F = `width` features, images (B, C, H, W) that halve k times (see `image_layers`), F_i = F * min(2^i, 8):

    encoder     k strided 4x4 convolutions to F_0 ... F_k-1 features, batch normalisation, leaky ReLU
                -> linear layer -> code (B, Z), each number with mean 0 and variance 1 by batch normalisation
    generator   noise (B, Z + 1) -> `latent_mixture` -> code (B, Z) -> decoder: the generator of `projection_gan`

The decoder is not told the class. Told, it marks an image that could be of two classes with the one it was given, a
classifier learns these marks, and finds none in real images (docs/adr/0026). A class is where its codes lie.

The loss of a reconstruction is the cross-entropy of shades, as in `image_vae`: a pixel's best answer is its mean. With
several channels, `HUES` times the distance of the colours is added (`image_colours`), lest hues be lost.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.models import image_colours
from synthtrail.models.image_layers import Plan, features, last, lay_out
from synthtrail.models.image_texture import Texture
from synthtrail.models.latent_mixture import LatentMixture
from synthtrail.models.projection_gan import Generator

AT_ONCE = 500  # images coded together
HUES = 0.05  # weight of the colours' distance beside the cross-entropy, in nats a pixel and channel


class LatentGenerator(nn.Module):
    """Noise (B, Z + 1) and class numbers (B,) -> images (B, C, H, W) in [-1, 1]."""

    def __init__(self, decoder: Generator, mixture: LatentMixture, texture: Texture | None = None) -> None:
        super().__init__()
        self.decoder, self.mixture, self.texture = decoder, mixture, texture

    def forward(self, noise: Tensor, classes: Tensor) -> Tensor:
        """Return images."""
        images: Tensor = self.decoder(self.mixture(noise, classes), no_class(classes))
        return images

    def textured(self, noise: Tensor, classes: Tensor, random: torch.Generator) -> Tensor:
        """Return images with the texture that there is."""
        images: Tensor = self(noise, classes)
        if self.texture is None:
            return images
        grained: Tensor = self.texture(images, self.mixture(noise, classes), random)
        return grained

    def shades(self, codes: Tensor) -> Tensor:
        """Return the decoder's shades (see `Generator.shades`) of codes (B, Z)."""
        return _shades(self.decoder, codes)


class Encoder(nn.Module):
    """Images (B, C, H, W) in [-1, 1] -> codes (B, Z)."""

    def __init__(self, plan: Plan, channels: int, width: int, latent: int) -> None:
        super().__init__()
        sizes = [channels, *(features(width, level) for level in range(max(1, plan.doublings)))]
        layers: list[nn.Module] = []
        height, wide = plan.height, plan.width
        for a, b in pairwise(sizes):
            layers += [nn.Conv2d(a, b, 4, stride=2, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
            height, wide = height // 2, wide // 2
        inside = features(width, plan.doublings + 1)
        layers += [nn.Flatten(), nn.Linear(sizes[-1] * height * wide, inside), nn.BatchNorm1d(inside)]
        layers += [nn.LeakyReLU(0.2), nn.Linear(inside, latent), nn.BatchNorm1d(latent, affine=False)]
        self.layers = nn.Sequential(*layers)
        lay_out(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return codes."""
        codes: Tensor = self.layers(last(images))
        return codes


class Autoencoder(nn.Module):
    """Encoder and decoder, trained together before the decoder becomes a generator."""

    def __init__(self, encoder: Encoder, decoder: Generator, jitter: float) -> None:
        super().__init__()
        self.encoder, self.decoder, self.jitter = encoder, decoder, jitter
        self.latent = int(decoder.first.in_features) - decoder.classes

    def forward(self, images: Tensor, jitter: Tensor) -> Tensor:
        """Return shades (see `Generator.shades`) of the images' codes, to which so much of `jitter` (B, Z) is added."""
        return _shades(self.decoder, self.encoder(images) + self.jitter * jitter)

    @torch.no_grad()
    def left_out(self, images: Tensor, codes: Tensor) -> Tensor:
        """Return what images (N, C, H, W) uint8 have, in [-1, 1], beyond what their codes (N, Z) are decoded to."""
        self.eval()
        parts = zip(torch.split(images, AT_ONCE), torch.split(codes, AT_ONCE), strict=True)
        return torch.cat([scaled(part) - _shades(self.decoder, code).tanh() for part, code in parts]).contiguous()

    @torch.no_grad()
    def codes(self, images: Tensor) -> Tensor:
        """Return the codes (N, Z) of images (N, C, H, W) uint8, by statistics that stand."""
        self.eval()
        return torch.cat([self.encoder(scaled(part)) for part in torch.split(images, AT_ONCE)])


def no_class(like: Tensor) -> Tensor:
    """Return the only class (B,) that a decoder knows."""
    return torch.zeros(len(like), dtype=torch.int64, device=like.device)


def _shades(decoder: Generator, codes: Tensor) -> Tensor:
    return decoder.shades(codes, no_class(codes))


def scaled(images: Tensor) -> Tensor:
    """Return images uint8 in [-1, 1]."""
    return last(images).float().div_(127.5).sub_(1)


def lost(shades: Tensor, images: Tensor, colours: Tensor) -> Tensor:
    """Return the loss of images in [-1, 1] by their reconstructed shades; see the module docstring."""
    told = functional.binary_cross_entropy_with_logits(2 * shades, (images + 1) / 2)
    return told if len(colours) == 1 else told + HUES * image_colours.apart(shades.tanh(), images, colours)
