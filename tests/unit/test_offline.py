"""`synthtrail verify` on a file: bundles and proofs, good and spoiled, with their exit codes."""

import argparse
import json
import shutil
from pathlib import Path

import pytest

from synthtrail.cli import bundle, offline
from synthtrail.cli.errors import CommandError
from synthtrail.storage.home import home
from tests.unit.specification import EXAMPLE, ORIGIN


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example, with a bundle of it."""
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    found = Path(shutil.copytree(EXAMPLE, tmp_path / "audit"))
    monkeypatch.chdir(found)
    parser = argparse.ArgumentParser()
    bundle.configure(parser)
    words = ["-o", "tiny.zip", "--policy", "policy.json", "--artifact", "data/tiny/raw"]
    assert bundle.run(parser.parse_args(words)) == 0
    return found


def check(path: str | Path, **changes: object) -> int:
    """What `synthtrail verify PATH` would do."""
    defaults: dict[str, object] = {
        "since": None,
        "artifacts": None,
        "no_artifacts": False,
        "json": False,
        "html": None,
        "tsa_root": None,
        "list": False,
    }
    given = defaults | {"ledger": Path(path), "policy": Path("policy.json")} | changes
    return offline.check(argparse.Namespace(**given))


def proof() -> Path:
    return next(Path("ledger/proofs").iterdir())


def test_bundle(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("tiny.zip", since=Path("kept-checkpoint")) == 0
    assert "level B" in capsys.readouterr().out
    assert check("tiny.zip", json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["artifacts"] == [{"path": "data/tiny/raw", "slot": "tiny/ingest", "state": "ok", "code": None}]


def test_bundle_with_a_spoiled_artifact(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = (folder / "tiny.zip").read_bytes()
    Path("bad.zip").write_bytes(data.replace(b"61,1", b"61,0"))
    assert check("bad.zip") == 1
    assert "artifact-changed" in capsys.readouterr().out
    assert check("bad.zip", no_artifacts=True) == 0
    Path("short.zip").write_bytes(data[:-1])
    with pytest.raises(CommandError, match=r"short\.zip: neither a proof nor a bundle"):
        check("short.zip")


def test_proof_with_and_without_its_artifact(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(proof()) == 0
    assert "none was brought" in capsys.readouterr().out
    for place in (Path(), Path("data/tiny/raw")):
        assert check(proof(), artifacts=place, json=True) == 0
        assert json.loads(capsys.readouterr().out)["event"] == "acquired"
    Path("data/tiny/raw/tiny.csv").write_text("other")
    assert check(proof(), artifacts=Path()) == 1
    assert "folder-changed" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no such artifact"):
        check(proof(), artifacts=Path("nowhere"))


def test_policy_that_is_pinned_on_this_machine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --policy, the pinned one is taken, and the report says whose word that is."""
    for path in ("tiny.zip", proof()):
        with pytest.raises(CommandError, match="no policy is pinned"):
            check(path, policy=None)
    home().policy(ORIGIN).parent.mkdir(parents=True)
    shutil.copy("policy.json", home().policy(ORIGIN))
    for path in ("tiny.zip", proof()):
        assert check(path, policy=None) == 0
        assert "made on this machine" in capsys.readouterr().out
