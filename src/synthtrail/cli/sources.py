"""The ledger that a command is about, and the policy that it is judged by."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.custody import note
from synthtrail.custody import policy as policies
from synthtrail.custody.bundles import MANIFESTS, FolderReader, read_or_none
from synthtrail.custody.errors import CustodyError
from synthtrail.custody.guard import Guard
from synthtrail.custody.policy import Policy
from synthtrail.storage.home import home

COSIGNED, ANCHORS = "cosigned", "anchors"
VOUCHED = 16  # of each kind; an older one says less
MOST = 1 << 22  # bytes of a policy, a checkpoint, a proof or certificates


@dataclass(frozen=True)
class Source:
    """A ledger in a folder; `pinned_here`: the policy was found on this machine, not brought by the verifier."""

    folder: Path
    policy: Policy
    pinned_here: bool

    @property
    def reader(self) -> FolderReader:
        """The ledger's bytes."""
        return FolderReader(self.folder)

    @property
    def checkout(self) -> Path | None:
        """The checkout that the ledger lies in, if it does."""
        return self.folder.parent if self.folder.name == "ledger" else None

    def size(self) -> int:
        """Return how many entries the checkpoint claims, 0 if it cannot be read."""
        try:
            return note.parse_checkpoint(note.parse(self.reader.read("checkpoint"))[0]).size
        except (OSError, CustodyError):
            return 0

    def manifest(self, artifact: bytes) -> bytes | None:
        """Return the list of files that was kept for the folder with this digest, if there is one."""
        path = self.folder / MANIFESTS / artifact.hex()
        return path.read_bytes() if path.is_file() else None

    def vouched(self) -> list[bytes]:
        """Return the newest checkpoints that witnesses cosigned or an authority stamped, kept beside the ledger."""
        places = (self.folder / COSIGNED, ""), (self.folder / ANCHORS, ".checkpoint")
        return [data for folder, suffix in places for data in newest(folder, suffix)]

    def contradicting_guard(self) -> bytes | None:
        """Return the checkpoint that this machine's guard remembers, if the ledger does not end with it.

        It is the custodian's own memory, so it can accuse but not raise the level.
        """
        guarded = Guard(home().guard(self.policy.origin), self.policy.origin).checkpoint()
        published = read_or_none(self.reader, "checkpoint")
        if guarded is None or published is None:
            return None
        same = published.split(b"\n\n")[0] == guarded.split(b"\n\n")[0]
        return None if same else guarded


def newest(folder: Path, suffix: str) -> list[bytes]:
    """Return the files of `folder` that are named by the largest sizes and end in `suffix`, largest first."""
    names = os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 - only the names
    sizes = [int(name.removesuffix(suffix)) for name in names if re.fullmatch(rf"[0-9]{{1,19}}{suffix}", name)]
    paths = [folder / f"{size}{suffix}" for size in sorted(sizes, reverse=True)[:VOUCHED]]
    return [path.read_bytes() for path in paths if path.is_file() and not path.is_symlink()]


def find(path: Path, policy: Path | None) -> Source:
    """Return the ledger at `path`, which may be a checkout, with the policy of that file or the one pinned here.

    Raises `CommandError` if there is no ledger or no policy.
    """
    folder = next((place for place in (path / "ledger", path) if (place / "checkpoint").exists()), None)
    if folder is None:
        raise CommandError(f"{path.resolve()}: no ledger here; `make repro` makes one, `synthtrail init` an empty one")
    if policy is not None:
        return Source(folder.resolve(), load(policy), pinned_here=False)
    origin = claimed_origin(folder)
    pinned = home().policy(origin)
    if not pinned.exists():
        raise CommandError(f"no policy is pinned here for {origin}; give the one you got from its owner with --policy")
    return Source(folder.resolve(), load(pinned), pinned_here=True)


def claimed_origin(folder: Path) -> str:
    """Return the origin that the checkpoint of the ledger in `folder` claims."""
    try:
        return note.parse_checkpoint(note.parse(FolderReader(folder).read("checkpoint"))[0]).origin
    except (CustodyError, OSError) as error:
        raise CommandError(
            f"{folder / 'checkpoint'} cannot be read ({error}); give the --policy to judge it by"
        ) from None


def brought(path: Path) -> bytes:
    """Return the bytes of a file that a verifier brings; raise `CommandError` if it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    if len(data) > MOST:
        raise CommandError(f"{path}: more than {MOST} bytes")
    return data


def load(path: Path) -> Policy:
    """Return the policy in the file at `path`."""
    try:
        return policies.parse(brought(path))
    except CommandError as error:
        raise CommandError(f"{error}; a policy is a file that the ledger's owner gives out") from None
    except CustodyError as error:
        raise CommandError(f"{path}: not a policy: {error}") from None
