"""A turn at the end of the ledger: judging events and taking them, until they are committed together.

An event is first made into the very bytes that would be stored, and these are examined and judged by the same code that
an audit uses: what `add` takes, `verify` accepts. Nothing is durable or public before `commit`.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from synthtrail.custody import canonical, entry
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import TransitionError
from synthtrail.custody.examine import examine, open_envelope
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.replay import Replay
from synthtrail.custody.rules import problems
from synthtrail.custody.state import State

Commit = Callable[[list[bytes]], Checkpoint]
"""Makes leaves durable, the replay having taken them already; none at all gives the present head."""


class Transaction:
    """The ledger's end, held still: what it says (`state`), and the way to append to it."""

    def __init__(self, replay: Replay, now: datetime, commit: Commit) -> None:
        self._replay = replay
        self._received = _not_before(now, replay.state)
        self._commit = commit
        self.pending: list[bytes] = []

    @property
    def state(self) -> State:
        """What the ledger says, added events included."""
        return self._replay.state

    def add(self, envelope: Value) -> int:
        """Take an event and return its entry number.

        Raises `TransitionError` (code: that of the finding) if it may not follow, `DataError` if it is no event.
        """
        state = self._replay.state
        leaf = entry.encode(envelope, prev=self._replay.leaf, received=self._received, seq=state.size)
        found = examine(leaf, state.keys.pinned)
        if found.act is None:
            open_envelope(envelope, state.keys.pinned)  # raises the error that says why
            raise TransitionError("this envelope cannot be an entry", code=found.fault)
        wrong = problems(state, found.act, found.signers, found.received)
        if wrong:
            raise TransitionError("; ".join(item.text for item in wrong), code=wrong[0].code)
        self.pending.append(leaf)
        state.take(found.act, found.received)
        self._replay.chain(found.leaf)
        return state.size - 1

    def commit(self) -> Checkpoint:
        """Make all added events durable and public, as one group; the new head."""
        leaves, self.pending = self.pending, []
        return self._commit(leaves)

    def append(self, envelopes: Iterable[Value]) -> list[int]:
        """Add events and commit them; their entry numbers."""
        numbers = [self.add(envelope) for envelope in envelopes]
        self.commit()
        return numbers


def _not_before(now: datetime, state: State) -> str:
    """`now` as text, or the last entry's time if `now` is a little earlier: it was taken before the lock."""
    last = datetime.fromtimestamp(state.received // 1_000_000, UTC).replace(microsecond=state.received % 1_000_000)
    behind = last - now
    return canonical.format_time(last if timedelta(0) < behind < timedelta(seconds=state.policy.skew) else now)
