"""Writes are whole or absent; salts are stable and secret; folders are where XDG says."""

import os
import stat
from pathlib import Path

import pytest

from synthtrail.storage.files import staged_folder, write_bytes, write_json
from synthtrail.storage.home import home, shared_root
from synthtrail.storage.salt import SIZE, Salts, no_salt, salts_for


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the rename does not happen, the old content stands and the temporary file is gone."""
    path = tmp_path / "a"
    write_bytes(path, b"old")

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_mode_is_set_before_the_name_exists(tmp_path: Path) -> None:
    """A key file is never readable by others, not even for a moment."""
    write_bytes(tmp_path / "key", b"secret", mode=0o600)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_json_refuses_numbers_it_has_no_words_for(tmp_path: Path) -> None:
    """NaN is no JSON; nothing is written."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_staged_folder_replaces_the_old_one_whole_or_not_at_all(tmp_path: Path) -> None:
    """After an error the old folder stands and nothing else."""
    target = tmp_path / "out"
    with staged_folder(target) as folder:
        (folder / "one").write_text("1", encoding="utf-8")
    with pytest.raises(RuntimeError, match="stop"):
        interrupted(target)
    assert [path.name for path in target.iterdir()] == ["one"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def interrupted(target: Path) -> None:
    """Begin to replace a folder, and fail."""
    with staged_folder(target) as folder:
        (folder / "two").write_text("2", encoding="utf-8")
        raise RuntimeError("stop")


def test_salts_are_the_same_for_the_same_input_and_differ_otherwise(tmp_path: Path) -> None:
    """Minted once for each slot and input, derived for each file, never readable by others."""
    salts = salts_for(tmp_path, "ward/ingest", "aa")
    again = salts_for(tmp_path, "ward/ingest", "aa")
    other = salts_for(tmp_path, "ward/ingest", "bb")
    assert salts("a") == again("a")
    assert len({salts("a"), salts("b"), other("a"), salts_for(tmp_path, "x/ingest", "aa")("a")}) == 4
    assert len(salts("a") or b"") == SIZE
    public: Salts = no_salt
    assert public("a") is None
    keys = list(tmp_path.rglob("*.salt"))
    assert len(keys) == 3
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_folders_follow_xdg_and_ignore_relative_values(tmp_path: Path) -> None:
    """The specification wants a relative path ignored."""
    set_ = home({"XDG_DATA_HOME": str(tmp_path), "XDG_STATE_HOME": "relative"})
    assert set_.keys("a/b") == tmp_path / "synthtrail" / "a_b" / "keys"
    assert set_.guard("a/b") == Path.home() / ".local/state/synthtrail/a_b/guard"


def test_a_checkout_remembers_its_ledger(tmp_path: Path) -> None:
    """Deleting the ledger's folder does not make the checkout forget that there was one."""
    here = home({"XDG_STATE_HOME": str(tmp_path / "state")})
    root = tmp_path / "checkout"
    assert here.origin_of(root) is None
    here.remember(root, "a/b")
    assert here.origin_of(root) == "a/b"


def test_the_shared_root_is_the_one_dvc_names(tmp_path: Path) -> None:
    """In a queued experiment the ledger is the original repository's."""
    assert shared_root({"DVC_ROOT": str(tmp_path)}) == tmp_path
    assert shared_root({}) == Path.cwd()
