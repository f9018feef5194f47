"""Two hospitals for every test here, made once."""

from pathlib import Path

import pytest

from tests.unit.transfer.hospitals import Pair, build, copied


@pytest.fixture(scope="session")
def pair_of_hospitals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hospitals that know each other, to be copied: making them takes a second."""
    base = tmp_path_factory.mktemp("hospitals")
    with pytest.MonkeyPatch.context() as patch:
        build(base, patch)
    return base


@pytest.fixture
def pair(pair_of_hospitals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A pair of its own for each test."""
    return copied(pair_of_hospitals, tmp_path, monkeypatch)
