"""What a disposal intends: everything it will turn off, destroy, delete and look for, found out before the first
deletion.

A survey is plain JSON, so that it can stand in a journal: after `kill -9` nothing could be found out again, since the
keys and copies that it names may be gone.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthtrail.custody import digest
from synthtrail.custody.errors import DataError
from synthtrail.custody.record import Item
from synthtrail.handover import descent, sealing, storing
from synthtrail.handover.descent import Making
from synthtrail.handover.targets import Targets, targets
from synthtrail.storage import disposed
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.home import home


@dataclass(frozen=True)
class KeyAt:
    """A key that will be destroyed: public name, kind, where its secret lies, and the tombstone to leave for a slot."""

    name: str
    kind: str
    path: str
    artifact: str
    tombstone: str = ""
    slot: str = ""


@dataclass(frozen=True)
class StoredAt:
    """Ciphertext in a store: below which URL, of which artifact, the key that opens it (empty: not here)."""

    url: str
    artifact: str
    key: str


@dataclass(frozen=True)
class Survey:
    """See the module docstring; digests in hex."""

    artifacts: list[dict[str, str]]
    experiments: list[str]
    wanted: dict[str, str]
    spared: list[str]
    unlisted: list[str]
    sizes: list[int] | None
    md5: list[str]
    runs: list[str]
    records: list[str]
    keys: list[KeyAt]
    stores: list[StoredAt]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` gives back an equal survey."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Survey":
        """Read what `to_json` gave."""
        keys = [KeyAt(**item) for item in value["keys"]]
        return cls(**{**value, "keys": keys, "stores": [StoredAt(**item) for item in value["stores"]]})


def make(found: Custodian, items: Sequence[Item]) -> Survey:
    """Return what disposing of `items` means in this checkout."""
    every = descent.makings(found.ledger.log)
    gone = {item.digest: item for item in items}
    aims = aimed(found, every, gone)
    mine = descent.of_artifacts(every, gone)
    keys = list(_identities(found, items)) + list(_salts(found, every, mine))
    return Survey(
        [described(every, item) for item in items],
        sorted({making.record.experiment for making in mine}),
        aims.wanted,
        sorted(aims.spared),
        [item.path for item in aims.unlisted],
        sizes(found.root, mine),
        sorted(aims.md5),
        list(aims.runs),
        list(aims.records),
        keys,
        list(_stores(found, items, {key.artifact: key.name for key in keys if key.kind == "age"})),
    )


def aimed(found: Custodian, every: list[Making], gone: dict[bytes, Item]) -> Targets:
    """Return what to look for when the artifacts `gone` are to go and all that are not disposed of are to stay."""
    return targets(every, gone, living(found, every, gone), found.ledger.manifest)


def living(found: Custodian, every: list[Making], gone: Mapping[bytes, Item]) -> set[bytes]:
    """Return the artifacts that are not disposed of, nor among those that are `gone`."""
    state = found.ledger.state
    return {making.artifact for making in every if state.status(making.artifact) != "disposed"} - gone.keys()


def described(every: list[Making], item: Item) -> dict[str, str]:
    """Return how a certificate names an artifact."""
    (made, *_) = descent.of_artifacts(every, [item.digest])
    subject = made.record.subject
    told = {"sha256": subject.digest.hex(), "kind": subject.kind, "path": subject.path}
    return told | {"class": str(made.record.value["class"])}


def sizes(root: Path, mine: Sequence[Making]) -> list[int] | None:
    """Return the sizes of all files that are looked for; None unless the checkout still has all of them as signed."""
    found: set[int] = set()
    for making in mine:
        for item in (making.record.subject, *making.record.views):
            try:
                if digest.artifact(root / item.path).sha256 != item.digest.hex():
                    return None
            except (OSError, DataError):
                return None
            found |= set(_sizes(root / item.path))
    return sorted(found)


def _sizes(path: Path) -> Iterator[int]:
    for inner in path.rglob("*") if path.is_dir() else [path]:
        known = inner.lstat()
        if stat.S_ISREG(known.st_mode):
            yield known.st_size


def _identities(found: Custodian, items: Sequence[Item]) -> Iterator[KeyAt]:
    folder = home().identities(found.policy.origin)
    for item in items:
        path = sealing.identity_path(folder, item.digest.hex())
        if path.exists():
            name = sealing.identity_of(folder, item.digest.hex()).recipient
            yield KeyAt(name, "age", os.fspath(path), item.digest.hex())


def _salts(found: Custodian, every: list[Making], mine: Sequence[Making]) -> Iterator[KeyAt]:
    """The salt keys from which nothing live was made: for a source all keys of its slot, else that of each input."""
    folder = home().salts(found.policy.origin)
    state, gone = found.ledger.state, {making.artifact for making in mine}
    others = [m for m in every if m.artifact not in gone and state.status(m.artifact) != "disposed"]
    seen: set[Path] = set()
    for making in mine:
        slot, source = making.record.slot, making.record.stage == "ingest"
        if source and any(other.record.slot == slot for other in others):
            continue
        used = {item.digest for other in others if other.record.slot == slot for item in other.record.inputs}
        inputs = [item.digest.hex() for item in making.record.inputs if item.digest not in used]
        paths = (
            sorted((folder / slot).glob("*.salt")) if source else [folder / slot / f"{name}.salt" for name in inputs]
        )
        for path in paths:
            if path.exists() and path not in seen:
                seen.add(path)
                tomb = disposed.tombstone(folder, slot, path.stem)
                yield KeyAt(
                    disposed.key_name(tomb, slot), "salt", os.fspath(path), making.artifact.hex(), os.fspath(tomb), slot
                )


def _stores(found: Custodian, items: Sequence[Item], keys: dict[str, str]) -> Iterator[StoredAt]:
    """Where the ledger says that something was stored, and where a storing was begun that never got that far."""
    for item in items:
        here = keys.get(item.digest.hex(), "")
        known = storing.places(found, item.digest)
        for url, key in known:
            yield StoredAt(url, item.digest.hex(), here if here == key else "")
        for url, _ in storing.unfinished(found, item.digest):
            if url not in dict(known):
                yield StoredAt(url, item.digest.hex(), here)
