"""Strict reading of parsed canonical values: what is not expected is refused.

`canonical.decode` gives nested lists and dictionaries. These functions turn them into what the ledger's formats say
they are, or raise `FormatError` (code `statement`) naming the place. None of them fills in a default.

    >>> text("iris", "experiment")
    'iris'
    >>> members({"a": 1, "b": 2}, frozenset({"a"}), "policy")
    Traceback (most recent call last):
    synthtrail.custody.errors.FormatError: policy: unknown b
"""

from functools import lru_cache
from typing import TypeVar

from synthtrail.custody import canonical, digest, identifying
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import FormatError

MAX_TEXT = 4096
_SHOWN = 40  # characters of a name that an error repeats
_PAIR = frozenset({"name", "value"})
_T = TypeVar("_T")


def refuse(what: str, why: str) -> FormatError:
    """The error to raise about `what`."""
    return FormatError(f"{what}: {why}", code="statement")


def members(value: Value, names: frozenset[str], what: str) -> dict[str, Value]:
    """`value` as an object that has exactly the members `names`."""
    if not isinstance(value, dict):
        raise refuse(what, "not an object")
    if value.keys() != names:
        unknown, missing = sorted(value.keys() - names), sorted(names - value.keys())
        shown = ", ".join(ascii(name[:_SHOWN])[1:-1] for name in unknown[:3])
        raise refuse(what, f"unknown {shown}" if unknown else f"lacks {', '.join(missing)}")
    return value


def text(value: Value, what: str) -> str:
    """`value` as a string of at most 4,096 characters."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise refuse(what, f"not a text of at most {MAX_TEXT} characters")
    return value


def some_text(value: Value, what: str) -> str:
    """`value` as a string that says something."""
    found = text(value, what)
    if not found.strip():
        raise refuse(what, "empty")
    return found


def prose(value: Value, what: str) -> str:
    """`value` as a text that people write; raises `FormatError` (code identifying) if it seems to identify anybody."""
    found = text(value, what)
    seen = identifying.looks_like(found)
    if seen:
        raise FormatError(f"{what}: has what looks like {seen}, which no ledger may keep", code="identifying")
    return found


def count(value: Value, what: str) -> int:
    """`value` as an integer from 0 on; a boolean is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise refuse(what, "not a count")
    return value


def flag(value: Value, what: str) -> bool:
    """`value` as a boolean."""
    if not isinstance(value, bool):
        raise refuse(what, "not true or false")
    return value


def listing(value: Value, what: str) -> list[Value]:
    """`value` as a list."""
    if not isinstance(value, list):
        raise refuse(what, "not a list")
    return value


def choice(value: Value, allowed: tuple[str, ...], what: str) -> str:
    """`value` as one of the words `allowed`."""
    if value not in allowed or not isinstance(value, str):
        raise refuse(what, f"not one of {', '.join(allowed)}")
    return value


def sha256(value: Value, what: str) -> bytes:
    """The 32 bytes of a digest written as 64 lower-case hexadecimal digits."""
    if isinstance(value, str) and len(value) == 64:
        try:
            found = bytes.fromhex(value)
        except ValueError:
            found = b""
        if found.hex() == value:
            return found
    raise refuse(what, "not a SHA-256 digest in lower-case hexadecimal")


def moment(value: Value, what: str) -> int:
    """Microseconds since 1970 of a time in its one form; raises `FormatError` (code `time`)."""
    return _moment(text(value, what))


@lru_cache(maxsize=4096)
def _moment(written: str) -> int:
    found = canonical.parse_time(written)
    return int(found.timestamp()) * 1_000_000 + found.microsecond


@lru_cache(maxsize=16384)
def check_path(path: str) -> str:
    """`path` once it is found relative and unambiguous; raises `FormatError` (code `path`)."""
    digest.check_path(path)
    return path


def pairs(value: Value, what: str) -> tuple[tuple[str, str], ...]:
    """A list of objects with `name` and `value`, both strings."""
    found = []
    for item in listing(value, what):
        if not isinstance(item, dict) or item.keys() != _PAIR:
            raise refuse(what, "not a list of names and values")
        found.append((text(item["name"], what), text(item["value"], what)))
    return tuple(found)


def from_pairs(items: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """The JSON form of names and values; the reverse of `pairs`."""
    return [{"name": name, "value": value} for name, value in items]
