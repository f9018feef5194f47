"""What an audit can find: one stable code for each kind of fault, and the attack that it betrays.

A check of one thing raises; an audit of a ledger returns *every* finding. A `Finding` names the fault by a code that
never changes its meaning, says where it is, and explains it in plain words. `CODES` lists all codes with the number
that the attack has in the specification of the ledger (0: a fault that no numbered attack needs).

    >>> Finding("entry-edited", "entry 7 is not the one that the tree holds", entry=7).attack
    1
    >>> CODES["self-approval"].attack
    28
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Code(NamedTuple):
    """The number of the attack in the specification, and what the code means."""

    attack: int
    meaning: str


CODES: dict[str, Code] = {
    "entry-edited": Code(1, "an entry is not the one that the signed tree holds"),
    "chain-broken": Code(1, "an entry does not name the entry before it"),
    "root-mismatch": Code(1, "the entries do not give the root that was signed"),
    "signature-invalid": Code(1, "a signature does not fit the statement"),
    "entries-missing": Code(2, "entries that the checkpoint covers are not there"),
    "log-rolled-back": Code(3, "the log is shorter than a checkpoint seen earlier"),
    "entries-reordered": Code(4, "entries stand at other places than the ones they were given"),
    "entry-inserted": Code(5, "there is an entry that the signed tree does not hold"),
    "log-forked": Code(6, "two signed checkpoints belong to different histories"),
    "event-replayed": Code(8, "the same event stands in the ledger twice"),
    "event-of-another-ledger": Code(9, "the event was signed for another ledger"),
    "key-substituted": Code(10, "a signature was made with another key than the listed one"),
    "signer-unknown": Code(10, "the signer is listed nowhere"),
    "signer-revoked": Code(11, "the key was revoked, rotated away or compromised at that position"),
    "entry-back-dated": Code(12, "a time contradicts the order of the entries"),
    "timestamp-bad": Code(13, "a time-stamp token is forged, stale or about something else"),
    "key-weak": Code(14, "a public key or signature point has low order or no canonical form"),
    "signature-malleable": Code(15, "a signature or its base64 has a second spelling"),
    "type-confused": Code(16, "the algorithm or payload type is not the one agreed on"),
    "json-duplicate-key": Code(17, "a JSON object names a key twice"),
    "json-number": Code(18, "a JSON number is a fraction or out of range"),
    "json-unicode": Code(19, "a text is not well-formed, normalised Unicode"),
    "json-not-canonical": Code(19, "the bytes are not the one canonical spelling of their value"),
    "artifact-changed": Code(20, "a file is not the one that was signed"),
    "folder-changed": Code(21, "a folder is not the one that was signed"),
    "path-unsafe": Code(22, "a path leaves the checkout or can be read in two ways"),
    "file-not-plain": Code(23, "a link or device stands where a plain file is expected"),
    "file-changing": Code(24, "a file changed while it was read"),
    "retention-overrun": Code(25, "an artifact outlived its retention"),
    "disposal-dropped": Code(25, "an approved disposal was not carried out"),
    "disposed-reappears": Code(26, "an artifact was used or found again after its disposal"),
    "erasure-fake": Code(27, "a key or plain copy of a disposed artifact survives"),
    "certificate-wrong": Code(27, "a disposal's certificate is missing, or says another thing than the event"),
    "self-approval": Code(28, "requester and approver are the same key or person"),
    "acceptance-forged": Code(29, "a transfer was answered by another than its receiver, or twice"),
    "proof-malformed": Code(30, "a proof or checkpoint given as evidence cannot be used"),
    "entry-oversized": Code(31, "an entry or note is larger or deeper than allowed"),
    "artifact-never-logged": Code(33, "an artifact is present that no event mentions"),
    "ledger-damaged": Code(34, "stored bytes are torn or rotten"),
    "witness-not-independent": Code(35, "a witness belongs to the operator's own organisation"),
    "status-wrong": Code(36, "a status root is not the one that the log gives"),
    "nothing-to-check": Code(0, "there is nothing to check, which is no proof of anything"),
    "policy-mismatch": Code(0, "the ledger follows another policy than the one pinned"),
    "statement-malformed": Code(0, "a statement lacks a field, or has one that is not known"),
    "identifying-text": Code(0, "a text looks as if it identified a person"),
    "role-wrong": Code(0, "the signer's role does not allow this event"),
    "person-needed": Code(0, "a named person's signature is needed"),
    "threshold-missed": Code(0, "fewer root keys signed than the policy asks for"),
    "custody-fork": Code(0, "two events claim to follow the same event"),
    "previous-wrong": Code(0, "an event does not name the artifact's latest event"),
    "transition-illegal": Code(0, "this event may not happen in this state"),
    "answer-wrong": Code(0, "an answer has no open request, or comes too late or too early"),
    "input-unknown": Code(0, "an input was the subject of no earlier event"),
    "record-unknown": Code(0, "a record is reused that was never logged"),
    "key-rejected": Code(0, "a key may not be listed like this"),
    "ledger-closed": Code(0, "an entry follows the closing of the ledger"),
    "quorum-missing": Code(0, "fewer witnesses cosigned than the policy asks for"),
    "check-unavailable": Code(0, "the policy asks for a check that was not made"),
    "artifact-missing": Code(0, "an artifact whose record is there is not"),
    "artifact-absent": Code(0, "an artifact of the latest records is not here, nor is its record"),
    "record-pending": Code(0, "a record is not signed yet"),
    "record-superseded": Code(0, "an older record was restored"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: its code, in plain words, and the entry or path it was found at."""

    code: str
    text: str
    entry: int | None = None
    path: str | None = None
    severity: Severity = "error"

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"no such finding: {self.code}")

    @property
    def attack(self) -> int:
        """The number of the attack that this finding betrays, 0 if it has none."""
        return CODES[self.code].attack

    def __str__(self) -> str:
        where = f"entry {self.entry}: " if self.entry is not None else f"{self.path}: " if self.path else ""
        return f"{self.code}: {where}{self.text}"


class Problem(NamedTuple):
    """What is wrong with one event, before it is known which entry holds it."""

    code: str
    text: str
