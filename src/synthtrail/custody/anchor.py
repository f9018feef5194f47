"""Time stamps on checkpoints: RFC 3161, the parts that need no library.

A time-stamping authority (TSA) signs the digest of what it is sent, with the time. Sent is SHA-256 of the *signed*
checkpoint's bytes as they were at that moment, so that the token also says when the log's signature existed. Those
bytes are kept beside the token, and OpenSSL can redo the check:

    openssl ts -verify -data 5.checkpoint -in 5.tsr -CAfile tsa-root.pem

`request` builds the DER of a TimeStampReq (RFC 3161 section 2.4.1):

    SEQUENCE { INTEGER 1, SEQUENCE { SEQUENCE { OID sha-256, NULL }, OCTET STRING digest },
               INTEGER nonce, BOOLEAN true }

A token is a CMS structure whose check needs X.509 path building: that comes in as a `TokenChecker`
(`synthtrail.handover.timestamp` has one), and where there is none the outcome is "not checked", not "good".

    >>> der = request(b"checkpoint", nonce=5).hex()
    >>> der[:48], der[-12:]
    ('303c0201013031300d060960864801650304020105000420', '0201050101ff')
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import new as new_hash
from hashlib import sha256
from typing import TypeAlias

from synthtrail.custody.canonical import format_time
from synthtrail.custody.errors import DataError, UsageError
from synthtrail.custody.findings import Finding

SHA_2 = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
"""The digests that a token may be about, by object identifier."""

NONCE_BYTES = 8

_INTEGER, _BOOLEAN, _OCTETS, _SEQUENCE = b"\x02", b"\x01", b"\x04", b"\x30"
_SHA256_IDENTIFIER = bytes.fromhex("300d06096086480165030402010500")


@dataclass(frozen=True)
class Stamp:
    """What a token says once its signature, chain and purpose were found good.

    `time` in UTC, the object identifier of the digest's `algorithm`, the `digest`, and the request's `nonce`.
    """

    time: datetime
    algorithm: str
    digest: bytes
    nonce: int | None


TokenChecker: TypeAlias = Callable[[bytes, bytes], Stamp]
"""``(token, pinned certificates in PEM)`` to what the token says.

Raises `DataError` unless a chain of certificates, each valid at the stamped time, leads from a time-stamping key that
signed the token to a pinned root.
"""


@dataclass(frozen=True)
class Limits:
    """Between which times a token must lie.

    `now`, and by how much clocks may differ; `not_before`, when the newest thing that it is about was received: a
    token from before that is about something else or by a wrong clock; `max_age`, if the holder wants a recent one.
    """

    now: datetime
    skew: timedelta = timedelta(seconds=300)
    not_before: datetime | None = None
    max_age: timedelta | None = None


def request(data: bytes, *, nonce: int) -> bytes:
    """Return the DER of the request to stamp `data`; `nonce` is random, from 0 to 2^64 − 1."""
    if not 0 <= nonce < 1 << 8 * NONCE_BYTES:
        raise UsageError(f"{nonce} is not a nonce of {NONCE_BYTES} bytes")
    imprint = _der(_SEQUENCE, _SHA256_IDENTIFIER + _der(_OCTETS, sha256(data).digest()))
    return _der(_SEQUENCE, _integer(1) + imprint + _integer(nonce) + _der(_BOOLEAN, b"\xff"))


def check(
    data: bytes,
    token: bytes,
    roots: bytes,
    checker: TokenChecker | None,
    limits: Limits,
    *,
    asked: bytes | None = None,
) -> datetime | Finding:
    """Return when the bytes `data` of a signed checkpoint existed, by `token`; or what is wrong.

    `roots` are the pinned certificates in PEM; `asked` is the request that the token answers, if it was kept.

    1. There is a `checker` (else `check-unavailable`). All that follows is `timestamp-bad`.
    2. The token is by a TSA that the pinned roots vouch for.
    3. It is about these bytes, by a SHA-2 digest.
    4. It answers the request: digest and nonce are those asked for.
    5. Its time is within `limits`.
    """
    if checker is None:
        return Finding("check-unavailable", "time stamp not checked: rfc3161-client is not installed")
    try:
        stamp = checker(token, roots)
    except DataError as error:
        return Finding("timestamp-bad", f"not a token by a pinned authority: {error}")
    objection = _other_subject(stamp, data, asked) or _other_time(stamp.time, limits)
    return Finding("timestamp-bad", objection) if objection else stamp.time


def _other_subject(stamp: Stamp, data: bytes, asked: bytes | None) -> str | None:
    algorithm = SHA_2.get(stamp.algorithm)
    if algorithm is None:
        return f"the token is about a digest of a kind that is not accepted ({stamp.algorithm})"
    if new_hash(algorithm, data).digest() != stamp.digest:
        return "the token is about something else"
    if asked is not None and (stamp.nonce is None or not _answers(stamp, data, asked)):
        return "the token answers another request"
    return None


def _answers(stamp: Stamp, data: bytes, asked: bytes) -> bool:
    # The encoding is unique: to compare it spares a parser of requests.
    nonce = stamp.nonce if stamp.nonce is not None else -1
    return 0 <= nonce < 1 << 8 * NONCE_BYTES and request(data, nonce=nonce) == asked


def _other_time(time: datetime, limits: Limits) -> str | None:
    if time > limits.now + limits.skew:
        return f"the token is from the future: {format_time(time)}"
    if limits.not_before is not None and time < limits.not_before - limits.skew:
        newest = format_time(limits.not_before)
        return f"the token, of {format_time(time)}, is older than what it is about, received {newest}"
    if limits.max_age is not None and time + limits.max_age < limits.now:
        return f"the token is stale: {format_time(time)}"
    return None


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(tag: bytes, content: bytes) -> bytes:
    if len(content) > 127:
        raise UsageError("nothing in a request is that long")
    return tag + bytes([len(content)]) + content
