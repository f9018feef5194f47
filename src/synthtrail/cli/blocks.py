"""A block of params.yaml for a table of one's own, as text with comments.

>>> print(text("ward", "drop/ward.csv", "outcome"))  # doctest: +ELLIPSIS
  ward:
    source: drop/ward.csv
    target: outcome
    licence:      # fill in: ...
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

MODEL = {"name": "cart"}  # what `try` learns with; docs/tables.md tells when another does better
BINS = 50
STATED = {
    "licence": "fill in: under what terms you have the data, such as CC-BY-4.0 or internal use only",
    "legal_basis": "fill in: by what right they are used, such as GDPR art. 9(2)(j), protocol 2026-17",
    "retention": "fill in: how long they may be kept, such as P2Y, P6M or P90D",
}


def name_for(file: Path) -> str:
    """Return a name for an experiment on `file` that params.yaml accepts.

    >>> name_for(Path("Station 4 – Ärzte.csv"))
    'station_4_arzte'
    """
    plain = unicodedata.normalize("NFKD", file.stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40]
    return name if name[:1].isalpha() else f"table_{name}".strip("_")


def text(name: str, source: str, target: str | None, left_out: Sequence[str] = ()) -> str:
    """Return the block, indented as below `experiments:`; what nobody but the user can know is left to be filled in."""
    lines = [f"  {name}:", f"    source: {scalar(source)}"]
    lines += [f"    target: {scalar(target)}"] if target else []
    lines += [f"    {key}:      # {what}" for key, what in STATED.items()]
    lines += [f"    drop: [{', '.join(map(scalar, left_out))}]      # free text or identifiers"] if left_out else []
    lines.append("    class: confidential      # its files are salted, and figures show aggregates only")
    lines += [f"    bins: {BINS}", "    model:", f"      name: {MODEL['name']}      # docs/tables.md: which one when"]
    return "\n".join([*lines, ""])


def scalar(value: str) -> str:
    """Return a text as YAML: bare where that is plainly text, else quoted."""
    bare = re.fullmatch(r"[A-Za-z_./][\w./() -]*[\w./)]|[A-Za-z_]", value)
    word = value.casefold() in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    return value if bare and not word else json.dumps(value, ensure_ascii=False)
