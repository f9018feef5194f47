"""What the autoencoder of `latent_gan` is trained on: what is lost between images and their reconstructions."""

import torch
from torch import Tensor, nn

from synthtrail.models import image_turns
from synthtrail.models.image_colours import colours_of
from synthtrail.models.latent_network import AT_ONCE, Autoencoder, lost, scaled
from synthtrail.models.likelihood import Likelihood
from synthtrail.models.objective import generator_for

JUDGING = 2**40  # the random stream of the checks on images held back


class Reconstruction(Likelihood):
    """What the autoencoder is trained on; rows are images (N, C, H, W) uint8, to be seen in `ways` (`image_turns`)."""

    network: Autoencoder
    colours: Tensor
    ways = 1

    def __init__(self, network: Autoencoder, rows: Tensor, held: Tensor) -> None:
        super().__init__(network, rows, held)
        self.register_buffer("colours", colours_of(rows), persistent=False)

    def loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the loss of `size` rows."""
        at = torch.randint(len(self.rows), (size,), generator=random, device=self.rows.device)
        return self._lost(self.network, image_turns.at_random(self.rows[at], self.ways, random), random)

    def judge(self, network: nn.Module) -> Tensor:
        """Return the loss of `network` on the rows held back, normalised by themselves."""
        assert isinstance(network, Autoencoder)  # noqa: S101 - the average of our own network
        random = generator_for(0, JUDGING, self.held.device)
        network.train()
        return torch.stack([self._lost(network, part, random) for part in _even(self.held)]).mean()

    def _lost(self, network: Autoencoder, rows: Tensor, random: torch.Generator) -> Tensor:
        jitter = torch.randn(len(rows), network.latent, generator=random, device=rows.device)
        return lost(network(scaled(rows), jitter), scaled(rows), self.colours)


def _even(rows: Tensor) -> tuple[Tensor, ...]:
    """Return the rows in parts of about `AT_ONCE`, none much smaller: a part is normalised by itself."""
    return torch.tensor_split(rows, -(-len(rows) // AT_ONCE))
