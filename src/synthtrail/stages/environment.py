"""The environment that a run needs, to the byte: `requirements.lock` lists packages with the digests of their files.

`pip install --require-hashes -r requirements.lock` builds it anew and refuses a file that is not the one listed. An
event states the digest of the list, and how the packages at work differ from it, so that a later rebuild can tell.

    >>> parse("numpy==2.4.1 --hash=sha256:ab\\npandas==3.1.0 ; python_version < '4' --hash=sha256:cd")
    {'numpy': '2.4.1', 'pandas': '3.1.0'}
"""

import hashlib
import re
from importlib import metadata
from pathlib import Path

LOCK = Path("requirements.lock")
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Return package -> version of a list with pinned versions."""
    return {normal(name): version for name, version in PINNED.findall(text)}


def normal(name: str) -> str:
    """Return the one spelling of a package's name (PyPA, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def departures(locked: dict[str, str]) -> list[str]:
    """Return a text for each package that is installed here in another version than `locked` says.

    A build of a package, such as `+cpu`, is no other version.
    """
    found = []
    for name, version in sorted(locked.items()):
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if here.partition("+")[0] != version.partition("+")[0]:
            found.append(f"{name} {here} (locked: {version})")
    return found


def told(lock: Path = LOCK) -> dict[str, str]:
    """Return what an event says of the environment: the digest of the lock, and what departs from it."""
    if not lock.exists():
        return {}
    content = lock.read_bytes()
    differ = departures(parse(content.decode()))
    return {"lock.sha256": hashlib.sha256(content).hexdigest(), "lock.departures": "; ".join(differ)[:4000] or "none"}
