"""The masked any-order network under differential privacy: DP-SGD on coarse codes (`private_network`).

model = registry.create("private_masked", {"epsilon": 1.0, "delta": 1e-6})
model.fit(train, codec, Training(seed=0))     # two fits differ: the noise is secret
model.complete(rows_with_gaps, seed=1)        # what `masked` can, this can too
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from synthtrail.models.masked import Completing
from synthtrail.models.private_layers import MaskedCodes
from synthtrail.models.private_network import PrivateNetwork
from synthtrail.models.private_settings import PrivateSettings

if TYPE_CHECKING:
    from synthtrail.models.private_objectives import MaskedRows


@dataclass(frozen=True)
class PrivateMaskedSettings(PrivateSettings):
    """Settings of `PrivateMasked`: see `PrivateSettings`."""

    rate: float = 0.005


class PrivateMasked(PrivateNetwork[PrivateMaskedSettings], Completing[PrivateMaskedSettings]):
    """Good where partly given rows of people are to be completed under differential privacy, from some ten thousand on.

    For whole rows `private_tree` is more useful and faster. Two fits differ, for the noise is secret.
    """

    network: MaskedCodes
    name: ClassVar[str] = "private_masked"

    @classmethod
    def settings_class(cls) -> type[PrivateMaskedSettings]:
        """Return the dataclass of the settings."""
        return PrivateMaskedSettings

    def build(self) -> MaskedCodes:
        """Return a fresh network, as large as `facts` say."""
        return MaskedCodes(self.sizes, self.facts["width"], self.facts["layers"], self.ranks(), self.shares())

    def objective(self, codes: Tensor) -> "MaskedRows":
        """Return the losses of rows of which columns are hidden at random."""
        from synthtrail.models.private_objectives import MaskedRows  # noqa: PLC0415 - Lightning

        return MaskedRows(self.network, codes)
