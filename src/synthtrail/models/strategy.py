"""Lightning's distributed data parallelism among processes that `devices` started."""

from datetime import timedelta
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy

from synthtrail.models.devices import Place

PATIENCE = timedelta(minutes=5)  # for an exchange that no process answers


class Meeting(LightningEnvironment):
    """Where the processes meet: as said by their place, not by variables of the environment."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    @property
    def creates_processes_externally(self) -> bool:
        """Lightning need not start any."""
        return True

    @property
    def main_address(self) -> str:
        """This machine."""
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        """The port of process 0."""
        return self._place.port

    def local_rank(self) -> int:
        """Return the number of this process."""
        return self._place.rank

    def node_rank(self) -> int:
        """Return 0, the only machine."""
        return 0


def trainer(place: Place) -> dict[str, Any]:
    """Return what Lightning's trainer must know of the process at `place`.

    Each backward pass concerns one of two networks, so the other's parameters are unused in it; the training rows are
    buffers, which are the same everywhere and need not be sent at each step.
    """
    if place.world == 1:
        return {"accelerator": "auto", "devices": 1}
    strategy = DDPStrategy(
        cluster_environment=Meeting(place),
        find_unused_parameters=True,
        forward_sync_buffers=False,
        timeout=PATIENCE,
    )
    kind = "gpu" if torch.cuda.is_available() else "cpu"
    return {"accelerator": kind, "devices": place.world, "strategy": strategy}
