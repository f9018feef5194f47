"""What `image_vae` is trained on: minus the bound on the log-likelihood of each image, in nats a pixel.

A pixel between black and white is a shade of grey told by its cross-entropy; whatever the decoder's best answer is,
it is the mean shade, so colours come out calibrated. To it comes the divergence of the code's distribution from the
standard normal, of which new codes are drawn (Kingma, Welling 2014, arXiv 1312.6114).
"""

import torch
from torch import Tensor
from torch.nn import functional

from synthtrail.models.dp_training import RowLosses
from synthtrail.models.image_vae_network import ImageVae, unpacked
from synthtrail.models.likelihood import Likelihood
from synthtrail.models.objective import generator_for

JUDGING = 2**40  # the random stream of the checks on rows held back
AT_ONCE = 500  # rows judged together


def bounds(network: ImageVae, rows: Tensor, random: torch.Generator) -> Tensor:
    """Return minus the bound of each row of bytes (B,)."""
    images, classes = unpacked(rows, network.last.out_channels, network.plan)
    jitter = torch.randn(len(rows), network.latent, generator=random, device=rows.device)
    logits, mean, spread = network(images, classes, jitter)
    shades = functional.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1)
    apart = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1)
    lost: Tensor = (shades + apart) / images[0].numel()
    return lost


class Bound(Likelihood):
    """The mean over rows, with some held back."""

    network: ImageVae

    def loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the loss of `size` rows."""
        at = torch.randint(len(self.rows), (size,), generator=random, device=self.rows.device)
        return bounds(self.network, self.rows[at], random).mean()

    def judge(self, network: torch.nn.Module) -> Tensor:
        """Return the loss of `network` on the rows held back."""
        assert isinstance(network, ImageVae)  # noqa: S101 - the average of our own network
        random = generator_for(0, JUDGING, self.held.device)
        return torch.cat([bounds(network, part, random) for part in torch.split(self.held, AT_ONCE)]).mean()


class BoundRows(RowLosses):
    """A loss for each row, for training under differential privacy."""

    network: ImageVae

    def losses(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """Return the loss of each row (B,)."""
        return bounds(self.network, rows, random)
