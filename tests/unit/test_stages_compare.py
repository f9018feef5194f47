"""Differences between two versions of an artifact are told by what the files hold, and no value of a row is told."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from synthtrail.data.tabular import Tabular
from synthtrail.stages import compare, environment, rebuild

SECRET = "Zanzibar fever"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with the same model, table, JSON and text."""
    for name in ("there", "here"):
        fill(tmp_path / name)
    return tmp_path / "there", tmp_path / "here"


def fill(folder: Path, shift: float = 0.0, illness: str = "flu", key: int = 1, salt: bytes | None = None) -> None:
    """Write the files of one version."""
    folder.mkdir(exist_ok=True)
    save_file({"bias": np.ones(3, np.float32), "weight": np.full(4, shift, np.float32)}, folder / "w.safetensors")
    table = pd.DataFrame({"age": [1.0, 2.0 + shift], "illness": pd.Series([illness, "cold"], dtype="str")})
    Tabular().write(folder, "table", [table], salt=salt)
    (folder / "m.json").write_text(json.dumps({"a": {"b": [1, key]}, "c": 2}), encoding="utf-8")
    (folder / "note.txt").write_text("hello", encoding="utf-8")


def test_the_same_bytes_have_no_difference(pair: tuple[Path, Path]) -> None:
    """Nothing is told."""
    assert compare.describe(*pair) == []


def test_tensors_columns_and_keys_are_named(pair: tuple[Path, Path]) -> None:
    """Which, how many, by how much; and not a value."""
    fill(pair[1], shift=0.25, illness=SECRET, key=5)
    (pair[1] / "note.txt").write_text("help!", encoding="utf-8")
    lines = {line.partition(": ")[0]: line for line in compare.describe(*pair)}
    assert "1 of 2 tensors differ: weight; by 0.25 at most" in lines["w.safetensors"]
    assert "2 of 2 columns differ: age, illness; by 0.25 at most" in lines["table.parquet"]
    assert "keys that differ: a.b.1;" in lines["m.json"]
    assert lines["note.txt"] == "note.txt: differs first at byte 3"
    assert SECRET not in "".join(lines.values())


def test_files_salts_and_damage_are_told(pair: tuple[Path, Path]) -> None:
    """Added and missing files, another salt over the same values, and a file that cannot be read."""
    fill(pair[1], salt=bytes(32))
    (pair[1] / "note.txt").rename(pair[1] / "other.txt")
    (pair[1] / "w.safetensors").write_bytes(b"\xff" * 80)
    told = "\n".join(compare.describe(*pair))
    assert "other.txt: only in the rebuilt one" in told
    assert "note.txt: missing in the rebuilt one" in told
    assert "table.parquet: the salt or other metadata differ" in told
    assert "w.safetensors: one of them is no readable safetensors file" in told


def test_another_number_of_rows_is_told_first(pair: tuple[Path, Path]) -> None:
    """Columns of different lengths are not compared value by value."""
    Tabular().write(pair[1], "table", [pd.DataFrame({"age": [1.0], "illness": pd.Series(["flu"], dtype="str")})])
    assert "2 rows, and 1 in the rebuilt one" in compare.describe(*pair)[0]


def test_tools_of_other_versions_are_told_one_by_one() -> None:
    """Another version, one that is gone, and one that is new."""
    then, now = {"numpy": "2.4.1", "torch": "2.13.0", "old": "1"}, {"numpy": "2.4.6", "torch": "2.13.0", "new": "2"}
    assert rebuild.changed_tools(then, now) == [
        "new 2, recorded none",
        "numpy 2.4.6, recorded 2.4.1",
        "old none, recorded 1",
    ]
    assert rebuild.changed_tools(then, then) == []


def test_an_event_names_the_lock_and_what_departs_from_it(tmp_path: Path) -> None:
    """A build of the same version is no departure; a package that is not installed is none either."""
    lock = tmp_path / "requirements.lock"
    numpy = np.__version__
    lock.write_text(f"numpy=={numpy} \\\n    --hash=sha256:00\nPandas==0.1 \\\nno-such-package==1\n", encoding="utf-8")
    told = environment.told(lock)
    assert len(told["lock.sha256"]) == 64
    assert told["lock.departures"] == f"pandas {pd.__version__} (locked: 0.1)"
    assert environment.departures({"numpy": f"{numpy}+cpu"}) == []
    assert environment.told(tmp_path / "none") == {}
