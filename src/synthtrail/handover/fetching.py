"""Fetching: an artifact brought back from a store, decrypted, and checked against the ledger; or one item of it,
singly.

What a store gives is believed by three digests: each pack's, which the sealed index states; each file's, which the
manifest states; the manifest's, which is the artifact's own digest and stands in the ledger. A target appears whole or
not at all.

One item (an image of a set, say) is fetched by reading the index and the packs that it lies in, no others. What proves
it is put beside it, and anyone can redo each step with `sha256sum`:

    item.png  ─▶ a line of manifest.txt  ─▶ a line of folder.manifest  ─▶ the artifact's digest  ─▶ the ledger's entry
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from synthtrail.custody import carried, digest
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.errors import ArtifactError, FormatError, UsageError
from synthtrail.custody.record import Item
from synthtrail.handover import objects, sealing, storing
from synthtrail.handover.connecting import connect
from synthtrail.handover.journal import room
from synthtrail.handover.objects import ObjectStore, OnBytes, StoreError
from synthtrail.handover.packs import Member, Pack, Unpacker
from synthtrail.handover.sealing import Hash, Identity
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.files import flush_folder, staged_folder, write_bytes
from synthtrail.storage.home import home

Hashing = Callable[[], Hash]
LISTS = "manifest.txt"
SHARD_ROWS = 10_000  # items a shard, as `data.image` writes them


@dataclass(frozen=True)
class Opened:
    """An artifact in a store whose index was read and found to be of this artifact."""

    item: Item
    store: ObjectStore
    identity: Identity
    manifest: bytes
    packs: list[Pack]
    sums: dict[str, tuple[Hashing, str]]
    on_bytes: OnBytes

    def unpack(self, pack: Pack, folder: Path, wanted: set[str] | None = None) -> None:
        """Write the files of `pack` (or only those `wanted`) below `folder`, decrypted and checked."""
        name = f"{self.item.digest.hex()}/{pack.key}"
        hashing, said = self.sums[pack.key]
        if objects.digest(self.store, name, hashing, self.on_bytes)[0] != said:
            raise FormatError(f"{self.store.url}/{name} is not what was stored there", code="artifact-changed")
        unpacker = Unpacker(pack, partial(_opened_file, folder, wanted))
        with self.store.open(name) as sealed:
            sealing.unseal(sealed, unpacker, self.identity)
        if not unpacker.done:
            raise FormatError(f"{self.store.url}/{name} ends early", code="artifact-changed")


@dataclass(frozen=True)
class Single:
    """One item with what proves it: files in `folder`, and the steps in words."""

    folder: Path
    steps: tuple[str, ...]


def fetch(
    found: Custodian,
    item: Item,
    target: Path,
    url: str | None = None,
    *,
    endpoint: str | None = None,
    on_bytes: OnBytes = lambda _: None,
) -> str:
    """Bring the artifact back to `target` from `url`, or from the place that the ledger names last; the URL used.

    Raises `UsageError` if `target` exists, `FormatError` or `SealError` if the store gives something else.
    """
    if target.exists():
        raise UsageError(f"{target} exists; name another place with --to, or move it away")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        _artifact(found, item, url, endpoint, on_bytes) as opened,
        room(target),
        tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch,
    ):
        folder = Path(scratch) / "artifact"
        folder.mkdir()
        for pack in opened.packs:
            opened.unpack(pack, folder)
        made = folder if item.files is not None else folder / opened.packs[0].members[0].name
        if digest.artifact(made).sha256 != item.digest.hex():
            raise ArtifactError(f"{opened.store.url} gave something else than {item.digest.hex()[:16]}…")
        made.replace(target)
        flush_folder(target.parent)
        return opened.store.url


def fetch_item(
    found: Custodian,
    item: Item,
    name: str,
    target: Path,
    url: str | None = None,
    *,
    endpoint: str | None = None,
) -> Single:
    """Fetch the one item called `name` into the new folder `target`, with what proves it; see the module docstring."""
    if target.exists():
        raise UsageError(f"{target} exists; name another place with --to")
    with (
        _artifact(found, item, url, endpoint, lambda _: None) as opened,
        room(target),
        tempfile.TemporaryDirectory() as scratch,
        staged_folder(target) as folder,
    ):
        steps = tuple(_proved(found, opened, name, Path(scratch), folder))
    return Single(target, steps)


def _proved(found: Custodian, opened: Opened, name: str, scratch: Path, folder: Path) -> Iterator[str]:
    files = digest.parse_manifest(opened.manifest)
    entry = found.ledger.state.lives.maker(found.ledger.state.lives.find(opened.item.digest))
    steps = []
    if name in files:
        data = _file(opened, name, scratch)
        steps.append(f"{name}: sha256 {files[name]}, a line of folder.manifest")
    else:
        listed, shard, row = _line(opened, name, scratch)
        data = _row(scratch / shard, row, name) if _file(opened, shard, scratch) else b""
        if sha256(data).hexdigest() != listed:
            raise FormatError(f"{name} is not what {LISTS} says", code="artifact-changed")
        write_bytes(folder / LISTS, (scratch / LISTS).read_bytes())
        steps.append(f"{name}: sha256 {listed}, a line of {LISTS}")
        steps.append(f"{LISTS}: sha256 {files[LISTS]}, a line of folder.manifest")
    write_bytes(folder / Path(name).name, data)
    write_bytes(folder / "folder.manifest", opened.manifest)
    proof = carried.prove(FolderReader(found.root / "ledger").read, found.ledger.checkpoint, entry, found.ledger.state)
    write_bytes(folder / "entry.tlog-proof", proof)
    steps.append(f"folder.manifest: sha256 {opened.item.digest.hex()}, the artifact {opened.item.path}")
    steps.append(f"the artifact: made by entry {entry} of {found.policy.origin} (entry.tlog-proof)")
    return iter(steps)


def _file(opened: Opened, name: str, scratch: Path) -> bytes:
    """Return one file of the artifact, which is left in `scratch` too; only its pack is fetched."""
    if not (scratch / name).exists():
        pack = next((pack for pack in opened.packs if any(item.name == name for item in pack.members)), None)
        if pack is None:
            raise UsageError(f"{opened.item.path} has no file {name}")
        opened.unpack(pack, scratch, {name})
    return (scratch / name).read_bytes()


def _line(opened: Opened, name: str, scratch: Path) -> tuple[str, str, int]:
    """Return the digest that the list of items has for `name`, the shard it lies in, and its row there."""
    names = sorted(digest.parse_manifest(opened.manifest))
    if LISTS not in names:
        raise UsageError(f"{opened.item.path} has neither a file {name} nor a list of items")
    lines = _file(opened, LISTS, scratch).decode().splitlines()
    for number, line in enumerate(lines):
        if line[66:] == name:
            shards = [shard for shard in names if shard.endswith(f"-{number // SHARD_ROWS:05d}.parquet")]
            return line[:64], shards[0], number % SHARD_ROWS
    raise UsageError(f"{opened.item.path} has no item {name}; its {len(lines):,} items are listed in {LISTS}")


def _row(shard: Path, row: int, name: str) -> bytes:
    """Return the bytes of one image of a shard."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - only for sets kept in Parquet

    with pq.ParquetFile(shard) as table:
        for group in range(table.num_row_groups):
            count = table.metadata.row_group(group).num_rows
            if row < count:
                found = table.read_row_group(group, columns=["name", "png"]).slice(row, 1).to_pylist()[0]
                if found["name"] != name:
                    raise FormatError(
                        f"{shard.name} has {found['name']} where {name} should be", code="artifact-changed"
                    )
                return bytes(found["png"])
            row -= count
    raise FormatError(f"{shard.name} has fewer items than {LISTS} says", code="artifact-changed")


@contextmanager
def _artifact(
    found: Custodian, item: Item, url: str | None, endpoint: str | None, on_bytes: OnBytes
) -> Iterator[Opened]:
    """Open the artifact in its store: read the index, and see that it is this artifact's."""
    identity = sealing.identity_of(home().identities(found.policy.origin), item.digest.hex())
    known = [place for place, _ in storing.places(found, item.digest)]
    if url is None and not known:
        raise UsageError(
            f"{item.path}: the ledger knows no place where it was stored; `synthtrail store` puts it in one"
        )
    with connect(url or known[-1], endpoint=endpoint) as store:
        index = _index(store, item, identity)
        manifest = str(index["manifest"]).encode()
        _check_manifest(item, manifest)
        sums = {pack["key"]: _sum(pack) for pack in index["packs"]}
        yield Opened(item, store, identity, manifest, storing.member_packs(index), sums, on_bytes)


def _index(store: ObjectStore, item: Item, identity: Identity) -> dict[str, Any]:
    name = f"{item.digest.hex()}/{storing.INDEX}"
    with tempfile.SpooledTemporaryFile(max_size=16 << 20) as plain, store.open(name) as sealed:
        sealing.unseal(sealed, plain, identity)
        plain.seek(0)
        try:
            return dict(json.loads(plain.read()))
        except ValueError:
            raise StoreError(f"{store.url}/{name} is no index") from None


def _sum(pack: dict[str, Any]) -> tuple[Hashing, str]:
    """Return what an index says a pack's digest is, and of which kind; the first version had SHA-256."""
    return (sealing.blake3, str(pack["blake3"])) if "blake3" in pack else (sha256, str(pack["sha256"]))


def _check_manifest(item: Item, manifest: bytes) -> None:
    listed = list(digest.parse_manifest(manifest).values())
    said = sha256(manifest).digest() if item.files is not None else bytes.fromhex(listed[0])
    if said != item.digest or (item.files is None and len(listed) != 1):
        raise FormatError(f"the index is not that of {item.digest.hex()[:16]}…", code="artifact-changed")


def _opened_file(folder: Path, wanted: set[str] | None, member: Member) -> BinaryIO | None:
    if wanted is not None and member.name not in wanted:
        return None
    path = folder / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")
