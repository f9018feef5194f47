"""How weights and gradients are spread in each layer while a model trains, as counts to draw histograms of.

    layers-000100.json    after step 100:
    {"v": 1, "step": 100, "networks": {"generator": [{"layer": "first.weight",
        "weights": {"low": -0.2, "high": 0.2, "counts": [0, 3, ...]}, "gradients": {...}}], "critic": [...]}}

The ends are round, and the same on both sides of 0. A layer's gradient is that of its network's last descent; without
one there are no gradients. Layers of fewer than `LEAST` numbers say nothing and are left out.
"""

import json
import math
from typing import Any

import numpy as np
from torch import Tensor, nn

BINS = 31
LEAST = 64
MOST = 16  # layers of a network; the first and last ones of more


def file_name(step: int) -> str:
    """Return the name of the file of a step."""
    return f"layers-{step:06d}.json"


def told(step: int, networks: dict[str, nn.Module]) -> bytes:
    """Return what the module docstring shows; the same networks give the same bytes."""
    found = {name: _network(network) for name, network in networks.items()}
    return (json.dumps({"v": 1, "step": step, "networks": found}, sort_keys=True) + "\n").encode()


def _network(network: nn.Module) -> list[dict[str, Any]]:
    named = [(name, part) for name, part in network.named_parameters() if part.numel() >= LEAST]
    if len(named) > MOST:
        named = named[: MOST // 2] + named[-MOST // 2 :]
    return [_layer(name, part) for name, part in named]


def _layer(name: str, part: Tensor) -> dict[str, Any]:
    told_of: dict[str, Any] = {"layer": name, "weights": counted(part.detach())}
    return told_of if part.grad is None else told_of | {"gradients": counted(part.grad)}


def counted(values: Tensor) -> dict[str, Any]:
    """Return the counts of a tensor's values in `BINS` even bins; of values that are not finite, none.

    >>> import torch
    >>> counted(torch.tensor([-1.0, 0.0, 0.9]))["high"]
    1.0
    """
    flat = values.double().cpu().numpy().ravel()
    flat = flat[np.isfinite(flat)]
    end = rounded_up(float(np.abs(flat).max(initial=0.0)))
    counts = np.histogram(flat, BINS, (-end, end))[0]
    return {"low": -end, "high": end, "counts": counts.tolist()}


def rounded_up(value: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten.

    >>> [rounded_up(x) for x in (0.013, 3.0, 5.0, 0.0)]
    [0.02, 5.0, 5.0, 1.0]
    """
    if not value > 0:
        return 1.0
    power = math.floor(math.log10(value))
    return next(float(f"{lead}e{power}") for lead in (1, 2, 5, 10) if float(f"{lead}e{power}") >= value)
