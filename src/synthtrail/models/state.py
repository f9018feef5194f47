"""The whole state of an adversarial training as named tensors, in and out: what a checkpoint holds, and a way back."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class State:
    """Networks, moving average, and the moments of both optimisers."""

    def __init__(self, parts: dict[str, nn.Module], optimizers: Sequence[Optimizer]) -> None:
        self._parts, self._optimizers = parts, optimizers

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it, named; the tensors are those in use, not copies."""
        named = {f"{part}.{name}": value for part, of in self._parts.items() for name, value in of.state_dict().items()}
        for turn, optimizer in enumerate(self._optimizers):
            for number, moments in optimizer.state_dict()["state"].items():
                named |= {f"adam.{turn}.{number}.{name}": value for name, value in moments.items()}
        return named

    def copied(self) -> dict[str, Tensor]:
        """Return all of it as it is now."""
        return {name: value.detach().clone() for name, value in self.tensors().items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        for part, of in self._parts.items():
            of.load_state_dict(under(f"{part}.", tensors))
        for turn, optimizer in enumerate(self._optimizers):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in under(f"adam.{turn}.", tensors).items():
                number, _, name = key.partition(".")
                moments.setdefault(int(number), {})[name] = laid_out(value, weights[int(number)])
            optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def laid_out(value: Tensor, weight: Tensor) -> Tensor:
    """Return a copy that lies in memory as `weight` does: fused optimisers go through both number by number."""
    return torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value.clone()


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, without it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
