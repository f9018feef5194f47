"""The custody ledger as a folder: appending to it, and reading it back.

    ledger/checkpoint            the signed head (C2SP tlog-checkpoint)
    ledger/tile/…                the tree and its entries (C2SP tlog-tiles)
    ledger/entries.jsonl         the same entries as lines, derived, for people
    ledger/manifests/<digest>    manifests of folder artifacts, each named by its own SHA-256
    ledger/certificates/         certificates of disposals, <SHA-256>.json
    ledger/lock                  held while appending

Appending goes through a transaction, which holds the lock, so that writers in several processes take turns:

    with ledger.transaction(now) as tx:
        tx.append([envelope, …])          # durable when it returns
        tx.state                          # what the ledger says now

A crash at any point loses nothing that was acknowledged and never leaves two signed checkpoints that contradict each
other: `synthtrail.custody.writer` says in which order things are written, `recovery` what happens on the next opening.
An event that may not follow is refused with `TransitionError` and leaves no trace.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import certificate, merkle, note, tiles, tlogproof
from synthtrail.custody.bundles import MANIFESTS
from synthtrail.custody.canonical import Value
from synthtrail.custody.durable import Disk, OnStep, make_folder
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import StorageError, UsageError
from synthtrail.custody.examine import open_envelope
from synthtrail.custody.guard import CHECKPOINT, Guard
from synthtrail.custody.log import Log
from synthtrail.custody.merkle import Frontier
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.policy import Policy
from synthtrail.custody.recovery import recover, truncate
from synthtrail.custody.replay import Replay
from synthtrail.custody.state import State
from synthtrail.custody.transaction import Transaction
from synthtrail.custody.writer import Writer

CERTIFICATES = "certificates"


class Ledger:
    """A ledger that this process may append to. Made by `create` or `open`."""

    def __init__(self, folder: Path, guard: Path, policy: Policy, sequencer: Signer, on_step: OnStep | None) -> None:
        if sequencer.verifier != policy.sequencer_key:
            raise UsageError("this is not the sequencer key that the policy pins")
        self.policy = policy
        self.folder = folder
        self._disk = Disk(folder, on_step)
        self._guard = Guard(guard, policy.origin, on_step)
        self._writer = Writer(self._disk, self._guard, policy.origin, sequencer)
        self._locked = False
        self._replay: Replay | None = None
        self._seen: tuple[bytes | None, bytes | None] = (None, None)

    @classmethod
    def create(
        cls,
        folder: Path,
        guard: Path,
        policy: Policy,
        sequencer: Signer,
        opening: Value,
        *,
        now: datetime,
        on_step: OnStep | None = None,
    ) -> "Ledger":
        """Start a ledger whose entry 0 is `opening`, the envelope of a `ledger-opened` event for this policy.

        Raises `UsageError` if there is one already, here or according to the guard.
        """
        ledger = cls(folder, guard, policy, sequencer, on_step)
        make_folder(folder)
        with ledger._lock():
            if ledger._disk.has(CHECKPOINT) or ledger._guard.checkpoint() is not None:
                raise UsageError(f"the ledger {policy.origin} exists already")
            replay = Replay(State(policy), Frontier())
            act, _ = open_envelope(opening, replay.state.keys.pinned)
            if act.fields.get("policySha256") != policy.digest.hex():
                raise UsageError("the opening event is for another policy")
            truncate(ledger._disk, 0)
            Transaction(replay, now, partial(ledger._commit, replay=replay)).append([opening])
            ledger._replay = replay
        return ledger

    @classmethod
    def open(
        cls, folder: Path, guard: Path, policy: Policy, sequencer: Signer, *, on_step: OnStep | None = None
    ) -> "Ledger":
        """Open an existing ledger, finishing an append that a crash interrupted.

        Raises `StorageError` if there is none, or if what is stored is not what was signed.
        """
        ledger = cls(folder, guard, policy, sequencer, on_step)
        if not folder.is_dir():
            raise StorageError(f"there is no ledger at {folder}")
        with ledger._lock():
            ledger._refresh()
        return ledger

    @property
    def head(self) -> Checkpoint:
        """The published checkpoint."""
        return note.open_checkpoint(self.checkpoint, self.policy.origin, [self.policy.sequencer_key]).checkpoint

    @property
    def checkpoint(self) -> bytes:
        """The published checkpoint as a signed note, with whatever cosignatures it has."""
        return self._disk.read(CHECKPOINT)

    @property
    def state(self) -> State:
        """What the ledger says up to its head. Read it; to append, use the state of a transaction."""
        if self._locked and self._replay is not None:
            return self._replay.state
        with self._lock():
            return self._refresh().state

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes of entries `start` to `end` (to the head if None), one bundle in memory at a time."""
        size = self.head.size
        return tiles.read_entries(self._disk.read, start, size if end is None else end, size)

    @property
    def log(self) -> Log:
        """The entries one by one, for explaining."""
        return Log(self._disk.read, self.head.size)

    def keep_manifest(self, manifest: bytes) -> None:
        """Keep a folder's manifest under its own digest, which is the artifact's: the copy proves itself."""
        path = f"{MANIFESTS}/{sha256(manifest).hexdigest()}"
        if not self._disk.has(path):
            self._disk.write([(path, manifest)])

    def manifest(self, artifact: bytes) -> bytes | None:
        """The manifest that was kept for the folder with this digest; None if there is none."""
        return self._disk.read_if_there(f"{MANIFESTS}/{artifact.hex()}")

    def keep_certificate(self, data: bytes) -> str:
        """Keep the certificate of a disposal; its digest in hexadecimal. Raises `FormatError` if it is none."""
        certificate.parse(data)
        found = sha256(data).hexdigest()
        self._disk.write([(f"{CERTIFICATES}/{found}.json", data)])
        return found

    def certificate(self, found: bytes) -> bytes | None:
        """The certificate with this digest; None if there is none."""
        return self._disk.read_if_there(f"{CERTIFICATES}/{found.hex()}.json")

    def proof(self, index: int) -> bytes:
        """The C2SP tlog-proof that entry `index` is in the ledger, as bytes."""
        head = self.head
        path = merkle.prove_inclusion(tiles.TileReader(self._disk.read, head.size).node, index, head.size)
        return tlogproof.encode(tlogproof.TlogProof(index, path, self.checkpoint))

    @contextmanager
    def transaction(self, now: datetime) -> Iterator[Transaction]:
        """Hold the lock; `now` is when what is appended counts as received. Added but uncommitted events are dropped.

        Raises `StorageError` on an incident (see `synthtrail.custody.recovery`).
        """
        with self._lock():
            replay = self._refresh()
            try:
                transaction = Transaction(replay, now, partial(self._commit, replay=replay))
                yield transaction
            except BaseException:
                self._replay = None
                raise
            if transaction.pending:
                self._replay = None

    def publish_cosigned(self, checkpoint: bytes) -> None:
        """Replace the published checkpoint by the same one with more signatures; raises `UsageError` for another."""
        with self._lock():
            self._refresh()
            if note.parse(checkpoint)[0] != self.head.text():
                raise UsageError("cosignatures of another checkpoint than the published one")
            note.open_checkpoint(checkpoint, self.policy.origin, [self.policy.sequencer_key])
            self._disk.write([(CHECKPOINT, checkpoint)])

    @contextmanager
    def _lock(self) -> Iterator[None]:
        if self._locked:
            raise UsageError("this ledger is inside a transaction already")  # flock would wait for itself for ever
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._locked = True
            yield
        finally:
            self._locked = False
            os.close(descriptor)

    def _refresh(self) -> Replay:
        """Recover if guard or checkpoint changed, and take the entries that others appended."""
        seen = (self._guard.checkpoint(), self._disk.read_if_there(CHECKPOINT))
        if self._replay is not None and seen == self._seen:
            return self._replay
        _, head = recover(self._disk, self._guard, self.policy)
        if self._replay is None:  # opened just now, or an append failed
            truncate(self._disk, head.size)
        replay, self._replay = self._replay or self._load(), None
        if not replay.reaches(self._disk.read, head):
            replay = Replay(State(self.policy), Frontier())
            if not replay.reaches(self._disk.read, head):
                raise StorageError("incident: the stored entries are not those that were signed")
        self._writer.restore_lines(head.size)
        self._replay = replay
        self._seen = (self._guard.checkpoint(), self._disk.read_if_there(CHECKPOINT))
        return replay

    def _load(self) -> Replay:
        with self._guard.open_snapshot() as snapshot:
            return Replay.load(snapshot, self.policy)

    def _commit(self, leaves: list[bytes], replay: Replay) -> Checkpoint:
        if not leaves:
            return self.head
        signed, head = self._writer.commit(leaves, replay.frontier)
        self._seen = (signed, signed)
        if replay.snapshot_due():
            self._guard.store_snapshot(replay.dump())
        return head
