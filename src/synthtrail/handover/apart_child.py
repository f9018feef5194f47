"""The process that encrypts for `handover.apart`: plaintext from one ring, ciphertext into another.

    main(["5", "6", …, "14", "age1…"]): five descriptors of each ring, then the recipients

It knows no path and no secret. If the other process dies, it ends at once, and nothing that it made looks whole.
"""

import importlib
import io
import os
from collections.abc import Sequence
from typing import Any

from synthtrail.handover.ring import SLOT, BrokenRingError, Ring

ORPHAN = 3  # exit status: the other process is gone


class Source(io.RawIOBase):
    """A ring as a raw file to read."""

    def __init__(self, ring: Ring) -> None:
        self.blocks = ring.blocks()
        self.rest = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer` what a slot has; 0 at the end."""
        if not self.rest:
            try:
                self.rest = next(self.blocks, self.rest)
            except BrokenRingError:
                os._exit(ORPHAN)  # an exception would be taken for the end of the plaintext
        count = min(len(buffer), len(self.rest))
        buffer[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        return count


def main(arguments: Sequence[str]) -> None:
    """Encrypt what comes until it ends."""
    numbers = [int(number) for number in arguments[:10]]
    age: Any = importlib.import_module("pyrage")
    given, made = Ring.inherited(numbers[:5], writes=False), Ring.inherited(numbers[5:], writes=True)
    recipients = [age.x25519.Recipient.from_str(one) for one in arguments[10:]]
    with io.BufferedReader(Source(given), SLOT) as plain:  # the library asks for 8 KiB at a time
        age.encrypt_io(plain, made, recipients)
    made.end()
