"""What can go wrong, as one tree.

    CustodyError
    ├── UsageError              the caller's fault: wrong argument, wrong order; fix the code or the command
    ├── DataError               the data's fault: refuse it; `code` names the fault for programs
    │   ├── FormatError         bytes that are not the one permitted encoding of a value
    │   ├── SignatureError      no pinned key made this signature
    │   ├── ProofError          a Merkle proof that does not lead to the root
    │   ├── ArtifactError       a file or folder that cannot be digested faithfully
    │   │   └── ChangedError    … because it changed while it was read
    │   └── TransitionError     an event that may not stand where it stands
    └── LedgerError             the ledger's own state; the data may be fine
        └── StorageError        a file of the ledger is missing, short or not what was written

Nothing here ends the process: what an error means for an exit status is the command line's business.

    >>> raise FormatError("the key 'a' stands twice", code="duplicate-key")
    Traceback (most recent call last):
    synthtrail.custody.errors.FormatError: the key 'a' stands twice
"""


class CustodyError(Exception):
    """Any failure that this package raises on purpose."""


class UsageError(CustodyError):
    """The caller passed what the function's contract excludes."""


class DataError(CustodyError):
    """The data was refused; `code` is a stable kebab-case name of the fault."""

    code = "data"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class FormatError(DataError):
    """Bytes that are not the one permitted encoding of a value."""

    code = "format"


class SignatureError(DataError):
    """A signature that no pinned key made over exactly these bytes."""

    code = "signature"


class ProofError(DataError):
    """A Merkle proof that does not connect what it claims to connect."""

    code = "proof"


class ArtifactError(DataError):
    """A file or folder whose digest would not tell the truth about it."""

    code = "artifact"


class ChangedError(ArtifactError):
    """A file or folder that changed while it was being read."""

    code = "changed-while-read"


class TransitionError(DataError):
    """An event that may not follow the one before it."""

    code = "transition"


class LedgerError(CustodyError):
    """The ledger cannot serve this request in its present state."""


class StorageError(LedgerError):
    """A file of the ledger is missing, short, or not what was written."""
