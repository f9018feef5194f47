"""Where the things of a custodian lie: keys, salts, policy and guard in the user's own folders, never in the checkout.

The folders follow the XDG Base Directory specification, and hold one sub-folder per ledger origin:

    $XDG_DATA_HOME/synthtrail/<origin>/keys/      private keys, mode 0600
    $XDG_DATA_HOME/synthtrail/<origin>/salts/     salt keys of confidential artifacts, mode 0600
    $XDG_DATA_HOME/synthtrail/<origin>/identities/   age identities of stored artifacts, mode 0600
    $XDG_CONFIG_HOME/synthtrail/<origin>/policy.json   the pinned policy
    $XDG_STATE_HOME/synthtrail/<origin>/guard/    the last checkpoint that was signed
    $XDG_STATE_HOME/synthtrail/<origin>/work/     acts that were begun and not finished
    $XDG_STATE_HOME/synthtrail/<origin>/verified/ what verifications found that held, mode 0600
    $XDG_STATE_HOME/synthtrail/checkouts/         which origin a checkout belongs to

`DVC_ROOT` is set by DVC for every stage. In a queued experiment the working directory is a copy, and `DVC_ROOT` the
repository that was copied: outputs go to the former, ledger and tracking database to the latter.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The three XDG folders of this program."""

    data: Path
    config: Path
    state: Path

    def keys(self, origin: str) -> Path:
        """Folder of the private keys of the ledger `origin`."""
        return self.data / folder_name(origin) / "keys"

    def salts(self, origin: str) -> Path:
        """Folder of the salt keys of the ledger `origin`."""
        return self.data / folder_name(origin) / "salts"

    def identities(self, origin: str) -> Path:
        """Folder of the age identities of artifacts that the ledger `origin` says were stored."""
        return self.data / folder_name(origin) / "identities"

    def work(self, origin: str) -> Path:
        """Folder in which unfinished acts of the ledger `origin` remember where they were."""
        return self.state / folder_name(origin) / "work"

    def policy(self, origin: str) -> Path:
        """File of the policy pinned for the ledger `origin`."""
        return self.config / folder_name(origin) / "policy.json"

    def guard(self, origin: str) -> Path:
        """Folder that remembers the last checkpoint signed for the ledger `origin`."""
        return self.state / folder_name(origin) / "guard"

    def verified(self, origin: str) -> Path:
        """Folder in which a verifier keeps what it found of the ledger `origin`."""
        return self.state / folder_name(origin) / "verified"

    def checkout(self, root: Path) -> Path:
        """File that remembers which ledger the checkout at `root` belongs to."""
        digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()
        return self.state / "checkouts" / f"{digest}.json"

    def remember(self, root: Path, origin: str) -> None:
        """Note that the checkout at `root` belongs to the ledger `origin`."""
        from synthtrail.storage.files import write_json  # noqa: PLC0415 - an auditor writes nothing here

        write_json(self.checkout(root), {"origin": origin, "root": str(root.resolve())})

    def origin_of(self, root: Path) -> str | None:
        """Return the origin noted for the checkout at `root`, or None if there is none."""
        path = self.checkout(root)
        return str(json.loads(path.read_bytes())["origin"]) if path.exists() else None


def home(environment: Mapping[str, str] = os.environ) -> Home:
    """Return the folders that `environment` names, with the specification's defaults below the home folder."""

    def folder(variable: str, default: str) -> Path:
        base = environment.get(variable) or ""
        # A relative path is invalid by the specification and must be ignored.
        return (Path(base) if Path(base).is_absolute() else Path.home() / default) / "synthtrail"

    return Home(
        folder("XDG_DATA_HOME", ".local/share"),
        folder("XDG_CONFIG_HOME", ".config"),
        folder("XDG_STATE_HOME", ".local/state"),
    )


def folder_name(origin: str) -> str:
    """Return a folder's name for `origin`, which holds a slash."""
    return origin.replace("/", "_")


def shared_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the repository whose ledger and tracking database are used: `DVC_ROOT`, or the working directory."""
    return Path(environment.get("DVC_ROOT") or Path.cwd())


def tilde(path: Path) -> str:
    """Return a path as a ledger may keep it: the home folder, whose name is somebody's, is `~`."""
    own = Path.home()
    return f"~/{path.relative_to(own).as_posix()}" if path.is_relative_to(own) else path.as_posix()
