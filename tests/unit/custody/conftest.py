"""Good ledgers to spoil. Building one takes a while, so each test gets a copy of one that was built once."""

import shutil
from copy import deepcopy
from pathlib import Path

import pytest
from tests.unit.custody.ledger_factory import World, good_world


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The ledger that is copied; without quorum, so that re-signing it leaves level A."""
    return good_world(tmp_path_factory.mktemp("world"), quorum=0)


@pytest.fixture
def world(pristine: World, tmp_path: Path) -> World:
    """A good ledger of one's own."""
    shutil.copytree(pristine.folder, tmp_path / "world")
    copy = World(tmp_path / "world", policy=pristine.policy, now=pristine.now, envelopes=deepcopy(pristine.envelopes))
    copy.reopen()
    return copy
