"""The smoke profile of an experiment goes through every stage, on pictures that stand in for those of the data set."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from synthtrail.cli.enable import changed
from tests.imports import ROOT
from tests.pipeline.checkout import Checkout, create

pytestmark = pytest.mark.skipif(not (ROOT / "catalog/smoke").is_dir(), reason="there are no smoke profiles")


def profile(name: str) -> dict[str, object]:
    """Return the block that `synthtrail enable NAME --smoke` adds, on a folder of pictures instead of its source."""
    read = [yaml.safe_load((ROOT / place / f"{name}.yaml").read_text()) for place in ("catalog", "catalog/smoke")]
    block: dict[str, object] = changed(*read)
    return block | {"source": "drop/pictures", "target": "label", "image": {"size": 28, "colour": "grey"}}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the smoke profile of mnist_gan was built, signed ledger and all."""
    base = tmp_path_factory.mktemp("smoke")
    checkout = create(base, {"digits_smoke": profile("mnist_gan")})
    rng = np.random.default_rng(0)
    for number in range(140):
        shade, kind = 60 + 20 * (number % 7), f"kind{number % 7}"
        path = checkout.root / "drop/pictures" / kind / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((shade + rng.integers(0, 50, (40, 50))).astype(np.uint8)).save(path)
    checkout.synthtrail("init", "--organisation", "Test house")
    checkout.dvc("repro", "--quiet")
    return checkout


def test_every_stage_of_the_smoke_profile_runs(built: Checkout) -> None:
    """Images of the asked count and size come out, sharded, with a manifest of digests, and the ledger verifies."""
    folder = built.root / "data/digits_smoke/synthetic"
    assert len((folder / "manifest.txt").read_text().splitlines()) == 100
    assert Path(built.root / "data/digits_smoke/report").is_dir()
    assert "generated" in built.events()
    built.synthtrail("verify")
