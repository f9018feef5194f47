"""Who imports whom, read from the source without running it."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"


@cache
def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    return {module_name(path): path for path in sorted((SOURCE / "synthtrail").rglob("*.py"))}


def module_name(path: Path) -> str:
    """Return the dotted name of the module at `path`."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, lazy: bool = True) -> frozenset[str]:
    """Return the dotted names that the file imports; without `lazy`, only those that importing it imports."""
    return _imports(path.resolve(), lazy)


@cache
def _imports(path: Path, lazy: bool) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree) if lazy else at_import(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when the module is imported: nothing inside functions or under TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_import(child)


def ours(path: Path, *, lazy: bool = True) -> set[str]:
    """Return which of our own modules the file imports."""
    known = modules()
    return {name for name in imports(path, lazy=lazy) if name in known}


def closure(path: Path, skip: Callable[[str], bool] = lambda _: False) -> set[str]:
    """Return every one of our modules that the file imports, directly or not, lazily or not, but not through `skip`."""
    known, seen, left = modules(), set[str](), ours(path)
    while left:
        name = left.pop()
        if name not in seen and not skip(name):
            seen.add(name)
            left |= ours(known[name]) - seen
    return seen


def loaded_by(code: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter has loaded after running `code`."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
