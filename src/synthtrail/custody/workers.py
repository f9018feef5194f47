"""Reading and examining entries with several processes.

Reading, parsing and signatures take most of a verification and need nothing but the bytes and the listed keys, so
they are spread over processes, a bundle at a time; folding the results stays with one. A worker gets the keys that
the fold knows when the bundle is handed out. An entry by a key listed only just before comes back as signed by an
unknown key, and the fold, which knows better by then, examines it again. The first bundle is never handed out, since
it lists most keys.

Only a ledger in a folder is read by several: another reader may hold what no second process can use.
"""

import marshal
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from threading import active_count
from typing import TYPE_CHECKING

from synthtrail.custody.act import Act
from synthtrail.custody.bundles import Bundle, FolderReader, Reader, numbers, read_bundle, read_bundles
from synthtrail.custody.ed25519 import Verifier, parse_vkey
from synthtrail.custody.examine import Examined, examine
from synthtrail.custody.findings import Finding, Problem
from synthtrail.custody.state import State

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

Pair = tuple[Bundle, list[Examined]]

_AHEAD = 2  # bundles that each process is given ahead


def examined(reader: Reader, size: int, start: int, state: State, processes: int = 1) -> Iterator[Pair]:
    """Yield the bundles from entry `start` to `size` with their examined entries, in order; `read_bundles` says more.

    The caller folds what it gets into `state` before it asks for the next bundle.
    """
    if processes <= 1 or not isinstance(reader, FolderReader):
        for bundle in read_bundles(reader, size, start):
            yield bundle, [examine(data, state.keys.pinned) for data in bundle.entries]
        return
    # Loading these takes as long as checking a small ledger does.
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415
    from multiprocessing import get_context  # noqa: PLC0415

    # Forking starts at once, but a child would inherit the locks of the caller's other threads, if it has any.
    context = get_context("fork" if active_count() == 1 else "spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from _spread(_Work(pool, reader, size, state), numbers(size, start), max(1, _AHEAD * processes))


class _Work:
    """What all bundles share, and the pool that they go to."""

    def __init__(self, pool: "ProcessPoolExecutor", reader: FolderReader, size: int, state: State) -> None:
        self._pool = pool
        self._reader = reader
        self._size = size
        self._state = state

    def first(self, index: int) -> Pair:
        """A bundle examined here."""
        bundle = read_bundle(self._reader, index, self._size)
        return bundle, [examine(data, self._state.keys.pinned) for data in bundle.entries]

    def submit(self, index: int) -> "Future[bytes]":
        """Hand out a bundle."""
        keys = tuple([key.vkey() for key in self._state.keys.pinned.values()])
        return self._pool.submit(_examine_all, self._reader, index, self._size, keys)


def _spread(work: _Work, indices: range, ahead: int) -> Iterator[Pair]:
    waiting: deque[Future[bytes]] = deque()
    later = iter(indices)
    found = next(map(work.first, later), None)
    while found is not None:
        yield found
        if found[0].absent:
            return
        waiting.extend(map(work.submit, islice(later, ahead - len(waiting))))
        found = _unpacked(waiting.popleft().result()) if waiting else None


def _examine_all(reader: FolderReader, index: int, size: int, vkeys: tuple[str, ...]) -> bytes:
    bundle = read_bundle(reader, index, size)
    keys = _pinned(vkeys)
    return _packed(bundle, [examine(data, keys) for data in bundle.entries])


def _packed(bundle: Bundle, items: list[Examined]) -> bytes:
    """The bundle and what was found, as plain values: these cross to another process in a quarter of the time.

    The fold looks again only at entries without an act, so the others' bytes stay behind.
    """
    plain = [
        (*item[:4], item.act and tuple(item.act), item.signers, item.problem and tuple(item.problem), item.fault)
        for item in items
    ]
    kept = tuple([b"" if item.act else data for data, item in zip(bundle.entries, items, strict=True)])
    findings = tuple([(found.code, found.text, found.entry, found.path, found.severity) for found in bundle.findings])
    return marshal.dumps((bundle.first, bundle.width, kept, bundle.hashes, findings, bundle.absent, plain))


def _unpacked(data: bytes) -> Pair:
    """What `_packed` packed; only ever this program's own, from a process that it started."""
    first, width, entries, hashes, findings, absent, plain = marshal.loads(data)  # noqa: S302
    told = tuple([Finding(*found) for found in findings])
    items = [
        Examined(leaf, prev, seq, received, act and Act._make(act), signers, said and Problem._make(said), fault)
        for leaf, prev, seq, received, act, signers, said, fault in plain
    ]
    return Bundle(first, width, entries, hashes, told, absent), items


@lru_cache(maxsize=4)
def _pinned(vkeys: tuple[str, ...]) -> dict[str, Verifier]:
    found = map(parse_vkey, vkeys)
    return {key.keyid: key for key in found}
