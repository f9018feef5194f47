"""Private keys as PKCS#8 in PEM, encrypted where there is a passphrase, with an optional line that says until when.

    Expires: 2027-06-30T00:00:00Z
    -----BEGIN ENCRYPTED PRIVATE KEY-----
    …

The encryption is PBES2 (RFC 8018): PBKDF2 with HMAC-SHA-256 and 600,000 rounds, then AES-256 in CBC mode, so that
`openssl pkey -in ada.pem` reads it. `cryptography` writes the same form with 2,048 rounds, of which a stolen file
could be tried 300 times as fast; hence the few lines of DER here. The tag `Expires` is outside what is encrypted and
protected by nothing but the file's owner: it is a reminder to oneself. What others rely on is the ledger, where keys
are rotated and revoked.

    >>> data = write(bytes(32), b"a long phrase")
    >>> read(data, b"a long phrase") == bytes(32), is_protected(data), read(write(bytes(32)), None) == bytes(32)
    (True, True, True)
    >>> read(data, b"another")
    Traceback (most recent call last):
    synthtrail.storage.pkcs8.PassphraseError: wrong passphrase
"""

import hashlib
import re
import secrets
from base64 import b64encode
from datetime import datetime

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from synthtrail.custody import canonical
from synthtrail.custody.errors import UsageError

ROUNDS = 600_000
_KIND = b"ENCRYPTED PRIVATE KEY"
_EXPIRES = re.compile(rb"^Expires: (\S+)$", re.MULTILINE)
# Object identifiers in DER: PBES2, PBKDF2, HMAC with SHA-256 (all of PKCS #5), AES-256-CBC (NIST).
_PBES2, _PBKDF2 = bytes.fromhex("06092a864886f70d01050d"), bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA256, _AES = bytes.fromhex("06082a864886f70d0209"), bytes.fromhex("060960864801650304012a")
_NULL = b"\x05\x00"
_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30


class PassphraseError(UsageError):
    """The passphrase is wrong, or missing where one is needed."""


def write(seed: bytes, passphrase: bytes | None = None, expires: datetime | None = None) -> bytes:
    """Return the file of the Ed25519 key with the 32-byte `seed`; an empty passphrase is refused."""
    if passphrase is not None and not passphrase:
        raise PassphraseError("an empty passphrase protects nothing")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    note = f"Expires: {canonical.format_time(expires)}\n".encode() if expires else b""
    if passphrase is None:
        return note + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return note + _pem(_encrypted(plain, passphrase, salt=secrets.token_bytes(16), start=secrets.token_bytes(16)))


def read(data: bytes, passphrase: bytes | None) -> bytes:
    """Return the seed; raise `PassphraseError`, or `UsageError` for what is no Ed25519 key."""
    try:
        key = load_pem_private_key(data, password=passphrase if is_protected(data) else None)
    except TypeError:
        raise PassphraseError("protected by a passphrase, which was not given") from None
    except ValueError as error:
        if is_protected(data):
            raise PassphraseError("wrong passphrase") from None
        raise UsageError(f"not a private key: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError("not an Ed25519 key")
    return key.private_bytes_raw()


def is_protected(data: bytes) -> bool:
    """Tell whether the key in `data` is encrypted."""
    return b"-----BEGIN " + _KIND + b"-----" in data


def expiry(data: bytes) -> datetime | None:
    """Return until when the key may sign, by its owner's own note; None if there is none."""
    found = _EXPIRES.search(data)
    return canonical.parse_time(found[1].decode()) if found else None


def _encrypted(plain: bytes, passphrase: bytes, *, salt: bytes, start: bytes) -> bytes:
    """Return the DER of an EncryptedPrivateKeyInfo (RFC 5958, RFC 8018 appendix A)."""
    key = hashlib.pbkdf2_hmac("sha256", passphrase, salt, ROUNDS, dklen=32)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    hidden = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    rounds = ROUNDS.to_bytes((ROUNDS.bit_length() + 8) // 8, "big")
    derivation = _der(_SEQUENCE, _der(_OCTETS, salt), _der(_INTEGER, rounds), _der(_SEQUENCE, _HMAC_SHA256, _NULL))
    scheme = _der(
        _SEQUENCE,
        _der(_SEQUENCE, _PBKDF2, derivation),
        _der(_SEQUENCE, _AES, _der(_OCTETS, start)),
    )
    return _der(_SEQUENCE, _der(_SEQUENCE, _PBES2, scheme), _der(_OCTETS, hidden))


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    length = bytes([len(body)]) if len(body) < 128 else bytes([0x81, len(body)])
    return bytes([tag]) + length + body


def _pem(der: bytes) -> bytes:
    text = b64encode(der)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN " + _KIND + b"-----", *lines, b"-----END " + _KIND + b"-----", b""])
