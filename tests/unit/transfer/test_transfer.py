"""A transfer between two organisations with only a folder between them: offered, verified, countersigned, entered."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from synthtrail.cli import accept, expire
from synthtrail.custody import acts, canonical
from synthtrail.handover import acting, offering, packs, parcel, people, sealing
from synthtrail.storage.home import home
from synthtrail.storage.keys import load_key
from tests.unit.transfer.hospitals import PASSPHRASE, Pair, later, offer, tree


def test_a_whole_transfer(pair: Pair) -> None:
    """A offers, B verifies, takes and countersigns, A enters the acceptance; B's own ledger says where it came from."""
    said = offer(pair.a, pair.folder).out
    assert "encrypted to" in said
    accepted = pair.b.run("accept", str(pair.folder), "--yes").out
    assert f"digest computed here: {pair.item.digest.hex()}" in accepted
    assert "transfer-accepted by" in pair.a.run("receive", str(pair.folder)).out
    assert pair.a.events()[-2:] == ["transfer-offered", "transfer-accepted"]
    assert pair.b.events()[-1] == "acquired"
    log = pair.b.custodian.ledger.log
    record = log.statement(log.size - 1).record
    assert record is not None
    assert record.subject.digest == pair.item.digest
    source = {pair["name"]: pair["value"] for pair in json.loads(json.dumps(record.value["source"]))}
    assert source["from.ledger"] == pair.a.custodian.policy.origin
    assert source["licence"] == "no copies"
    assert pair.b.run("verify").out.count("level A") == 1
    assert "level A" in pair.a.run("verify").out


def test_the_receiver_checks_offline_that_it_is_transferred(pair: Pair) -> None:
    """A's proof of status, and nothing else of A's than the policy that B pinned: and it says what it leaves open."""
    offer(pair.a, pair.folder)
    pair.b.run("accept", str(pair.folder), "--yes")
    pair.a.run("receive", str(pair.folder))
    proof, policy = pair.folder / "ward.status", pair.folder / "a.policy"
    pair.a.run("status", pair.item.digest.hex(), "-o", str(proof))
    pair.a.run("policy", "export", "-o", str(policy))
    said = pair.b.run("verify", str(proof), "--policy", str(policy)).out
    assert "transferred" in said
    assert "not checked" in said
    assert "witnesses do not check it" in said
    names = (b"Ada Lovelace", PASSPHRASE.encode(), str(pair.a.root).encode(), str(pair.b.root).encode())
    for path in (path for path in pair.folder.rglob("*") if path.is_file() and path != policy):
        assert not [name for name in names if name in path.read_bytes()], path


def test_each_step_may_be_repeated(pair: Pair) -> None:
    """An offer is continued, an acceptance found, an answer entered once."""
    offer(pair.a, pair.folder)
    before = tree(pair.folder)
    assert "continuing it" in offer(pair.a, pair.folder).out
    assert tree(pair.folder) == before
    pair.b.run("accept", str(pair.folder), "--yes")
    before = tree(pair.folder)
    assert "you accepted this before" in pair.b.run("accept", str(pair.folder), "--yes").out
    assert tree(pair.folder) == before
    pair.a.run("receive", str(pair.folder))
    assert "entered before" in pair.a.run("receive", str(pair.folder)).out
    assert pair.a.events().count("transfer-accepted") == 1
    assert pair.b.events().count("acquired") == 1


def test_a_second_acceptance_is_refused(pair: Pair) -> None:
    """The offer is closed by the first; another one, though properly signed, is not entered."""
    offer(pair.a, pair.folder)
    pair.b.run("accept", str(pair.folder), "--yes")
    spare = pair.folder.parent / "spare"
    shutil.copytree(pair.folder, spare)
    next((spare / "answers").iterdir()).unlink()
    pair.b.run("accept", str(spare), "--yes")  # the same artifact, another signature
    pair.a.run("receive", str(pair.folder))
    said = pair.a.run("receive", str(spare), code=1).out
    assert "transfer-accepted" in said
    assert "is refused" in said
    assert pair.a.events().count("transfer-accepted") == 1
    assert "was answered" in pair.b.refused("accept", str(pair.folder), "--yes")


def test_a_forged_acceptance_is_refused(pair: Pair) -> None:
    """Neither another key in the receiver's name nor a changed statement gets in."""
    offer(pair.a, pair.folder)
    pair.b.run("accept", str(pair.folder), "--yes")
    path = next((pair.folder / "answers").iterdir())
    envelope = canonical.decode_object(path.read_bytes())
    payload = canonical.b64decode(str(envelope["payload"])).replace(
        b'"context":[]', b'"context":[{"name":"a","value":"b"}]'
    )
    path.write_bytes(canonical.encode(envelope | {"payload": canonical.b64encode(payload)}))
    said = pair.a.run("receive", str(pair.folder), code=1).out
    assert "is refused" in said
    assert "transfer-accepted" not in pair.a.events()


def test_a_stranger_in_the_parcel_gets_nothing_in(pair: Pair) -> None:
    """Only recipients' words are taken from a parcel, and only those that receivers say."""
    offer(pair.a, pair.folder)
    found = pair.a.custodian
    said = acting.Saying("retention-set", [pair.item], {"until": "2030-01-01T00:00:00Z", "basis": "x"})
    actor = acting.find(found, "operator")
    parcel.put_answer(pair.folder, acting.signed(found.ledger.state, actor, said, datetime.now(UTC)))
    (pair.folder / "answers" / "junk.json").write_text("{}", encoding="utf-8")
    out = pair.a.run("receive", str(pair.folder), code=1).out
    assert "a receiver does not say retention-set" in out
    assert "not an answer" in out
    assert pair.a.events()[-1] == "transfer-offered"


def test_only_the_receiver_can_accept(pair: Pair) -> None:
    """Whoever finds the folder but has another key is told whose it is; the content does not open for them."""
    pair.b.run("key", "new", "cara", "--card", str(pair.folder.parent / "cara.card"))
    words = ("--role", "recipient", "--organisation", "Hospital C", "--yes")
    pair.a.run("key", "add", str(pair.folder.parent / "cara.card"), *words)
    offer(pair.a, pair.folder, to="Hospital C")
    pair.b.enter()
    keys = home().keys(pair.b.custodian.policy.origin)
    (keys / "cara.pem").rename(keys.parent / "cara.pem")
    assert "whose key is not on this machine" in pair.b.refused("accept", str(pair.folder), "--yes")
    (keys.parent / "cara.pem").rename(keys / "cara.pem")
    shutil.copy(keys / "bea.age", keys / "cara.age")
    assert "content.tar.age: not sealed for" in pair.b.refused("accept", str(pair.folder), "--yes")
    assert not list(pair.b.root.glob("data/*/raw"))


def test_an_expired_offer_can_only_expire(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time the receiver cannot accept, an acceptance that comes late is refused, and `expire` closes it."""
    offer(pair.a, pair.folder, expires="P1D")
    pair.b.run("accept", str(pair.folder), "--yes")
    assert pair.a.run("expire", "--yes").out == "no offer ran out\n"
    with monkeypatch.context() as patch:
        later(patch, datetime.now(UTC) + timedelta(days=2), expire, acting)
        assert "transfer-expired" in pair.a.run("expire", "--yes").out
    assert "is refused" in pair.a.run("receive", str(pair.folder), code=1).out


def test_a_receiver_who_comes_late_is_told(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken and nothing signed after the offer's time."""
    offer(pair.a, pair.folder, expires="P1D")
    later(monkeypatch, datetime.now(UTC) + timedelta(days=2), accept)
    assert "the offer expired on" in pair.b.refused("accept", str(pair.folder), "--yes")


@pytest.mark.parametrize("victim", ["content.tar.age", "ledger.zip", "offer.json"])
def test_changed_bytes_are_refused(pair: Pair, victim: str) -> None:
    """A byte changed on the way, in the content or in what says what it is, is one line; nothing is taken or signed."""
    offer(pair.a, pair.folder)
    data = bytearray((pair.folder / victim).read_bytes())
    data[len(data) // 2] ^= 1
    (pair.folder / victim).write_bytes(data)
    pair.b.refused("accept", str(pair.folder), "--yes")
    assert not (pair.folder / "answers").exists()
    assert not list(pair.b.root.glob("data/*/raw"))


def test_content_that_was_lost_or_damaged_is_sealed_again(pair: Pair) -> None:
    """The sender's second run mends the parcel, and the receiver accepts."""
    offer(pair.a, pair.folder)
    for damage in (b"", None):
        if damage is None:
            (pair.folder / "content.tar.age").unlink()
        else:
            (pair.folder / "content.tar.age").write_bytes(damage)
        assert "ask for it again" in pair.b.refused("accept", str(pair.folder), "--yes")
        assert "encrypted to" in offer(pair.a, pair.folder).out
    pair.b.run("accept", str(pair.folder), "--yes")


def test_another_content_under_the_same_offer_is_refused(pair: Pair) -> None:
    """A sender who seals other bytes than were offered is found out by the digest that the receiver computes."""
    offer(pair.a, pair.folder)
    pair.a.enter()
    other = pair.folder.parent / "other"
    other.mkdir()
    (other / "a.csv").write_text("x", encoding="utf-8")
    pack = packs.Pack(
        "x", (packs.Member("a.csv", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", 1),)
    )
    recipient = people.recipient_of(pair.a.custodian, offering.receiver(pair.a.custodian, "Hospital B").name)
    with (pair.folder / "content.tar.age").open("wb") as file:
        sealed = sealing.seal(packs.stream(other, pack), file, [recipient]).digest
    what = parcel.pointer(pair.folder)
    parcel.write_pointer(pair.folder, parcel.Pointer(what.ledger, what.offer, sealed))
    assert "was offered; refuse it" in pair.b.refused("accept", str(pair.folder), "--yes")


def test_rejecting_an_offer(pair: Pair) -> None:
    """The receiver may decline, once, and not both ways."""
    offer(pair.a, pair.folder)
    pair.b.run("reject", str(pair.folder), "--reason", "not needed", "--yes")
    assert "rejected this before" in pair.b.run("reject", str(pair.folder), "--reason", "no", "--yes").out
    assert "already: transfer-rejected" in pair.b.refused("accept", str(pair.folder), "--yes")
    assert "transfer-rejected" in pair.a.run("receive", str(pair.folder)).out
    assert pair.a.events()[-1] == "transfer-rejected"


def test_only_what_was_approved_is_offered(pair: Pair) -> None:
    """An artifact without a steward's approval, or with one taken back, cannot be offered; nothing is built."""
    pair.a.run("reject", "data/ward/synthetic", "--reason", "second thoughts", "--yes")
    assert "transfer-offered data/ward/synthetic is refused" in offer(pair.a, pair.folder, code=2).err
    assert not pair.folder.exists()


def test_when_history_goes_on_the_receiver_answers_again(pair: Pair) -> None:
    """An acceptance that follows an older state is refused with advice, and a second run of `accept` mends it."""
    offer(pair.a, pair.folder)
    pair.b.run("accept", str(pair.folder), "--yes")
    pair.a.run("review", "data/ward/synthetic", "--outcome", "comment", "--notes", "noted", "--as", "bob", "--yes")
    assert "answer it once more" in pair.a.run("receive", str(pair.folder), code=1).out
    pair.b.run("accept", str(pair.folder), "--yes")
    assert len(list((pair.folder / "answers").iterdir())) == 1
    assert "transfer-accepted" in pair.a.run("receive", str(pair.folder)).out


def test_several_answers_follow_each_other(pair: Pair) -> None:
    """What B signs before A entered what came before is chained to it, and entered in the order of signing."""
    pair.a.make("clinic", data_class="confidential")
    pair.a.run("approve", "data/clinic/synthetic", "--reason", "fit", "--yes")
    words = (
        "--to",
        "Hospital B",
        "--purpose",
        "p",
        "--terms",
        "t",
        "--expires",
        "P30D",
        "-o",
        str(pair.folder),
        "--yes",
    )
    pair.a.run("offer", "data/clinic/synthetic", *words)
    ask = ("--purpose", "teach", "--protocol", "1", "--legal-basis", "b", "--until", "P1Y", "--yes")
    pair.b.run("access", "request", str(pair.folder), *ask)
    pair.b.run("reject", str(pair.folder), "--reason", "changed our minds", "--yes")
    assert "rejected this before" in pair.b.run("reject", str(pair.folder), "--reason", "no", "--yes").out
    said = pair.a.run("receive", str(pair.folder)).out
    assert said.index("access-requested") < said.index("transfer-rejected")


def test_a_sender_who_rolls_its_ledger_back_is_found_out(pair: Pair) -> None:
    """The receiver remembers how far it saw the sender's ledger."""
    offer(pair.a, pair.folder)
    old = (pair.folder / "ledger.zip").read_bytes()
    pair.a.run("review", "data/ward/synthetic", "--outcome", "comment", "--notes", "noted", "--as", "bob", "--yes")
    offer(pair.a, pair.folder)
    pair.b.run("accept", str(pair.folder), "--yes")
    (pair.folder / "ledger.zip").write_bytes(old)
    assert "log-rolled-back" in pair.b.refused("accept", str(pair.folder), "--yes")


def test_an_offer_without_a_pinned_policy_is_refused(pair: Pair) -> None:
    """The ledger in a parcel cannot vouch for itself."""
    offer(pair.a, pair.folder)
    origin = pair.a.custodian.policy.origin
    pair.b.enter()
    home().policy(origin).unlink()
    assert "no policy is pinned here" in pair.b.refused("accept", str(pair.folder), "--yes")


def test_confidential_content_waits_for_an_approved_proposal(pair: Pair) -> None:
    """B asks in the folder, A's steward grants, the content follows; use and report are entries; refusals are lines."""
    item = pair.a.make("clinic", data_class="confidential")
    pair.a.run("approve", "data/clinic/synthetic", "--reason", "fit", "--yes")
    words = (
        "--to",
        "Hospital B",
        "--purpose",
        "p",
        "--terms",
        "t",
        "--expires",
        "P30D",
        "-o",
        str(pair.folder),
        "--yes",
    )
    assert "content follows" in pair.a.run("offer", "data/clinic/synthetic", *words).out
    assert "wants an approved proposal first" in pair.b.refused("accept", str(pair.folder), "--yes")
    assert "no approved proposal" in pair.b.refused("access", "use", str(pair.folder), "--use", "x", "--yes")
    ask = ("--purpose", "teach", "--protocol", "2026-17", "--legal-basis", "GDPR art. 6", "--until", "P1Y", "--yes")
    pair.b.run("access", "request", str(pair.folder), *ask)
    assert "access-requested by" in pair.a.run("receive", str(pair.folder)).out
    grant = ("--terms", "no copies", "--report-every", "P6M", "--yes")
    assert "legal basis  GDPR art. 6" in pair.a.run("access", "grant", "data/clinic/synthetic", *grant).out
    assert "encrypted to" in pair.a.run("receive", str(pair.folder)).out
    pair.b.run("accept", str(pair.folder), "--yes")
    pair.a.run("receive", str(pair.folder))
    pair.b.run("access", "report", str(pair.folder), "--text", "half done", "--yes")
    assert "accessed by" in pair.a.run("receive", str(pair.folder)).out
    assert pair.a.events()[-5:] == [
        "transfer-offered",
        "access-requested",
        "access-granted",
        "transfer-accepted",
        "accessed",
    ]
    assert pair.a.state(item) == "approved"


def test_the_wrong_passphrase_signs_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line; the artifact is there, the answer is not, and the next run signs."""
    offer(pair.a, pair.folder)
    wrong = pair.folder.parent / "wrong"
    wrong.write_text("battery staple\n", encoding="utf-8")
    wrong.chmod(0o600)
    assert "wrong passphrase" in pair.b.refused("accept", str(pair.folder), "--yes", "--passphrase-file", str(wrong))
    assert not (pair.folder / "answers").exists()
    pair.b.run("accept", str(pair.folder), "--yes")


def test_the_receivers_own_key_is_what_signed(pair: Pair) -> None:
    """The acceptance in A's ledger is signed by the key that B keeps, and states the digest as its subject."""
    offer(pair.a, pair.folder)
    pair.b.run("accept", str(pair.folder), "--yes")
    pair.a.run("receive", str(pair.folder))
    log = pair.a.custodian.ledger.log
    said = log.statement(log.size - 1)
    pair.b.enter()
    signer = load_key(home().keys(pair.b.custodian.policy.origin), "bea", lambda _: PASSPHRASE.encode())
    assert said.act.actor == signer.name
    assert said.subjects[0].digest == pair.item.digest
    assert acts.digest_of_payload(log.entry(log.size - 1).envelope) == said.act.digest
