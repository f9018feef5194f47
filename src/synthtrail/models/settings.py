"""A model's settings: a frozen dataclass of numbers, read from `params.yaml` key by key.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class ToySettings:
...     steps: int = 100
...     rate: float = 1e-3
>>> read(ToySettings, {"steps": 5})
ToySettings(steps=5, rate=0.001)
>>> read(ToySettings, {"step": 5})
Traceback (most recent call last):
synthtrail.params.ParamsError: model: unknown key 'step' (did you mean 'steps'?)
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin

from synthtrail import params

T = TypeVar("T")
OPEN = (int | None, float | None)


def read(cls: type[T], given: Mapping[str, Any]) -> T:
    """Construct `cls`, whose fields are non-negative int or float, or words; `ParamsError` names the key at fault.

    An int must be at least 1; None leaves a field that may be None to the model. YAML reads `1e-3` as text (it wants
    `1.0e-3`), which is said here and not in a traceback.
    """
    settings = params.build(cls, given, "model")
    for field in fields(cls):  # type: ignore[arg-type]
        value, where = getattr(settings, field.name), f"model.{field.name}"
        if field.type in OPEN and value is None:
            continue
        if get_origin(field.type) is Literal:
            params.choice(value, get_args(field.type), where)
            continue
        if field.type in (int, "int", int | None):
            params.number(value, where, int, lambda x: x >= 1, "of 1 or more, whole")
        else:
            params.number(value, where, float, lambda x: 0 <= x < float("inf"), "of 0 or more, written like 0.001")
    return settings
