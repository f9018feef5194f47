"""What other tools need for the same work: in-toto, OpenSSF model-signing and git, each measured where it runs.

The two packages live in an environment of their own below `benchmarks/cache/`, made here on first use (a minute, and a
network), because their dependencies are not ours. This file is imported by `benchmarks/ledger.py`, which needs none of
them, and run by the peers' own Python:

    benchmarks/cache/peers/bin/python benchmarks/peers.py links 2000
    benchmarks/cache/peers/bin/python benchmarks/peers.py hash FOLDER

All numbers are CPU seconds, children included, so that a busy machine slows neither side.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

# model-signing 1.1.1 imports pyOpenSSL without declaring it.
PACKAGES = ("in-toto==3.1.0", "model-signing==1.1.1", "pyOpenSSL==26.4.0")
FOLDER = Path(__file__).resolve().parent / "cache/peers"
_MAKING_S = 600


def environment() -> Path | None:
    """Return the peers' Python, made if need be; None if that fails."""
    python = FOLDER / "bin/python"
    done = FOLDER / "complete"
    if done.exists() and done.read_text(encoding="utf-8").split() == list(PACKAGES):
        return python
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True, timeout=_MAKING_S)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        subprocess.run(command, check=True, timeout=_MAKING_S, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return None
    done.write_text("\n".join(PACKAGES), encoding="utf-8")
    return python


def ask(*arguments: str) -> float | None:
    """Return what the peers' own Python measures; None where it cannot run."""
    python = environment()
    if python is None:
        return None
    command = [str(python), __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(json.loads(done.stdout)) if done.returncode == 0 else None


def git_commits(count: int = 60) -> float | None:
    """Return the seconds that git takes to verify one commit signed with an SSH key; None without git or OpenSSH."""
    if not (shutil.which("git") and shutil.which("ssh-keygen")):
        return None
    with tempfile.TemporaryDirectory(prefix="synthtrail-git-") as name:
        folder = Path(name)
        _signed_commits(folder, count)
        listed = subprocess.run(["git", "rev-list", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
        start = cpu()
        subprocess.run(["git", "verify-commit", *listed.stdout.split()], cwd=folder, capture_output=True, check=True)
        return (cpu() - start) / count


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _signed_commits(folder: Path, count: int) -> None:
    run = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")]
    subprocess.run(run, check=True)
    public = (folder / "key.pub").read_text(encoding="utf-8")
    (folder / "signers").write_text(f"bench {public}", encoding="utf-8")
    settings = {
        "user.name": "bench",
        "user.email": "bench",
        "gpg.format": "ssh",
        "user.signingkey": str(folder / "key"),
        "gpg.ssh.allowedSignersFile": str(folder / "signers"),
    }
    quiet = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True, env=quiet)
    for name, value in settings.items():
        subprocess.run(["git", "config", name, value], cwd=folder, check=True, env=quiet)
    for number in range(count):
        subprocess.run(
            ["git", "commit", "-q", "-S", "--allow-empty", "-m", str(number)], cwd=folder, check=True, env=quiet
        )


def _links(count: int) -> float:
    """Seconds to load and verify one signed in-toto link in a DSSE envelope."""
    link, metadata, signer = (
        import_module(name) for name in ("in_toto.models.link", "in_toto.models.metadata", "securesystemslib.signer")
    )
    key = signer.CryptoSigner.generate_ed25519()
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{number}.link" for number in range(count)]
        for number, path in enumerate(paths):
            said = link.Link(
                name="train",
                materials={"data/iris/split": {"sha256": f"{number:064x}"}},
                products={"data/iris/model": {"sha256": f"{number + 1:064x}"}},
                environment={"torch": "2.13.0", "model.steps": "1500", "code": "0" * 64},
                command=["python", "pipelines/train.py"],
            )
            envelope = metadata.Envelope.from_signable(said)
            envelope.create_signature(key)
            envelope.dump(str(path))
        public = {"keyid": key.public_key.keyid, **key.public_key.to_dict()}
        start = time.process_time()
        for path in paths:
            loaded = metadata.Metadata.load(str(path))
            loaded.verify_signature(public)
            loaded.get_payload()
        return (time.process_time() - start) / count


def _hash(folder: str) -> float:
    """Wall seconds in which model-signing digests a folder (it uses threads)."""
    hashing = import_module("model_signing").hashing
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        hashing.Config().hash(folder)
        best = min(best, time.perf_counter() - start)
    return best


if __name__ == "__main__":
    what, argument = sys.argv[1:]
    print(json.dumps(_links(int(argument)) if what == "links" else _hash(argument)))
