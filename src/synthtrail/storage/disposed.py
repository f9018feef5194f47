"""What was disposed of and may not be made again, in a form that a stage can read in a millisecond.

`ledger/disposed.txt` has a line for each artifact: its digest, and that of the certificate. It is derived from the
ledger and rewritten with every disposal; whoever deletes it gains nothing, since the ledger refuses the artifact when
it is to be signed. Salts are refused sooner: where a salt key was destroyed, a *tombstone* keeps another from being
minted for this slot and input, or the same rows, or the same model, would come back under another digest. It is taken
away by an override alone, which is an entry of the ledger with a name under it (`synthtrail dispose allow`).

    >>> parse("00" * 32 + " " + "11" * 32 + "\\n")["00" * 32][:4]
    '1111'
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import digest
from synthtrail.custody.errors import UsageError
from synthtrail.storage.files import write_text

LIST = "disposed.txt"
TOMBSTONES = "destroyed"


class DisposedError(UsageError):
    """What was disposed of would come back."""


def load(ledger: Path) -> dict[str, str]:
    """Return the certificate's digest for each artifact that the list in the ledger's folder names."""
    path = ledger / LIST
    return parse(path.read_text(encoding="ascii")) if path.exists() else {}


def parse(text: str) -> dict[str, str]:
    """Return artifact to certificate."""
    return {line[:64]: line[65:] for line in text.splitlines()}


def save(ledger: Path, listed: Mapping[str, str]) -> None:
    """Write the list."""
    write_text(ledger / LIST, "".join(f"{artifact} {listed[artifact]}\n" for artifact in sorted(listed)))


def refuse(ledger: Path, made: Path, shown: Path) -> None:
    """Raise `DisposedError` if the file or folder `made`, which is to become `shown`, was disposed of."""
    listed = load(ledger)
    if not listed:
        return
    found = digest.artifact(made).sha256
    if found in listed:
        raise DisposedError(
            f"{shown} would be {found[:16]}… again, which was disposed of: "
            f"see {ledger}/certificates/{listed[found]}.json; nothing was replaced"
        )


def tombstone(salts: Path, slot: str, input_digest: str) -> Path:
    """Return where it is noted that the salt key of this slot and input was destroyed; the name tells neither."""
    return salts / TOMBSTONES / sha256(f"{slot} {input_digest}".encode()).hexdigest()


def bury(path: Path, why: str, slot: str) -> None:
    """Write the tombstone at `path`: by what a salt key of `slot` was destroyed."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_text(path, f"{why}\n{slot}\n")


def buried(salts: Path, slot: str) -> list[Path]:
    """Return the tombstones of `slot`."""
    every = sorted((salts / TOMBSTONES).glob("*"))
    return [path for path in every if path.read_text(encoding="ascii").splitlines()[1:] == [slot]]


def refuse_salt(salts: Path, slot: str, input_digest: str) -> None:
    """Raise `DisposedError` if the salt key of this slot and input was destroyed."""
    path = tombstone(salts, slot, input_digest)
    if path.exists():
        why = path.read_text(encoding="ascii").splitlines()[0]
        raise DisposedError(
            f"{slot}: what it makes from this input was disposed of ({why}); nothing was made. Give the experiment "
            f"another name, or have a steward say why it may be made again: synthtrail dispose allow {slot} --reason …"
        )
