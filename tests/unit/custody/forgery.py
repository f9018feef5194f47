"""Ways to spoil a good ledger: with nothing but write access to its files, or with the sequencer's key as well."""

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tests.unit.custody.ledger_factory import ORIGIN, SEQUENCER, World

from synthtrail.custody import canonical, dsse, entry, merkle, note, tiles
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.entry import GENESIS
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.report import Report
from synthtrail.custody.verify import verify


def entries_of(world: World) -> list[bytes]:
    """All entries, as they stand."""
    return list(world.ledger.entries())


def checkpoint_path(world: World) -> Path:
    """The published checkpoint."""
    return world.path / "checkpoint"


def bundle_path(world: World) -> Path:
    """The entry bundle of a ledger of fewer than 256 entries."""
    return world.path / tiles.Tile(tiles.ENTRIES, 0, world.ledger.head.size).path


def tile_path(world: World) -> Path:
    """The lowest tile of a ledger of fewer than 256 entries."""
    return world.path / tiles.Tile(0, 0, world.ledger.head.size).path


def write_bundle(world: World, entries: Sequence[bytes]) -> None:
    """Replace the entries and nothing else."""
    bundle_path(world).write_bytes(tiles.encode_bundle(entries))


def write_log(world: World, entries: Sequence[bytes], *, signer: Signer | None = None) -> None:
    """Write entries and a fitting tree from scratch; with `signer`, a checkpoint too."""
    shutil.rmtree(world.path / "tile")
    leaves = [merkle.leaf_hash(data) for data in entries]
    files = [*tiles.grow_bundles(0, entries, _no_file), *tiles.grow(0, leaves, _no_file)]
    for path, data in files:
        (world.path / path).parent.mkdir(parents=True, exist_ok=True)
        (world.path / path).write_bytes(data)
    if signer is not None:
        head = Checkpoint(ORIGIN, len(entries), merkle.root(leaves))
        checkpoint_path(world).write_bytes(note.sign(head.text(), [signer]))


def chain(envelopes: Sequence[Value], received: Sequence[datetime]) -> list[bytes]:
    """Entries of these envelopes, numbered and linked as they should be."""
    entries: list[bytes] = []
    for seq, (envelope, at) in enumerate(zip(envelopes, received, strict=True)):
        prev = merkle.leaf_hash(entries[-1]) if entries else GENESIS
        entries.append(entry.encode(envelope, prev=prev, received=canonical.format_time(at), seq=seq))
    return entries


def force(world: World, envelope: Value, received: datetime | None = None) -> int:
    """Append whatever envelope, as the owner of the sequencer key can; its place."""
    entries = entries_of(world)
    at = canonical.format_time(received or world.now)
    leaf = entry.encode(envelope, prev=merkle.leaf_hash(entries[-1]), received=at, seq=len(entries))
    write_log(world, [*entries, leaf], signer=SEQUENCER)
    return len(entries)


def force_payload(world: World, payload: bytes, *signers: Signer) -> int:
    """Append whatever payload, honestly signed."""
    return force(world, dsse.sign(payload, *signers))


def audit(world: World, since: bytes | None = None) -> Report:
    """Verify the world's ledger as of its present time."""
    return verify(FolderReader(world.path), world.policy, now=world.now, since=since)


def found_at(report: Report, code: str) -> list[int | None]:
    """The entries at which a code was found."""
    return [finding.entry for finding in report.findings if finding.code == code]


def _no_file(path: str) -> bytes:
    raise FileNotFoundError(path)
