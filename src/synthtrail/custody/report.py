"""What a verification found, how far it reached, and what it could not exclude.

The *level* says what the verifier brought, and so what would have been noticed:

    A  the pinned keys          every entry is signed by a listed key, and this copy is whole
    B  + an earlier checkpoint  its prefix is unchanged since
    C  + witnesses' cosignatures, k of n, keys obtained by the verifier: no other history was shown to them
    D  + a time-stamp token     the same against a third clock

With an error among the findings there is no level. No level proves that a statement was true when it was signed.
"""

from dataclasses import dataclass, field

from synthtrail.custody import snapshot
from synthtrail.custody.canonical import Value
from synthtrail.custody.findings import Finding
from synthtrail.custody.merkle import Frontier
from synthtrail.custody.state import State

MEANING = {
    "A": "every entry is signed by a listed key and this copy is whole",
    "B": "and the log still begins with the earlier checkpoint that was brought",
    "C": "and independent witnesses saw no other history up to this size",
    "D": "and a time-stamp authority saw this head",
}

PARTLY = {
    "C": "and independent witnesses saw no other history of the first {} entries; of those after, none did yet",
    "D": "and a time-stamp authority saw the first {} entries, not yet those after",
}
"""What C and D mean where only an earlier head was cosigned or stamped."""


@dataclass(frozen=True)
class Report:
    """Findings in the order of the entries, and what the verdict rests on. `state` is what the ledger says."""

    origin: str
    size: int
    root: str
    claims: tuple[str, ...]  # the levels whose evidence was brought and held; a higher one need not have brought B
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    not_checked: tuple[str, ...]
    keys: tuple[str, ...]
    clock: str
    state: State | None = field(default=None, repr=False)
    tree: tuple[Frontier, bytes] | None = field(default=None, repr=False)
    start: int = 0  # entries before this one were not read: a snapshot told of them
    reach: dict[str, int] = field(default_factory=dict)  # the size up to which a level holds, where it is not all

    @property
    def level(self) -> str | None:
        """The highest level reached; None if any finding is an error."""
        return self.claims[-1] if self.claims else None

    @property
    def ok(self) -> bool:
        """Whether a level was reached: no finding is an error."""
        return self.level is not None

    def meaning(self, level: str) -> str:
        """What a level means here, and how far it reaches."""
        end = self.reach.get(level)
        return MEANING[level] if end is None else PARTLY[level].format(end)

    @property
    def codes(self) -> frozenset[str]:
        """The codes of all findings."""
        return frozenset(finding.code for finding in self.findings)

    def snapshot(self) -> bytes | None:
        """What a later, incremental verification may start from; None if this one failed."""
        found = self.snapshot_parts()
        return b"".join(found) if found is not None else None

    def snapshot_parts(self) -> list[bytes | memoryview] | None:
        """The same in parts, to be written without a copy of all."""
        if not self.ok or self.state is None or self.tree is None:
            return None
        return snapshot.parts(self.state, *self.tree)

    def text(self) -> str:
        """The report for people: never a bare OK."""
        reached = f"level {self.level}" if self.level else "FAILED"
        lines = [f"{self.origin}: {self.size} entries, root {self.root[:16]}…: {reached}"]
        if self.level:
            lines += [f"  {level}: {self.meaning(level)}" for level in self.claims]
        for title, items in (
            ("findings", [str(finding) for finding in self.findings]),
            ("checked", self.checked),
            ("not checked", self.not_checked),
            ("keys", self.keys),
            ("clock", [self.clock]),
        ):
            lines += [f"{title}:", *(f"  - {item}" for item in items)] if items else []
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Value]:
        """The report for programs."""
        findings: list[Value] = [
            {
                "code": finding.code,
                "attack": finding.attack,
                "severity": finding.severity,
                "entry": finding.entry,
                "path": finding.path,
                "text": finding.text,
            }
            for finding in self.findings
        ]
        return {
            "origin": self.origin,
            "size": self.size,
            "root": self.root,
            "level": self.level,
            "claims": list(self.claims),
            "reach": dict(self.reach),
            "start": self.start,
            "ok": self.ok,
            "findings": findings,
            "checked": list(self.checked),
            "notChecked": list(self.not_checked),
            "keys": list(self.keys),
            "clock": self.clock,
        }
