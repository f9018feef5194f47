"""Copy an experiment of catalog/ into params.yaml, where everything that stands is built by `dvc repro`.

synthtrail enable iris_cgan

With `--smoke` the block goes in as `<name>_smoke`, changed as catalog/smoke/<name>.yaml says: a training of seconds
that learns next to nothing, to see every stage work on the data at hand before hours are spent.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthtrail.cli.errors import CommandError
from synthtrail.cli.params_file import ParamsFile
from synthtrail.params import ParamsError, nearest, parse

SMOKE = "_smoke"  # what the name of an experiment under its smoke profile ends with


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="a file of catalog/, without .yaml")
    parser.add_argument("--smoke", action="store_true", help="a training of seconds instead, as catalog/smoke/ has it")


def run(arguments: argparse.Namespace) -> int:
    """Add the block of the experiment called `arguments.name`."""
    name = arguments.name
    path = Path("catalog") / f"{name}.yaml"
    if not path.is_file():
        known = {file.stem for file in Path("catalog").glob("*.yaml")}
        raise CommandError(f"no experiment {name!r} in catalog/{nearest(name, known)}")
    params = ParamsFile(Path("params.yaml"))
    block = params.read(path)
    if arguments.smoke:
        block, name = changed(block, smoke_of(name, params)), f"{name}{SMOKE}"
    if name in params.experiments:
        raise CommandError(f"params.yaml has {name!r} already")
    try:
        parse(name, block)
    except ParamsError as error:
        raise CommandError(f"{path}: {error}") from None
    params.experiments[name] = block
    params.save()
    print(f"params.yaml: {name} added; `make repro` builds it")
    return 0


def smoke_of(name: str, params: ParamsFile) -> Any:
    """Return what the smoke profile of an experiment changes; `CommandError` if it has none."""
    folder = Path("catalog") / "smoke"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none has one"
        raise CommandError(f"no smoke profile of {name!r} in catalog/smoke/ ({there}); enable it without --smoke")
    return params.read(path)


def changed(block: Any, changes: Any) -> Any:
    """Return `block` with the values of `changes` in it, mapping by mapping.

    >>> changed({"model": {"name": "cgan", "steps": 900}, "seed": 1}, {"model": {"steps": 5}})
    {'model': {'name': 'cgan', 'steps': 5}, 'seed': 1}
    """
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(block.get(key), Mapping):
            changed(block[key], value)
        else:
            block[key] = value
    return block
