"""What the tests of handover share."""

from pathlib import Path

import pytest

from tests.unit.handover.lab import Lab, open_lab, private


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with one experiment, iris, and a steward."""
    private(monkeypatch, tmp_path)
    made = open_lab(tmp_path, monkeypatch)
    made.make("iris")
    return made
