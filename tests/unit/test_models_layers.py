"""How weights and gradients are spread is told as counts, the same each time, whatever the values."""

import json

import torch
from torch import nn

from synthtrail.models import layers


def network() -> nn.Module:
    """Return a small network after one descent."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(20, 10), nn.Linear(10, 2))
    made(torch.randn(5, 20)).square().sum().backward()
    return made


def test_each_layer_is_counted_whole() -> None:
    """Counts add up to the layer's numbers, within round ends; small layers are left out."""
    found = json.loads(layers.told(100, {"generator": network()}))
    assert (found["v"], found["step"]) == (1, 100)
    (layer,) = found["networks"]["generator"]
    assert layer["layer"] == "0.weight"
    for what in ("weights", "gradients"):
        assert sum(layer[what]["counts"]) == 200
        assert layer[what]["low"] == -layer[what]["high"]
    assert layer["weights"]["high"] in (0.5, 0.2, 1.0)


def test_values_that_are_not_finite_are_not_counted() -> None:
    """A network that diverged is told too, without breaking the file."""
    made = network()
    next(made.parameters()).data[0, :3] = torch.tensor([float("nan"), float("inf"), -float("inf")])
    (layer,) = json.loads(layers.told(1, {"critic": made}))["networks"]["critic"]
    assert sum(layer["weights"]["counts"]) == 197


def test_without_a_descent_there_are_no_gradients_and_the_same_network_gives_the_same_bytes() -> None:
    """Fresh weights have no gradient; nothing random is in the file."""
    fresh = nn.Linear(20, 10)
    (layer,) = json.loads(layers.told(1, {"generator": fresh}))["networks"]["generator"]
    assert "gradients" not in layer
    assert layers.told(1, {"generator": fresh}) == layers.told(1, {"generator": fresh})
    assert layers.file_name(100) == "layers-000100.json"


def test_of_deep_networks_the_first_and_last_layers_are_told() -> None:
    """Twenty layers: eight from each end."""
    deep = nn.Sequential(*(nn.Linear(8, 8, bias=False) for _ in range(20)))
    told = [layer["layer"] for layer in json.loads(layers.told(1, {"generator": deep}))["networks"]["generator"]]
    assert told == [f"{i}.weight" for i in (*range(8), *range(12, 20))]
