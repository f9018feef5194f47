"""Making a group of entries durable and public: the order of writes that no crash can break.

1. Entry bundles and hash tiles, each durable (`synthtrail.custody.durable`).
2. Both are read back and must be the bytes that were written; the tree's root, out of the stored tiles, must be the one
   computed in memory.
3. The checkpoint is signed, stored whole in the guard, and only then renamed into place.
4. Derived files follow: the lines for people, and the removal of partial tiles that nobody needs any more.

Before step 3 nothing was promised, and recovery removes what is there. From the moment that the guard holds the
checkpoint the group is part of the ledger, and recovery publishes it.
"""

from collections.abc import Sequence

from synthtrail.custody import merkle, note, tiles
from synthtrail.custody.durable import Disk
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import StorageError
from synthtrail.custody.guard import CHECKPOINT, Guard
from synthtrail.custody.merkle import Frontier
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.recovery import thin

LINES = "entries.jsonl"


class Writer:
    """Writes to one ledger's folder and guard; whoever calls it holds the lock."""

    def __init__(self, disk: Disk, guard: Guard, origin: str, sequencer: Signer) -> None:
        self._disk = disk
        self._guard = guard
        self._origin = origin
        self._sequencer = sequencer

    def commit(self, leaves: Sequence[bytes], frontier: Frontier) -> tuple[bytes, Checkpoint]:
        """Append `leaves`, after which the tree has the right edge `frontier`; the checkpoint, signed and as it reads.

        Raises `StorageError` before anything is signed if the disk does not give back what was written.
        """
        disk, size = self._disk, frontier.size
        old = size - len(leaves)
        disk.step("bundles")
        files = tiles.grow_bundles(old, leaves, disk.read)
        disk.step("tiles")
        files += tiles.grow(old, [merkle.leaf_hash(leaf) for leaf in leaves], disk.read)
        disk.write(files)
        disk.step("reread")
        self._reread(files, frontier)
        disk.step("sign")
        head = Checkpoint(self._origin, size, frontier.root())
        signed = note.sign(head.text(), [self._sequencer])
        self._guard.store(signed)
        disk.step("publish")
        disk.write([(CHECKPOINT, signed)])
        disk.step("derived")
        disk.append(LINES, b"".join(leaf + b"\n" for leaf in leaves))
        thin(disk, old, size)
        return signed, head

    def restore_lines(self, size: int) -> None:
        """Make the derived lines of `size` entries anew if a crash left them short or long."""
        last = list(tiles.read_entries(self._disk.read, size - 1, size, size))[-1]
        if not self._disk.ends_with(LINES, last + b"\n"):
            self._disk.write_lines(LINES, tiles.read_entries(self._disk.read, 0, size, size))

    def _reread(self, files: Sequence[tuple[str, bytes]], frontier: Frontier) -> None:
        read, size = self._disk.read, frontier.size
        node = tiles.TileReader(read, size).node
        if any(read(path) != data for path, data in files) or merkle.root_from(node, size) != frontier.root():
            raise StorageError("the disk returned other bytes than were written; nothing was signed")
