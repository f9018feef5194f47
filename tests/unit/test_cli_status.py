"""`synthtrail status`: what became of an artifact, told to its owner, proved to somebody else who has the policy."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from synthtrail.cli import main as cli
from synthtrail.custody import acts, digest
from synthtrail.storage.custodian import Custodian, establish
from synthtrail.storage.home import home
from tests.unit.specification import RAW, TABLE, record

OTHER = "ab" * 32


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Custodian:
    """The owner of a checkout with one artifact."""
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home" / kind))
    root = tmp_path / "checkout"
    raw = root / RAW
    raw.mkdir(parents=True)
    (raw / "tiny.csv").write_bytes(TABLE)
    monkeypatch.chdir(root)
    found = establish(root)
    now = datetime.now(UTC)
    with found.ledger.transaction(now) as tx:
        tx.append([acts.made(tx.state, record(raw), found.operator, at=now)])
    return found


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """What `synthtrail …` returns and prints."""
    code = cli.main(words)
    said = capsys.readouterr()
    return code, said.out + said.err


def test_told(owner: Custodian, capsys: pytest.CaptureFixture[str]) -> None:
    """By path, by digest, by the path of what is gone; nothing is appended for it."""
    found, size = digest.folder(Path(RAW)).sha256, owner.ledger.head.size
    code, said = run(capsys, "status", RAW)
    assert (code, said.splitlines()[0]) == (0, f"{found}: live (made)")
    assert json.loads(run(capsys, "status", found, "--json")[1])["status"] == "live"
    assert run(capsys, "status", OTHER)[1].startswith(f"{OTHER}: unknown (absent)")
    shutil.rmtree(RAW)
    assert run(capsys, "status", RAW)[1].startswith(f"{found}: live (made)")
    code, said = run(capsys, "status", "data/nothing")
    assert code == 2
    assert "no path of the ledger" in said
    assert owner.ledger.head.size == size


def test_proved_to_somebody_else(
    owner: Custodian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One status entry is appended and used again; elsewhere file and policy are enough, present or absent."""
    size = owner.ledger.head.size
    assert run(capsys, "status", RAW, "-o", "raw.status")[0] == 0
    assert run(capsys, "status", OTHER, "-o", "other.status")[0] == 0
    assert (owner.root / "ledger/checkpoint").read_text().splitlines()[1] == str(size + 1)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(RAW, elsewhere / "raw")
    for name in ("raw.status", "other.status"):
        shutil.move(name, elsewhere / name)
    (elsewhere / "policy.json").write_bytes(owner.policy.encode())
    shutil.rmtree(owner.root)
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(elsewhere / "home"))
    monkeypatch.chdir(elsewhere)
    code, said = run(capsys, "verify", "raw.status", "--policy", "policy.json", "--artifacts", "raw")
    assert code == 0
    assert ": live (made), latest event" in said
    assert "witnesses do not check it" in said
    code, said = run(capsys, "verify", "other.status", "--policy", "policy.json")
    assert (code, f"{OTHER}: unknown (absent)" in said) == (0, True)
    (elsewhere / "raw" / "tiny.csv").write_bytes(b"other")
    assert run(capsys, "verify", "raw.status", "--policy", "policy.json", "--artifacts", "raw")[0] == 1


def test_only_the_owner_states_it(owner: Custodian, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy of the ledger tells the status, and proves only what its owner stated; a bad ledger proves nothing."""
    copy = tmp_path / "copy"
    shutil.copytree(owner.root / "ledger", copy)
    words = ["status", OTHER, "--ledger", str(copy), "--policy", str(home().policy(owner.policy.origin))]
    assert run(capsys, *words)[0] == 0
    code, said = run(capsys, *words, "-o", "x.status")
    assert (code, "only its owner's checkout" in said) == (2, True)
    bundle = next((copy / "tile/entries").rglob("*.p/*"))
    bundle.write_bytes(bundle.read_bytes().replace(b'"v":1}', b'"v":2}', 1))
    assert run(capsys, *words, "-o", "x.status")[0] == 1
    assert not Path("x.status").exists()
