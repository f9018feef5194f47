"""Keys and people: passphrases, modes, the register, listing, rotation, revocation; a person's signature needs both."""

import shutil
import stat
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synthtrail.cli import signing
from synthtrail.custody import policy as policies
from synthtrail.custody.errors import UsageError
from synthtrail.custody.events import EVENTS
from synthtrail.handover import acting, people, wording
from synthtrail.storage import keys, pinning, pkcs8
from synthtrail.storage.home import home
from synthtrail.storage.pkcs8 import PassphraseError
from tests.unit.transfer.hospitals import PASSPHRASE, Hospital, Pair

SEED = bytes(range(32))


def test_openssl_reads_what_is_written(tmp_path: Path) -> None:
    """An encrypted key with the note of its expiry is PKCS#8, which OpenSSL opens with the passphrase, not without."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "key.pem"
    path.write_bytes(pkcs8.write(SEED, b"phrase", datetime(2030, 1, 1, tzinfo=UTC)))
    command = ["openssl", "pkey", "-in", str(path), "-pubout", "-passin"]
    assert b"PUBLIC KEY" in subprocess.run([*command, "pass:phrase"], capture_output=True, check=True).stdout
    assert subprocess.run([*command, "pass:other"], capture_output=True, check=False).returncode != 0
    asn1 = subprocess.run(["openssl", "asn1parse", "-in", str(path)], capture_output=True, text=True, check=True).stdout
    assert f"INTEGER           :{pkcs8.ROUNDS:06X}" in asn1
    assert pkcs8.ROUNDS >= 600_000


def test_a_key_that_openssl_encrypted_is_read(tmp_path: Path) -> None:
    """Whoever makes keys with other programs can bring them."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    (tmp_path / "plain.pem").write_bytes(pkcs8.write(SEED))
    command = ["openssl", "pkcs8", "-topk8", "-in", "plain.pem", "-passout", "pass:phrase"]
    data = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    assert pkcs8.read(data, b"phrase") == SEED


def test_passphrases(tmp_path: Path) -> None:
    """None, a wrong one and an empty one are refused with one line that names the file, never the passphrase."""
    keys.create_key(tmp_path, "ada", "x/ada", passphrase=b"phrase")
    for ask, why in ((None, "not given"), (lambda _: b"secret-guess", "wrong passphrase")):
        with pytest.raises(PassphraseError, match=why) as error:
            keys.load_key(tmp_path, "ada", ask)
        assert "ada.pem" in str(error.value)
        assert "secret-guess" not in str(error.value)
    with pytest.raises(PassphraseError, match="empty"):
        pkcs8.write(SEED, b"")
    assert keys.load_key(tmp_path, "ada", lambda _: b"phrase").name == "x/ada"


def test_key_files_are_private(tmp_path: Path) -> None:
    """Made with mode 0600; refused when others may read them."""
    keys.create_key(tmp_path, "ada", "x/ada")
    assert stat.S_IMODE((tmp_path / "ada.pem").stat().st_mode) == 0o600
    (tmp_path / "ada.pem").chmod(0o640)
    with pytest.raises(UsageError, match="mode 0640"):
        keys.load_key(tmp_path, "ada")


def test_an_expired_key_is_refused_and_says_since_when(tmp_path: Path) -> None:
    """The date stands in the file; it is checked before the passphrase is asked for."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    keys.create_key(tmp_path, "ada", "x/ada", passphrase=b"phrase", expires=now)
    assert keys.load_key(tmp_path, "ada", lambda _: b"phrase", now=now - timedelta(seconds=1))
    with pytest.raises(UsageError, match="expired on 2026-06-01"):
        keys.load_key(tmp_path, "ada", lambda _: pytest.fail("asked"), now=now)


def test_passphrase_files_must_be_private(tmp_path: Path) -> None:
    """A passphrase that everybody can read protects nothing."""
    path = tmp_path / "phrase"
    path.write_text("phrase\nmore", encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(Exception, match="mode 0644"):
        signing.from_file(path)
    path.chmod(0o600)
    assert signing.from_file(path) == b"phrase"


def test_people_stand_in_the_policy_only(pair: Pair) -> None:
    """A new person makes a new policy, in force here and in the ledger; names are not in the ledger's bytes."""
    a = pair.a
    before = a.custodian.policy
    a.run("person", "add", "p-eve", "--name", "Eve Moore", "--yes")
    after = a.custodian.policy
    assert after.register["p-eve"] == "Eve Moore"
    assert before.digest != after.digest
    assert "level A" in a.run("verify", "--no-artifacts").out
    stored = b"".join(path.read_bytes() for path in (a.root / "ledger").rglob("*") if path.is_file())
    assert b"Eve Moore" not in stored
    assert "is in the register already" in a.refused("person", "add", "p-eve", "--name", "Other", "--yes")
    assert "p-eve  Eve Moore" in a.run("person", "list").out


@pytest.mark.parametrize("logged", [False, True])
def test_a_change_of_policy_that_was_interrupted_is_settled(pair: Pair, logged: bool) -> None:
    """Killed before the ledger has it, the old policy holds; after, the new one; the next command finds out."""
    a = pair.a
    found = a.custodian
    new = people.registered(found.policy, "p-eve", "Eve Moore")
    pinned = home().policy(new.origin)
    if logged:
        people.put_into_force(found, new, acting.roots(found))
        pinned.write_bytes(found.policy.encode())
    pinned.with_name(pinning.NEXT).write_bytes(new.encode())
    assert ("p-eve" in a.custodian.policy.register) == logged
    assert not pinned.with_name(pinning.NEXT).exists()
    assert policies.parse(pinned.read_bytes()).digest == (new if logged else found.policy).digest


def test_what_cannot_be_listed_is_refused_before_a_key_is_made(pair: Pair) -> None:
    """A steward without a person, an unknown person, a label that is no file name."""
    a = pair.a
    assert "a steward is a person" in a.refused("key", "new", "x", "--role", "steward", "--yes")
    unknown = ("key", "new", "x", "--role", "steward", "--person", "p-x", "--yes")
    assert "'p-x' is not in the register" in a.refused(*unknown)
    assert "a label has" in a.refused("key", "new", "../x", "--role", "operator", "--yes")
    assert "witness new" in a.refused("key", "new", "x", "--role", "witness", "--yes")
    assert not list(a.base.rglob("x.pem"))


def test_rotation_and_revocation(pair: Pair) -> None:
    """After rotation the new key signs and the old one does not; a revoked one signs nothing; both are listed so."""
    a = pair.a
    a.run("key", "rotate", "ada", "--yes")
    reject = ("reject", "data/ward/synthetic", "--reason", "r", "--yes")
    assert "no key here" in a.refused(*reject, "--as", "ada")
    a.run(*reject)
    a.run("key", "revoke", "bob", "--reason", "left the house", "--compromised-since", "3", "--yes")
    review = ("review", "data/ward/synthetic", "--outcome", "comment", "--notes", "n", "--as", "bob", "--yes")
    assert "no key here" in a.refused(*review)
    listed = a.run("key", "list").out
    assert listed.count("ended with entry") == 2
    assert "no passphrase (demonstration)" in listed


def test_a_rotation_that_failed_is_continued(pair: Pair, tmp_path: Path) -> None:
    """The root's passphrase is wrong at first: the new key is there, unlisted, and the next run lists that very key."""
    a = pair.a
    a.run("key", "passphrase", "root")
    wrong = tmp_path / "wrong"
    wrong.write_text("guess", encoding="utf-8")
    wrong.chmod(0o600)
    assert "wrong passphrase" in a.refused("key", "rotate", "ada", "--yes", "--passphrase-file", str(wrong))
    a.run("key", "rotate", "ada", "--yes")
    assert sorted(path.stem for path in a.base.rglob("ada*.pem")) == ["ada", "ada-2"]


def test_rotating_the_root_keeps_the_history(pair: Pair) -> None:
    """The new root is pinned; the old one is a former root, which explains older entries and signs no new ones."""
    a = pair.a
    a.run("key", "rotate", "root", "--yes")
    assert "level A" in a.run("verify", "--no-artifacts").out
    a.run("person", "add", "p-eve", "--name", "Eve", "--yes")
    found = a.custodian
    assert acting.root_key(found).name.endswith("/root-2")
    assert [key.name.rpartition("/")[2] for key in found.policy.root_keys] == ["root-2", "root"]
    assert "former" in a.run("key", "list").out


def test_a_person_signs_with_a_passphrase_only(pair: Pair) -> None:
    """A steward's key without one may be made for a demonstration, but no approval is signed with it."""
    a = pair.a
    a.run("key", "new", "quick", "--role", "steward", "--person", "p-bob", "--no-passphrase", "--yes")
    words = ("reject", "data/ward/synthetic", "--reason", "r", "--as", "quick", "--yes")
    assert "has no passphrase" in a.refused(*words)
    a.run("key", "passphrase", "quick")
    a.run(*words)


def test_nothing_is_signed_unconfirmed(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact words are shown, and whatever is not yes is no."""
    a = pair.a
    words = ("reject", "data/ward/synthetic", "--reason", "second thoughts")
    for answer in ("", "n", "yess"):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        result = a.run(*words, code=2)
        assert "nothing was signed" in result.err
        for part in ("Ada Lovelace (p-ada), steward", "second thoughts", pair.item.digest.hex(), "approval"):
            assert part in result.out
    monkeypatch.setattr("builtins.input", lambda _: "y")
    a.run(*words)
    assert a.events()[-1] == "rejected"


def test_every_event_has_words() -> None:
    """Nothing can be signed by hand that no sentence explains."""
    assert set(wording.SENTENCES) | {"reviewed"} == {name for name, spec in EVENTS.items() if spec.about != "stage"}


def test_separation_of_duties_is_kept_by_the_ledger(pair: Pair) -> None:
    """A steward who asks for a disposal with one key cannot approve it with another."""
    a = pair.a
    a.run("key", "new", "ada-at-work", "--role", "operator", "--person", "p-ada", "--yes")
    found = a.custodian
    ask = lambda _: PASSPHRASE.encode()  # noqa: E731 - two words
    asked = acting.say(
        found, acting.find(found, "ada-at-work", ask), "disposal-requested", [pair.item], {"reason": "r"}
    )
    with pytest.raises(Exception, match="disposal-approved data/ward/synthetic is refused") as error:
        acting.say(
            found,
            acting.find(found, "ada", ask),
            "disposal-approved",
            [pair.item],
            {"reason": "r"},
            meaning="approval",
            request=asked.digest,
        )
    assert getattr(error.value, "code", "") == "self-approval"


def test_an_ambiguous_name_is_refused(pair: Pair) -> None:
    """Several keys of one role, and no name: one line that lists them."""
    pair.a.run("person", "add", "p-eve", "--name", "Eve", "--yes")
    pair.a.run("key", "new", "eve", "--role", "steward", "--person", "p-eve", "--yes")
    line = pair.a.refused("reject", "data/ward/synthetic", "--reason", "r", "--yes")
    assert "ada (steward), eve (steward)" in line
    assert "--as" in line


def test_another_policy_under_the_same_origin_is_not_pinned_silently(pair: Pair, tmp_path: Path) -> None:
    """A policy that follows is pinned with --replace; one that forgets the roots not even so."""
    pair.a.run("key", "rotate", "root", "--yes")
    path = tmp_path / "new.policy"
    pair.a.run("policy", "export", "-o", str(path))
    assert "another policy is pinned" in pair.b.refused("policy", "pin", str(path))
    pair.b.run("policy", "pin", str(path), "--replace")
    found = pair.a.custodian
    stranger = replace(found.policy, roots=found.policy.former_roots, former_roots=())
    path.write_bytes(stranger.encode())
    assert "does not know the roots" in pair.b.refused("policy", "pin", str(path), "--replace")


def test_review_leads_to_approval_and_release(pair: Pair) -> None:
    """A verdict of `review` cannot be approved until a person read the report; a refusal ends it."""
    a: Hospital = pair.a
    item = a.make("clinic", verdict="review")
    approve = ("approve", "data/clinic/synthetic", "--reason", "fit", "--yes")
    assert "may not follow when the artifact is review" in a.refused(*approve)
    review = ("review", "data/clinic/report", "--notes", "read all", "--as", "bob", "--yes", "--outcome")
    a.run(*review, "comment")
    assert a.state(item) == "review"
    a.run(*review, "pass")
    a.run(*approve)
    log = a.custodian.ledger.log
    said = next(log.statement(entry) for entry in range(log.size) if log.statement(entry).act.event == "reviewed")
    assert dict(said.context)["report"] == acting.subject(a.custodian, "data/clinic/report").digest.hex()
    assert said.meaning == "review"
    a.run("release", "data/clinic/synthetic", "--terms", "CC-BY-4.0", "--place", "https://x.example", "--yes")
    assert a.state(item) == "released"
    a.run(*review, "refuse")
    assert a.state(item) == "refused"
    assert "no report about it" in a.refused(*("review", "data/clinic/raw", *review[2:], "pass"))


def test_what_looks_like_an_identifier_of_a_person_is_not_signed(pair: Pair) -> None:
    """A reason with an e-mail address in it is refused before anything is entered."""
    before = pair.a.events()
    line = pair.a.refused("reject", "data/ward/synthetic", "--reason", "ask jane.roe@example.org", "--yes")
    assert "e-mail" in line
    assert "jane" not in line
    assert pair.a.events() == before
