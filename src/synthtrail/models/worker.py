"""One of the other processes of `devices`: `python -m synthtrail.models.worker RANK WORLD PORT`, started by process 0.

Standard input brings 8 bytes of length and a safetensors file: the tensors `rows` and `classes`, and as a third the
model's name, settings, codec, facts, seed and folder of checkpoints as JSON. It stays open as long as process 0 lives.
Standard output takes the line `ready`, and after training the digest of the weights.
"""

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from safetensors.torch import load, save
from torch import Tensor

from synthtrail.models import registry
from synthtrail.models.devices import READY, Place, digest
from synthtrail.models.synthesizer import Training

TOLD = "told"  # the one tensor that holds JSON


def request(told: Mapping[str, Any], rows: Tensor, classes: Tensor) -> bytes:
    """Return what process 0 sends."""
    import torch  # noqa: PLC0415

    text = torch.frombuffer(bytearray(json.dumps(told).encode()), dtype=torch.uint8)
    sent: bytes = save({"rows": rows.contiguous(), "classes": classes.clone().contiguous(), TOLD: text})
    return sent


def main(arguments: list[str]) -> int:
    """Train beside the others; return 0 when done."""
    rank, world, port = map(int, arguments)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed goes to standard error
    tensors = load(_read(sys.stdin.buffer))
    told = json.loads(tensors.pop(TOLD).numpy().tobytes())
    threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    model: Any = registry.create(told["name"], told["settings"])
    print(READY, file=out, flush=True)
    states = told["checkpoints"] and Path(told["checkpoints"])
    training = Training(told["seed"], checkpoints=states, progress=False, devices=world, tell=_nothing)
    weights = model.train_beside(told, tensors["rows"], tensors["classes"], training, Place(rank, world, port))
    print(digest(weights), file=out, flush=True)
    return 0


def _read(pipe: IO[bytes]) -> bytes:
    size = int.from_bytes(pipe.read(8))
    return pipe.read(size)


def _end_with(pipe: IO[bytes]) -> None:
    """End this process when process 0 closes the pipe, or dies."""
    pipe.read()
    os._exit(1)


def _nothing(line: str) -> None:
    """Tell nothing: process 0 does."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
