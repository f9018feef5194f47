"""What became of an artifact, in one word, and how a `status` entry commits to it for all artifacts at once.

=============  ==========================================================================================
word           when
=============  ==========================================================================================
`disposed`     the transition table says so
`held`         a hold is open
`transferred`  neither, and a receiver accepted it at least once: there is a copy that others answer for
`live`         none of these, and an event concerns it
`unknown`      no event concerns it
=============  ==========================================================================================

A `status` entry states `size`, its own number, and the `root` of the prefix tree (`synthtrail.custody.prefixtree`)
over all artifacts that the first `size` entries concern:

    key      SHA-256 of the artifact's 32 bytes
    value    event digest of its latest event (32 bytes) ‖ word ‖ one space ‖ its state in the transition table, ASCII

    >>> Standing("transferred", "released", b"e" * 32).value
    b'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeetransferred released'
    >>> UNKNOWN.value is None
    True
"""

from hashlib import sha256
from typing import NamedTuple

WORDS = ("live", "transferred", "held", "disposed", "unknown")


class Standing(NamedTuple):
    """An artifact's status word, its state in the transition table, and its latest event's digest (empty if none)."""

    word: str
    state: str
    event: bytes

    @property
    def value(self) -> bytes | None:
        """What the prefix tree has at the artifact's key; None for nothing."""
        return self.event + f"{self.word} {self.state}".encode() if self.event else None


UNKNOWN = Standing("unknown", "absent", b"")


def key(artifact: bytes) -> bytes:
    """Where the prefix tree has the artifact."""
    return sha256(artifact).digest()


def standing(state: str, event: bytes, *, held: bool, transferred: bool) -> Standing:
    """The standing of an artifact that an event concerns."""
    word = "disposed" if state == "disposed" else "held" if held else "transferred" if transferred else "live"
    return Standing(word, state, event)
