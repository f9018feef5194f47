"""What a witness keeps on disk, and the order in which it reads, writes and answers.

    $XDG_DATA_HOME/synthtrail/witness_<name>/keys/witness.pem      the cosigning key, mode 0600
    $XDG_CONFIG_HOME/synthtrail/witness_<name>/logs/<id>.json      a trusted log: its origin and keys
    $XDG_STATE_HOME/synthtrail/witness_<name>/logs/<id>            the last checkpoint cosigned for it
    $XDG_STATE_HOME/synthtrail/witness_<name>/logs/<id>.lock       held from reading that file until it is replaced

where ``<id>`` is SHA-256 of the origin in hex. A request is answered so:

1. Read its form and find its log, without any lock.
2. Take the log's lock: a mutex between threads, `flock` between processes.
3. Read the last cosigned checkpoint, decide (`synthtrail.custody.witness.cosign`), sign.
4. Replace the file by the new checkpoint; file and folder are flushed to the disk.
5. Only now does the cosignature leave. A crash before this point costs the asker one more request: it learns the size
   by a 409 and gets the same checkpoint signed again.

A trusted log whose state file is missing is an error, not a new log: a witness that forgot what it signed would sign
another history. Its key must then be retired.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import canonical, shapes, witness
from synthtrail.custody.cosignature import Cosigner
from synthtrail.custody.ed25519 import Signer, Verifier, check_key_name, parse_vkey
from synthtrail.custody.errors import StorageError, UsageError
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.witness import RefusedError, Response, Seen
from synthtrail.storage import files, keys
from synthtrail.storage.home import Home, folder_name

KEY = "witness"
_PREFIX = "witness_"
_LOG = frozenset({"v", "origin", "keys"})
_MUTEXES: dict[str, threading.Lock] = {}
_MUTEXES_MUTEX = threading.Lock()


@dataclass(frozen=True)
class Log:
    """A trusted log: its origin, and the keys that may sign its checkpoints."""

    origin: str
    keys: tuple[Verifier, ...]


class WitnessState:
    """A witness on this machine. Made by `create` or `load`; may be used by many threads and processes at once."""

    def __init__(self, home: Home, signer: Signer, clock: Callable[[], float] = time.time) -> None:
        self._signer = signer
        self._clock = clock
        self._trusted = home.config / _folder(signer.name) / "logs"
        self._state = home.state / _folder(signer.name) / "logs"

    @property
    def vkey(self) -> str:
        """The key that verifiers pin, of type 0x04."""
        return Cosigner(self._signer.verifier).vkey()

    @property
    def name(self) -> str:
        """The witness's name."""
        return self._signer.name

    def trust(self, origin: str, key: Verifier) -> Log:
        """Cosign for the log `origin` from now on what `key` signed, beside the keys trusted before.

        Raises `StorageError` if the log was trusted before and what was signed for it is lost.
        """
        _ = Checkpoint(origin, 0, bytes(32))  # an origin that a checkpoint can have
        if key.public == self._signer.verifier.public:
            raise UsageError("a log cannot be its own witness: the two keys are one")
        with self._lock(origin):
            known = self.log(origin)
            found = Log(origin, tuple(dict.fromkeys((*(known.keys if known else ()), key))))
            if known:
                self._read(origin)
            elif not self._file(origin).exists():
                self._write(origin, witness.first_state(origin, self._signer, at=self._now()))
            files.write_bytes(self._trust_file(origin), _encode(found))
        for folder in (self._trusted, self._state):
            files.flush_folder(folder.parent)
        return found

    def log(self, origin: str) -> Log | None:
        """The trusted log `origin`, or None."""
        path = self._trust_file(origin)
        return _decode(path.read_bytes()) if path.exists() else None

    def logs(self) -> list[tuple[Log, Seen]]:
        """Every trusted log and what was signed last for it, by origin."""
        found = [_decode(path.read_bytes()) for path in self._trusted.glob("*.json")]
        return [(log, self._read(log.origin)) for log in sorted(found, key=lambda log: log.origin)]

    def answer(self, body: bytes) -> Response:
        """Answer the body of an `add-checkpoint` request (steps 1 to 5)."""
        try:
            return witness.answer(self._cosign(witness.parse_request(body)))
        except RefusedError as refusal:
            return witness.answer(refusal)

    def _cosign(self, request: witness.Request) -> witness.Cosigned:
        origin = request.checkpoint.origin
        log = self.log(origin)
        if log is None:
            raise witness.refuse_unknown(origin)
        with self._lock(origin):
            seen = self._read(origin)
            cosigned = witness.cosign(request, log.keys, seen, self._signer, at=self._now())
            self._write(origin, cosigned.state)
        return cosigned

    def _now(self) -> int:
        return int(self._clock())

    def _read(self, origin: str) -> Seen:
        path = self._file(origin)
        if not path.exists():
            raise StorageError(
                f"{path} is missing: nobody knows what was signed for {origin}, so nothing may be signed; "
                "restore the file from just before the loss, or retire this witness's key"
            )
        return witness.read_state(path.read_bytes(), origin, self._signer.verifier)

    def _write(self, origin: str, state: bytes) -> None:
        files.write_bytes(self._file(origin), state)

    def _file(self, origin: str) -> Path:
        return self._state / _id(origin)

    def _trust_file(self, origin: str) -> Path:
        return self._trusted / f"{_id(origin)}.json"

    @contextmanager
    def _lock(self, origin: str) -> Iterator[None]:
        self._state.mkdir(parents=True, exist_ok=True)
        path = self._state / f"{_id(origin)}.lock"
        # Where flock is made of POSIX locks (NFS), it does not keep the threads of one process apart.
        with _mutex(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)


def create(home: Home, name: str) -> WitnessState:
    """Make a witness called `name` with a new key; raise `UsageError` if there is one."""
    return WitnessState(home, keys.create_key(_keys(home, name), KEY, name))


def load(home: Home, name: str | None = None) -> WitnessState:
    """Return the witness called `name`, or the only one there is; raise `UsageError` if that does not name one."""
    folder = _keys(home, name) if name is not None else _only(home)
    signer = keys.load_key(folder, KEY)
    if name not in {None, signer.name}:
        raise UsageError(f"{folder} holds the key of {signer.name}, not of {name}")
    return WitnessState(home, signer)


def _only(home: Home) -> Path:
    found = sorted(path.parent for path in home.data.glob(f"{_PREFIX}*/keys/{KEY}.pem"))
    if not found:
        raise UsageError("there is no witness here; `synthtrail witness new --name NAME` makes one")
    if len(found) > 1:
        raise UsageError("there are several witnesses here; say which by --name")
    return found[0]


def _keys(home: Home, name: str) -> Path:
    check_key_name(name)
    return home.data / _folder(name) / "keys"


def _folder(name: str) -> str:
    return _PREFIX + folder_name(name)


def _id(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


def _mutex(path: Path) -> threading.Lock:
    with _MUTEXES_MUTEX:
        return _MUTEXES.setdefault(str(path), threading.Lock())


def _encode(log: Log) -> bytes:
    return canonical.encode({"v": 1, "origin": log.origin, "keys": [key.vkey() for key in log.keys]})


def _decode(data: bytes) -> Log:
    found = shapes.members(canonical.decode(data), _LOG, "trusted log")
    if found["v"] != 1 or found["v"] is True:
        raise shapes.refuse("trusted log", "another version")
    listed = [shapes.text(item, "trusted log") for item in shapes.listing(found["keys"], "trusted log")]
    return Log(shapes.text(found["origin"], "trusted log"), tuple(map(parse_vkey, listed)))
