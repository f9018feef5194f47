"""The synthesizers there are, by name; each module is imported when its name is used.

To add one, write its module and one line here; the shared test suite then runs on it.
"""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthtrail.models.errors import ModelError, ModelFileError
from synthtrail.models.synthesizer import Synthesizer
from synthtrail.params import ParamsError, nearest

SYNTHESIZERS: dict[str, str] = {
    "bootstrap": "synthtrail.models.bootstrap:Bootstrap",
    "cart": "synthtrail.models.cart:Cart",
    "cgan": "synthtrail.models.cgan:Cgan",
    "dcgan": "synthtrail.models.dcgan:Dcgan",
    "gan": "synthtrail.models.table_gan:TableGan",
    "gaussian": "synthtrail.models.gaussian:Gaussian",
    "image_vae": "synthtrail.models.image_vae:ImageVae",
    "independent": "synthtrail.models.independent:Independent",
    "latent_gan": "synthtrail.models.latent_gan:LatentGan",
    "masked": "synthtrail.models.masked:Masked",
    "mixture": "synthtrail.models.mixture:Mixture",
    "mlp_gan": "synthtrail.models.mlp_gan:MlpGan",
    "plain_dcgan": "synthtrail.models.plain_dcgan:PlainDcgan",
    "private_masked": "synthtrail.models.private_masked:PrivateMasked",
    "private_tree": "synthtrail.models.private_tree:PrivateTree",
    "private_vae": "synthtrail.models.private_vae:PrivateVae",
    "projection_gan": "synthtrail.models.projection_gan:ProjectionGan",
    "real_rows": "synthtrail.models.real_rows:RealRows",
    "relational": "synthtrail.models.relational:Relational",
    "smote": "synthtrail.models.smote:Smote",
    "vae": "synthtrail.models.vae:TableVae",
    "wgan_gp": "synthtrail.models.wgan_gp:WganGp",
}

JUDGING_ONLY = frozenset({"bootstrap", "real_rows", "smote"})
"""Controls whose models hold real rows, and which hand them on: for comparisons in Python, never for a stage."""


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
    return find(name_of(folder)).load(folder)


def name_of(folder: Path) -> str:
    """Return the name of the synthesizer whose model is in `folder`; `ModelFileError` if there is none."""
    path = folder / "model.json"
    try:
        return str(json.loads(path.read_bytes())["synthesizer"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: not a model ({type(error).__name__}); train it first") from error


def releasable(name: str) -> None:
    """Raise `ModelError` if what the synthesizer `name` makes may not be released, and so is not made by a stage."""
    if name in JUDGING_ONLY:
        raise ModelError(
            f"{name} is a control for judging only: its model holds real rows, so nothing of it is trained, generated, "
            "signed or released here; use it from Python, or take a synthesizer of docs/tables.md"
        )
