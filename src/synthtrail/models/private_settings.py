"""What all networks under differential privacy are told, and how long they train where nothing is said.

The number of rows is declared public, so that what follows from it is no leak. The more budget there is, the more often
rows are looked at: at a small epsilon more steps mean more noise in each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthtrail.models import private_terms

COUNTS = 0.1  # share of the budget, as zCDP, that pays the counts of columns


@dataclass(frozen=True)
class PrivateSettings:
    """Settings of a private network; None follows from the number of rows (`plan`).

    `epsilon` and `delta` are the guarantee, `bins` at most how many codes a column gets, `clip` the length to which
    each row's gradient is clipped, `batch` the number of rows expected in a step.
    """

    epsilon: float = 1.0
    delta: float = 1e-6
    bins: int = 32
    steps: int | None = None
    batch: int | None = None
    width: int = 128
    layers: int = 1
    rate: float = 0.002
    clip: float = 1.0
    ema: float = 0.99


def plan(rows: int, settings: PrivateSettings) -> dict[str, Any]:
    """Return what a fit of so many rows does: steps, rows expected in each, each row's chance to be one of them.

    >>> plan(20_000, PrivateSettings())["steps"], plan(20_000, PrivateSettings(steps=5))["steps"]
    (400, 5)
    """
    batch = min(settings.batch or max(256, min(4096, rows // 10)), rows)
    return {
        "rows": rows,
        "steps": settings.steps or 400,
        "batch": batch,
        "chance": batch / rows,
        "width": settings.width,
        "layers": settings.layers,
    }


def terms(settings: PrivateSettings, facts: Mapping[str, Any]) -> Mapping[str, object]:
    """Return the terms of a guarantee, with what the fit did if there was one."""
    how = f"gradients of single rows clipped to length {settings.clip:g}, summed with Gaussian noise"
    if facts:
        how += (
            f" of deviation {facts['noise']:g} times that, in {facts['steps']} steps, each of which takes every row "
            f"with probability {facts['chance']:.6g}"
        )
    return private_terms.of_steps(settings.epsilon, settings.delta, how, facts.get("audit"))
