"""What is left of a disposal: a key that was to be destroyed, a copy in a cache, a remote or a store.

`Survivors` of `custody.erasure` asks; this looks, on this machine and in the stores that it can reach.
"""

import os
from collections.abc import Iterable, Iterator

from synthtrail.custody.erasure import Survivors
from synthtrail.custody.errors import CustodyError
from synthtrail.handover import sealing
from synthtrail.handover.sweep import Copy, Swept, copies
from synthtrail.storage import disposed
from synthtrail.storage.home import home


def key_place(origin: str, name: str) -> str | None:
    """Return where the secret of the key with this public name lies in the key store; None if it is not there."""
    for path in sorted(home().identities(origin).glob("*.age")):
        try:
            if sealing.identity_of(path.parent, path.stem).recipient == name:
                return os.fspath(path)
        except CustodyError:
            continue
    if name.startswith("salt of "):
        return _salt_place(origin, *name.removeprefix("salt of ").rsplit(" ", 1))
    return None


def _salt_place(origin: str, slot: str, tomb: str) -> str | None:
    folder = home().salts(origin)
    for path in sorted((folder / slot).glob("*.salt")):
        if disposed.tombstone(folder, slot, path.stem).name.startswith(tomb):
            return os.fspath(path)
    return None


def survivors(origin: str, swept: Iterable[Swept]) -> Survivors:
    """Return what an audit asks, answered from sweeps that were made."""
    found = list(copies(swept))

    def of(artifact: bytes) -> Iterator[str]:
        return (copy.locator for copy in found if copy.artifact == artifact.hex() and not _audited(copy))

    return Survivors(lambda name: key_place(origin, name), of)


def _audited(copy: Copy) -> bool:
    """Tell whether `custody.artifacts` hashes this file itself: what lies below data/, hidden files excepted."""
    parts = copy.name.split("/")
    return copy.place == "workspace" and parts[0] == "data" and not any(part.startswith(".") for part in parts)
