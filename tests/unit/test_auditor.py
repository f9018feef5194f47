"""The worked audit works: its shell blocks are run, in order, in a copy of the example."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.specification import EXAMPLE, ROOT

TEXT = (ROOT / "docs" / "auditor.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh ?(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
WIRED = "offline" in (ROOT / "src/synthtrail/cli/verify.py").read_text(encoding="utf-8")


def run(folder: Path, blocks: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the blocks as one script that stops at the first failure."""
    shims = folder / ".bin"
    shims.mkdir()
    program = '#!/bin/sh\nexec {} {} "$@"\n'
    for name, words in (("synthtrail", "-m synthtrail.cli.main"), ("python", "")):
        (shims / name).write_text(program.format(sys.executable, words))
        (shims / name).chmod(0o755)
    environment = {
        "PATH": f"{shims}:{os.environ['PATH']}",
        "CODE": str(ROOT),
        "PYTHONPATH": str(ROOT / "src"),
        **{f"XDG_{kind}_HOME": str(folder / ".home" / kind) for kind in ("DATA", "CONFIG", "STATE")},
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example; skips where the tools of the document are not installed."""
    for tool in ("bash", "openssl", "sha256sum"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "audit"))


def test_the_audit_runs(folder: Path) -> None:
    done = run(folder, [text for kind, text in BLOCKS if not kind])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Signature Verified Successfully") == 2
    assert "level B" in done.stdout
    for code in ("entry-edited", "log-rolled-back", "folder-changed"):
        assert code in done.stdout


@pytest.mark.skipif(not WIRED, reason="`synthtrail verify` does not take files yet")
def test_the_audit_of_bundles_and_proofs_runs(folder: Path) -> None:
    named = [text for _, text in BLOCKS if "folder=$(" in text]
    done = run(folder, [*named, *(text for kind, text in BLOCKS if kind)])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "level B" in done.stdout
    assert "acquired by example.org/operator" in done.stdout


@pytest.mark.parametrize(
    "victim", ["ledger/checkpoint", "ledger/entries.jsonl", "policy.json", "ledger/tile/0/000.p/3"]
)
def test_the_checks_by_hand_can_fail(folder: Path, victim: str) -> None:
    """Each byte that they look at counts: sections 4 to 6 on a spoiled file end with an error."""
    data = bytearray((folder / victim).read_bytes())
    where = {
        "ledger/checkpoint": data.find(b"\n3\n") + 5,
        "ledger/entries.jsonl": data.find(b"\n") + 40,
        "policy.json": data.find(b"+A", data.find(b'"sequencer"')) + 20,
        "ledger/tile/0/000.p/3": 40,
    }
    data[where[victim]] ^= 1
    (folder / victim).write_bytes(data)
    by_hand = TEXT[TEXT.index("## 4 ") : TEXT.index("## 7 ")]
    blocks = [text for _, text in re.findall(r"^```sh ?(\w*)\n(.*?)^```$", by_hand, re.MULTILINE | re.DOTALL)]
    assert run(folder, blocks).returncode != 0
