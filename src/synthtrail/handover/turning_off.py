"""Turning experiments off: their blocks leave params.yaml for the catalog, their stages leave dvc.lock.

After that `dvc repro` does not make again what is disposed of, `dvc status` knows nothing of it, and what is kept of
the experiment stays where it lies. Doing it twice changes nothing.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthtrail.storage.files import write_text


def turn_off(root: Path, experiments: Sequence[str]) -> list[str]:
    """Take `experiments` out of params.yaml and dvc.lock in the checkout at `root`; return those that were on."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - the auditor's part does without it

    yaml = YAML()
    yaml.width = 110
    was_on = []
    params = root / "params.yaml"
    document = yaml.load(params.read_text(encoding="utf-8")) if params.exists() else {}
    for name in experiments:
        blocks = document.get("experiments") or {}
        if name in blocks:
            was_on.append(name)
            kept = root / "catalog" / f"{name}.yaml"
            if not kept.exists():
                _write(yaml, kept, blocks[name])
            del blocks[name]
    if was_on:
        _write(yaml, params, document)
    _unlock(yaml, root / "dvc.lock", experiments)
    return was_on


def _unlock(yaml: Any, path: Path, experiments: Sequence[str]) -> None:
    if not path.exists():
        return
    document = yaml.load(path.read_text(encoding="utf-8"))
    stages = document.get("stages") or {}
    gone = [stage for stage in stages if stage.partition("@")[2] in experiments]
    for stage in gone:
        del stages[stage]
    if gone:
        _write(yaml, path, document)


def _write(yaml: Any, path: Path, value: Any) -> None:
    out = io.StringIO()
    yaml.dump(value, out)
    write_text(path, out.getvalue())
