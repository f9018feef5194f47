"""A table of digests that stays small when there are millions of them.

A `dict` spends about 150 bytes on one 32-byte key; a ledger of a million events needs three such tables.
`DigestTable` spends 40 to 50: the digests lie end to end in one buffer, in order of arrival, and an open-addressing
index of row numbers finds them (linear probing, at most half full). Positions come from Python's keyed `hash`, so
that whoever chooses the digests still cannot choose collisions.

    >>> table = DigestTable()
    >>> table.add(bytes(32)), table.add(b"x" * 32), table.add(bytes(32))   # the third row repeats the first
    (0, 1, 2)
    >>> table.find(b"x" * 32), table.find(b"y" * 32), len(table)
    (1, -1, 3)
"""

from array import array

WIDTH = 32
_LEAST = 1 << 14  # places at first, in 64 KiB: a small ledger never pays for growing


class DigestTable:
    """Rows of 32-byte digests; `find` gives the first row that holds a digest."""

    def __init__(self, rows: bytes | bytearray | memoryview = b"") -> None:
        """Start from `rows`, digests end to end, or empty; a bytearray is taken over, not copied."""
        if len(rows) % WIDTH:
            raise ValueError("rows of a digest table are 32 bytes each")
        self._rows = rows if isinstance(rows, bytearray) else bytearray(rows)
        self._index = array("I")
        self._rebuild(max(_LEAST, 1 << (len(self) * 2).bit_length()))

    def __len__(self) -> int:
        return len(self._rows) // WIDTH

    def __getitem__(self, row: int) -> bytes:
        if not 0 <= row < len(self):
            raise IndexError(row)
        return bytes(self._rows[row * WIDTH : row * WIDTH + WIDTH])

    def __contains__(self, digest: bytes) -> bool:
        return self.find(digest) >= 0

    def find(self, digest: bytes) -> int:
        """The first row that holds `digest`, or -1."""
        index, rows = self._index, self._rows
        mask = len(index) - 1
        place = hash(digest) & mask
        while row := index[place]:
            if rows.startswith(digest, row * WIDTH - WIDTH):
                return row - 1
            place = (place + 1) & mask
        return -1

    def add(self, digest: bytes) -> int:
        """Append a row, indexed unless the same digest is indexed already; its number."""
        if len(digest) != WIDTH:
            raise ValueError("a digest has 32 bytes")
        row = len(self)
        self._rows += digest
        self._insert(digest, row)
        if row * 2 >= len(self._index):
            self._rebuild(len(self._index) * 2)
        return row

    def dump(self) -> memoryview:
        """All rows, end to end: what the constructor takes. The table cannot grow while this view of it is held."""
        return memoryview(self._rows)

    def _insert(self, digest: bytes, row: int) -> None:
        """Let the index point to `row`, unless it points to an earlier row with the same digest."""
        index, rows = self._index, self._rows
        mask = len(index) - 1
        place = hash(digest) & mask
        while taken := index[place]:
            if rows.startswith(digest, taken * WIDTH - WIDTH):
                return
            place = (place + 1) & mask
        index[place] = row + 1

    def _rebuild(self, places: int) -> None:
        self._index = array("I", bytes(4 * places))
        for row in range(len(self)):
            self._insert(self[row], row)
