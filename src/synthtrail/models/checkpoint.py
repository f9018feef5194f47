"""Where an interrupted fit was: one safetensors file, found again only by the fit it belongs to.

The file is named by a fingerprint of settings, seed and training rows, so another fit's state is never taken up; it is
replaced atomically, and removed when the fit is done.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from safetensors.torch import load, save
from torch import Tensor, tensor

from synthtrail.models.objective import Objective, Schedule
from synthtrail.models.synthesizer import Training
from synthtrail.storage.files import write_bytes

STEP = "step"


class Tensors(Protocol):
    """A state that can be taken out as named tensors and put back."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the state."""
        ...

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the state back."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """The file of one fit."""

    path: Path

    @classmethod
    def of(cls, objective: Objective, schedule: Schedule, training: Training) -> "Checkpoint | None":
        """Return the checkpoint of this fit, None if none is kept."""
        if training.checkpoints is None:
            return None
        # Classes may be a view of the rows, which safetensors refuses.
        state = save({"rows": objective.rows.clone(), "classes": objective.classes.clone(), **_plain(objective)})
        told = f"{schedule} {training.seed} {objective}".encode()
        name = hashlib.sha256(hashlib.sha256(state).digest() + told).hexdigest()[:32]
        return cls(training.checkpoints / f"{name}.safetensors")

    def restore(self, state: Tensors) -> int:
        """Put the saved state back and return how many steps it has behind it; 0 if nothing was saved."""
        if not self.path.exists():
            return 0
        tensors = load(self.path.read_bytes())
        step = int(tensors.pop(STEP))
        state.restore(tensors)
        return step

    def save(self, state: Tensors, step: int) -> None:
        """Replace what was saved."""
        held = {name: value.detach().cpu().contiguous() for name, value in state.tensors().items()}
        write_bytes(self.path, save({**held, STEP: tensor(step)}))

    def discard(self) -> None:
        """Remove the file, for the fit is done."""
        self.path.unlink(missing_ok=True)


def _plain(objective: Objective) -> dict[str, Tensor]:
    """Return the fresh weights, which hold the seed and every size."""
    return {name: value.detach().contiguous() for name, value in objective.state_dict().items()}
