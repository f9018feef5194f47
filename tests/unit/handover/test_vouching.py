"""Witnesses and authorities enter the policy by command; a proof of status is judged by them, elsewhere, offline."""

import base64
import os
import re
import shutil
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from synthtrail.cli import offline
from synthtrail.cli.main import main
from tests.unit.handover.lab import XDG, Lab
from tests.unit.handover.test_disposal import dispose, refusal

NAME = "trust.example/witness"
PROVES_NOT = "the status root is what the log gives: witnesses do not check it"


class AnHourLater(datetime):
    """A clock that is an hour ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return the time an hour from now."""
        return super().now(tz) + timedelta(hours=1)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run a command; fail unless it exits with `code`; return what it printed."""
    capsys.readouterr()
    assert main(arguments) == code, (arguments, capsys.readouterr())
    return capsys.readouterr().out


def witnessed(capsys: pytest.CaptureFixture[str], drop: Path) -> None:
    """Have a witness of another house cosign the head through a folder; it may have to say first what it saw last."""
    while main(("cosign", "--witness", str(drop))):
        said(capsys, "witness", "sign", "--drop", str(drop))


def elsewhere(monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    """Go to another home, where nothing of this ledger is known."""
    for name in XDG:
        monkeypatch.setenv(name, str(base / name.lower()))
    base.mkdir(exist_ok=True)
    monkeypatch.chdir(base)


def test_a_status_of_each_kind_is_checked_in_another_home(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live, held, disposed, unknown: each from one file and the policy, level C; then the cosignature is too old."""
    vkey = said(capsys, "witness", "new", "--name", NAME).strip()
    lab.run("policy", "witness", "add", vkey, "--organisation", "Trust", "--quorum", "1", "--max-age", "600", "--yes")
    (tmp_path / "drop").mkdir()
    said(capsys, "witness", "trust", lab.custodian.policy.sequencer)
    report = lab.made["iris/validate"].digest.hex()
    dispose(lab, "data/iris/report")
    lab.run("hold", "data/iris/model", "--reason", "case 17", "--as", "operator", "--yes")
    wanted = {"live": "data/iris/raw", "held": "data/iris/model", "disposed": report, "unknown": "5" * 64}
    witnessed(capsys, tmp_path / "drop")
    early = said(capsys, "status", "data/iris/raw", "-o", str(tmp_path / "early"), code=1)
    assert "synthtrail cosign" in early  # it appended the status entry, which no witness has seen
    witnessed(capsys, tmp_path / "drop")
    for word, artifact in wanted.items():
        said(capsys, "status", artifact, "-o", str(tmp_path / f"{word}.status"))
    said(capsys, "policy", "export", "-o", str(tmp_path / "policy.json"))
    elsewhere(monkeypatch, tmp_path / "other")
    given = ("--policy", str(tmp_path / "policy.json"))
    for word in wanted:
        answer = said(capsys, "verify", str(tmp_path / f"{word}.status"), *given)
        assert word in answer
        assert "level C" in answer
        assert PROVES_NOT in answer, answer
    monkeypatch.setattr(offline, "datetime", AnHourLater)
    stale = said(capsys, "verify", str(tmp_path / "live.status"), *given, code=1)
    assert "quorum-missing" in stale, stale
    assert "old" in stale, stale


def test_a_witness_that_cannot_be_one_is_refused(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that does not cosign, one's own house, a quorum out of reach: one line each, and the policy stays."""
    vkey = said(capsys, "witness", "new", "--name", NAME).strip()
    add = ("policy", "witness", "add")
    before = lab.custodian.policy.digest
    assert "no witness's key" in refusal(lab, capsys, *add, lab.custodian.policy.sequencer, "--organisation", "T")
    assert "own witness" in refusal(lab, capsys, *add, vkey, "--organisation", lab.custodian.policy.organisation)
    assert "too few" in refusal(lab, capsys, *add, vkey, "--organisation", "T", "--quorum", "2")
    assert lab.custodian.policy.digest == before
    lab.run(*add, vkey, "--organisation", "T", "--yes")
    assert "two witnesses" in refusal(lab, capsys, *add, vkey, "--organisation", "U", "--yes")


def test_an_authority_enters_by_its_certificate(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PEM or DER, once; with --require a ledger without a token does not hold."""
    path = tmp_path / "authority.pem"
    path.write_bytes(certificate().public_bytes(Encoding.PEM))
    lab.run("policy", "tsa", "add", str(path), "--yes")
    assert lab.custodian.policy.timestamp_roots
    lab.run("verify")
    path.write_bytes(certificate().public_bytes(Encoding.DER))
    lab.run("policy", "tsa", "add", str(path), "--require", "--yes")
    lab.run("verify", code=1)
    assert "already" in refusal(lab, capsys, "policy", "tsa", "add", str(path), "--yes")
    path.write_text("nothing", encoding="utf-8")
    assert "not a certificate" in refusal(lab, capsys, "policy", "tsa", "add", str(path), "--yes")


def certificate() -> x509.Certificate:
    """Return a self-signed certificate."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    return dated.serial_number(x509.random_serial_number()).sign(key, hashes.SHA256())


def test_nothing_that_names_somebody_is_in_what_leaves_the_house(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ledger, bundle and what was stored hold no name of the register, no home folder, no row, no passphrase."""
    monkeypatch.setenv("HOME", str(tmp_path))
    planted = (lab.root / "data/iris/raw/part-000.bin").read_bytes()[:24]
    lab.run("store", "data/iris/raw", "--to", str(tmp_path / "store"))
    lab.run("store", "data/iris/report", "--to", "file://~/store")
    lab.run("fetch", "data/iris/report", "--to", str(tmp_path / "back"))
    dispose(lab, "data/iris/report")
    said(capsys, "bundle", "-o", str(tmp_path / "bundle.zip"))
    shutil.unpack_archive(tmp_path / "bundle.zip", tmp_path / "bundle")
    names = (b"Ada L.", os.environ["SYNTHTRAIL_PASSPHRASE"].encode(), planted, str(Path.home()).encode() + b"/")
    for place in (lab.root / "ledger", tmp_path / "bundle", tmp_path / "store"):
        files = [path for path in place.rglob("*") if path.is_file()]
        assert files
        for path in files:
            for name in names:
                assert name not in readable(path), (path, name)


def readable(path: Path) -> bytes:
    """Return a file's bytes, and what stands in its entries in base64."""
    data = path.read_bytes()
    return data + b"".join(base64.b64decode(found) for found in re.findall(rb'"payload":"([A-Za-z0-9+/=]+)"', data))
