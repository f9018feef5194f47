"""Where an interrupted fit was: tensors as safetensors, the rest as JSON, found again only by the fit they belong to.

    <fit>.json                  how far, the journal so far; name and SHA-256 of the tensors' file
    <fit>-000300.safetensors    networks, moving average, moments of the optimisers, and the files made on the way

`<fit>` is a fingerprint of settings, seed, training rows and fresh weights, so another fit's state is never taken up.
The tensors are written first and the JSON, which names them, replaces its predecessor atomically: a kill at any time
leaves the old pair or the new one. What does not agree with its digests is refused with one line, and training starts
anew. Both are removed when the fit is done.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from synthtrail.models.journal import Journal
from synthtrail.models.objective import Objective, Schedule
from synthtrail.models.synthesizer import Training
from synthtrail.storage.files import write_bytes, write_json

VERSION = 2
FILE = "file."  # prefix of the tensors that are bytes of files


class DamagedError(Exception):
    """A checkpoint is not what was saved; the message says how."""


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
    """The files of one fit in `folder`."""

    folder: Path
    fit: str
    journal: Journal

    @classmethod
    def of(
        cls, objective: Objective, schedule: Schedule, training: Training, journal: Journal | None = None
    ) -> "Checkpoint | None":
        """Return the checkpoint of this fit, None if none is kept."""
        fresh = {"rows": objective.rows, "classes": objective.classes, **objective.state_dict()}
        return cls.named(fresh, f"{schedule} {training.seed} {training.devices} {objective}", training, journal)

    @classmethod
    def named(
        cls, fresh: Mapping[str, Tensor], told: str, training: Training, journal: Journal | None = None
    ) -> "Checkpoint | None":
        """Return the checkpoint of the fit with these rows and fresh weights; `told` is what else makes it this fit."""
        if training.checkpoints is None:
            return None
        # Classes may be a view of the rows, which safetensors refuses.
        state = save({name: value.detach().cpu().clone().contiguous() for name, value in fresh.items()})
        made_by = f"{VERSION} {torch.__version__} {told}".encode()
        fit = hashlib.sha256(hashlib.sha256(state).digest() + made_by).hexdigest()[:32]
        return cls(training.checkpoints, fit, journal or Journal(training))

    @property
    def path(self) -> Path:
        """The JSON file."""
        return self.folder / f"{self.fit}.json"

    def restore(self, state: Tensors) -> int:
        """Put the saved state back and return how many steps it has behind it; 0 if there is none that can be used."""
        if not self.path.exists():
            return 0
        try:
            told, tensors = self._read()
            files = {name: tensors.pop(f"{FILE}{name}").numpy().tobytes() for name in told["files"]}
            self.journal.take(told["journal"], files)
            state.restore(tensors)
            step = int(told["step"])
        except (DamagedError, OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            self.journal.training.tell(f"checkpoint {self.path} is not used ({reason}): training starts anew")
            self.discard()
            return 0
        self.journal.replay()
        return step

    def _read(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        whole = json.loads(self.path.read_bytes())
        told = whole["state"]
        if whole["sha256"] != _digest_of(told):
            raise DamagedError("its digest does not match")
        if told["fit"] != self.fit:
            raise DamagedError("it belongs to another training")
        content = (self.folder / Path(told["tensors"]).name).read_bytes()
        if told["tensors_sha256"] != hashlib.sha256(content).hexdigest():
            raise DamagedError(f"{told['tensors']} is not what was saved")
        return told, load(content)

    def save(self, state: Tensors, step: int) -> None:
        """Replace what was saved."""
        held = {name: value.detach().cpu().contiguous() for name, value in state.tensors().items()}
        files = {f"{FILE}{name}": _bytes(data) for name, data in self.journal.files.items()}
        content, name = save({**held, **files}), f"{self.fit}-{step:06d}.safetensors"
        write_bytes(self.folder / name, content)
        told: dict[str, Any] = {
            "fit": self.fit,
            "step": step,
            "journal": self.journal.to_json(),
            "files": sorted(self.journal.files),
            "tensors": name,
            "tensors_sha256": hashlib.sha256(content).hexdigest(),
        }
        write_json(self.path, {"state": told, "sha256": _digest_of(told)})
        self._drop(but=name)

    def discard(self) -> None:
        """Remove the files, for the fit is done."""
        self.path.unlink(missing_ok=True)
        self._drop()

    def _drop(self, but: str = "") -> None:
        for path in self.folder.glob(f"{self.fit}-*.safetensors"):
            if path.name != but:
                path.unlink(missing_ok=True)


def _digest_of(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _bytes(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)
