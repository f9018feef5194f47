"""Who beyond the house vouches for its ledger: witnesses and time-stamping authorities, entered into the policy.

    with_witness(policy, "trust.example/witness+5a…", "Trust Centre", quorum=1)
    with_authority(policy, Path("authority.pem").read_bytes())

The functions return another policy; the root puts it into force (`people.put_into_force`).
"""

from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from synthtrail.custody import cosignature
from synthtrail.custody.errors import FormatError, UsageError
from synthtrail.custody.policy import Policy, Witness


def with_witness(
    policy: Policy, vkey: str, organisation: str, *, quorum: int | None = None, max_age: int | None = None
) -> Policy:
    """Return the policy with one more witness; `quorum` in organisations, `max_age` in seconds (None: as before).

    Raises `UsageError` for a key that cannot cosign, one's own organisation, or a quorum that cannot be met.
    """
    try:
        cosignature.parse_vkey(vkey)
    except FormatError as error:
        raise UsageError(f"{vkey[:80]!a} is no witness's key ({error}); give the line of `witness new`") from None
    if organisation == policy.organisation:
        raise UsageError(f"{organisation} would be its own witness; a witness belongs to another organisation")
    seconds = policy.max_age if max_age is None else max_age
    wanted = policy.quorum if quorum is None else quorum
    witnesses = (*policy.witnesses, Witness(organisation, vkey))
    if not 0 <= wanted <= len({witness.organisation for witness in witnesses}) or seconds <= 0:
        raise UsageError(f"{wanted} organisations cannot cosign within {seconds} s: too few witnesses, or no time")
    try:
        return replace(policy, witnesses=witnesses, quorum=wanted, max_age=seconds)
    except FormatError as error:
        raise UsageError(str(error)) from None


def with_authority(policy: Policy, certificate: bytes, *, required: bool = False) -> Policy:
    """Return the policy with one more root certificate (PEM or DER) of time-stamping authorities.

    Raises `UsageError` if it is no certificate, or there already.
    """
    load = x509.load_pem_x509_certificate if b"-----BEGIN" in certificate else x509.load_der_x509_certificate
    try:
        der = load(certificate).public_bytes(Encoding.DER)
    except ValueError:
        raise UsageError("not a certificate in PEM or DER; ask the authority for its root certificate") from None
    if der in policy.timestamp_roots:
        raise UsageError("the policy has this certificate already")
    return replace(policy, timestamp_roots=(*policy.timestamp_roots, der), timestamp=required or policy.timestamp)
