"""The walk through all entries: tree, chain, signatures, rules. Everything wrong becomes a finding.

For every place of the log, in order:

1. Its bundle is there and whole.
2. The entry is readable, canonical, and its envelope carries the signature of a listed key.
3. Its leaf hash is the one in the tree's lowest tile.
4. It says its own place, and the leaf hash of the entry before it.
5. The rules allow its event (`synthtrail.custody.rules`).

After the last one, the root decides who is right where entries and tiles disagree: if the entries give the signed root,
a tile is damaged; if the tiles do, entries were edited, moved, inserted or removed.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise, zip_longest

from synthtrail.custody import rules
from synthtrail.custody.bundles import Bundle
from synthtrail.custody.edge import Edge
from synthtrail.custody.entry import GENESIS
from synthtrail.custody.examine import UNKNOWN_KEY, Examined, claimed_actor, examine
from synthtrail.custody.findings import Finding
from synthtrail.custody.state import State

Unlike = tuple[int, bytes | None, bytes | None]
"""A place whose entry and tile disagree: the place, the entry's leaf hash, the tile's."""


class Audit:
    """The walk's memory. Feed it bundles with their examined entries, in order; then `finish`."""

    def __init__(self, state: State, edge: Edge | None = None, leaf: bytes = GENESIS) -> None:
        self.state = state
        self.findings: list[Finding] = []
        self.edge = edge or Edge()
        self.leaf = leaf
        self._next = self.edge.size
        self._tile_edge: Edge | None = None  # only once tiles and entries disagree
        self._unlike: list[Unlike] = []
        self._displaced: list[tuple[int, int]] = []
        self._gaps = False

    def take(self, bundle: Bundle, examined: Sequence[Examined]) -> None:
        """Steps 1 to 5 for the entries of one bundle that were not taken before."""
        self.findings.extend(bundle.findings)
        skipped = self._next - bundle.first
        places = range(self._next, bundle.first + bundle.width)
        found = list(zip(bundle.entries, examined, strict=True))[skipped:]
        for offset, (data, item) in enumerate(found):
            self._take_entry(self._next + offset, data, item)
        for _ in range(len(found), len(places)):
            self._gaps = True
            self.state.skip(GENESIS)
            self.leaf = b""
        hashes = bundle.hashes[skipped:] if bundle.hashes is not None else None
        self._take_tree(places, [item.leaf for _, item in found], hashes)
        self._next = places.stop

    def finish(self, size: int, root: bytes) -> None:
        """Judge the whole: `size` and `root` are those of the signed checkpoint."""
        entries_agree = not self._gaps and self.edge.root() == root
        tiles_agree = self._tile_edge is not None and self._tile_edge.root() == root
        if entries_agree:
            for place, _, _ in self._unlike[:1]:
                text = f"{len(self._unlike)} hashes of the lowest tiles are not those of the entries"
                self.findings.append(Finding("ledger-damaged", text, entry=place))
        else:
            self.findings.extend(_moved(self._unlike))
            if not tiles_agree and not self._gaps:
                text = f"the {size} entries do not give the root that was signed"
                self.findings.append(Finding("root-mismatch", text))
        self.findings.extend(_displacements(self._displaced, size))

    def _take_entry(self, place: int, data: bytes, item: Examined) -> None:
        if item.fault == UNKNOWN_KEY:  # perhaps listed since the entry was examined
            item = examine(data, self.state.keys.pinned)
        self._check_chain(place, item)
        self.leaf = item.leaf
        if item.act is None:
            self._report_unreadable(place, data, item)
            self.state.skip(item.leaf, item.received)
            return
        for code, text in rules.step(self.state, item.act, item.signers, item.received):
            self.findings.append(Finding(code, text, entry=place))

    def _report_unreadable(self, place: int, data: bytes, item: Examined) -> None:
        if item.problem is None:
            return
        code, text = item.problem
        if item.fault == UNKNOWN_KEY:
            actor = claimed_actor(data)
            listed = self.state.keys.get(actor) is not None
            code = "key-substituted" if listed else "signer-unknown"
            text = f"it says {actor[:80]!a}, which is {'not the key that signed' if listed else 'listed nowhere'}"
        self.findings.append(Finding(code, text, entry=place))

    def _check_chain(self, place: int, item: Examined) -> None:
        if item.seq < 0:
            return
        if item.seq != place:
            self._displaced.append((place, item.seq))
        if self.leaf and item.prev != self.leaf:
            text = "it does not name the entry before it"
            self.findings.append(Finding("chain-broken", text, entry=place))

    def _take_tree(self, places: range, leaves: list[bytes], hashes: Sequence[bytes] | None) -> None:
        """Step 3, and the edges of both trees: the entries' and, where it differs, the tiles'."""
        width = len(places)
        said = list(hashes) if hashes is not None else leaves[:width]
        whole = (leaves + said[len(leaves) :] + [GENESIS] * width)[:width]
        if leaves != said and self._tile_edge is None:
            self._tile_edge = self.edge.copy()
        if self._tile_edge is not None:
            self._tile_edge.add((said + [GENESIS] * width)[:width])
        self.edge.add(whole)
        if leaves != said:
            self._unlike.extend(
                (places.start + offset, leaf, kept)
                for offset, (leaf, kept) in enumerate(zip_longest(leaves, said))
                if leaf != kept
            )


def _moved(unlike: list[Unlike]) -> Iterable[Finding]:
    """What happened to entries that are not where the tiles have them."""
    kept = {said for _, _, said in unlike if said is not None}
    present = {leaf for _, leaf, _ in unlike if leaf is not None}
    moved = [place for place, leaf, _ in unlike if leaf in kept]
    for place, leaf, said in unlike:
        foreign, lost = leaf is not None and leaf not in kept, said is not None and said not in present
        if foreign and lost:
            yield Finding("entry-edited", "it is not the entry that the tree holds", entry=place)
        elif foreign:
            yield Finding("entry-inserted", "the tree does not hold it", entry=place)
        elif lost and leaf is not None:
            yield Finding("entries-missing", "the entry that the tree holds here is gone", entry=place)
    if moved and len(kept) == len(present) and kept == present:
        yield from _runs("entries-reordered", moved, "the tree holds these entries at other places")


def _displacements(displaced: list[tuple[int, int]], size: int) -> Iterable[Finding]:
    """What happened to entries that say another place than their own."""
    places = {place for place, _ in displaced}
    said = [seq for _, seq in displaced]
    if len(set(said)) < len(said) or any(seq < size and seq not in places for seq in said):
        code, text = "entry-inserted", "from here on entries say a place that another entry has"
    elif set(said) == places:
        code, text = "entries-reordered", "from here on entries say other places than they have"
    else:
        code, text = "entries-missing", "from here on entries say a later place than they have"
    yield from _runs(code, sorted(places), text)


def _runs(code: str, places: list[int], text: str) -> Iterable[Finding]:
    """One finding for each run of neighbouring places."""
    starts = places[:1] + [later for earlier, later in pairwise(places) if later != earlier + 1]
    return [Finding(code, text, entry=start) for start in starts]
