"""Examining entries with several processes.

Reading, parsing and signatures take most of a verification and need nothing but the bytes and the listed keys, so
they are spread over processes, a bundle at a time; folding the results stays with one. A worker gets the keys that
the fold knows when the bundle is handed out. An entry by a key listed only just before comes back as signed by an
unknown key, and the fold, which knows better by then, examines it again.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from threading import active_count
from typing import TYPE_CHECKING, Any

from synthtrail.custody.act import Act
from synthtrail.custody.bundles import Bundle
from synthtrail.custody.ed25519 import Verifier, parse_vkey
from synthtrail.custody.examine import Examined, examine
from synthtrail.custody.state import State

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

Plain = list[tuple[Any, ...]]
"""Examined entries as bare tuples, which cross to another process in half the time."""

Pair = tuple[Bundle, list[Examined]]


def examined(bundles: Iterable[Bundle], state: State, processes: int = 1) -> Iterator[Pair]:
    """Yield each bundle with its examined entries, in order, while the caller folds them into `state`."""
    if processes <= 1:
        for bundle in bundles:
            yield bundle, [examine(data, state.keys.pinned) for data in bundle.entries]
        return
    # Loading these takes as long as checking a small ledger does.
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415
    from multiprocessing import get_context  # noqa: PLC0415

    # Forking starts at once, but a child would inherit the locks of the caller's other threads, if it has any.
    context = get_context("fork" if active_count() == 1 else "spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from _spread(bundles, state, pool, 2 * processes)


def _spread(bundles: Iterable[Bundle], state: State, pool: "ProcessPoolExecutor", ahead: int) -> Iterator[Pair]:
    waiting: deque[tuple[Bundle, Future[Plain]]] = deque()
    for bundle in bundles:
        keys = tuple(key.vkey() for key in state.keys.pinned.values())
        waiting.append((bundle, pool.submit(_examine_all, bundle.entries, keys)))
        if len(waiting) > ahead:
            yield _collect(*waiting.popleft())
    for bundle, future in waiting:
        yield _collect(bundle, future)


def _collect(bundle: Bundle, future: "Future[Plain]") -> Pair:
    return bundle, [Examined._make((*item[:4], item[4] and Act._make(item[4]), *item[5:])) for item in future.result()]


def _examine_all(entries: tuple[bytes, ...], vkeys: tuple[str, ...]) -> Plain:
    keys = _pinned(vkeys)
    found = (examine(data, keys) for data in entries)
    return [(*item[:4], item.act and tuple(item.act), *item[5:]) for item in found]


@lru_cache(maxsize=4)
def _pinned(vkeys: tuple[str, ...]) -> dict[str, Verifier]:
    found = map(parse_vkey, vkeys)
    return {key.keyid: key for key in found}
