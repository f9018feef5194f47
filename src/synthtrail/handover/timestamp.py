"""The check of RFC 3161 tokens by `rfc3161-client`, which is an optional extra and imported nowhere else.

`checker` gives it as a `synthtrail.custody.anchor.TokenChecker`, or None where the library is not installed. A token
is accepted if

1. it is a TimeStampResp with status granted, signed by a SHA-2 digest; the certificates in it may stand in any order;
2. no two certificates in it claim one issuer and serial number, nor does one of them claim those of another, pinned
   certificate: otherwise the purpose of one could be checked and the signature of the other;
3. a chain leads from the signer's certificate to a pinned, self-signed root, all valid at the stamped time (not now: an
   expired certificate does not undo what it stamped while it was valid);
4. that certificate has the critical extended key usage time-stamping, and nothing was changed after signing.

What the token is about, and whether its time fits, is the core's to judge.
"""

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from synthtrail.custody.anchor import SHA_2, Stamp, TokenChecker
from synthtrail.custody.errors import FormatError, SignatureError, UsageError
from synthtrail.handover.token_order import ordered

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

MAX_TOKEN = 1 << 18


def checker() -> TokenChecker | None:
    """Return the check of tokens, or None if the extra `timestamp` is not installed."""
    try:
        import rfc3161_client  # noqa: F401, PLC0415 - optional, and only a look whether it is there
    except ImportError:
        return None
    return check_token


def check_token(token: bytes, roots: bytes) -> Stamp:
    """Return what `token` (the DER of a TimeStampResp) says, once steps 1 to 4 hold for the pinned `roots` (PEM).

    Raises `UsageError` if no self-signed certificate is pinned, `FormatError` if the token cannot be read, and
    `SignatureError` if it is not by a pinned authority.
    """
    from rfc3161_client import VerifierBuilder, decode_timestamp_response  # noqa: PLC0415 - optional

    pinned = read_roots(roots)
    if len(token) > MAX_TOKEN:
        raise FormatError(f"a token of more than {MAX_TOKEN} bytes", code="size")
    try:
        response = decode_timestamp_response(ordered(token))
        stamp = _stamp(response)
        embedded = [x509.load_der_x509_certificate(item) for item in response.signed_data.certificates]
        unambiguous = _are_unambiguous([*embedded, *pinned])
    except Exception as error:
        # The libraries let whatever their parsers raise through; none of it makes the token any better.
        raise FormatError(f"not a time-stamp token: {error}", code="token") from None
    if not {item.dotted_string for item in response.signed_data.digest_algorithms} <= SHA_2.keys():
        raise SignatureError("it is not signed by a SHA-2 digest", code="algorithm")
    if not unambiguous:
        raise SignatureError("two certificates claim one issuer and serial number", code="key-substituted")
    anchors = [item for item in pinned if item.issuer == item.subject]
    others = [item for item in pinned if item.issuer != item.subject]
    builder = VerifierBuilder(roots=anchors, intermediates=others, tsa_certificate=_signer(others, embedded))
    try:
        builder.build().verify(response, stamp.digest)
    except Exception as error:
        raise SignatureError(str(error)[:300]) from None
    return stamp


def read_roots(data: bytes) -> list[x509.Certificate]:
    """Return pinned certificates (PEM, or one in DER); raise `UsageError` unless a self-signed one is among them."""
    try:
        if b"-----BEGIN" in data:
            found = x509.load_pem_x509_certificates(data)
        else:
            found = [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        raise UsageError(f"not certificates: {error}") from None
    if not any(item.issuer == item.subject for item in found):
        raise UsageError("pin the authority's root, a self-signed certificate")
    return found


def _stamp(response: "TimeStampResponse") -> Stamp:
    info = response.tst_info
    imprint = info.message_imprint
    return Stamp(info.gen_time, imprint.hash_algorithm.dotted_string, bytes(imprint.message), info.nonce)


def _are_unambiguous(certificates: list[x509.Certificate]) -> bool:
    by_claim: dict[tuple[x509.Name, int], x509.Certificate] = {}
    return all(by_claim.setdefault((item.issuer, item.serial_number), item) == item for item in certificates)


def _signer(pinned: list[x509.Certificate], embedded: list[x509.Certificate]) -> x509.Certificate | None:
    """Return the signer's certificate for a token that has none in it, if the pinned ones leave no choice."""
    leaves = [item for item in pinned if _stamps(item)]
    return leaves[0] if not embedded and len(leaves) == 1 else None


def _stamps(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in usage
