"""One event, reduced to what the replay of a ledger needs to know.

`synthtrail.custody.statement.parse` makes acts of payload bytes, and nothing else should.
"""

from typing import NamedTuple

from synthtrail.custody import shapes
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Verifier, parse_vkey


class Act(NamedTuple):
    """What the replay of a ledger needs to know of one event. Digests are 32 bytes, times µs since 1970."""

    event: str
    actor: str
    at: int
    ledger: str
    person: bool
    digest: bytes  # of the payload: the event's own name
    subjects: tuple[bytes, ...]
    previous: tuple[tuple[bytes, bytes], ...]
    slot: str
    record: bytes  # digest of the record's canonical bytes, empty if the event has none
    inputs: tuple[bytes, ...]
    outcome: str
    fields: dict[str, Value]

    def text(self, name: str) -> str:
        """The event's own field `name`, a text; empty if it has none."""
        return str(self.fields.get(name, ""))

    def number(self, name: str) -> int:
        """The event's own field `name`, a count."""
        return shapes.count(self.fields[name], name)

    def moment(self, name: str) -> int | None:
        """The event's own field `name`, a time in µs since 1970; None if it has none."""
        return shapes.moment(self.fields[name], name) if name in self.fields else None

    def roots(self) -> list[Verifier]:
        """The event's own field `roots`."""
        return [parse_vkey(str(key)) for key in shapes.listing(self.fields["roots"], "roots")]

    @property
    def request(self) -> bytes:
        """The digest of the event that this one answers; empty if it answers none."""
        return bytes.fromhex(self.text("request"))
