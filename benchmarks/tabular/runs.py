"""One run of one generator, its digest, and the file that keeps what came of it.

    run = Run("adult", "cart", split=0, seed=0)
    store = Store(Path("benchmarks/results/tables"))
    store.find(run, digest)          # the result, or None if there is none of this digest
    store.keep(run, result)          # whole or not at all: a kill leaves the file as it was

A digest covers the run, the code of its generator, the table's rows and the judge. Comments, docstrings and layout of
Python files do not count, so a reworded sentence makes no hour of training void. A result whose digest differs is kept,
not taken as done, and shown as of earlier code (`Store.latest`).

Results lie in one file a table and generator, a JSON object a line, sorted: easy to compare in git.
"""

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from synthtrail.models import registry
from synthtrail.storage.files import write_text
from tabular.generators import WORKERS, Generator

Result = dict[str, Any]
INSIDE = ("synthtrail.models", "synthtrail.data.codec", "synthtrail.data.scaling")  # what makes a generator's rows
JUDGE = ("privacy", "fidelity", "utility", "manifold", "nearest", "features")


@dataclass(frozen=True)
class Run:
    """What is run: `part` is "outer", or "inner" where settings are chosen on the training rows alone."""

    table: str
    generator: str
    split: int = 0
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    part: str = "outer"

    @property
    def key(self) -> str:
        """The run in one line, for people and for looking it up."""
        told = json.dumps(dict(self.settings), sort_keys=True)
        return f"{self.table} {self.generator} split {self.split} seed {self.seed} {self.part} {told}"


class Store:
    """The results in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, run: Run, digest: str) -> Result | None:
        """Return the run's result if it has this digest."""
        found = self.latest(run)
        return found if found and found["digest"] == digest else None

    def latest(self, run: Run) -> Result | None:
        """Return the run's result whatever code made it."""
        return self._read(run.table, run.generator).get(run.key)

    def keep(self, run: Run, result: Result) -> None:
        """Write the run's result in place of an earlier one."""
        kept = self._read(run.table, run.generator) | {run.key: {"run": run.key, **result}}
        lines = [json.dumps(kept[key], sort_keys=True) for key in sorted(kept)]
        write_text(self._path(run.table, run.generator), "\n".join([*lines, ""]))

    def _read(self, table: str, generator: str) -> dict[str, Result]:
        path = self._path(table, generator)
        if not path.exists():
            return {}
        lines = path.read_text(encoding="utf-8").splitlines()
        return {result["run"]: result for result in map(json.loads, lines)}

    def _path(self, table: str, generator: str) -> Path:
        return self.folder / table / f"{generator}.jsonl"


def digest(run: Run, generator: Generator, data: str, judge: str = "") -> str:
    """Return the digest of a run; `data` and `judge` are the digests of the table and of the judging code.

    Without `judge` it is that of the rows that the run makes.
    """
    return _sha256(run.key, code_of(generator), data, judge)


@cache
def code_of(generator: Generator) -> str:
    """Return the digest of the code that makes a generator's rows."""
    own = [meaning(generator.script), meaning(WORKERS / "measured.py")]
    if generator.worker == "ours" and generator.there:
        module = registry.SYNTHESIZERS[generator.name].partition(":")[0]
        return _sha256(*own, *(meaning(path) for path in closure(module)))
    pinned = Path(__file__).parent / f"peers-{generator.environment}.txt"
    return _sha256(*own, pinned.read_text(encoding="utf-8") if pinned.exists() else "")


@cache
def code_of_judge() -> str:
    """Return the digest of the code that judges."""
    paths = [path for name in JUDGE if (path := _file(f"synthtrail.evaluation.{name}"))]
    return _sha256(*(meaning(path) for path in paths), meaning(Path(__file__).with_name("judge.py")))


def closure(module: str) -> list[Path]:
    """Return the files that a module of ours imports, directly or not, as far as they make rows; itself included."""
    seen: dict[str, Path] = {}
    left = [module]
    while left:
        name = left.pop()
        path = _file(name) if name.startswith(INSIDE) and name not in seen else None
        if path:
            seen[name] = path
            left += sorted(_imports(path))
    return [seen[name] for name in sorted(seen)]


def meaning(path: Path) -> str:
    """Return a Python file's syntax tree without docstrings, as text."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            del body[0]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {f"{node.module}.{alias.name}" for node in froms for alias in node.names} | {str(n.module) for n in froms}


def _file(module: str) -> Path | None:
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # `from a.b import c` where c is no module
        return None
    return Path(found.origin) if found and found.origin else None


def _sha256(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
