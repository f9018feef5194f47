"""Who takes part: ours, the controls, the peers; what each is run at, and in which environment.

`tuned` are the five settings from which the inner validation chooses, the defaults among them; those that differ in
how long they train give the curve of quality against processor seconds too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from synthtrail.models import registry

Kind = Literal["ours", "control", "peer"]
Settings = Mapping[str, Any]
PLAIN: Settings = {}
WORKERS = Path(__file__).parent / "workers"


@dataclass(frozen=True, eq=False)
class Generator:
    """One generator: the module that runs it, its environment ("" is ours), settings to choose from.

    `name` is what tables, its worker and the registry call it.
    `pace` and `columns` are guesses of processor seconds for 1,000,000 cells and for each column, by which the cheap
    ones go first.
    """

    name: str
    kind: Kind
    worker: str
    about: str
    pace: float
    environment: str = ""
    tuned: tuple[Settings, ...] = (PLAIN,)
    columns: float = 0.0

    @property
    def script(self) -> Path:
        """The file of its worker."""
        return WORKERS / f"{self.worker}.py"

    @property
    def there(self) -> bool:
        """Whether a generator of ours is registered; peers are looked for in their environment."""
        return self.worker != "ours" or self.name in registry.SYNTHESIZERS


OURS = (
    Generator("cart", "ours", "ours", "sequential trees", 5,
              tuned=(PLAIN, {"least": 5}, {"least": 15}, {"least": 15, "smoothing": 5.0}, {"least": 100})),
    Generator("masked", "ours", "ours", "masked any-order network", 250,
              tuned=(PLAIN, {"steps": 500}, {"steps": 1500}, {"steps": 8000}, {"dropout": 0.1})),
    Generator("wgan_gp", "ours", "ours", "conditional WGAN-GP", 150,
              tuned=(PLAIN, {"steps": 300}, {"steps": 1000}, {"steps": 3000}, {"patience": 5})),
    Generator("vae", "ours", "ours", "variational autoencoder", 200,
              tuned=(PLAIN, {"steps": 500}, {"steps": 1500}, {"steps": 6000}, {"dropout": 0.1})),
    Generator("private_tree", "ours", "ours", "marginals with a tree, epsilon 1", 4,
              tuned=(PLAIN, {"bins": 8}, {"bins": 16}, {"bins": 64}, {"bins": 100})),
    Generator("private_vae", "ours", "ours", "variational autoencoder by DP-SGD, epsilon 1", 600),
    Generator("private_masked", "ours", "ours", "masked network by DP-SGD, epsilon 1", 900),
)  # fmt: skip
CONTROLS = (
    Generator("real_rows", "control", "ours", "training rows copied", 1),
    Generator("bootstrap", "control", "ours", "training rows drawn again", 1),
    Generator("independent", "control", "ours", "each column by itself", 1),
    Generator("gaussian", "control", "ours", "one bell for each class", 1),
    Generator("smote", "control", "ours", "between neighbours", 2),
    Generator("mixture", "control", "ours", "mixture of products", 10),
)
PEERS = (
    Generator("gaussian_copula", "peer", "sdv_peer", "SDV 2.0", 20, "neural",
              tuned=tuple({"default_distribution": name} for name in
                          ("beta", "norm", "truncnorm", "gamma", "gaussian_kde"))),
    Generator("arf", "peer", "older_peer", "arfpy 0.1.1", 400, "older",
              tuned=(PLAIN, {"min_node_size": 2}, {"min_node_size": 10}, {"min_node_size": 20}, {"num_trees": 100})),
    Generator("mostly_ai", "peer", "mostly_peer", "MOSTLY AI engine 2.7.3", 400, "neural",
              tuned=(PLAIN, {"max_epochs": 20.0}, {"batch_size": 64}, {"model": "MOSTLY_AI/Small"},
                     {"model": "MOSTLY_AI/Large"})),
    Generator("tvae", "peer", "sdv_peer", "SDV 2.0, 300 epochs", 500, "neural",
              tuned=(PLAIN, {"epochs": 100}, {"batch_size": 100}, {"loss_factor": 1},
                     {"compress_dims": [256, 256], "decompress_dims": [256, 256]})),
    Generator("aim", "peer", "older_peer", "dpmm 0.1.9, epsilon 1", 0, "older", columns=37,
              tuned=(PLAIN, {"compress": False}, {"max_model_size": 10}, {"n_bins": 16}, {"n_bins": 64})),
    Generator("ctgan", "peer", "sdv_peer", "SDV 2.0, 300 epochs", 2200, "neural",
              tuned=(PLAIN, {"epochs": 20}, {"epochs": 100}, {"batch_size": 100, "epochs": 100},
                     {"epochs": 100, "pac": 1})),
)  # fmt: skip


@cache
def known() -> dict[str, Generator]:
    """Return every generator by name, in the order of the report."""
    return {one.name: one for one in (*OURS, *CONTROLS, *PEERS)}
