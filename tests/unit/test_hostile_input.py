"""A verifier may be given anything: no command waits for it, fills the memory with it, or says a page about it."""

import os
import shutil
from pathlib import Path

import pytest

from synthtrail.cli import fsck, show, sources, verify
from synthtrail.cli.main import main
from synthtrail.custody.bundles import FolderReader

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/example"
TILE = "tile/0/000.p/3"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    return Path(shutil.copytree(EXAMPLE, tmp_path / "example"))


def told(command: str, ledger: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit code, and what was printed; an error is one line of reasonable length."""
    place = ["--ledger"] if command == "show" else []
    code = main([command, *place, str(ledger), "--policy", str(ledger / "policy.json"), *words])
    said = capsys.readouterr()
    assert said.err.count("\n") == (code == 2)
    assert len(said.err) < 500 + len(str(ledger))
    return code, said.out + said.err


@pytest.mark.parametrize("path", ["checkpoint", TILE, "tile/entries/000.p/3", "entries.jsonl"])
@pytest.mark.parametrize("command", [verify, fsck, show])
def test_a_pipe_in_place_of_a_file_is_a_missing_file(
    ledger: Path, path: str, command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Opening one would wait for a writer for ever."""
    (ledger / "ledger" / path).unlink()
    os.mkfifo(ledger / "ledger" / path)
    name = str(getattr(command, "__name__", "")).rpartition(".")[2]
    code, _ = told(name, ledger, capsys)
    ignored = {"verify": {"entries.jsonl"}, "fsck": set(), "show": {TILE, "entries.jsonl"}}
    assert (code == 0) == (path in ignored[name])


def test_a_file_larger_than_any_is_not_read(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sparse one costs the attacker nothing."""
    for path in ("tile/entries/000.p/3", TILE):
        os.truncate(ledger / "ledger" / path, 1 << 40)
        with pytest.raises(FileNotFoundError, match="larger"):
            FolderReader(ledger / "ledger").read(path)
    assert told("verify", ledger, capsys)[0] == 1
    assert told("fsck", ledger, capsys)[0] == 3


@pytest.mark.parametrize("option", ["--policy", "--since"])
def test_what_is_brought_is_read_up_to_a_limit(ledger: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told("verify", ledger, capsys, option, "/dev/zero")
    assert (code, f"more than {sources.MOST} bytes" in said) == (2, True)


def test_names_that_an_attacker_chose_are_cut_and_escaped(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = ledger / "policy.json"
    whole = policy.read_bytes()
    for name in ("A" * 9000, "\\n\\u001b[2J" + "A" * 9000, "é" * 9000):
        policy.write_bytes(whole[:-1] + f',"{name}":1}}'.encode())
        assert told("verify", ledger, capsys)[0] == 2


def test_an_empty_checkpoint_shows_nothing_and_says_so(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ledger / "ledger/checkpoint").write_bytes(b"")
    assert told("show", ledger, capsys)[0] == 2
    code, said = told("verify", ledger, capsys)
    assert (code, "nothing-to-check" in said) == (1, True)
