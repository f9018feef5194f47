"""A time-stamping authority on this machine: certificates made here, tokens by `openssl ts`."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

CONFIG = """
[tsa]
default_tsa = local
[local]
serial = {folder}/serial
crypto_device = builtin
signer_digest = {digest}
default_policy = 1.2.3.4.1
digests = sha1, sha256, sha384, sha512
accuracy = secs:1
"""


def need_openssl() -> None:
    """Skip the test where there is no `openssl` to stand in for an authority."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine, so no local time-stamping authority")


@dataclass(frozen=True)
class Authority:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)


def issue(
    name: str,
    issuer: Authority | None,
    *,
    usage: ObjectIdentifier | None = None,
    critical: bool = True,
    starts: timedelta = timedelta(days=-2),
    ends: timedelta = timedelta(days=2),
    serial: int | None = None,
) -> Authority:
    """Return a certificate by `issuer` (its own if None), valid from now + `starts` to now + `ends`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=critical)
    return Authority(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def stamper(root: Authority, **settings: timedelta | bool) -> Authority:
    """Return a certificate by `root` for a key that may stamp."""
    return issue("stamper", root, usage=ExtendedKeyUsageOID.TIME_STAMPING, **settings)  # type: ignore[arg-type]


def reply(
    folder: Path, query: bytes, signer: Authority, *, chain: Sequence[Authority] = (), digest: str = "sha256"
) -> bytes:
    """Return the answer (TimeStampResp) of `signer` to a request, by OpenSSL and the machine's clock.

    It has the certificates of `chain` in it too, and is signed by the `digest` of that name.
    """
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder, digest=digest), encoding="utf-8")
    (folder / "chain.pem").write_bytes(b"".join(item.pem for item in chain))
    (folder / "serial").write_text("01\n", encoding="utf-8")
    (folder / "tsa.pem").write_bytes(signer.pem)
    private = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tsa.key").write_bytes(private)
    (folder / "query").write_bytes(query)
    options = ["-config", "tsa.cnf", "-queryfile", "query", "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "reply"]
    options += ["-chain", "chain.pem"] if chain else []
    subprocess.run(["openssl", "ts", "-reply", *options], cwd=folder, check=True, capture_output=True)
    return (folder / "reply").read_bytes()


def resign(folder: Path, token: bytes, signer: Authority) -> bytes:
    """Return an answer with the statement of `token`, signed by another key, whatever that key is meant for."""
    (folder / "token").write_bytes(token)
    (folder / "other.pem").write_bytes(signer.pem)
    private = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "other.key").write_bytes(private)
    statement = "1.2.840.113549.1.9.16.1.4"  # id-ct-TSTInfo
    for command in (
        "openssl ts -reply -in token -token_out -out cms",
        "openssl cms -verify -noverify -inform DER -in cms -out statement",
        f"openssl cms -sign -binary -nodetach -econtent_type {statement} -in statement -signer other.pem"
        " -inkey other.key -outform DER -out resigned",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    content = b"\x30\x03\x02\x01\x00" + (folder / "resigned").read_bytes()  # status granted
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


def openssl_accepts(folder: Path, data: Path, token: Path, root: Authority) -> bool:
    """Tell whether `openssl ts -verify` accepts the token, as an outsider would ask it."""
    (folder / "root.pem").write_bytes(root.pem)
    command = ["openssl", "ts", "-verify", "-data", str(data), "-in", str(token), "-CAfile", str(folder / "root.pem")]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
