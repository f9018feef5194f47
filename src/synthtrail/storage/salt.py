"""Salts that make the digest of a confidential file tell nothing about its content.

A digest of low-entropy data can be guessed by trying, and a digest stands in ledgers and caches for ever. So every file
of class `confidential` carries a 32-byte salt inside. The salt is derived (HKDF-SHA-256, RFC 5869) from a random key
that is minted once for each slot and input and kept in the key store: the same slot with the same input gives the same
bytes again, and whoever destroys the key destroys the means of confirming a guess.

    >>> salt_from_key(bytes(32), "train.parquet") == salt_from_key(bytes(32), "train.parquet")
    True
    >>> salt_from_key(bytes(32), "train.parquet") == salt_from_key(bytes(32), "holdout.parquet")
    False
"""

import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from synthtrail.storage.disposed import refuse_salt
from synthtrail.storage.files import write_bytes

SIZE = 32
Salts = Callable[[str], bytes | None]
"""The salt of the file with this name inside an artifact, or None where the artifact is public."""


def no_salt(_name: str) -> None:
    """Salts of a public artifact: none."""


def salts_for(folder: Path, slot: str, input_digest: str, ledger: Path | None = None) -> Salts:
    """Return the salts of what `slot` makes from the input with this digest; their key is minted on first use.

    `folder` is the key store's folder of salt keys; a key is a file of 32 random bytes, mode 0600. Raises
    `DisposedError` where the key was destroyed, here or, as `ledger` says, on another machine.
    """
    path = folder / slot / f"{input_digest}.salt"
    if not path.exists():
        refuse_salt(folder, slot, input_digest, ledger)
        write_bytes(path, secrets.token_bytes(SIZE), mode=0o600)
    key = path.read_bytes()
    return lambda name: salt_from_key(key, name)


def salt_from_key(key: bytes, name: str) -> bytes:
    """Derive the 32-byte salt of the file called `name` from an artifact's salt key."""
    info = b"synthtrail salt v1\n" + name.encode()
    return HKDF(algorithm=hashes.SHA256(), length=SIZE, salt=None, info=info).derive(key)
