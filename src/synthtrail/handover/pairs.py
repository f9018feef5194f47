"""Names with values, as events list them: there and back.

>>> mapping(listed([("objects", "3")]))
{'objects': '3'}
"""

from collections.abc import Iterable

from synthtrail.custody.canonical import Value


def listed(items: Iterable[tuple[str, str]]) -> Value:
    """Return names and values as an event's `details` have them."""
    made: list[Value] = [{"name": name, "value": value} for name, value in items]
    return made


def items(value: Value) -> list[tuple[str, str]]:
    """Return an event's list of pairs, in order; names may stand more than once."""
    found = value if isinstance(value, list) else []
    return [(str(pair["name"]), str(pair["value"])) for pair in found if isinstance(pair, dict)]


def mapping(value: Value) -> dict[str, str]:
    """Return an event's list of pairs as a mapping."""
    return dict(items(value))
