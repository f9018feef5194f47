"""The story that `make story` tells is true: each of its chapters is run and judged, in order."""

from collections.abc import Callable

import pytest

from tests.pipeline.story import CHAPTERS, World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two hospitals, an auditor, and what they said."""
    return World(tmp_path_factory.mktemp("story"))


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.__name__)
def test_chapter(world: World, chapter: Callable[[World], None]) -> None:
    """Every command ends as the chapter says, and says what the chapter says."""
    chapter(world)


def test_every_chapter_is_told() -> None:
    """The story is whole: from generation to disposal, and the auditor after it."""
    names = [chapter.__name__ for chapter in CHAPTERS]
    assert names[0] == "people_and_keys"
    assert names[-2:] == ["disposal", "audit"]
