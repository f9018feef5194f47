"""Copy an experiment of catalog/ into params.yaml, where everything that stands is built by `dvc repro`.

synthtrail enable iris_cgan
"""

import argparse
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.cli.params_file import ParamsFile
from synthtrail.params import ParamsError, nearest, parse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="a file of catalog/, without .yaml")


def run(arguments: argparse.Namespace) -> int:
    """Add the block of the experiment called `arguments.name`."""
    name = arguments.name
    path = Path("catalog") / f"{name}.yaml"
    if not path.is_file():
        known = {file.stem for file in Path("catalog").glob("*.yaml")}
        raise CommandError(f"no experiment {name!r} in catalog/{nearest(name, known)}")
    params = ParamsFile(Path("params.yaml"))
    if name in params.experiments:
        raise CommandError(f"params.yaml has {name!r} already")
    block = params.read(path)
    try:
        parse(name, block)
    except ParamsError as error:
        raise CommandError(f"{path}: {error}") from None
    params.experiments[name] = block
    params.save()
    print(f"params.yaml: {name} added; `make repro` builds it")
    return 0
