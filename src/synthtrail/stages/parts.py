"""What stages hand to each other as JSON inside the split: schema and codec, salted where they are confidential."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthtrail.data.registry import MODALITIES
from synthtrail.stages.context import Context
from synthtrail.storage.files import Json

FILM = "training.gif"  # beside the samples of a training: its pictures, one after another
ABOUT = "about.json"  # beside generated rows, where there is something to tell of them


def salted(value: Mapping[str, Any], salt: bytes | None) -> dict[str, Json]:
    """Return the JSON object `value` with `salt` inside, if there is one."""
    return dict(value) if salt is None else {**value, "salt": salt.hex()}


def read_schema(context: Context) -> Any:
    """Return the schema of the training part."""
    return MODALITIES[context.plan["modality"]].schema_from_json(read(context, "schema.json"))


def read_codec(context: Context) -> Any:
    """Return the codec fitted to the training part."""
    return MODALITIES[context.plan["modality"]].codec_from_json(read(context, "codec.json"))


def read(context: Context, name: str) -> dict[str, Any]:
    """Return a JSON object of the split without its salt."""
    return read_json(context.layout.split / name)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object that a stage wrote, without its salt."""
    value = json.loads(path.read_bytes())
    value.pop("salt", None)
    return dict(value)
