"""The lives of all artifacts of a ledger, packed so that a million of them fit in memory.

For each artifact (by content digest): its state, the entry that made it first, and the chain of entries that concern
it, newest first. Everything is a column of numbers: about 60 bytes an artifact and 8 an event.

    >>> lives = Lives()
    >>> row = lives.create(b"x" * 32, entry=4)
    >>> lives.follow(row, 9, "passed")
    >>> lives.state(row), lives.maker(row), lives.head(row), lives.history(row)
    ('passed', 4, 9, [4, 9])
"""

from array import array
from collections.abc import Iterator

from synthtrail.custody.compact import DigestTable
from synthtrail.custody.transitions import STATES

_CODE = {state: number for number, state in enumerate(STATES)}


class Lives:
    """Rows of artifacts; `find` gives the row, or -1 for a digest that no event concerns."""

    def __init__(self) -> None:
        self.ids = DigestTable()
        self._states = bytearray()
        self._makers = array("I")
        self._newest = array("I")  # the artifact's newest link
        self._entries = array("I")  # per link: the entry …
        self._before = array("I")  # … and the older link plus one, 0 at the end

    def __len__(self) -> int:
        return len(self._states)

    def find(self, artifact: bytes) -> int:
        """The row of an artifact, or -1."""
        return self.ids.find(artifact)

    def state(self, row: int) -> str:
        """The artifact's state; `absent` for row -1."""
        return STATES[self._states[row]] if row >= 0 else "absent"

    def rows(self, state: str) -> Iterator[int]:
        """The rows of all artifacts in a state."""
        return (row for row, code in enumerate(self._states) if code == _CODE[state])

    def maker(self, row: int) -> int:
        """The entry that made the artifact first."""
        return self._makers[row]

    def head(self, row: int) -> int:
        """The latest entry that concerns the artifact."""
        return self._entries[self._newest[row]]

    def history(self, row: int) -> list[int]:
        """All entries that concern the artifact, in order."""
        found = []
        link = self._newest[row] + 1
        while link:
            found.append(self._entries[link - 1])
            link = self._before[link - 1]
        return found[::-1]

    def create(self, artifact: bytes, entry: int) -> int:
        """Begin a life, in the state `made`; its row."""
        row = self.ids.add(artifact)
        self._states.append(_CODE["made"])
        self._makers.append(entry)
        self._newest.append(len(self._entries))
        self._entries.append(entry)
        self._before.append(0)
        return row

    def follow(self, row: int, entry: int, state: str) -> None:
        """Let `entry` be the latest that concerns the artifact, and `state` be its state."""
        self._before.append(self._newest[row] + 1)
        self._newest[row] = len(self._entries)
        self._entries.append(entry)
        self._states[row] = _CODE[state]

    def dump(self) -> list[memoryview]:
        """Views of the columns: what `load` takes. Nothing can be added while they are held."""
        columns = (self._states, self._makers, self._newest, self._entries, self._before)
        return [self.ids.dump(), *(memoryview(column).cast("B") for column in columns)]

    @classmethod
    def load(cls, columns: Iterator[bytearray]) -> "Lives":
        """The table that was dumped."""
        lives = cls()
        lives.ids = DigestTable(next(columns))
        lives._states = next(columns)
        for column in (lives._makers, lives._newest, lives._entries, lives._before):
            column.frombytes(next(columns))
        return lives
