"""Small logs for the tests of witnesses: a history, forks of it, and their folders of tiles."""

from pathlib import Path

from synthtrail.custody import merkle, note, tiles, witness
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.witness import Request
from synthtrail.handover.witness_state import WitnessState
from synthtrail.storage.home import Home

ORIGIN = "example.com/log/1"
LOG = Signer("example.com/sequencer", bytes(31) + b"l")
STRANGER = Signer("example.com/sequencer", bytes(31) + b"s")
WITNESS = Signer("w.example/witness", bytes(31) + b"w")


class History:
    """A log of numbered entries; `fork` changes all of them from entry 5 on."""

    def __init__(self, fork: str = "", *, origin: str = ORIGIN, signer: Signer = LOG, size: int = 300) -> None:
        self.origin = origin
        self._signer = signer
        self.leaves = [merkle.leaf_hash(f"{number}{fork if number >= 5 else ''}".encode()) for number in range(size)]
        self.tree = merkle.Tree(self.leaves)

    def signed(self, size: int) -> bytes:
        """The signed checkpoint of the first `size` entries."""
        return note.sign(note.Checkpoint(self.origin, size, self.tree.root(size)).text(), [self._signer])

    def request(self, old: int, size: int) -> Request:
        """The request to a witness that signed `old` entries last."""
        return witness.make_request(self.signed(size), old, self.tree.node)

    def body(self, old: int, size: int) -> bytes:
        """The same as bytes."""
        return witness.encode_request(self.request(old, size))

    def write(self, folder: Path, size: int) -> None:
        """Write the log's folder as it is at `size` entries."""
        nothing: dict[str, bytes] = {}
        for path, data in tiles.grow(0, self.leaves[:size], nothing.__getitem__):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        (folder / "checkpoint").write_bytes(self.signed(size))


def folders(root: Path) -> Home:
    """XDG folders below `root`."""
    return Home(root / "data", root / "config", root / "state")


def state_in(root: Path, *, at: float = 1000.0) -> WitnessState:
    """The witness `WITNESS` with its files below `root`, whose clock stands at `at`."""
    return WitnessState(folders(root), WITNESS, clock=lambda: at)
