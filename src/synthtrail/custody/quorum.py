"""Who cosigned a checkpoint, and whether that is enough: k of n witnesses of other organisations.

A cosignature counts if its key is pinned in the policy, it is by an organisation other than the log's owner, it is
not older than the policy's `max_age` and not from the future. Two witnesses of one organisation count once: what is
wanted is that k organisations would have to lie together. Names of organisations are compared without regard to case
and spacing. A witness whose key is also a root's or the sequencer's is the operator under another name.

    >>> from synthtrail.custody.ed25519 import Signer
    >>> log, other = Signer("example.com/log", bytes(32)), Signer("w.example/w", bytes(31) + b"!")
    >>> pinned = Policy(
    ...     "example.com/log", "Clinic", (Signer("root", bytes(31) + b"r").verifier.vkey(),), log.verifier.vkey(),
    ...     witnesses=(Witness("University", Cosigner(other.verifier).vkey()),), quorum=1,
    ... )
    >>> data = note.sign(note.Checkpoint("example.com/log", 0, bytes(32)).text(), [log])
    >>> judge(data, pinned, now=1000).findings[0].code
    'quorum-missing'
    >>> judged = judge(cosignature.cosign(data, other, at=990), pinned, now=1000)
    >>> [(item.organisation, item.name, item.time, item.counts) for item in judged.statements]
    [('University', 'w.example/w', 990, True)]
    >>> judged.reached
    True
"""

from dataclasses import dataclass

from synthtrail.custody import cosignature, note
from synthtrail.custody.cosignature import Cosigner
from synthtrail.custody.errors import SignatureError
from synthtrail.custody.findings import Finding
from synthtrail.custody.policy import Policy, Witness


@dataclass(frozen=True)
class Statement:
    """A pinned witness's verified cosignature: whose, when (POSIX seconds), and why it does not count, if so."""

    organisation: str
    name: str
    time: int
    objection: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it may count towards the quorum."""
        return self.objection is None


@dataclass(frozen=True)
class Quorum:
    """Who cosigned a checkpoint, how many organisations that makes, how many the policy asks for, what is wrong."""

    statements: tuple[Statement, ...]
    needed: int
    findings: tuple[Finding, ...]

    @property
    def organisations(self) -> frozenset[str]:
        """The organisations whose cosignature counts, in their compared form."""
        return frozenset(fold(item.organisation) for item in self.statements if item.counts)

    @property
    def reached(self) -> bool:
        """Whether there is a quorum; never without a policy that asks for one."""
        return 0 < self.needed <= len(self.organisations)


def judge(signed: bytes, policy: Policy, *, now: int) -> Quorum:
    """Return who of the policy's witnesses cosigned the checkpoint `signed`, as of `now` (POSIX seconds).

    The log's own signature is not looked at. Findings: `witness-not-independent` for each pinned witness that is the
    operator; `signature-invalid` for a line that bears a pinned witness's name and id but is not by it;
    `quorum-missing` if fewer organisations than `policy.quorum` remain. Raises `FormatError` if `signed` is no note.
    """
    text, lines = note.parse(signed)
    opened = note.Note(text, (), lines)
    statements, findings = [], []
    for witness in policy.witnesses:
        cosigner = cosignature.parse_vkey(witness.vkey)
        own = _is_operator(witness, cosigner, policy)
        if own:
            findings.append(Finding("witness-not-independent", f"{cosigner.name}: {own}"))
        try:
            found = cosignature.cosignatures(opened, [cosigner.key])
        except SignatureError as error:
            findings.append(Finding("signature-invalid", f"the cosignature of {cosigner.name}: {error}"))
            continue
        statements += [
            Statement(witness.organisation, cosigner.name, item.time, own or _staleness(item.time, policy, now))
            for item in found
        ]
    quorum = Quorum(tuple(statements), policy.quorum, tuple(findings))
    return Quorum(quorum.statements, quorum.needed, (*findings, *_shortfall(quorum)))


def fold(organisation: str) -> str:
    """Return the form in which names of organisations are compared."""
    return " ".join(organisation.casefold().split())


def _is_operator(witness: Witness, cosigner: Cosigner, policy: Policy) -> str | None:
    if fold(witness.organisation) == fold(policy.organisation):
        return "it belongs to the log's own organisation"
    if cosigner.key.public in {key.public for key in (*policy.root_keys, policy.sequencer_key)}:
        return "its key is one of the log's own"
    return None


def _staleness(time: int, policy: Policy, now: int) -> str | None:
    if time > now + policy.skew:
        return f"it states a time {time - now} s in the future"
    if time + policy.max_age < now:
        return f"it is {now - time} s old, more than the {policy.max_age} s that the policy allows"
    return None


def _shortfall(quorum: Quorum) -> list[Finding]:
    found = len(quorum.organisations)
    if found >= quorum.needed:
        return []
    passed_over = "; ".join(f"{item.name}: {item.objection}" for item in quorum.statements if not item.counts)
    text = f"{found} other organisations cosigned, the policy asks for {quorum.needed}"
    return [Finding("quorum-missing", f"{text} ({passed_over})" if passed_over else text)]
