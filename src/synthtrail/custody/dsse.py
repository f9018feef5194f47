"""DSSE envelopes: bytes of a stated type, signed (secure-systems-lab/dsse protocol 1.0.2).

What is signed is not the payload but its pre-authentication encoding, so that type and content cannot trade places:

    PAE = "DSSEv1" SP len(type) SP type SP len(payload) SP payload         lengths in ASCII decimal, SP one space

The envelope is a JSON object with exactly these members, base64 in its one standard form:

    {"payload": base64, "payloadType": text, "signatures": [{"keyid": text, "sig": base64}, …]}

Stricter than the protocol, because the envelope becomes a log entry: no further members, no URL-safe base64, no
missing key id, no key twice, no signature by an unknown key. A key id is a hint that picks one of the *pinned* keys
to try, nothing more.

    >>> from synthtrail.custody.ed25519 import Signer
    >>> signer = Signer("example.com/alice", bytes(32))
    >>> envelope = sign(b"hello world", signer, payload_type="text/plain")
    >>> verify(envelope, [signer.verifier], payload_type="text/plain").payload
    b'hello world'
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from synthtrail.custody.canonical import Value, b64decode, b64encode
from synthtrail.custody.ed25519 import Signer, Verifier
from synthtrail.custody.errors import FormatError, SignatureError, UsageError

IN_TOTO = "application/vnd.in-toto+json"
MAX_SIGNATURES = 16
_MEMBERS = {"payload", "payloadType", "signatures"}
_SIGNATURE_MEMBERS = {"keyid", "sig"}


@dataclass(frozen=True)
class Signature:
    """One signature of an envelope, not yet believed."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A well-formed envelope, not yet believed."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class Verified:
    """What a verified envelope says: exactly the `payload` bytes that were signed, and by which pinned keys."""

    payload: bytes
    payload_type: str
    signers: tuple[Verifier, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, *signers: Signer, payload_type: str = IN_TOTO) -> dict[str, Value]:
    """Return the envelope over `payload` with one signature of each signer."""
    if not signers:
        raise UsageError("an envelope needs a signer")
    message = pae(payload_type, payload)
    signatures: list[Value] = [
        {"keyid": signer.verifier.keyid, "sig": b64encode(signer.sign(message))} for signer in signers
    ]
    return {
        "payload": b64encode(payload),
        "payloadType": payload_type,
        "signatures": signatures,
    }


def verify(
    envelope: Value,
    verifiers: Iterable[Verifier] | Mapping[str, Verifier],
    *,
    payload_type: str = IN_TOTO,
) -> Verified:
    """Return the signed payload of `envelope`, or raise.

    `verifiers` are the pinned keys; a mapping, made once by `pin`, saves time over many envelopes.

    1. The envelope has the exact shape (`FormatError`), and at least one signature.
    2. Its type is the one expected (`SignatureError`, code payload-type).
    3. Every signature names a pinned key, none twice, and is that key's over the PAE (`SignatureError`).
    """
    pinned = verifiers if isinstance(verifiers, Mapping) else pin(verifiers)
    parsed = parse(envelope)
    if parsed.payload_type != payload_type:
        raise SignatureError(
            f"a payload of type {parsed.payload_type[:80]!a} where {payload_type} is wanted",
            code="payload-type",
        )
    message = pae(parsed.payload_type, parsed.payload)
    signers = tuple(_signer(item, message, pinned) for item in parsed.signatures)
    return Verified(parsed.payload, parsed.payload_type, signers)


def pin(verifiers: Iterable[Verifier]) -> dict[str, Verifier]:
    """Return the keys by key id; raise `UsageError` if two share one."""
    pinned: dict[str, Verifier] = {}
    for verifier in verifiers:
        if pinned.setdefault(verifier.keyid, verifier) != verifier:
            raise UsageError(f"two keys with the id {verifier.keyid}")
    return pinned


def parse(envelope: Value) -> Envelope:
    """Return the parts of `envelope`; raise `FormatError` (code envelope or base64) unless its shape is exact."""
    if not isinstance(envelope, dict) or envelope.keys() != _MEMBERS:
        raise FormatError("not an envelope", code="envelope")
    payload, kind, signatures = envelope["payload"], envelope["payloadType"], envelope["signatures"]
    if not isinstance(payload, str) or not isinstance(kind, str) or not isinstance(signatures, list):
        raise FormatError("not an envelope", code="envelope")
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise FormatError(f"an envelope has 1 to {MAX_SIGNATURES} signatures", code="envelope")
    parsed = tuple(map(_parse_signature, signatures))
    if len({item.keyid for item in parsed}) != len(parsed):
        raise FormatError("two signatures with one key id", code="envelope")
    return Envelope(b64decode(payload), kind, parsed)


def unknown(keyid: str) -> str:
    """What is said of a signature by a key that is not pinned."""
    return f"no pinned key {keyid[:80]!a}"


def _parse_signature(item: Value) -> Signature:
    if not isinstance(item, dict) or item.keys() != _SIGNATURE_MEMBERS:
        raise FormatError("not a signature of an envelope", code="envelope")
    keyid, sig = item["keyid"], item["sig"]
    if not isinstance(keyid, str) or not isinstance(sig, str):
        raise FormatError("not a signature of an envelope", code="envelope")
    return Signature(keyid, b64decode(sig))


def _signer(item: Signature, message: bytes, pinned: Mapping[str, Verifier]) -> Verifier:
    verifier = pinned.get(item.keyid)
    if verifier is None:
        raise SignatureError(unknown(item.keyid), code="unknown-key")
    verifier.verify(message, item.sig)
    return verifier
