"""Outside test vectors, read from the folder that `SYNTHTRAIL_SHARED` names or from `../shared`; never committed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def vectors() -> Path:
    shared = Path(os.environ.get("SYNTHTRAIL_SHARED", REPOSITORY.parent / "shared"))
    if not (shared / "vectors").is_dir():
        pytest.skip(f"no outside vectors: {shared / 'vectors'} is absent")
    return shared / "vectors"


@pytest.fixture(scope="session")
def transcribed(vectors: Path) -> Callable[[str], Any]:
    """A function from a name to the parsed `transcribed/<name>.json`."""

    def load(name: str) -> Any:
        return json.loads((vectors / "transcribed" / f"{name}.json").read_bytes())

    return load
