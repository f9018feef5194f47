"""Private keys on disk: PKCS#8 in PEM, mode 0600, outside the repository.

    keys/operator.pem     the private key, which `openssl pkey -in operator.pem -pubout` reads
    keys/operator.vkey    the public key with its name, as text to give away

A key file that others may read is refused, since nobody could then say who signed.
"""

import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from synthtrail.custody.ed25519 import Signer, parse_vkey
from synthtrail.custody.errors import UsageError
from synthtrail.storage.files import write_bytes, write_text


def create_key(folder: Path, label: str, name: str) -> Signer:
    """Make the key `label` with the public name `name` in `folder`; raise `UsageError` if it exists."""
    path = folder / f"{label}.pem"
    if path.exists():
        raise UsageError(f"{path} exists already; a key is never overwritten")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    signer = Signer.generate(name)
    private = Ed25519PrivateKey.from_private_bytes(signer.seed)
    write_bytes(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    write_text(folder / f"{label}.vkey", signer.verifier.vkey() + "\n")
    return signer


def load_key(folder: Path, label: str) -> Signer:
    """Return the key `label` of `folder`; raise `UsageError` if it is absent, open to others, or not what it says."""
    path = folder / f"{label}.pem"
    if not path.exists():
        raise UsageError(f"{path}: no such key; the one who signs needs it")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UsageError(f"{path} has mode {mode:04o}, so others may read it; chmod 600, and think of rotating it")
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise UsageError(f"{path}: not a private key: {error}") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise UsageError(f"{path}: not an Ed25519 key")
    verifier = parse_vkey(path.with_suffix(".vkey").read_text(encoding="utf-8").strip())
    signer = Signer(verifier.name, private.private_bytes_raw())
    if signer.verifier != verifier:
        raise UsageError(f"{path} is not the private half of {label}.vkey beside it")
    return signer
