"""Finding the true end of a ledger after a crash, and whether the folder was tampered with meanwhile.

Two signed checkpoints tell where the ledger ends: the published one in its folder and the one in the guard.

1. Both must be the sequencer's, of this origin. Where one is missing, the other counts.
2. The larger one is the end. An append that was interrupted after its checkpoint was signed is *finished*: rolled
   forward, never back, because a checkpoint is a promise as soon as it is signed.
3. The stored tree must give the root of the larger one and contain the smaller one. If not, entries were lost,
   rolled back or forked: an incident, which no program may repair; `StorageError`.
4. Guard and published checkpoint are made equal, and whatever lies beyond both, which nobody was promised, is removed.
"""

from synthtrail.custody import merkle, note, tiles
from synthtrail.custody.durable import Disk
from synthtrail.custody.errors import DataError, ProofError, StorageError
from synthtrail.custody.guard import CHECKPOINT, Guard
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.policy import Policy

_KEPT_PARTIALS = 8  # for readers that hold a slightly older checkpoint


def recover(disk: Disk, guard: Guard, policy: Policy) -> tuple[bytes, Checkpoint]:
    """Bring the ledger to its true end and return that end's signed checkpoint.

    Raises `StorageError` if there is no ledger, or an incident (step 3).
    """
    published = _opened(disk.read_if_there(CHECKPOINT), policy, "published checkpoint")
    guarded = _opened(guard.checkpoint(), policy, "guard")
    known = [item for item in (guarded, published) if item is not None]
    if not known:
        raise StorageError("there is no ledger here, and the guard knows of none")
    smaller, larger = min(known, key=_size), max(known, key=_size)
    _check_tree(disk, smaller[1], larger[1])
    if guarded is None or guarded[1] != larger[1]:
        guard.store(larger[0])
    if published is None or published[1] != larger[1]:
        disk.write([(CHECKPOINT, larger[0])])
    return larger


def truncate(disk: Disk, size: int) -> None:
    """Remove tiles and bundles beyond `size` entries: what an interrupted append left that was never signed."""
    for level in (tiles.ENTRIES, *range(8)):
        index, width = divmod(size >> (tiles.HEIGHT * max(level, 0)), tiles.WIDTH)
        found = _remove_wider(disk, level, index, width)
        while found:
            index += 1
            found = _remove_wider(disk, level, index, 0)


def thin(disk: Disk, old: int, new: int) -> None:
    """Remove partial tiles that the growth from `old` to `new` entries made useless."""
    for level in (tiles.ENTRIES, *range(8)):
        shift = tiles.HEIGHT * max(level, 0)
        if not new >> shift:
            return
        index, width = divmod(new >> shift, tiles.WIDTH)
        if width:
            folder = _partials(level, index)
            # Wider ones are leftovers of appends that failed, and no reason to let go of what is in use.
            kept = [name for name in _widths(disk, folder) if int(name) <= width]
            for name in kept[:-_KEPT_PARTIALS]:
                disk.remove(f"{folder}/{name}")
        for full in range((old >> shift) // tiles.WIDTH, index):
            _remove_partials(disk, level, full)


def _size(item: tuple[bytes, Checkpoint]) -> int:
    return item[1].size


def _opened(data: bytes | None, policy: Policy, what: str) -> tuple[bytes, Checkpoint] | None:
    if data is None:
        return None
    try:
        signed = note.open_checkpoint(data, policy.origin, [policy.sequencer_key])
    except DataError as error:
        raise StorageError(f"incident: the {what} is not the sequencer's: {error}") from error
    return data, signed.checkpoint


def _check_tree(disk: Disk, smaller: Checkpoint, larger: Checkpoint) -> None:
    node = tiles.TileReader(disk.read, larger.size).node
    try:
        found = merkle.root_from(node, larger.size)
        if found != larger.root:
            raise ProofError("the stored tree has another root")
        for _ in tiles.read_entries(disk.read, smaller.size, larger.size, larger.size):
            pass
        proof = merkle.prove_consistency(node, smaller.size, larger.size)
        merkle.check_consistency(smaller.size, larger.size, smaller.root, larger.root, proof)
    except (DataError, FileNotFoundError) as error:
        raise StorageError(
            f"incident: the ledger cannot be brought to {larger.size} entries, which were signed: {error}"
        ) from error


def _partials(level: int, index: int) -> str:
    return tiles.Tile(level, index).path + ".p"


def _widths(disk: Disk, folder: str) -> list[str]:
    return sorted((name for name in disk.names(folder) if name.isdecimal()), key=int)


def _remove_wider(disk: Disk, level: int, index: int, width: int) -> bool:
    """Remove what one tile has beyond `width`; whether there was anything."""
    path = tiles.Tile(level, index).path
    found = False
    if disk.has(path):
        disk.remove(path)
        found = True
    folder = _partials(level, index)
    for name in _widths(disk, folder):
        if int(name) > width:
            disk.remove(f"{folder}/{name}")
            found = True
    return found


def _remove_partials(disk: Disk, level: int, index: int) -> None:
    folder = _partials(level, index)
    if names := disk.names(folder):
        for name in names:
            disk.remove(f"{folder}/{name}")
        disk.remove_folder(folder)
