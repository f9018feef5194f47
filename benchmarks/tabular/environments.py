"""The peers' environments: one each for libraries that agree with each other, below a folder that the user gives.

    pythons, failures = build(Path("~/.cache/synthtrail-peers"))

`peers-NAME.txt` pins what is installed; what pip says when it fails is kept for the report, and the peers of that
environment are reported as not run. An environment that is complete carries a copy of its pins; when they change, it is
made anew. Afterwards `UNWANTED` is taken out: the engine's image and sound libraries come in builds that do not fit the
processor's build of torch, and their mere presence stops transformers from loading.
"""

import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parent
NAMES = ("neural", "older")
UNWANTED = {"neural": ("torchvision", "torchaudio"), "older": ()}
MAKING_S = 3600


def build(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the Python of each environment that could be built, and one line for each that could not."""
    pythons = {"": Path(sys.executable)}
    failures: dict[str, str] = {}
    for name in NAMES:
        try:
            pythons[name] = one(folder.expanduser().absolute() / name, name)
        except (OSError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()
            failures[name] = said[-1][:200] if said else type(error).__name__
    return pythons, failures


def built(folder: Path) -> dict[str, Path]:
    """Return the Python of each environment that is complete already, ours among them."""
    places = {name: folder.expanduser().absolute() / name for name in NAMES}
    return {"": Path(sys.executable)} | {name: _python(at) for name, at in places.items() if complete(at, name)}


def one(folder: Path, name: str) -> Path:
    """Make one environment if need be; return its Python."""
    if not complete(folder, name):
        print(f"building the environment {name} in {folder}: some minutes, 1 to 3 GB", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _pip(folder, "install", "--quiet", "--requirement", str(PINS / f"peers-{name}.txt"))
        if UNWANTED[name]:
            _pip(folder, "uninstall", "--quiet", "--yes", *UNWANTED[name])
        _mark(folder).write_text(_pins(name), encoding="utf-8")
    return _python(folder)


def complete(folder: Path, name: str) -> bool:
    """Tell whether the environment is there as its pins say."""
    return _mark(folder).exists() and _mark(folder).read_text(encoding="utf-8") == _pins(name)


def _pip(folder: Path, *arguments: str) -> None:
    _run(str(_python(folder)), "-m", "pip", "--disable-pip-version-check", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=MAKING_S, capture_output=True, text=True)


def _python(folder: Path) -> Path:
    return folder / "bin/python"


def _mark(folder: Path) -> Path:
    return folder / "complete"


def _pins(name: str) -> str:
    return (PINS / f"peers-{name}.txt").read_text(encoding="utf-8")
