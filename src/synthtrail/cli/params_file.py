"""A YAML file that a person keeps: read, changed and written back with its comments and its order."""

import io
from pathlib import Path
from typing import Any

from synthtrail.cli.errors import CommandError
from synthtrail.storage.files import write_text


class ParamsFile:
    """The document at `path`, to be changed in place and saved."""

    def __init__(self, path: Path) -> None:
        from ruamel.yaml import YAML  # noqa: PLC0415 - an auditor's commands do not need it

        self.path = path
        self.yaml = YAML()
        self.yaml.width = 110
        self.yaml.Representer = _representer()
        self.document = self.read(path)

    @property
    def experiments(self) -> Any:
        """The blocks below `experiments:`, to be changed in place."""
        return self.document["experiments"]

    def add(self, name: str, block: Any) -> None:
        """Put a block below `experiments:`, which may still be empty."""
        if self.document.get("experiments") is None:
            self.document["experiments"] = {}
        self.experiments[name] = block

    def read(self, path: Path) -> Any:
        """Return the document at `path`."""
        try:
            return self.yaml.load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CommandError(f"{path}: no such file; run this from the root of the project") from None

    def write(self, path: Path, value: Any) -> None:
        """Write `value` as a document of its own to `path`."""
        out = io.StringIO()
        self.yaml.dump(value, out)
        write_text(path, out.getvalue())

    def save(self) -> None:
        """Write the document back to where it came from."""
        self.write(self.path, self.document)


def _representer() -> Any:
    """Return what writes values as ruamel does, but nothing as `null`, which would else become an empty place."""
    from ruamel.yaml.representer import RoundTripRepresenter  # noqa: PLC0415 - see above

    class Representer(RoundTripRepresenter):
        """The round trip's, of which nothing is changed for others."""

    Representer.add_representer(type(None), lambda one, _: one.represent_scalar("tag:yaml.org,2002:null", "null"))
    return Representer
