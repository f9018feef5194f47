"""The keys that a ledger lists, each with the stretch of the log in which it may sign.

Roots and the sequencer come from the policy and hold from the first entry. Every other key is added, rotated or
revoked by an event that enough roots signed. Time plays no part: a key is good *between two positions* of the log,
which is what the tree proves, and not between two clock readings, which anyone can claim. A name is never given
twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from synthtrail.custody.act import Act
from synthtrail.custody.ed25519 import Verifier, parse_vkey
from synthtrail.custody.findings import Problem
from synthtrail.custody.policy import Policy

PINNED = ("root", "sequencer")


@dataclass(frozen=True, slots=True)
class Key:
    """A listed key. It may sign entries after `since` and before `until`; from `compromised` on, who knows who did."""

    verifier: Verifier
    role: str
    person: str = ""
    organisation: str = ""
    since: int = -1
    until: int | None = None
    compromised: int | None = None

    @property
    def name(self) -> str:
        """The key's name, which is the actor's."""
        return self.verifier.name

    def ended(self, seq: int) -> bool:
        """Whether the key may no longer sign entry `seq`."""
        return self.until is not None and seq > self.until


class Keyring:
    """All keys listed so far, by name; grows, never forgets."""

    def __init__(self, policy: Policy) -> None:
        self._keys: dict[str, Key] = {}
        self._numbers: dict[str, int] = {}
        self.pinned: dict[str, Verifier] = {}
        self.roots = {key.name for key in policy.root_keys}
        self.threshold = policy.threshold
        for key in policy.root_keys:
            self._list(Key(key, "root", organisation=policy.organisation))
        self._list(Key(policy.sequencer_key, "sequencer", organisation=policy.organisation))

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def get(self, name: str) -> Key | None:
        """The key of that name, whether or not it may still sign."""
        return self._keys.get(name)

    def number(self, name: str) -> int:
        """A small number that stands for the name."""
        return self._numbers[name]

    def name(self, number: int) -> str:
        """The name that the number stands for."""
        return list(self._numbers)[number]

    def proposed(self, act: Act, seq: int) -> Key | Problem:
        """The key that a `key-added` or `key-rotated` event at entry `seq` would list, or what speaks against it."""
        new = parse_vkey(act.text("key"))
        if act.event == "key-added":
            key = Key(new, act.text("role"), act.text("person"), act.text("organisation"), seq)
            return self._objection(key) or key
        old = self._keys.get(act.text("replaces"))
        if old is None or old.until is not None or old.role in PINNED:
            return Problem("key-rejected", f"{act.text('replaces')!a} is no key that can be replaced")
        key = Key(new, old.role, old.person, old.organisation, seq)
        return self._objection(key) or key

    def add(self, act: Act, seq: int) -> None:
        """List the key of a `key-added` or `key-rotated` event, if nothing speaks against it."""
        key = self.proposed(act, seq)
        if isinstance(key, Problem):
            return
        self._list(key)
        if act.event == "key-rotated":
            self.end(act.text("replaces"), seq)

    def revocable(self, name: str) -> bool:
        """Whether the log lists a key of that name; roots and sequencer are the policy's affair."""
        key = self._keys.get(name)
        return key is not None and key.role not in PINNED

    def end(self, name: str, seq: int, compromised: int | None = None) -> None:
        """Let the key sign nothing after entry `seq`; from `compromised` on its entries are in doubt."""
        key = self._keys[name]
        until = seq if key.until is None else key.until
        self._keys[name] = replace(key, until=until, compromised=compromised)

    def restore(self, keys: list[Key]) -> None:
        """Take the keys of a snapshot, in the order in which they were listed."""
        for key in keys:
            self._list(key)

    def _objection(self, key: Key) -> Problem | None:
        if key.name in self._keys:
            return Problem("key-rejected", f"the name {key.name} was given before")
        if any(known.verifier.public == key.verifier.public for known in self):
            return Problem("key-rejected", f"the key of {key.name} is listed under another name")
        if key.role == "steward" and not key.person:
            return Problem("key-rejected", "a steward is a named person")
        return None

    def _list(self, key: Key) -> None:
        self._keys[key.name] = key
        self._numbers.setdefault(key.name, len(self._numbers))
        self.pinned[key.verifier.keyid] = key.verifier
