"""`requirements.lock` lists what pyproject.toml asks for, in the versions of constraints.txt, by digest."""

import re
import tomllib

from synthtrail.stages import environment
from tests.imports import ROOT

NAME = re.compile(r"[A-Za-z0-9._-]+")
TEXT = (ROOT / "requirements.lock").read_text(encoding="utf-8")
AGAIN = "run `make lock`"


def test_what_the_pipeline_needs_is_locked() -> None:
    """Whoever adds a dependency makes the list anew."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["pipeline"]]
    names = {environment.normal(NAME.match(text)[0]) for text in asked}  # type: ignore[index]
    assert names <= set(environment.parse(TEXT)), AGAIN


def test_versions_are_those_of_the_constraints() -> None:
    """What was tested is what is locked."""
    locked = environment.parse(TEXT)
    tested = environment.parse((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert {
        name: (locked[name], tested[name]) for name in locked.keys() & tested.keys() if locked[name] != tested[name]
    } == {}, AGAIN


def test_every_package_has_digests() -> None:
    """pip takes a list with one digest for a list that needs them all, and this one has them."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", TEXT.strip())
    assert len(blocks) > 100
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
