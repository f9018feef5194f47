"""A good ledger that is about to fill its first bundle, so that an append meets every kind of write."""

import shutil
from pathlib import Path

import pytest

from synthtrail.custody import acts
from tests.unit.custody.ledger_factory import OPERATOR, World, good_world, make_record

SIZE = 254


@pytest.fixture(scope="session")
def nearly_full(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The ledger that is copied: two entries short of a full bundle."""
    world = good_world(tmp_path_factory.mktemp("faults"), quorum=0)
    at = world.tick()
    with world.ledger.transaction(at) as tx:
        for version in range(SIZE - tx.state.size):
            tx.add(acts.made(tx.state, make_record("many", "ingest", version), OPERATOR, at=at))
        tx.commit()
    assert world.ledger.head.size == SIZE
    return world


@pytest.fixture
def world(nearly_full: World, tmp_path: Path) -> World:
    """A ledger of one's own."""
    return copy_of(nearly_full, tmp_path / "world")


def copy_of(world: World, folder: Path) -> World:
    """Another ledger with the same content and a guard of its own."""
    shutil.copytree(world.folder, folder)
    copy = World(folder, policy=world.policy, now=world.now)
    copy.reopen()
    return copy
