"""One checkout after a real repro, for every test that looks at it or disturbs a copy of it."""

from pathlib import Path

import pytest

from tests.pipeline.checkout import Checkout, create, experiment


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout after its first repro: iris with a small training. Nobody changes it."""
    checkout = create(tmp_path_factory.mktemp("repro"), {"iris": experiment("iris")})
    checkout.synthtrail("repro")
    checkout.run("git", "add", ".")
    checkout.run("git", "commit", "-qm", "made")
    return checkout


@pytest.fixture
def checkout(made: Checkout, tmp_path: Path) -> Checkout:
    """A copy of `made` to disturb."""
    return made.copy(tmp_path / "copy")
