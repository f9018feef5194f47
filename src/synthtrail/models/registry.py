"""The synthesizers there are, by name; each module is imported when its name is used.

To add one, write its module and one line here; the shared test suite then runs on it.
"""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthtrail.models.errors import ModelFileError
from synthtrail.models.synthesizer import Synthesizer
from synthtrail.params import ParamsError, nearest

SYNTHESIZERS: dict[str, str] = {
    "cart": "synthtrail.models.cart:Cart",
    "cgan": "synthtrail.models.cgan:Cgan",
    "dcgan": "synthtrail.models.dcgan:Dcgan",
    "gan": "synthtrail.models.table_gan:TableGan",
    "gaussian": "synthtrail.models.gaussian:Gaussian",
    "independent": "synthtrail.models.independent:Independent",
    "masked": "synthtrail.models.masked:Masked",
    "mlp_gan": "synthtrail.models.mlp_gan:MlpGan",
    "private_tree": "synthtrail.models.private_tree:PrivateTree",
    "wgan_gp": "synthtrail.models.wgan_gp:WganGp",
}


def find(name: str) -> type[Synthesizer[Any, Any]]:
    """Return the class called `name`; `ParamsError` naming the nearest if there is none."""
    if name not in SYNTHESIZERS:
        raise ParamsError(f"model: no synthesizer {name!r}{nearest(name, set(SYNTHESIZERS))}")
    module, _, cls = SYNTHESIZERS[name].partition(":")
    found: type[Synthesizer[Any, Any]] = getattr(importlib.import_module(module), cls)
    return found


def create(name: str, settings: Mapping[str, Any]) -> Synthesizer[Any, Any]:
    """Return an untrained synthesizer; `ParamsError` for an unknown name or key."""
    return find(name)(settings)


def load(folder: Path) -> Synthesizer[Any, Any]:
    """Return the trained synthesizer in `folder`, whichever it is; `ModelFileError` if there is none."""
    path = folder / "model.json"
    try:
        name = json.loads(path.read_bytes())["synthesizer"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: not a model ({type(error).__name__}); train it first") from error
    return find(name).load(folder)
