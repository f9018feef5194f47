"""Time stamps: the request, what a token is worth, and the command; against a local authority (`openssl ts`)."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from synthtrail.cli.main import main
from synthtrail.custody import anchor, note
from synthtrail.custody.anchor import Limits, Stamp
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.errors import DataError, FormatError, SignatureError, StorageError, UsageError
from synthtrail.custody.findings import Finding
from synthtrail.handover import anchors, timestamp
from synthtrail.handover.timestamp import check_token, checker
from synthtrail.handover.token_order import ordered
from synthtrail.storage.home import home
from tests.unit.custody import ledger_factory
from tests.unit.local_tsa import Authority, issue, need_openssl, openssl_accepts, reply, resign, stamper
from tests.unit.witness_logs import History

DATA = History().signed(8)
QUERY = anchor.request(DATA, nonce=2**63 + 5)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = Stamp(NOW, "2.16.840.1.101.3.4.2.1", bytes.fromhex(QUERY.hex()[48:112]), 2**63 + 5)


def judge(
    stamp: Stamp,
    *,
    asked: bytes | None = QUERY,
    data: bytes = DATA,
    limits: Limits = Limits(NOW),  # noqa: B008 - frozen
) -> str:
    """Return "good" or the finding's code and text, for a token that says `stamp`."""
    outcome = anchor.check(data, b"token", b"roots", lambda _token, _roots: stamp, limits, asked=asked)
    return str(outcome) if isinstance(outcome, Finding) else "good"


def test_openssl_reads_our_request(tmp_path: Path) -> None:
    """Version 1, SHA-256, the nonce, and the wish for the certificate."""
    need_openssl()
    for nonce, shown in [(1, "0x01"), (127, "0x7F"), (128, "0x80"), (2**64 - 1, "0xFFFFFFFFFFFFFFFF")]:
        (tmp_path / "q").write_bytes(anchor.request(DATA, nonce=nonce))
        command = ["openssl", "ts", "-query", "-in", str(tmp_path / "q"), "-text"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for line in ("Version: 1", "Hash Algorithm: sha256", "Certificate required: yes", f"Nonce: {shown}"):
            assert line in said
    for nonce in (-1, 2**64):
        with pytest.raises(UsageError):
            anchor.request(DATA, nonce=nonce)


def test_a_token_must_be_about_these_bytes_and_this_request() -> None:
    """Another checkpoint, another digest, another nonce, none; and no request kept means no nonce to compare."""
    assert judge(GOOD) == "good"
    assert "something else" in judge(GOOD, data=DATA + b"\n")
    assert "not accepted" in judge(Stamp(NOW, "1.3.14.3.2.26", bytes(20), GOOD.nonce))
    for nonce in (None, 4, -1, 2**64):
        assert "another request" in judge(Stamp(NOW, GOOD.algorithm, GOOD.digest, nonce))
        assert judge(Stamp(NOW, GOOD.algorithm, GOOD.digest, nonce), asked=None) == "good"


@pytest.mark.parametrize(
    ("seconds", "limits", "expected"),
    [
        (300, Limits(NOW), "good"),
        (301, Limits(NOW), "future"),
        (-(10**9), Limits(NOW), "good"),
        (-3600, Limits(NOW, not_before=NOW - timedelta(seconds=3300)), "good"),
        (-3601, Limits(NOW, not_before=NOW - timedelta(seconds=3300)), "older than what it is about"),
        (-3600, Limits(NOW, max_age=timedelta(hours=1)), "good"),
        (-3601, Limits(NOW, max_age=timedelta(hours=1)), "stale"),
    ],
)
def test_a_tokens_time_has_limits(seconds: int, limits: Limits, expected: str) -> None:
    """Not from the future, not from before what it is about, not older than is wished."""
    stamp = Stamp(NOW + timedelta(seconds=seconds), GOOD.algorithm, GOOD.digest, GOOD.nonce)
    assert expected in judge(stamp, limits=limits)


def test_without_the_library_a_token_is_not_checked_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither good nor bad."""
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    assert checker() is None
    outcome = anchor.check(DATA, b"", b"", checker(), Limits(NOW))
    assert isinstance(outcome, Finding)
    assert outcome.code == "check-unavailable"


class World:
    """A root, a stamper, and what they say of `DATA` now."""

    def __init__(self, folder: Path) -> None:
        need_openssl()
        pytest.importorskip("rfc3161_client", reason="the extra `timestamp` is not installed")
        self.folder = folder
        self.root = issue("root", None)
        self.stamper = stamper(self.root)

    def check(
        self, token: bytes, *, data: bytes = DATA, root: Authority | None = None, after: timedelta = timedelta()
    ) -> datetime | Finding:
        """Check a token at now + `after`."""
        limits = Limits(datetime.now(UTC) + after, max_age=timedelta(days=1))
        return anchor.check(data, token, (root or self.root).pem, checker(), limits, asked=QUERY)

    def refuses(self, token: bytes, because: str, **settings: bytes | Authority | timedelta) -> bool:
        """Whether the token is found bad for this reason."""
        outcome = self.check(token, **settings)  # type: ignore[arg-type]
        assert isinstance(outcome, Finding), outcome
        return outcome.code == "timestamp-bad" and because in outcome.text


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def token(world: World) -> bytes:
    return reply(world.folder, QUERY, world.stamper)


def test_a_good_token_gives_its_time(world: World, token: bytes) -> None:
    outcome = world.check(token)
    assert isinstance(outcome, datetime)
    assert abs(datetime.now(UTC) - outcome) < timedelta(minutes=2)


def test_a_token_about_another_checkpoint_is_refused(world: World, token: bytes) -> None:
    """Of the same log, one entry longer."""
    assert world.refuses(token, "something else", data=History().signed(9))


def test_a_stale_token_and_one_from_the_future_are_refused(world: World, token: bytes) -> None:
    """The verifier's clock is passed in."""
    assert world.refuses(token, "stale", after=timedelta(days=1, seconds=5))
    assert world.refuses(token, "future", after=timedelta(hours=-1))


def test_an_answer_to_another_request_is_refused(world: World) -> None:
    """The same checkpoint, stamped for someone else, or earlier: another nonce."""
    replayed = reply(world.folder, anchor.request(DATA, nonce=5), world.stamper)
    assert world.refuses(replayed, "another request")


def test_an_authority_that_is_not_pinned_is_refused(world: World, token: bytes) -> None:
    """Also one with the pinned one's names."""
    impostor = issue("root", None)
    assert world.refuses(token, "pinned authority", root=impostor)
    assert world.refuses(reply(world.folder, QUERY, stamper(impostor)), "pinned authority")


def test_an_expired_certificate_cannot_stamp(world: World) -> None:
    """One that had expired when it stamped, one that was not valid yet, and one whose root had expired."""
    expired = stamper(world.root, ends=timedelta(days=-1))
    early = stamper(world.root, starts=timedelta(days=1))
    for signer in (expired, early):
        assert world.refuses(reply(world.folder, QUERY, signer), "pinned authority")
    old_root = issue("old root", None, ends=timedelta(days=-1))
    assert world.refuses(reply(world.folder, QUERY, stamper(old_root)), "pinned authority", root=old_root)


def test_a_certificate_that_expired_since_still_counts(world: World, token: bytes) -> None:
    """It was valid at the stamped time, which is the one that matters."""
    limits = Limits(datetime.now(UTC) + timedelta(days=30))
    assert isinstance(anchor.check(DATA, token, world.root.pem, checker(), limits), datetime)


def test_forged_tokens_are_refused(world: World, token: bytes) -> None:
    """Each byte of the stamped statement and of the signature changed; cut, extended, empty."""
    forged = [token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :] for at in _statement(token)]
    for bad in [*forged, token[:-1], token[: len(token) // 2], token + b"\x00", b"", b"\x30\x00", bytes(2**18 + 1)]:
        assert world.refuses(bad, "pinned authority")


def _statement(token: bytes) -> Iterator[int]:
    """Yield where the digest, the policy, the nonce and the signature proper stand."""
    digest = token.index(GOOD.digest)
    yield from range(digest, digest + 32, 5)
    nonce = token.index((2**63 + 5).to_bytes(9, "big"))
    yield from range(nonce + 1, nonce + 9)
    yield from range(len(token) - 40, len(token), 3)


def test_a_certificate_for_another_purpose_cannot_stamp(world: World, token: bytes) -> None:
    """A server's key, by the same root, signs the statement of a good token; or the purpose is not marked critical.

    With a stamping key the same construction is accepted, so it is the purpose that decides (RFC 3161 section 2.3).
    """
    server = issue("server", world.root, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    for signer in (server, stamper(world.root, critical=False)):
        assert world.refuses(resign(world.folder, token, signer), "pinned authority")
    assert isinstance(world.check(resign(world.folder, token, world.stamper)), datetime)


def test_two_certificates_with_one_claim_are_refused(world: World, token: bytes) -> None:
    """Pinned beside the root, a certificate with the stamper's issuer and serial number and another key."""
    twin = issue("twin", world.root, serial=world.stamper.certificate.serial_number)
    with pytest.raises(SignatureError, match="two certificates claim"):
        check_token(token, world.root.pem + twin.pem)


def test_a_pinned_stamper_serves_a_token_without_certificates(world: World) -> None:
    """If the request did not ask for the certificate, the pinned file may hold it."""
    query = bytes([QUERY[0], QUERY[1] - 3]) + QUERY[2:-3]  # without its last member, certReq
    bare = reply(world.folder, query, world.stamper)
    assert check_token(bare, world.root.pem + world.stamper.pem).digest == GOOD.digest
    with pytest.raises(SignatureError):
        check_token(bare, world.root.pem)


def test_a_pinned_stamper_does_not_shut_out_its_successor(world: World) -> None:
    """What is pinned is the root; the authority may renew the certificate that stamps."""
    successor = stamper(world.root)
    renewed = reply(world.folder, QUERY, successor)
    assert check_token(renewed, world.root.pem + world.stamper.pem).digest == GOOD.digest


def test_the_chain_may_stand_in_a_token_in_any_order(world: World) -> None:
    """OpenSSL does not sort the certificates as DER asks; only the root is pinned here."""
    between = issue("between", world.root)
    signer = stamper(between)
    for chain in ([between], [between, world.root], [world.root, between]):
        token = reply(world.folder, QUERY, signer, chain=chain)
        assert isinstance(world.check(token), datetime)
    alone = reply(world.folder, QUERY, signer)
    assert isinstance(world.check(alone), Finding)
    limits = Limits(datetime.now(UTC))
    assert isinstance(anchor.check(DATA, alone, world.root.pem + between.pem, check_token, limits), datetime)


@pytest.mark.parametrize(
    ("digest", "accepted"), [("sha1", False), ("sha256", True), ("sha384", True), ("sha512", True)]
)
def test_a_token_is_signed_by_a_sha_2_digest(world: World, digest: str, accepted: bool) -> None:
    token = reply(world.folder, QUERY, world.stamper, digest=digest)
    outcome = world.check(token)
    assert isinstance(outcome, datetime) == accepted
    assert accepted or "not signed by a SHA-2 digest" in str(outcome)


def test_what_is_no_token_is_left_as_it_is(token: bytes) -> None:
    """Cut short anywhere, or with any length changed, ordering its certificates raises nothing."""
    assert ordered(token) == token
    for at in range(64):
        assert ordered(token[:at]) == token[:at]
        spoilt = token[:at] + b"\xff" + token[at + 1 :]
        assert len(ordered(spoilt)) == len(spoilt)


def test_a_token_has_a_length_limit(world: World, token: bytes) -> None:
    with pytest.raises(FormatError, match="more than"):
        check_token(token + bytes(timestamp.MAX_TOKEN), world.root.pem)


def test_a_root_must_be_pinned(world: World, token: bytes) -> None:
    """Not nothing, not rubbish, not the stamper alone; PEM or DER."""
    for roots in (b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\n", world.stamper.pem):
        with pytest.raises(UsageError):
            check_token(token, roots)
    der = world.root.certificate.public_bytes(Encoding.DER)
    assert check_token(token, der) == check_token(token, world.root.pem)


class TsaHandler(BaseHTTPRequestHandler):
    """A TSA over HTTP (RFC 3161 section 3.4)."""

    world: World
    content_type = "application/timestamp-reply"

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/timestamp-query"
        body = reply(self.world.folder, query, self.world.stamper)
        self.send_response(200)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def tsa(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(TsaHandler, "world", world, raising=False)
    with HTTPServer(("127.0.0.1", 0), TsaHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/tsr"
        server.shutdown()
        thread.join()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("synthtrail.cli.main.COMMANDS", {"anchor": ""})
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger/checkpoint").write_bytes(DATA)
    return tmp_path / "ledger"


@pytest.fixture
def root_file(world: World, tmp_path: Path) -> str:
    (tmp_path / "tsa.pem").write_bytes(world.root.pem)
    return str(tmp_path / "tsa.pem")


def test_anchoring_over_http(
    world: World, tsa: str, ledger: Path, root_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked, checked, stored; OpenSSL agrees; later checks agree, also when the log has grown; never replaced."""
    assert main(["anchor", str(ledger), "--tsa", tsa, "--tsa-root", root_file]) == 0
    assert "existed at 20" in capsys.readouterr().out
    (ledger / "checkpoint").write_bytes(History().signed(9))
    assert main(["anchor", str(ledger), "--check", "--tsa-root", root_file]) == 0
    stamped, token = ledger / "anchors/8.checkpoint", ledger / "anchors/8.tsr"
    assert stamped.read_bytes() == DATA
    assert openssl_accepts(world.folder, stamped, token, world.root)
    (ledger / "checkpoint").write_bytes(DATA)
    assert main(["anchor", str(ledger), "--tsa", tsa, "--tsa-root", root_file]) == 2
    assert "anchored already" in capsys.readouterr().err


def test_anchoring_by_files(world: World, ledger: Path, root_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A request is written once and asked again as it was; a wrong answer is not stored, the right one is."""
    assert main(["anchor", str(ledger), "--request"]) == 0
    query = (ledger / "anchors/8.tsq").read_bytes()
    assert main(["anchor", str(ledger), "--request"]) == 0
    assert (ledger / "anchors/8.tsq").read_bytes() == query
    answer = world.folder / "answer"
    answer.write_bytes(reply(world.folder, QUERY, world.stamper))
    assert main(["anchor", str(ledger), "--response", str(answer), "--tsa-root", root_file]) == 1
    assert "another request" in capsys.readouterr().out
    assert not (ledger / "anchors/8.tsr").exists()
    assert main(["anchor", str(ledger), "--check", "--tsa-root", root_file]) == 1
    assert "requested, not answered" in capsys.readouterr().out
    answer.write_bytes(reply(world.folder, query, world.stamper))
    assert main(["anchor", str(ledger), "--response", str(answer), "--tsa-root", root_file]) == 0
    assert main(["anchor", str(ledger), "--response", str(answer)]) == 2


def test_a_token_that_cannot_be_checked_is_stored_and_called_so(
    world: World, tsa: str, ledger: Path, root_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a pinned root, exit code 1: nothing was proved."""
    assert main(["anchor", str(ledger), "--tsa", tsa]) == 1
    assert "check-unavailable" in capsys.readouterr().out
    assert main(["anchor", str(ledger), "--check", "--tsa-root", root_file]) == 0


def test_a_checkpoint_that_was_changed_after_stamping_is_found(
    world: World, tsa: str, ledger: Path, root_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kept bytes are the ones that count."""
    main(["anchor", str(ledger), "--tsa", tsa, "--tsa-root", root_file])
    (ledger / "anchors/8.checkpoint").write_bytes(History("'").signed(8))
    assert main(["anchor", str(ledger), "--check", "--tsa-root", root_file]) == 1
    assert "timestamp-bad" in capsys.readouterr().out


def test_whoever_verifies_gets_a_check_of_the_heads_token(world: World, tsa: str, ledger: Path, root_file: str) -> None:
    """None if no root is pinned; nothing wrong; no token for a later head; a stamp on another history."""
    main(["anchor", str(ledger), "--tsa", tsa, "--tsa-root", root_file])
    read = FolderReader(ledger).read
    assert anchors.token_check(read, None, checker(), required=True) is None
    check = anchors.token_check(read, world.root.pem, checker(), required=True)
    assert check is not None
    now = datetime.now(UTC)
    assert check(DATA, now) == ()
    assert [item.code for item in check(DATA, now - timedelta(hours=1))] == ["timestamp-bad"]
    assert [item.code for item in check(History().signed(9), now)] == ["check-unavailable"]
    assert [item.text for item in check(History("'").signed(8), now)] == [
        "the stamped checkpoint is of another history"
    ]
    lenient = anchors.token_check(read, world.root.pem, checker(), required=False)
    assert lenient is not None
    assert [item.severity for item in lenient(History().signed(9), now)] == ["warning"]
    unable = anchors.token_check(read, world.root.pem, None, required=False)
    assert unable is not None
    assert [(item.code, item.severity) for item in unable(DATA, now)] == [("check-unavailable", "warning")]


def test_what_the_command_cannot_do(
    tsa: str, ledger: Path, root_file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing stored, nothing asked, a page instead of a token, no checkpoint, rubbish for a root."""
    assert main(["anchor", str(ledger), "--check", "--tsa-root", root_file]) == 2
    assert main(["anchor", str(ledger), "--response", root_file]) == 2
    monkeypatch.setattr(TsaHandler, "content_type", "text/html")
    assert main(["anchor", str(ledger), "--tsa", tsa]) == 2
    assert main(["anchor", str(ledger.parent), "--request"]) == 2
    assert main(["anchor", str(ledger), "--check", "--tsa-root", str(ledger / "checkpoint")]) == 2
    said = capsys.readouterr().err.splitlines()
    expected = ["nothing to check", "no request waits", "text/html", "no checkpoint", "not certificates"]
    for line, word in zip(said, expected, strict=True):
        assert word in line


def test_a_request_of_another_history_is_not_asked_again(ledger: Path) -> None:
    """The same size with another root; nor is an oversized answer taken, nor one that was taken already."""
    found = anchors.prepare(ledger)
    (ledger / "checkpoint").write_bytes(History("'").signed(8))
    with pytest.raises(StorageError, match="another history"):
        anchors.prepare(ledger)
    with pytest.raises(DataError, match="more than"):
        anchors.accept(found, bytes(2**18 + 1), None, None, NOW)
    anchors.accept(found, b"token", None, None, NOW)
    with pytest.raises(UsageError, match="exists already"):
        anchors.accept(found, b"token", None, None, NOW)


def test_what_is_stamped_is_the_signed_checkpoint(ledger: Path) -> None:
    """With its signature, so that the token says when that existed too."""
    found = anchors.prepare(ledger)
    assert found.checkpoint.read_bytes() == DATA
    assert note.parse(DATA)[1]
    assert anchor.request(DATA, nonce=5)[24:56] == found.request.read_bytes()[24:56]


def test_authorities_that_the_policy_pins_need_no_flag(
    world: World, tsa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anchor, verify and a bundle use them; D reaches to the stamped size; a forged token is found everywhere."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    der = world.root.certificate.public_bytes(Encoding.DER)
    policy = replace(ledger_factory.make_policy(), timestamp=True, timestamp_roots=(der,))
    made = ledger_factory.World(tmp_path / "w", policy=policy, now=datetime.now(UTC) - timedelta(minutes=9))
    made.create()
    made.run("iris")
    signed, size = made.cosign(*ledger_factory.WITNESSES[:2]), made.ledger.head.size
    home().policy(policy.origin).parent.mkdir(parents=True)
    home().policy(policy.origin).write_bytes(policy.encode())
    verify = ["verify", str(made.path), "--no-artifacts"]
    assert main(verify) == 1
    assert "check-unavailable: no time-stamp token" in capsys.readouterr().out
    assert main(["anchor", str(made.path), "--tsa", tsa]) == 0
    assert main(verify) == 0
    assert "level D" in capsys.readouterr().out
    bundle = tmp_path / "b.zip"
    assert main(["bundle", str(made.path), "-o", str(bundle)]) == 0
    assert main(["verify", str(bundle)]) == 0
    assert "level D" in capsys.readouterr().out.split("sha256")[1]
    made.run("wine")
    (made.path / "cosigned").mkdir()
    (made.path / f"cosigned/{size}").write_bytes(signed)
    assert main([*verify, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reach"] == {"C": size, "D": size}
    token = made.path / f"anchors/{size}.tsr"
    token.write_bytes(reply(world.folder, anchor.request(b"other", nonce=1), world.stamper))
    assert main(verify) == 1
    assert "timestamp-bad" in capsys.readouterr().out
    made.path.joinpath("checkpoint").write_bytes(signed)
    assert main(["bundle", str(made.path), "-o", str(bundle)]) == 1
    assert main(["verify", str(bundle)]) == 1
    assert "timestamp-bad" in capsys.readouterr().out
