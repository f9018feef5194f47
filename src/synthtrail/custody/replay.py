"""Folding stored entries into a state, without verifying signatures again.

Whoever appends trusts its own guard: the entries below a checkpoint that its own sequencer signed were verified one by
one when they were appended. It is enough that they still hash to that checkpoint's root, which `reaches` makes sure of.
An auditor does not use this module.
"""

from typing import BinaryIO

from synthtrail.custody import dsse, entry, glance, snapshot, statement, tiles
from synthtrail.custody.act import Act
from synthtrail.custody.errors import DataError
from synthtrail.custody.merkle import Frontier, leaf_hash
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.policy import Policy
from synthtrail.custody.rules import step
from synthtrail.custody.state import State

_LEAST_DUE = 1024


class Replay:
    """A state, the right edge of the tree that it belongs to, and the last leaf hash."""

    def __init__(self, state: State, frontier: Frontier, leaf: bytes = entry.GENESIS) -> None:
        self.state = state
        self.frontier = frontier
        self.leaf = leaf
        self._kept = frontier.size

    @classmethod
    def load(cls, data: bytes | BinaryIO | None, policy: Policy) -> "Replay":
        """The replay that `dump` wrote, or an empty one if `data` is none of this policy."""
        loaded = snapshot.load(data, policy) if data is not None else None
        return cls(*loaded) if loaded else cls(State(policy), Frontier())

    def dump(self) -> list[bytes | memoryview]:
        """The replay as bytes, in parts that are good until the next event."""
        self._kept = self.frontier.size
        return snapshot.parts(self.state, self.frontier, self.leaf)

    def snapshot_due(self) -> bool:
        """Whether so much was added that keeping a snapshot costs little in comparison."""
        return self.frontier.size - self._kept >= max(_LEAST_DUE, self._kept // 4)

    def chain(self, leaf: bytes) -> None:
        """Take the leaf hash of the entry that the state took."""
        self.leaf = leaf
        self.frontier.append(leaf)

    def reaches(self, read: tiles.Reader, head: Checkpoint) -> bool:
        """Take the entries up to `head`; whether they are exactly those that it covers."""
        if self.frontier.size > head.size:
            return False
        try:
            for data in tiles.read_entries(read, self.frontier.size, head.size, head.size):
                self._take(data)
        except (DataError, FileNotFoundError):
            return False
        return self.frontier.root() == head.root

    def _take(self, data: bytes) -> None:
        act, signers, received = _believe(data)
        step(self.state, act, signers, received)
        self.chain(leaf_hash(data))


def _believe(data: bytes) -> tuple[Act, tuple[str, ...], int]:
    """The act, signers and time of an entry, its signatures taken on trust."""
    found = glance.leaf(data)
    if found is not None:
        act = glance.stage(found.payload) or statement.parse(found.payload)
        return act, (_name(found.keyid),), found.received
    whole = entry.parse(data)
    envelope = dsse.parse(whole.envelope)
    names = tuple(_name(item.keyid) for item in envelope.signatures)
    return statement.parse(envelope.payload), names, whole.received


def _name(keyid: str) -> str:
    return keyid.rpartition("+")[0]
