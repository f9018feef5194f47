"""Private keys on disk: PKCS#8 in PEM, mode 0600, outside the repository.

    keys/ada.pem     the private key, encrypted with a passphrase where a person signs with it (see `pkcs8`)
    keys/ada.vkey    the public key with its name, as text to give away

`ada` is the key's *label* on this machine; its name, `<origin>/ada`, is what ledgers list. A key file that others may
read is refused, since nobody could then say who signed; so is one past the date that its owner noted in it.
A passphrase is asked for through an `Ask`, so that it never stands on a command line.
"""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.custody.ed25519 import Signer, Verifier, parse_vkey
from synthtrail.custody.errors import FormatError, UsageError
from synthtrail.storage import pkcs8
from synthtrail.storage.files import write_bytes, write_text
from synthtrail.storage.pkcs8 import PassphraseError

Ask = Callable[[str], bytes]
"""Gives the passphrase for the key that the text names; raises `PassphraseError` if there is none to be had."""


@dataclass(frozen=True)
class KeyFile:
    """What can be told of a private key without its passphrase."""

    path: Path
    verifier: Verifier
    protected: bool
    expires: datetime | None

    @property
    def label(self) -> str:
        """What the key is called on this machine."""
        return self.path.stem

    def expired(self, now: datetime) -> bool:
        """Tell whether the date in the file has passed."""
        return self.expires is not None and now >= self.expires


def create_key(
    folder: Path, label: str, name: str, *, passphrase: bytes | None = None, expires: datetime | None = None
) -> Signer:
    """Make the key `label` with the public name `name` in `folder`; raise `UsageError` if it exists."""
    path = folder / f"{label}.pem"
    if path.exists():
        raise UsageError(f"{path} exists already; a key is never overwritten")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    signer = Signer.generate(name)
    # The public half first: a private key without it could not be told from a damaged one.
    write_text(folder / f"{label}.vkey", signer.verifier.vkey() + "\n")
    write_bytes(path, pkcs8.write(signer.seed, passphrase, expires), mode=0o600)
    return signer


def load_key(folder: Path, label: str, ask: Ask | None = None, *, now: datetime | None = None) -> Signer:
    """Return the key `label` of `folder`; `ask` is only called for one with a passphrase.

    Raises `UsageError` if it is absent, open to others, expired, or not what it says, `PassphraseError` if it cannot
    be opened.
    """
    found = key_file(folder, label)
    if found.expired(now or datetime.now(UTC)):
        raise UsageError(f"{found.path}: this key expired on {found.expires:%Y-%m-%d}; `synthtrail key rotate {label}`")
    try:
        passphrase = ask(f"passphrase for {label}") if found.protected and ask else None
        signer = Signer(found.verifier.name, pkcs8.read(found.path.read_bytes(), passphrase))
    except UsageError as error:
        raise type(error)(f"{found.path}: {error}") from None
    if signer.verifier != found.verifier:
        raise UsageError(f"{found.path} is not the private half of {label}.vkey beside it")
    return signer


def key_file(folder: Path, label: str) -> KeyFile:
    """Return what the files of the key `label` say; raise `UsageError` if it is absent or open to others."""
    path = folder / f"{label}.pem"
    if not path.exists():
        raise UsageError(f"{path}: no such key; the one who signs needs it")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UsageError(f"{path} has mode {mode:04o}, so others may read it; chmod 600, and think of rotating it")
    data = path.read_bytes()
    public = path.with_suffix(".vkey")
    try:
        verifier = parse_vkey(public.read_text(encoding="utf-8", errors="replace").strip())
    except FormatError as error:
        raise UsageError(f"{public}: {error}") from None
    return KeyFile(path, verifier, pkcs8.is_protected(data), pkcs8.expiry(data))


def key_files(folder: Path) -> list[KeyFile]:
    """Return every key in `folder`, by label; none if there is no such folder."""
    return [key_file(folder, path.stem) for path in sorted(folder.glob("*.pem"))]


def protect(folder: Path, label: str, ask: Ask, passphrase: bytes | None) -> None:
    """Give the key another passphrase, or with None none at all; `ask` gives the present one."""
    found = key_file(folder, label)
    present = ask(f"present passphrase for {label}") if found.protected else None
    try:
        seed = pkcs8.read(found.path.read_bytes(), present)
    except PassphraseError as error:
        raise PassphraseError(f"{found.path}: {error}") from None
    write_bytes(found.path, pkcs8.write(seed, passphrase, found.expires), mode=0o600)
