"""A proposal: what somebody wants an artifact for, under which protocol, by what right, until when.

It is a file of canonical JSON, named by its own SHA-256, under `ledger/proposals/`; the event `access-requested` states
that digest, so the ledger holds no free text of the applicant and yet nobody can exchange the proposal afterwards.

    >>> from datetime import UTC, datetime
    >>> wish = Proposal("3b" * 32, "teach", "2026-17", "GDPR art. 6(1)(e)", datetime(2027, 1, 1, tzinfo=UTC))
    >>> parse(wish.encode()) == wish
    True
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import canonical, shapes
from synthtrail.custody.errors import FormatError, UsageError
from synthtrail.storage.files import write_bytes

FOLDER = "proposals"
MAX_BYTES = 64 << 10
_MEMBERS = frozenset({"v", "artifact", "purpose", "protocol", "legalBasis", "until"})


@dataclass(frozen=True)
class Proposal:
    """`artifact` is its digest in hexadecimal."""

    artifact: str
    purpose: str
    protocol: str
    legal_basis: str
    until: datetime

    def encode(self) -> bytes:
        """Return the proposal's only byte form."""
        return canonical.encode(
            {
                "v": 1,
                "artifact": self.artifact,
                "purpose": self.purpose,
                "protocol": self.protocol,
                "legalBasis": self.legal_basis,
                "until": canonical.format_time(self.until),
            }
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal: what `access-requested` states."""
        return sha256(self.encode()).hexdigest()

    def about(self, artifact: bytes) -> "Proposal":
        """Return the same proposal about the artifact with this digest."""
        return replace(self, artifact=artifact.hex())

    def lines(self) -> list[str]:
        """Return the proposal for a person to read."""
        return [
            f"purpose      {self.purpose}",
            f"protocol     {self.protocol}",
            f"legal basis  {self.legal_basis}",
            f"until        {self.until:%Y-%m-%d}",
        ]


def parse(data: bytes) -> Proposal:
    """Return the proposal that `data` is the canonical form of; raise `FormatError` for anything else."""
    if len(data) > MAX_BYTES:
        raise FormatError(f"a proposal of more than {MAX_BYTES} bytes", code="size")
    found = shapes.members(canonical.decode(data), _MEMBERS, "proposal")
    if found["v"] != 1 or found["v"] is True:
        raise shapes.refuse("proposal", "another version")
    return Proposal(
        shapes.sha256(found["artifact"], "proposal.artifact").hex(),
        shapes.some_text(found["purpose"], "proposal.purpose"),
        shapes.some_text(found["protocol"], "proposal.protocol"),
        shapes.some_text(found["legalBasis"], "proposal.legalBasis"),
        canonical.parse_time(shapes.text(found["until"], "proposal.until")).astimezone(UTC),
    )


def keep(ledger: Path, data: bytes) -> Proposal:
    """Keep the proposal `data` in the folder of the ledger, once it is found to be one."""
    found = parse(data)
    path = ledger / FOLDER / f"{found.digest}.json"
    if not path.exists():
        write_bytes(path, data)
    return found


def read(ledger: Path, digest: str) -> Proposal:
    """Return the proposal with this digest; raise `UsageError` if it is not there, or not what its name says."""
    path = ledger / FOLDER / f"{digest}.json"
    if not path.exists():
        raise UsageError(f"{path}: no such proposal; whoever asked has it")
    found = parse(path.read_bytes())
    if found.digest != digest:
        raise UsageError(f"{path} is not the proposal that the ledger names")
    return found
