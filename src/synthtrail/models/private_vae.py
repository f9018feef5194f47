"""The autoencoder of `vae` under differential privacy: DP-SGD on coarse codes (`private_network`).

model = registry.create("private_vae", {"epsilon": 10.0, "delta": 1e-6})
model.fit(train, codec, Training(seed=0))     # two fits differ: the noise is secret
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from synthtrail.models.one_hot import Layout
from synthtrail.models.private_layers import CodeHead, CodeInput
from synthtrail.models.private_network import PrivateNetwork
from synthtrail.models.private_settings import PrivateSettings
from synthtrail.models.tables import target_index
from synthtrail.models.vae import AtOnce
from synthtrail.models.vae_network import Vae, VaeShape

if TYPE_CHECKING:
    from synthtrail.models.private_objectives import BoundRows


@dataclass(frozen=True)
class PrivateVaeSettings(PrivateSettings):
    """Settings of `PrivateVae`: see `PrivateSettings`; `latent` numbers, each from `parts` normals, make a code."""

    latent: int = 8
    parts: int = 4


class PrivateVae(PrivateNetwork[PrivateVaeSettings], AtOnce[PrivateVaeSettings]):
    """Good for comparison with published private autoencoders; `private_tree` is more useful and faster.

    Two fits differ, for the noise is secret.
    """

    network: Vae
    name: ClassVar[str] = "private_vae"

    @classmethod
    def settings_class(cls) -> type[PrivateVaeSettings]:
        """Return the dataclass of the settings."""
        return PrivateVaeSettings

    def build(self) -> Vae:
        """Return fresh networks, as large as `facts` and settings say."""
        at, layout, ranks = target_index(self.codec), Layout(self.sizes, None), self.ranks()
        shape = VaeShape(self.facts["width"], self.facts["layers"], self.settings.latent, self.settings.parts)
        head = CodeHead(shape.width, layout, ranks, self.shares())
        return Vae(CodeInput(layout, ranks, shape.width), head, shape, 1 if at is None else self.sizes[at])

    def objective(self, codes: Tensor) -> "BoundRows":
        """Return minus the bound of each row."""
        from synthtrail.models.private_objectives import BoundRows  # noqa: PLC0415 - Lightning

        return BoundRows(self.network, codes, Layout(self.sizes, None), target_index(self.codec))
