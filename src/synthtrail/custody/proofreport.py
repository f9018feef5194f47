"""What the check of one proof found, for people and for programs."""

from dataclasses import dataclass

from synthtrail.custody import statusproof
from synthtrail.custody.canonical import Value
from synthtrail.custody.report import Report
from synthtrail.custody.statement import Statement
from synthtrail.custody.statusproof import StatusPart

_MEANING = {
    "A": "this entry is in the log that the pinned sequencer signed, and a listed key signed it",
    "B": "and the earlier checkpoint that was brought is of the same tree",
    "C": "and independent witnesses saw no other history up to this size",
    "D": "and a time-stamp authority saw this head",
}


@dataclass(frozen=True)
class ProofReport(Report):
    """What one proof shows; `index` is the entry's place, `said` the event in it, None if it cannot be read.

    `status` is what a status proof says became of its artifact.
    """

    index: int | None = None
    said: Statement | None = None
    status: StatusPart | None = None

    def meaning(self, level: str) -> str:
        """What a level means for one entry."""
        return _MEANING[level]

    def text(self) -> str:
        """The report for people."""
        reached = f"level {self.level}" if self.level else "FAILED"
        lines = [f"{self.origin}: entry {self.index} of {self.size}: {reached}"]
        lines += [f"  {level}: {_MEANING[level]}" for level in self.claims]
        if self.said is not None:
            lines += ["says:", *(f"  - {line}" for line in _words(self.said, self.status))]
        findings = [str(finding) for finding in self.findings]
        for title, items in (
            ("findings", findings),
            ("checked", self.checked),
            ("not checked", self.not_checked),
            ("keys", self.keys),
            ("clock", [self.clock]),
        ):
            lines += [f"{title}:", *(f"  - {item}" for item in items)] if items else []
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Value]:
        """The report for programs."""
        said = dict(self.said.predicate) if self.said else None
        return super().as_json() | {
            "entry": self.index,
            "event": self.said.act.event if self.said else None,
            "says": said,
            "status": statusproof.encode(self.status) if self.status else None,
        }


def _words(said: Statement, part: StatusPart | None) -> list[str]:
    """The event in a few lines."""
    act = said.act
    if part is not None:
        last = f", latest event {part.standing.event.hex()}" if part.standing.event else ""
        of_it = f"SHA-256 {part.artifact.hex()}: {part.standing.word} ({part.standing.state}){last}"
        return [of_it, f"as {act.actor} stated at {said.predicate['at']}"]
    lines = [f"{act.event} by {act.actor} at {said.predicate['at']}"]
    lines += [f"{item.path} SHA-256 {item.digest.hex()}" for item in said.subjects]
    return lines + ([f"outcome: {act.outcome}"] if act.outcome else [])
