"""What the synthesizers of tables share that are one network, trained by `likelihood.py` and shown while it trains."""

from abc import abstractmethod
from typing import Any, ClassVar, TypeVar

import pandas as pd
import torch
from torch import Tensor, nn

from synthtrail.models.objective import generator_for
from synthtrail.models.table_model import TableModel

SettingsT = TypeVar("SettingsT")
STREAM = 2**41  # the random stream of the samples shown while training


class TableNetwork(TableModel[SettingsT]):
    """Makes rows of a table by `network`, a child's own `build` of the settings in `facts`."""

    network: Any
    shows: ClassVar[bool] = True

    @abstractmethod
    def build(self) -> nn.Module:
        """Return a fresh network, as large as `facts` say."""

    def fresh(self, seed: int) -> Any:
        """Return the network that training with this seed starts from; torch's own state has no part in it."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build()

    def shown(self, classes: Tensor, seed: int, network: nn.Module) -> pd.DataFrame:
        """Return what a network that still trains makes of the same classes and draws each time."""
        mine, self.network = self.network, network.eval()
        try:
            with torch.no_grad():
                return self.draw(classes, generator_for(seed, STREAM), 0)
        finally:
            self.network = mine

    def state(self) -> dict[str, Tensor]:
        """Return the network's weights."""
        weights: dict[str, Tensor] = self.network.state_dict()
        return weights

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the network's weights."""
        self.network = self.build()
        self.network.load_state_dict(state)
        self.network.eval()
