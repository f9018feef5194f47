"""Time-stamp tokens of rfc3161-client's own test suite: valid, forged, expired, by several authorities."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from synthtrail.custody import anchor
from synthtrail.custody.anchor import Limits
from synthtrail.custody.errors import FormatError, SignatureError
from synthtrail.custody.findings import Finding
from synthtrail.handover.timestamp import check_token

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def fixtures(vectors: Path) -> Path:
    pytest.importorskip("rfc3161_client", reason="the extra `timestamp` is not installed")
    return vectors / "rfc3161/test/fixtures"


def judge(folder: Path, name: str, data: bytes = b"hello", roots: bytes | None = None) -> datetime | Finding:
    pinned = (folder / "ts_chain.pem").read_bytes() if roots is None else roots
    return anchor.check(data, (folder / name).read_bytes(), pinned, check_token, Limits(NOW))


@pytest.mark.parametrize(
    ("name", "stamped"),
    [
        ("sigstage/response-sha256.tsr", "2025-05-09T11:58:55"),
        ("sigstage/response-sha384.tsr", "2025-05-09T11:58:55"),
        ("sigstage/response-sha512.tsr", "2025-05-09T11:58:56"),
        ("sigstage/response-no-embedded-cert.tsr", "2025-06-18T08:13:02"),
        ("test_tsa/response.tsr", "2024-10-08T15:40:32"),
        ("identrust/issue-104.tsr", "2025-03-11T08:52:08"),
    ],
)
def test_valid_tokens_give_their_time(fixtures: Path, name: str, stamped: str) -> None:
    """By three digests, with and without the certificate inside, with an intermediate one."""
    path = fixtures / name
    assert judge(path.parent, path.name) == datetime.fromisoformat(stamped).replace(tzinfo=UTC)


@pytest.mark.parametrize("name", ["sigstage/response-sha256.tsr", "test_tsa/response.tsr", "identrust/issue-104.tsr"])
def test_valid_tokens_say_nothing_of_other_bytes(fixtures: Path, name: str) -> None:
    path = fixtures / name
    outcome = judge(path.parent, path.name, b"hullo")
    assert isinstance(outcome, Finding)
    assert (outcome.code, outcome.text) == ("timestamp-bad", "the token is about something else")


def test_a_bad_signature_is_refused(fixtures: Path) -> None:
    outcome = judge(fixtures / "sigstage", "response-invalid-signature.tsr")
    assert isinstance(outcome, Finding)
    assert outcome.code == "timestamp-bad"


def test_a_certificate_that_expired_since_does_not_undo_a_stamp_but_a_later_stamp_is_refused(fixtures: Path) -> None:
    """The expired authority stamped while its certificate was valid, in 2023."""
    folder = fixtures / "sigstore.mock"
    outcome = judge(folder, "response-expired.tsr", (folder / "payload").read_bytes())
    assert outcome == datetime(2023, 2, 1, tzinfo=UTC)


def test_another_authoritys_roots_are_not_enough(fixtures: Path) -> None:
    """Each authority's token under each other one's pins; and one's own root without its intermediate."""
    folders = {"sigstage": "response-sha256.tsr", "test_tsa": "response.tsr", "identrust": "issue-104.tsr"}
    for folder, name in folders.items():
        for other in folders.keys() - {folder}:
            pins = (fixtures / other / "ts_chain.pem").read_bytes()
            assert isinstance(judge(fixtures / folder, name, roots=pins), Finding), (folder, other)
    chain = x509.load_pem_x509_certificates((fixtures / "test_tsa/ts_chain.pem").read_bytes())
    root = next(item for item in chain if item.issuer == item.subject).public_bytes(Encoding.PEM)
    assert isinstance(judge(fixtures / "test_tsa", "response.tsr", roots=root), Finding)


def test_certificates_injected_into_a_token_change_nothing(fixtures: Path) -> None:
    """A token with other certificates added is what it was."""
    folder = fixtures / "test_tsa"
    pins = (folder / "ts_chain.pem").read_bytes()
    good = check_token((folder / "response.tsr").read_bytes(), pins)
    assert check_token((folder / "response-injected-certs.tsr").read_bytes(), pins) == good


def test_every_byte_of_the_statement_and_signature_counts(fixtures: Path) -> None:
    """A byte changed anywhere in the token: refused with an error of ours, or nothing that it says has changed.

    What remains are the version and the algorithm names outside the signature: ten bytes of 1,271.
    """
    folder = fixtures / "sigstage"
    chain = x509.load_pem_x509_certificates((folder / "ts_chain.pem").read_bytes())
    root = next(item for item in chain if item.issuer == item.subject).public_bytes(Encoding.PEM)
    token = (folder / "response-sha256.tsr").read_bytes()
    good = check_token(token, root)
    accepted = 0
    for at in range(len(token)):
        spoilt = token[:at] + bytes([token[at] ^ (0x01, 0x80, 0xFF)[at % 3]]) + token[at + 1 :]
        try:
            assert check_token(spoilt, root) == good, at
            accepted += 1
        except (FormatError, SignatureError):
            continue
    assert accepted <= 10
