"""Ed25519 (RFC 8032) with the loose ends tied, and the text form of its keys.

A signature is accepted only if exactly one key holder could have made it, in exactly one way:

1. The key A and the point R are 32 bytes whose y coordinate is below p = 2^255 − 19.
2. Neither is one of the 8 points of low order (14 encodings): such a key accepts signatures over messages that its
   owner never saw.
3. S is below the group order L, otherwise S + L would be a second signature.
4. The equation without cofactor holds; `cryptography` (OpenSSL) decides that.

This is the rule called *verify strict* elsewhere; see Chalkias, Garillot, Nikolaenko: Taming the many EdDSAs
(https://eprint.iacr.org/2020/1244).

Keys travel as *vkeys* (https://c2sp.org/signed-note): ``<name>+<id>+<base64(type ‖ key)>``, where the id is the first
four bytes of SHA-256(name ‖ "\\n" ‖ type ‖ key) in hex, and type 0x01 means Ed25519. A name holds no space and no
plus sign.

    >>> signer = Signer("example.com/log", bytes(32))
    >>> signature = signer.sign(b"hello")
    >>> signer.verifier.verify(b"hello", signature)
    >>> parse_vkey(signer.verifier.vkey()) == signer.verifier
    True
    >>> signer.verifier.verify(b"hullo", signature)
    Traceback (most recent call last):
    synthtrail.custody.errors.SignatureError: not a signature by example.com/log
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from secrets import token_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from synthtrail.custody.canonical import b64decode, b64encode
from synthtrail.custody.errors import FormatError, SignatureError, UsageError

KEY_BYTES = 32
SIGNATURE_BYTES = 64
NOTE_TYPE = 0x01

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493

_SIGN_BIT = 1 << 255
_ORDER_8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
# y of the points of order 4, 1, 2 and 8, then 0 and 1 once more as p and p + 1; each with both signs of x.
_LOW_ORDER = frozenset(
    (y | sign).to_bytes(KEY_BYTES, "little")
    for y in (0, 1, P - 1, _ORDER_8, P - _ORDER_8, P, P + 1)
    for sign in (0, _SIGN_BIT)
)
_PRIVATE_PREFIX = "PRIVATE+KEY+"


@dataclass(frozen=True)
class Verifier:
    """A pinned public key: `name`, and the 32 bytes of its point.

    Raises `FormatError` if the name or the point may not be used.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        check_point(self.public)

    @cached_property
    def key_id(self) -> bytes:
        """The four bytes that signed notes carry as a hint of the key."""
        return key_id(self.name, NOTE_TYPE, self.public)

    @cached_property
    def keyid(self) -> str:
        """The hint that DSSE envelopes carry: ``<name>+<8 hex digits>``."""
        return f"{self.name}+{self.key_id.hex()}"

    def __reduce__(self) -> tuple[type["Verifier"], tuple[str, bytes]]:
        return Verifier, (self.name, self.public)  # without the cached key object, which no other process can use

    @cached_property
    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.public)

    def vkey(self) -> str:
        """Return the key as text."""
        return format_vkey(self.name, NOTE_TYPE, self.public)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise `SignatureError` unless `signature` is this key's over `message` (steps 1 to 4)."""
        _check_signature(signature)
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            raise SignatureError(f"not a signature by {self.name}") from None


@dataclass(frozen=True)
class Signer:
    """A private key: `name`, and the 32-byte seed of RFC 8032."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.seed) != KEY_BYTES:
            raise UsageError(f"a seed has {KEY_BYTES} bytes")

    @classmethod
    def generate(cls, name: str) -> "Signer":
        """Return a new key from the system's random source."""
        return cls(name, token_bytes(KEY_BYTES))

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @cached_property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self._key.public_key().public_bytes_raw())

    @property
    def key_id(self) -> bytes:
        """The four bytes that signed notes carry as a hint of the key."""
        return self.verifier.key_id

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over `message`."""
        return self._key.sign(message)

    def skey(self) -> str:
        """Return the private key as text, in the form that Go's sumdb/note reads."""
        return _PRIVATE_PREFIX + _keyed(self.name, self.key_id, NOTE_TYPE, self.seed)


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return SHA-256(name ‖ "\\n" ‖ kind ‖ public)[:4], the key id of signed notes."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def format_vkey(name: str, kind: int, public: bytes) -> str:
    """Return ``<name>+<id>+<base64(kind ‖ public)>``."""
    return _keyed(name, key_id(name, kind, public), kind, public)


def split_vkey(text: str, kind: int) -> tuple[str, bytes]:
    """Return the name and the key bytes of a vkey of type `kind`; raise `FormatError` for anything else."""
    name, identity, found, public = _split(text)
    if found != kind:
        raise FormatError(f"a key of type {found:#04x} where {kind:#04x} is wanted", code="algorithm")
    if key_id(name, kind, public).hex() != identity:
        raise FormatError("the key id is not that of the key", code="key")
    return name, public


def parse_vkey(text: str) -> Verifier:
    """Return the Ed25519 key that `text` spells; raise `FormatError` for anything else."""
    return Verifier(*split_vkey(text, NOTE_TYPE))


def parse_skey(text: str) -> Signer:
    """Return the private key that `text` spells; raise `FormatError` for anything else."""
    if not text.startswith(_PRIVATE_PREFIX):
        raise FormatError("not a private key", code="key")
    name, identity, kind, seed = _split(text.removeprefix(_PRIVATE_PREFIX))
    if kind != NOTE_TYPE or len(seed) != KEY_BYTES:
        raise FormatError("not an Ed25519 private key", code="algorithm")
    signer = Signer(name, seed)
    if signer.key_id.hex() != identity:
        raise FormatError("the key id is not that of the key", code="key")
    return signer


def check_key_name(name: str) -> None:
    """Raise `FormatError` unless `name` may name a key: not empty, printable, no white space, no plus sign."""
    if not name or "+" in name or not name.isprintable() or any(map(str.isspace, name)):
        raise FormatError(f"not a name for a key: {name[:40]!a}", code="name")


def check_point(point: bytes) -> None:
    """Raise `FormatError` unless `point` is a canonical encoding and not of low order (steps 1 and 2)."""
    if len(point) != KEY_BYTES:
        raise FormatError(f"a point has {KEY_BYTES} bytes", code="weak-point")
    if point in _LOW_ORDER:
        raise FormatError("a point of low order", code="weak-point")
    # Only the 19 encodings from p on are in doubt, and they all end so.
    if point[31] & 0x7F == 0x7F and int.from_bytes(point, "little") % _SIGN_BIT >= P:
        raise FormatError("a point that is not in canonical form", code="weak-point")


def _check_signature(signature: bytes) -> None:
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"a signature has {SIGNATURE_BYTES} bytes", code="malleable-signature")
    try:
        check_point(signature[:32])
    except FormatError as error:
        raise SignatureError(f"R is {error}", code="weak-point") from None
    # L is a little above 2^252: a smaller top byte settles it.
    if signature[63] >= 0x10 and int.from_bytes(signature[32:], "little") >= L:
        raise SignatureError("S is not below the group order", code="malleable-signature")


def _keyed(name: str, identity: bytes, kind: int, material: bytes) -> str:
    return f"{name}+{identity.hex()}+{b64encode(bytes([kind]) + material)}"


def _split(text: str) -> tuple[str, str, int, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise FormatError("not a key: name+id+base64 is wanted", code="key")
    name, identity, encoded = parts
    check_key_name(name)
    material = b64decode(encoded)
    if not re.fullmatch("[0-9a-f]{8}", identity) or not material:
        raise FormatError("not a key: name+id+base64 is wanted", code="key")
    return name, identity, material[0], material[1:]
