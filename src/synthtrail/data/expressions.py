"""Arithmetic on columns, as constraints write it: parsed, never run as code.

    weight / (height / 100) ** 2      admitted <= discharged      0 <= `pain score` <= 10      seen >= '2020-01-31'

Names of columns that are no plain words stand between backticks. There are + - * / % **, brackets, numbers, dates in
quotes, abs, min, max and round. Dates count in seconds. A missing value makes a result missing.

    >>> table = pd.DataFrame({"a": [1.0, 4.0], "b": [2.0, 3.0]})
    >>> parse("a + 2 * b").evaluate({name: table[name].to_numpy() for name in table}).tolist()
    [5.0, 10.0]
    >>> parse("a + __import__('os')")
    Traceback (most recent call last):
    synthtrail.params.ParamsError: "a + __import__('os')": only columns, numbers, + - * / % ** and abs, min, max, round
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.params import ParamsError

Floats = NDArray[np.float64]
Numbers = Mapping[str, Floats]

OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip
COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.LtE: operator.le, ast.Lt: operator.lt, ast.GtE: operator.ge, ast.Gt: operator.gt,
}  # fmt: skip
FUNCTIONS: Mapping[str, Callable[..., Any]] = {"abs": np.abs, "min": np.fmin, "max": np.fmax, "round": np.round}
LONGEST = 1_000  # characters


@dataclass(frozen=True)
class Expression:
    """A parsed expression: `text` as written, `names` the columns it needs."""

    text: str
    node: ast.expr
    names: Mapping[str, str]  # Python name -> column

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns in the order in which they first stand."""
        walked = [node.id for node in ast.walk(self.node) if isinstance(node, ast.Name) and node.id not in FUNCTIONS]
        return tuple(dict.fromkeys(self.names.get(name, name) for name in walked))

    @property
    def column(self) -> str | None:
        """The column, if the expression is one and nothing more."""
        return self.names.get(self.node.id, self.node.id) if isinstance(self.node, ast.Name) else None

    @property
    def constant(self) -> bool:
        """Whether no column stands in it."""
        return not self.columns

    def evaluate(self, numbers: Numbers) -> Floats:
        """Return the value of each row (N,), NaN where a column is missing."""
        with np.errstate(all="ignore"):
            return np.asarray(self._value(self.node, numbers), dtype=np.float64)

    def _value(self, node: ast.expr, numbers: Numbers) -> Any:
        if isinstance(node, ast.Name):
            return numbers[self.names.get(node.id, node.id)]
        if isinstance(node, ast.Constant):
            return _number(node.value)
        if isinstance(node, ast.UnaryOp):
            return -self._value(node.operand, numbers)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return FUNCTIONS[node.func.id](*(self._value(item, numbers) for item in node.args))
        if not isinstance(node, ast.BinOp):
            raise TypeError("`parse` lets nothing else through")
        return OPERATORS[type(node.op)](self._value(node.left, numbers), self._value(node.right, numbers))


def parse(text: str) -> Expression:
    """Read arithmetic; raise `ParamsError` for anything else."""
    tree, names = _tree(text)
    return _checked(text, tree, names)


def parse_comparison(text: str) -> tuple[list[Expression], list[type]]:
    """Read `a <= b` or a chain of such: the expressions, and the kinds of the comparisons between them."""
    tree, names = _tree(text)
    if not isinstance(tree, ast.Compare) or not all(type(op) in COMPARISONS for op in tree.ops):
        raise ParamsError(f"{text!r}: expected a comparison such as `a <= b`, or `total = a + b`")
    parts = [_checked(text, node, names) for node in (tree.left, *tree.comparators)]
    return parts, [type(op) for op in tree.ops]


def _tree(text: str) -> tuple[ast.expr, dict[str, str]]:
    if len(text) > LONGEST:
        raise ParamsError(f"a constraint of {len(text)} characters; {LONGEST} are the most")
    names: dict[str, str] = {}

    def plain(found: re.Match[str]) -> str:
        name = f"quoted_column_{len(names)}"
        names[name] = found.group(1)
        return name

    try:
        return ast.parse(re.sub(r"`([^`]+)`", plain, text.strip()), mode="eval").body, names
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ParamsError(f"{text!r}: cannot be read; column names with spaces or signs go between backticks") from None


def _checked(text: str, node: ast.expr, names: Mapping[str, str]) -> Expression:
    for inner in ast.walk(node):
        if not _allowed(inner):
            signs = "only columns, numbers, + - * / % ** and abs, min, max, round"
            raise ParamsError(f"{text!r}: {signs}")
    return Expression(text, node, names)


def _allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float | str) and _number(node.value) is not None
    return isinstance(node, (ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.USub, *OPERATORS))


def _number(value: Any) -> float | None:
    if not isinstance(value, str):
        return float(value)
    try:
        return float(pd.Timestamp(value).timestamp())
    except ValueError:
        return None
