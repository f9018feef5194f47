"""Object stores behind one small interface: a local folder, S3, and what speaks S3 (OCI, MinIO, Ceph).

`handover.connecting` gives one:

    with connect("s3://bucket/prefix") as store:
        store.prepare()                     # the bucket is there and private, or nothing is stored
        store.put("a/00000.age", sealed, memo, save, on_bytes)
        store.names("a/")                   # every object with its size, counted page by page

URLs are `file:///path`, `file://~/path` (which tells no user's name), a plain path, or `s3://bucket/prefix`.
Credentials and the endpoint of another provider come from where every S3 tool takes them (`AWS_PROFILE`,
`AWS_ACCESS_KEY_ID`, …, `AWS_ENDPOINT_URL`); they never stand in a URL, so that none can reach the ledger. For OCI the
endpoint is `https://NAMESPACE.compat.objectstorage.REGION.oraclecloud.com`.

A store that does not answer is asked again with growing pauses, then `UnreachableError`; what was done until then stays
done.
"""

import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from synthtrail.custody.errors import LedgerError
from synthtrail.handover import telling

T = TypeVar("T")
Memo = MutableMapping[str, Any]
"""What an upload remembers of itself, so that another process can go on with it; kept by the caller."""

OnBytes = Callable[[int], object]
CHUNK = 1 << 20
PAUSES = (0.2, 0.6, 1.8, 5.4)  # seconds before the second, third, … attempt


class StoreError(LedgerError):
    """An object store that cannot be used like this; nothing was lost."""


class UnreachableError(StoreError):
    """An object store that does not answer; the same command goes on where it was."""


@dataclass(frozen=True)
class Seen:
    """An object as a listing shows it: name below the store's URL, size in bytes, and what changes with its content."""

    name: str
    size: int
    stamp: str


class ObjectStore(Protocol):
    """What `connect` yields; names are relative to `url` and use slashes."""

    url: str

    def prepare(self) -> list[tuple[str, str]]:
        """Create what is missing and see that it is private; what was found out, as details for the ledger."""

    def spool(self, name: str, aside: Path) -> Path:
        """Where to write an object that `put` is to take, `aside` unless the store has a better place."""

    def put(self, name: str, path: Path, memo: Memo, save: Callable[[], None], on_bytes: OnBytes) -> None:
        """Store the file at `path` as `name`; `save` is called when `memo` has changed."""

    def names(self, prefix: str = "") -> Iterator[Seen]:
        """Every object whose name begins with `prefix`."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The content of an object."""

    def delete(self, name: str) -> int:
        """Delete an object in all of its versions; how many there were."""


def is_url(text: str) -> bool:
    """Tell whether `text` names a store on another machine rather than a folder here."""
    return text.startswith("s3://")


def digest(
    store: ObjectStore, name: str, hashing: Callable[[], Any] = sha256, on_bytes: OnBytes = lambda _: None
) -> tuple[str, int]:
    """Return digest in hex (SHA-256 unless another is asked for) and size of an object, read back whole."""
    state, size = hashing(), 0
    with store.open(name) as file:
        while block := file.read(CHUNK):
            state.update(block)
            size += len(block)
            on_bytes(len(block))
    return state.hexdigest(), size


def patiently(what: str, attempt: Callable[[], T], pauses: tuple[float, ...] | None = None) -> T:
    """Return what `attempt` gives, trying again after each pause while it raises `ConnectionError` or times out."""
    for pause in (*(PAUSES if pauses is None else pauses), None):
        try:
            return attempt()
        except (ConnectionError, TimeoutError) as error:
            if pause is None:
                raise UnreachableError(
                    f"{what} does not answer ({telling.told(error, 160)}); nothing was lost: "
                    "run the same command again when it does"
                ) from None
            time.sleep(pause)
    raise AssertionError("the last pause is None")
